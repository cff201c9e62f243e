"""How custom models and data sets are named: `package.module:function`, or `path/to/file.py:function`.

A module is found as Python finds it, and then in the current folder. A file is found by its path, so its name may be
one that itop, the standard library or an installed package has too. What is said here is known without running any of
the user's code; `engine.config.user_imports` runs it.
"""

from __future__ import annotations

import ast
import difflib
import importlib.util
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

__all__ = [
    "FORMS",
    "OWN_PACKAGES",
    "PROGRAM",
    "Reference",
    "absolute",
    "below",
    "bound_names",
    "is_reference",
    "module_file",
    "near",
    "parse",
    "reference_problem",
    "shown_path",
    "taken_problem",
]

FORMS = "package.module:function or path/to/file.py:function"
"""The two forms, in words for messages."""

OWN_PACKAGES = frozenset({"db", "engine", "itop_tui"})
"""The packages of this program."""

PROGRAM = Path(__file__).resolve().parents[2]
"""The folder that holds this program's packages: a checkout, or where packages are installed."""

_NAME = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"
_MODULE_FORM = re.compile(rf"({_NAME}):({_NAME})")
_FILE_FORM = re.compile(rf"([^\x00-\x1f]*[^\x00-\x1f/]\.py):({_NAME})")


@dataclass(frozen=True, slots=True)
class Reference:
    """What a reference names.

    Attributes:
        module: The module's dotted name; empty where a file is named.
        file: The file; None where a module is named.
        name: The function, with dots where it stands in a class.
    """

    module: str
    file: Path | None
    name: str

    @property
    def code(self) -> str:
        """What holds the function, in words for messages: the module's name, or the file's."""
        return self.module if self.file is None else shown_path(self.file)


def parse(text: str) -> Reference | None:
    """Take a reference apart; None where a text has neither of the two forms."""
    if match := _FILE_FORM.fullmatch(text):  # first: `net.py` would be a module's name too
        return Reference("", _whole(match[1]), match[2])
    match = _MODULE_FORM.fullmatch(text)
    return None if match is None else Reference(match[1], None, match[2])


def is_reference(text: str) -> bool:
    """Tell whether a text has the form of a custom model or data set."""
    return _MODULE_FORM.fullmatch(text) is not None or _FILE_FORM.fullmatch(text) is not None


def absolute(text: str) -> str:
    """Return a reference that means the same in every folder: a file's path is made whole, `~` replaced."""
    found = parse(text)
    return text if found is None or found.file is None else f"{found.file}:{found.name}"


def reference_problem(text: str) -> str | None:
    """Say in one line why a reference cannot be followed, as far as that is known without running the user's code.

    None where nothing is wrong, or where only importing it can tell.
    """
    found = parse(text)
    if found is None:
        return None
    if found.file is not None:
        return _file_problem(found.file) or _source_problem(found.file, found)
    if (problem := taken_problem(found)) is not None:
        return problem
    file = module_file(found.module)
    return _module_problem(found.module) if file is None else _source_problem(file, found)


def taken_problem(found: Reference) -> str | None:
    """Say that a module of the current folder has a name that stands for another one, and how to reach it."""
    here = _current_folder()
    mine = None if here is None or here == PROGRAM else below(here, found.module)
    if mine is None:
        return None
    top = found.module.partition(".")[0]
    give = f"give the file: {shown_path(mine)}:{found.name}"
    if top in OWN_PACKAGES:
        return f"{top} is also itop's own package: {give}"
    if top in sys.stdlib_module_names:
        return f"{top} is also a module of Python's standard library: {give}"
    other = module_file(found.module)
    if other is not None and other != mine and _source_problem(other, found) is not None:
        return f"Python finds {found.module!r} in {other.parent}, not in this folder: {give}"
    return None


def module_file(module: str) -> Path | None:
    """Find the file of a module where Python looks for it and then in the current folder, without importing anything.

    None for what is no file of Python (built in, compiled, in an archive), and where it is not found.
    """
    here = _current_folder()
    folders = [Path(entry) for entry in sys.path if entry]
    if here is not None:
        folders = [here if entry == "" else Path(entry) for entry in sys.path] + [here]
    for folder in folders:
        if (file := below(folder, module)) is not None:
            return _normal(file)
    return None


def below(folder: Path, module: str) -> Path | None:
    """The file of a module whose top stands in a folder: `a/b.py` or `a/b/__init__.py` of `a.b`."""
    place = folder.joinpath(*module.split("."))
    for file in (place / "__init__.py", place.with_name(f"{place.name}.py")):
        if file.is_file():
            return file
    return None


@lru_cache(maxsize=256)
def bound_names(source: bytes) -> frozenset[str] | None:
    """The names that a module's source binds anywhere; None where it may bind others too (`import *`, and the like).

    Raises:
        SyntaxError: It is not Python.
        ValueError: The same, of a source with null bytes.
    """
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Store):
                names.add(node.id)
            elif node.id in ("globals", "exec", "eval", "setattr", "vars", "locals"):
                return None
        elif isinstance(node, ast.Attribute) and node.attr in ("modules", "__dict__"):
            return None
        elif isinstance(node, ast.alias):
            if node.name == "*":
                return None
            names.add(node.asname or node.name.partition(".")[0])
    return None if "__getattr__" in names else frozenset(names)


def near(wrong: str, choices: Iterable[str]) -> str:
    """Return `; did you mean …?` with the nearest of some names, or nothing where none is near."""
    found = difflib.get_close_matches(wrong, list(choices), n=1, cutoff=0.6)
    return f"; did you mean {found[0]}?" if found else ""


def shown_path(file: Path) -> str:
    """A path as it is shown: relative to the current folder where it is in it."""
    here = _current_folder()
    if here is not None and file.is_relative_to(here):
        return str(file.relative_to(here))
    return str(file)


def _file_problem(file: Path) -> str | None:
    """Why there is no such file."""
    try:
        if file.is_file():
            return None
        if file.is_dir():
            return f"{file} is a folder, not a file"
        if not file.parent.is_dir():
            return f"there is no folder {file.parent}{near(file.parent.name, _names(file.parent.parent))}"
        return f"there is no file {file}{near(file.name, (one for one in _names(file.parent) if one.endswith('.py')))}"
    except OSError as error:
        return f"{file} cannot be read: {error.strerror}"


def _module_problem(module: str) -> str | None:
    """Why there is no such module; None where Python may find it in a way of its own."""
    top, *rest = module.split(".")
    here = _current_folder()
    for folder in (*(Path(entry) for entry in sys.path if entry), *(() if here is None else (here,))):
        if (folder / top).is_dir():
            place = folder.joinpath(top, *rest)
            if place.exists() or not rest or any(place.parent.glob(f"{place.name}.*")):
                return None
            if place.parent.is_dir() and (folder / top / "__init__.py").is_file():
                modules = (Path(one).stem for one in _names(place.parent))
                return f"there is no module {module!r} in {place.parent}{near(place.name, modules)}"
    try:
        known = importlib.util.find_spec(top) is not None
    except (ImportError, ValueError):
        known = True
    if known or here is None:
        return None
    beside = (Path(one).stem for one in _names(here) if one.endswith(".py") or (here / one / "__init__.py").is_file())
    return f"there is no module {top!r}{near(top, beside)}"


def _source_problem(file: Path, found: Reference) -> str | None:
    """Why a file's source does not have the function."""
    shown = shown_path(file)
    try:
        names = bound_names(file.read_bytes())
    except OSError as error:
        return f"{shown} cannot be read: {error.strerror}"
    except SyntaxError as error:
        return f"{shown} is not Python: {error.msg} (line {error.lineno})"
    except (ValueError, RecursionError):
        return f"{shown} is not Python"
    first = found.name.partition(".")[0]
    if names is None or first in names:
        return None
    if file.name == "__init__.py" and (below(file.parent, first) or (file.parent / first).is_dir()):
        return None  # a module of the package, which anything may have imported
    return f"{found.code!r} has no {found.name!r}{near(first, names)}"


def _names(folder: Path) -> Iterator[str]:
    try:
        yield from sorted(one.name for one in folder.iterdir())
    except OSError:
        return


def _whole(path: str) -> Path:
    """A path from the root, `~` replaced; as it is where that is not possible."""
    try:
        return _normal(Path(path).expanduser())
    except (OSError, RuntimeError):  # the current folder was deleted, or `~` names no user
        return Path(path)


def _normal(path: Path) -> Path:
    """A path from the root without `..`; symbolic links stay, because they are what the user wrote."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links


def _current_folder() -> Path | None:
    try:
        return Path.cwd()
    except FileNotFoundError:
        return None
