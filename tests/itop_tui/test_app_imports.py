"""What the app imports, seen from a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys

FIRST_FRAME = "import itop_tui.app, itop_tui.runs.runs_screen"
EVERYTHING = """
import importlib, pkgutil, itop_tui
for module in pkgutil.walk_packages(itop_tui.__path__, "itop_tui."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""


def imported(code: str) -> set[str]:
    """The top-level packages in memory after some code ran."""
    code += "\nimport sys; print(' '.join({name.partition('.')[0] for name in sys.modules}))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(ran.stdout.split())


def test_no_part_of_the_app_imports_torch() -> None:
    assert imported(EVERYTHING).isdisjoint({"torch", "torchvision", "alembic"})


def test_the_first_frame_waits_for_nothing_it_does_not_show() -> None:
    slow = {"torch", "sqlalchemy", "alembic", "pydantic", "numpy", "sklearn", "cyclopts"}
    assert imported(FIRST_FRAME).isdisjoint(slow)


def test_opening_the_app_parses_no_command_line() -> None:
    told = imported("from itop_tui.cli.application import run; assert run([]) == 1")  # there is no terminal here
    assert told.isdisjoint({"cyclopts", "pydantic", "sqlalchemy"})
