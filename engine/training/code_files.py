"""The user's code that builds the model and the data: which files it is made of, and what they hold.

The files are the module that a reference names and those it imports from the same tree, whether git tracks them or not.
They are found by reading `import` statements, without running anything, so that they are known when a run is queued;
what is imported in other ways is known only after it ran.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import io
import os
import sys
import tokenize
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from db.records import CodeFile, KeptCode
from engine.config.references import OWN_PACKAGES, PROGRAM, Reference, below, module_file, parse
from engine.config.user_imports import in_tree, resolve, tree_of
from engine.training.secret_text import has_secret_name, masked

__all__ = [
    "TEXT_LIMIT",
    "CodeChange",
    "changes",
    "difference",
    "now",
    "queued_for",
    "short_names",
    "snapshot",
    "with_tracked",
]

TEXT_LIMIT = 256 * 1024
"""Bytes of text that are kept of one attempt; of files beyond, the checksum is."""

_FILES = 1_000


@dataclass(frozen=True, slots=True)
class CodeChange:
    """A file that is not what it was.

    Attributes:
        path: Its whole path.
        before: What it was.
        after: What it is; None where it is not there, or nothing imports it.
    """

    path: str
    before: CodeFile
    after: CodeFile | None


def snapshot(model: str, data: str, ran: Mapping[str, bytes] | None = None) -> tuple[CodeFile, ...]:
    """Return the files of a custom model and data set as they are, the two modules first.

    Args:
        model: A model's name or reference.
        data: The same of a data set.
        ran: The sources that ran in this process, by path, where they did; with them come the user's modules that were
            imported in a way that no statement shows.
    """
    entries = [(found, file) for text in (model, data) if (found := parse(text)) and (file := _entry(found))]
    trees = list(dict.fromkeys(tree for _, file in entries for tree in tree_of(file)))
    contents: dict[str, bytes] = {}
    waiting = list(dict.fromkeys((file, found.file is not None) for found, file in entries))
    seen = {file for file, _ in waiting}
    while waiting and len(contents) < _FILES:
        file, private = waiting.pop(0)
        content = (ran or {}).get(str(file)) or _read(file)
        if content is None:
            continue
        contents[str(file)] = content
        for imported in _imported(content, file, trees, private=private):
            if imported not in seen and in_tree(imported, trees):
                seen.add(imported)
                waiting.append((imported, private))
    if ran is not None:
        contents |= {
            path: source for path, source in ran.items() if path not in contents and in_tree(Path(path), trees)
        }
        for loaded in _loaded(trees):
            if str(loaded) not in contents and (content := _read(loaded)) is not None:
                contents[str(loaded)] = content
    return tuple(_as_kept(contents))


def now(files: Iterable[CodeFile]) -> tuple[CodeFile, ...]:
    """Return the files that were kept as they are now; those that are not there any more are left out."""
    contents = {file.path: content for file in files if (content := _read(Path(file.path))) is not None}
    return tuple(_as_kept(contents))


def changes(before: Sequence[CodeFile], after: Sequence[CodeFile]) -> list[CodeChange]:
    """Return the files among `before` that are not the same in `after`."""
    later = {file.path: file for file in after}
    return [
        CodeChange(file.path, file, later.get(file.path))
        for file in before
        if file.path not in later or later[file.path].sha256 != file.sha256
    ]


def queued_for(kept: Sequence[KeptCode], attempt: int) -> tuple[CodeFile, ...]:
    """Return the code that an attempt was queued with; one that was started again by itself shares the one before."""
    return next((one.queued for one in reversed(kept) if one.attempt <= attempt and one.queued), ())


def difference(change: CodeChange, before: str, after: str) -> str:
    """Return how a file changed, as a unified difference, or in a line where no text is kept.

    Args:
        change: The file.
        before: What the state before is called ("when it was queued").
        after: The same of the state after.
    """
    if change.after is None:
        return f"# {change.path}: {after} it is not there\n"
    if change.before.text is None or change.after.text is None:
        sums = f"{change.before.sha256[:12]} {before}, {change.after.sha256[:12]} {after}"
        return f"# {change.path}: another checksum ({sums}); its text is not kept\n"
    lines = list(
        difflib.unified_diff(
            change.before.text.splitlines(),
            change.after.text.splitlines(),
            f"{change.path}\t{before}",
            f"{change.path}\t{after}",
            lineterm="",
        )
    )
    if not lines:
        return f"# {change.path}: what differs may be a secret, and is not kept\n"
    return "\n".join(lines) + "\n"


def short_names(paths: Iterable[str]) -> dict[str, str]:
    """Return each path without the folders that all have in common; one alone is its file's name."""
    wanted = list(dict.fromkeys(paths))
    folders = [str(Path(path).parent) for path in wanted]
    try:
        shared = os.path.commonpath(folders) if folders else ""
    except ValueError:
        shared = ""
    return {path: os.path.relpath(path, shared) if shared else path for path in wanted}


def _entry(found: Reference) -> Path | None:
    file = module_file(found.module) if found.file is None else found.file
    return None if file is None or any(file.is_relative_to(PROGRAM / name) for name in OWN_PACKAGES) else file


def _imported(content: bytes, file: Path, trees: Sequence[Path], *, private: bool) -> Iterator[Path]:
    """The files that a file's `import` statements name, at any place in it, with the packages around them."""
    try:
        nodes = list(ast.walk(ast.parse(content)))
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _named(alias.name, (), file, trees, private=private)
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            if node.level:
                folder = file.parents[min(node.level, len(file.parents)) - 1]
                yield from _with_packages(folder, node.module or "", names)
            else:
                yield from _named(node.module or "", names, file, trees, private=private)


def _named(
    module: str, names: tuple[str, ...], importer: Path, trees: Sequence[Path], *, private: bool
) -> Iterator[Path]:
    found = resolve(module, importer, names, private=private)
    if found is not None:
        yield from _with_packages(found[0], module, names)
        return
    if module.partition(".")[0] in sys.stdlib_module_names:
        return
    for name in (module, *(f"{module}.{one}" for one in names)):
        file = module_file(name)
        if file is not None and in_tree(file, trees):
            depth = len(name.split(".")) - (file.name != "__init__.py")
            yield from _with_packages(file.parents[depth], name, ())


def _with_packages(folder: Path, module: str, names: tuple[str, ...]) -> Iterator[Path]:
    """The file of a module in a folder, those of the packages around it, and of those of its modules that are named."""
    parts = module.split(".") if module else []
    for end in range(1, len(parts)):
        package = folder.joinpath(*parts[:end], "__init__.py")
        if package.is_file():
            yield package
    for name in (module, *(f"{module}.{one}" if module else one for one in names)):
        file = below(folder, name) if name else folder / "__init__.py"
        if file is not None and file.is_file():
            yield file


def _loaded(trees: Sequence[Path]) -> Iterator[Path]:
    """The files of the modules of this process that are in the user's trees."""
    starts = tuple(f"{tree}{os.sep}" for tree in trees)
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file.startswith(starts) and in_tree(Path(file), trees):
            yield Path(file)


def _as_kept(contents: Mapping[str, bytes]) -> Iterator[CodeFile]:
    left = TEXT_LIMIT
    for path, content in contents.items():
        text = _text(path, content) if len(content) <= left else None
        if text is not None:
            left -= len(content)
        yield CodeFile(path, hashlib.sha256(content).hexdigest(), len(content), text)


def _text(path: str, content: bytes) -> str | None:
    """What a file holds as text, without what may be secrets; None where it is none, or its name suggests one."""
    if has_secret_name(Path(path).name) or b"\0" in content:
        return None
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        return masked(content.decode(encoding))
    except (SyntaxError, UnicodeDecodeError, LookupError):
        return None


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:
        return None


def with_tracked(files: Iterable[CodeFile], tracked: Mapping[str, bool]) -> tuple[CodeFile, ...]:
    """Return files with what git says of them."""
    return tuple(replace(file, tracked=tracked.get(file.path)) for file in files)
