"""One module removes what runs have on the disk; every other one removes only its own temporary files."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
REMOVERS = frozenset({"rmtree", "unlink", "remove", "removedirs", "rmdir"})
OF_MODULES = frozenset({"os", "shutil"})

# What else is removed, in which function: a temporary file or folder that the function made itself.
OWN_FILES = {
    ("db/sqlite/sqlite_build.py", "_back_up"),
    ("engine/data/download.py", "_sweep"),
    ("engine/data/download.py", "download"),
    ("engine/launch/attempt_files.py", "write_json"),
    ("engine/sparsity/kernels/library.py", "_compile"),
    ("engine/training/checkpoint.py", "link"),
    ("engine/training/checkpoint.py", "write"),
    ("itop_tui/preferences.py", "remember"),
    # Of a backup: its own drafts and links; of a restore, what it has put there, and empty files of a database.
    *(
        ("itop_tui/service/backups.py", name)
        for name in ("_gather", "_put", "_scratch", "_take", "_write_tar", "restore")
    ),
    ("itop_tui/service/repairs.py", "_clear"),  # the draft of a backup that was not finished
    ("itop_tui/service/sharing.py", "make_private"),  # the mark of a shared home
    ("itop_tui/service/sharing.py", "share"),
}


def removals(path: Path) -> set[str]:
    """The functions of a file in which a file or a folder is removed."""
    found: set[str] = set()

    def visit(node: ast.AST, inside: str) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inside = node.name
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in REMOVERS:
            owner = node.func.value
            # `list.remove` is something else.
            if node.func.attr != "remove" or (isinstance(owner, ast.Name) and owner.id in OF_MODULES):
                found.add(inside)
        for child in ast.iter_child_nodes(node):
            visit(child, inside)

    visit(ast.parse(path.read_text(encoding="utf-8")), "")
    return found


def test_only_one_module_removes_what_runs_have() -> None:
    found = {
        (str(path.relative_to(ROOT)), function)
        for package in ("db", "engine", "itop_tui")
        for path in (ROOT / package).rglob("*.py")
        for function in removals(path)
        if path != ROOT / "db/runs/removal.py"
    }
    others = {one for one in found - OWN_FILES if not one[0].startswith("itop_tui/export/")}
    assert others == set(), "removing what a run has is for db.runs.removal"
    assert {one for one in OWN_FILES if one not in found} == set(), "no longer needed here"


def test_every_way_to_remove_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        "def a(): shutil.rmtree(x)\ndef b(): x.unlink()\ndef c(): os.remove(x)\ndef d(): names.remove(x)\n"
        "def e(): os.unlink(x)\ndef f(): x.rmdir()\n"
    )
    assert removals(tmp_path / "a.py") == set("abcef")
