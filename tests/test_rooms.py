"""The rooms of the tree: no circle of imports, nothing loose at the root of the app, and every name used once."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("db", "engine", "itop_tui")
SHELL = {"__init__", "__main__", "app", "screen", "palette", "poller", "opening", "notices", "preferences"}
"""The modules that may be at the root of `itop_tui`."""
OFTEN = {
    "__init__": "every package has one",
    "__main__": "what `python -m` runs",
    "errors": "the errors of a package are in it, and are imported by its name",
}
"""File names that may be used more than once, with the reason."""


def _modules() -> dict[str, Path]:
    found = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _imported(tree: ast.AST, known: Iterable[str]) -> set[str]:
    """The modules that a file imports: anywhere in it, in a function and for the type checker too."""
    known = set(known)
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                found.add(submodule if submodule in known else node.module)
    return found & known


def imports() -> dict[str, set[str]]:
    """What each module of the tree imports of the tree."""
    modules = _modules()
    return {name: _imported(_parsed(path), modules) - {name} for name, path in modules.items()}


def circle(graph: Mapping[str, Iterable[str]]) -> str:
    """A circle of imports, written down; empty where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return " imports ".join(reversed(error.args[1]))
    return ""


def test_a_circle_is_found_and_named() -> None:
    assert circle({"a": ["b"], "b": ["c"], "c": []}) == ""
    assert circle({"a": ["b"], "b": ["c"], "c": ["a"]}) in (
        "a imports b imports c imports a", "b imports c imports a imports b", "c imports a imports b imports c",
    )  # fmt: skip


def test_imports_in_functions_and_for_the_type_checker_count() -> None:
    text = "if TYPE_CHECKING:\n    from a.b import c\ndef f():\n    import d\n    from a import e\n"
    assert _imported(ast.parse(text), ["a", "a.b", "a.e", "d", "x"]) == {"a.b", "d", "a.e"}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_files_import_each_other(package: str) -> None:
    own = {name: found for name, found in imports().items() if name.partition(".")[0] == package}
    assert not circle(own)


def test_no_files_of_the_tree_import_each_other() -> None:
    """Through several packages too."""
    graph = imports()
    between = {a: {b for b in found if a.partition(".")[0] != b.partition(".")[0]} for a, found in graph.items()}
    packages = {
        package: {b.partition(".")[0] for a, found in between.items() if a.partition(".")[0] == package for b in found}
        for package in PACKAGES
    }
    assert not circle(packages)


def test_only_the_shell_is_at_the_root_of_the_app() -> None:
    assert {path.stem for path in (ROOT / "itop_tui").glob("*.py")} <= SHELL


def test_neither_of_export_and_command_line_is_built_on_the_other() -> None:
    """A command calls what exports, and nothing else of the command line does."""
    for name, found in imports().items():
        if name.startswith("itop_tui.export"):
            assert not [other for other in found if other.startswith("itop_tui.cli")], name
        if name.startswith("itop_tui.cli") and not name.startswith("itop_tui.cli.commands."):
            assert not [other for other in found if other.startswith("itop_tui.export")], name


def test_a_file_name_is_used_once() -> None:
    """A command's file has the name of the command, and a migration's its number; all others are names of subjects."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in _modules().values():
        place = path.relative_to(ROOT).as_posix()
        if not place.startswith(("itop_tui/cli/commands/", "db/migrations/")) and path.stem not in OFTEN:
            places[path.stem].append(place)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_a_class_name_is_used_once() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for name, path in _modules().items():
        for node in _parsed(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(name)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
