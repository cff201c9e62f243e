"""Running the user's modules: those of a file under names of their own, so that none is in another's place.

A file `engine/net.py` of the user's cannot be imported as `engine.net`, because `engine` is this program's. So it gets
a private name below a package that stands for its folder. What its `import` statements name is looked for in that
folder too, before Python looks: its siblings are found as if it had been started as a script, relative imports work,
and `engine` means the user's in the user's code and this program's everywhere else. Only the modules of the user's
tree get this `import`; installed packages keep Python's.

Every source is compiled from what is on the disk, never from a cache, and kept: `executed` is what really ran.
"""

from __future__ import annotations

import builtins
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.abc import MetaPathFinder
from importlib.machinery import BuiltinImporter, FrozenImporter, ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from engine.config.references import (
    OWN_PACKAGES,
    PROGRAM,
    below,
    bound_names,
    module_file,
    near,
    parse,
    reference_problem,
    taken_problem,
)
from engine.config.user_calls import PRIVATE_PREFIX, ReferenceProblem, describe, user_code

__all__ = ["executed", "forget_changed", "import_function", "in_tree", "resolve", "tree_of"]


# As in a script, a file beside it cannot stand for what Python has loaded before it runs any.
_LOADED_FIRST = frozenset({
    "abc", "builtins", "codecs", "collections", "contextlib", "enum", "functools", "importlib", "io", "keyword",
    "operator", "os", "re", "reprlib", "site", "stat", "sys", "threading", "time", "types", "warnings", "weakref",
})  # fmt: skip

_trees: list[Path] = []
_sources: dict[str, bytes] = {}


def import_function(reference: str) -> Callable[..., Any]:
    """Import what a reference names.

    Raises:
        ReferenceProblem: There is no such file or module, it does not import, it has no such name, or the name is not
            callable.
    """
    found = parse(reference)
    if found is None:
        raise ReferenceProblem("it is no reference")
    _prepare(module_file(found.module) if found.file is None else found.file)
    if found.file is not None:
        if not found.file.is_file():
            raise ReferenceProblem(reference_problem(reference) or "the file cannot be read")
        what = f"file {found.code}"
    else:
        if (problem := taken_problem(found)) is not None:
            raise ReferenceProblem(problem)
        what = f"module {found.module!r}"
    try:
        with user_code(reference):
            target: Any = importlib.import_module(found.module) if found.file is None else _load_file(found.file)
    except Exception as error:  # the module is the user's: anything can happen while it runs
        if isinstance(error, ReferenceProblem):
            raise
        hint = ""
        if found.module.partition(".")[0] in OWN_PACKAGES:
            hint = "; it would be in itop's own package: give a file of yours as path/to/file.py:function"
        raise ReferenceProblem(f"{what} does not import: {describe(error)}{hint}") from error
    for part in found.name.split("."):
        if not hasattr(target, part):
            raise ReferenceProblem(f"{found.code!r} has no {found.name!r}{near(part, dir(target))}")
        target = getattr(target, part)
    if not callable(target):
        raise ReferenceProblem(f"it is not a function but of type {type(target).__name__}")
    function: Callable[..., Any] = target
    return function


def executed() -> Mapping[str, bytes]:
    """The sources of the user's modules that ran in this process, by path, in the order in which they were read."""
    return dict(_sources)


def forget_changed() -> None:
    """Forget all modules of the user's if the source of one has changed, so that they are imported again."""
    importlib.invalidate_caches()
    resolve.cache_clear()
    _found_by_python.cache_clear()
    if all(_content(Path(path)) == source for path, source in _sources.items()):
        return
    for name, module in list(sys.modules.items()):
        if name.startswith(PRIVATE_PREFIX) or isinstance(getattr(module, "__loader__", None), _UserLoader):
            del sys.modules[name]
    _sources.clear()


def tree_of(file: Path) -> list[Path]:
    """The folders in which a file's own modules stand, in the order in which they are searched.

    They are the folder above its package, its own folder, the current one where the file is in it, and the root of its
    repository.
    """
    return [*dict.fromkeys((_package_root(file), *_wider(file)))]


def in_tree(file: Path, trees: Sequence[Path]) -> bool:
    """Whether a file belongs to the user's trees: in one of them, and neither installed nor a part of this program."""
    if {"site-packages", "dist-packages"} & set(file.parts):
        return False
    if any(file.is_relative_to(PROGRAM / name) for name in OWN_PACKAGES):
        return False
    if file.is_relative_to(sys.base_prefix) and not any(tree.is_relative_to(sys.base_prefix) for tree in trees):
        return False
    return any(file.is_relative_to(tree) for tree in trees)


@lru_cache(maxsize=4096)
def resolve(
    name: str, importer: Path, names: tuple[str, ...] = (), *, private: bool = True
) -> tuple[Path, Path] | None:
    """Find the user's module that an absolute import in one of the user's files means; None where it is Python's.

    Args:
        name: The module's dotted name.
        importer: The file that imports it.
        names: What is imported from it.
        private: Whether the importing file was loaded by its path; a module that Python found finds its siblings by
            Python, and only what would end in this program's packages is looked for here.

    Returns:
        The folder that holds the module's top, and the module's file (of a folder without `__init__.py`, the folder).
    """
    top = name.partition(".")[0]
    if BuiltinImporter.find_spec(top) or FrozenImporter.find_spec(top):
        return None
    ours = _is_ours(top)
    if not private and not ours:
        return None
    for folder in (_package_root(importer), *_wider(importer), *_above(importer, top)):
        if not ours and folder != _package_root(importer) and _found_by_python(top):
            return None
        if folder == PROGRAM or not (ours or below(folder, top) or not _found_by_python(top)):
            continue  # a folder without `__init__.py` is a package only where there is no other
        file = below(folder, name) or _folder_of_modules(folder, name)
        if file is None or file == importer:
            continue
        if top in sys.stdlib_module_names and not _means_the_users(top, file, names):
            continue
        return folder, file
    return None


def _prepare(file: Path | None) -> None:
    """Make Python find what stands in the current folder or beside a file, after everything else."""
    here = Path.cwd()
    folders = [here] if file is None else [*tree_of(file), here]
    for folder in folders:
        if folder not in _trees:
            _trees.append(folder)
    wanted = [here] if file is None else [here, _package_root(file)]
    for entry in map(str, wanted):
        if entry not in sys.path and not (entry == str(here) and "" in sys.path):
            sys.path.append(entry)
    if not any(isinstance(finder, _UserFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _UserFinder())


def _load_file(file: Path) -> ModuleType:
    """Import a file under its private name, the packages around it first."""
    root = _package_root(file)
    parts = file.relative_to(root).with_suffix("").parts
    if parts[-1] == "__init__":
        return importlib.import_module(_private(root, ".".join(parts[:-1])))
    *packages, last = parts
    package = _private(root, ".".join(packages))
    importlib.import_module(package)
    name = f"{package}.{last.replace('.', '_')}"  # a dot in a file's name divides nothing
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file, loader=_UserLoader(name, str(file)))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return sys.modules[name]


def _private(root: Path, module: str = "") -> str:
    """The private name of a module in a folder; the package that stands for the folder is made."""
    package = PRIVATE_PREFIX + hashlib.blake2b(str(root).encode("utf-8", "surrogateescape"), digest_size=6).hexdigest()
    if package not in sys.modules:
        made = ModuleType(package)
        made.__path__ = [str(root)]
        sys.modules[package] = made
    return f"{package}.{module}" if module else package


class _UserLoader(SourceFileLoader):
    """Loads a module of the user's from its source, which is kept, with the `import` that finds the user's own."""

    def get_code(self, fullname: str) -> CodeType:
        source = self.get_data(self.path)
        _sources[self.path] = source
        code: CodeType = self.source_to_code(source, self.path)
        return code

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__builtins__"] = {**vars(builtins), "__import__": _import}
        super().exec_module(module)


class _UserFinder(MetaPathFinder):
    """Finds the user's modules as Python does, and gives them their loader."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        private = fullname.startswith(PRIVATE_PREFIX)
        if private and path is None:
            return None
        if not private and (fullname.partition(".")[0] in OWN_PACKAGES or not _may_be_the_users(fullname, path)):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or type(spec.loader) is not SourceFileLoader or spec.origin is None:
            return spec if private else None
        if not private and not in_tree(Path(spec.origin), _trees):
            return None
        spec.loader = _UserLoader(fullname, spec.origin)
        return spec


def _may_be_the_users(name: str, path: Sequence[str] | None) -> bool:
    if path is not None:
        return any(Path(folder).is_relative_to(tree) for folder in path for tree in _trees)
    return any((tree / name).is_dir() or (tree / f"{name}.py").is_file() for tree in _trees)


def _import(
    name: str,
    globals: Mapping[str, Any] | None = None,  # noqa: A002 - as Python's own has it
    locals: Mapping[str, Any] | None = None,  # noqa: A002 - as above
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> ModuleType:
    """Python's `__import__` for the user's modules."""
    if level == 0 and globals is not None and globals.get("__file__"):
        private = str(globals.get("__name__", "")).startswith(PRIVATE_PREFIX)
        found = resolve(name, Path(globals["__file__"]), tuple(fromlist or ()), private=private)
        if found is not None:
            root, _ = found
            module = importlib.import_module(_private(root, name))
            if fromlist:
                return builtins.__import__(module.__name__, globals, locals, fromlist, 0)
            return sys.modules[_private(root, name.partition(".")[0])]
    return builtins.__import__(name, globals, locals, fromlist or (), level)


def _package_root(file: Path) -> Path:
    """The folder above the package that a file belongs to; its own folder where it belongs to none."""
    folder = file.parent
    while (folder / "__init__.py").is_file() and folder.parent != folder:
        folder = folder.parent
    return folder


def _wider(file: Path) -> list[Path]:
    """Where a file's modules may stand besides its package: beside it, in the current folder, in its repository."""
    folders = [file.parent]
    here = Path.cwd()
    if file.is_relative_to(here):
        folders.append(here)
    folders += [folder for folder in file.parents if (folder / ".git").exists()][:1]
    return folders


def _above(file: Path, top: str) -> Iterator[Path]:
    """The folders that hold a folder of this name which the file is in, unless both are parts of one package.

    In a package `tests` that has a part `tests.engine`, `engine` is none of it.
    """
    root = _package_root(file)
    return (folder.parent for folder in file.parents if folder.name == top and root not in folder.parent.parents)


def _folder_of_modules(folder: Path, name: str) -> Path | None:
    """A folder without `__init__.py` that holds modules, which is a package to Python too."""
    place = folder.joinpath(*name.split("."))
    try:
        return place if place.is_dir() and any(place.glob("*.py")) else None
    except OSError:
        return None


def _is_ours(top: str) -> bool:
    """Whether Python finds this name in this program: its packages, and what stands beside them in a checkout."""
    if top in OWN_PACKAGES:
        return True
    checkout = (PROGRAM / "pyproject.toml").is_file()
    return checkout and (below(PROGRAM, top) is not None)


@lru_cache(maxsize=1024)
def _found_by_python(top: str) -> bool:
    """Whether Python finds a module of this name; a folder that only happens to have the name is none."""
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return top in sys.modules
    return spec is not None and spec.origin is not None


def _means_the_users(top: str, file: Path, names: tuple[str, ...]) -> bool:
    """Whether a name that the standard library has too means a file of the user's: it binds what is imported of it."""
    if not names:
        return top not in _LOADED_FIRST
    try:
        bound = bound_names(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return False
    return bound is None or bound >= set(names)


def _content(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:
        return None
