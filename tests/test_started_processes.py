"""Every process that itop starts is the environment's own Python without the current folder on its path."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent


def _commands(tree: ast.AST) -> list[ast.List | ast.Tuple]:
    """The lists and tuples of words that begin with the interpreter."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.List | ast.Tuple)]
    return [node for node in found if node.elts and ast.unparse(node.elts[0]) == "sys.executable"]


def test_a_package_in_the_current_folder_is_never_imported() -> None:
    """`-P`: a folder `engine/`, `db/` or `itop_tui/` where itop is started must not be run instead of itop's own."""
    seen = 0
    for package in ("db", "engine", "itop_tui"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for command in _commands(ast.parse(path.read_text(encoding="utf-8"))):
                seen += 1
                place = f"{path.relative_to(ROOT)}:{command.lineno}"
                assert len(command.elts) > 1, place
                assert ast.unparse(command.elts[1]) == "'-P'", place
    assert seen > 5
