"""What an import brings along, each in a fresh interpreter.

The app and the commands start in a moment because torch is not among what they import; the store and the command line
do not bring the screen along.
"""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from functools import cache

import pytest

import db
import engine.config
import engine.launch
from itop_tui.cli.application import COMMANDS

HEAVY = ("torch", "torchvision", "sklearn")
COMMAND_MODULES = sorted({f"itop_tui.cli.commands.{c.module}" for commands in COMMANDS.values() for c in commands})
ENGINE_MODULES = (
    *(
        found.name
        for package in (engine.config, engine.launch)
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    ),
    "engine.helpers.masks_client",
    "engine.helpers.plan_client",
)
STORE_MODULES = tuple(
    sorted(
        found.name for found in pkgutil.walk_packages(db.__path__, "db.") if not found.name.startswith("db.migrations")
    )
)


@cache
def imported_by(statement: str) -> frozenset[str]:
    """The top-level packages in `sys.modules` after a statement, in an interpreter of its own."""
    program = f"{statement}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return frozenset(done.stdout.split("\n")[-2].split())


@cache
def imported_in_turn(modules: tuple[str, ...]) -> dict[str, frozenset[str]]:
    """The same after each of some modules, imported one after the other: an interpreter for each would take minutes."""
    program = (
        f"import importlib, sys\nfor module in {modules!r}:\n    importlib.import_module(module)\n"
        "    print(module, *sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = [line.split() for line in done.stdout.splitlines()]
    return {module: frozenset(packages) for module, *packages in told}


def test_the_method_sees_what_is_imported() -> None:
    assert "textual" in imported_by("import textual.color")
    assert "textual" not in imported_by("import rich")


def test_imports_in_turn_are_told_apart() -> None:
    told = imported_in_turn(("json", "rich", "textual.color"))
    assert ["textual" in told[module] for module in ("json", "rich", "textual.color")] == [False, False, True]


def test_the_app_imports_no_torch() -> None:
    assert imported_by("import itop_tui.app").isdisjoint(HEAVY)


@pytest.mark.parametrize("module", [*COMMAND_MODULES, *ENGINE_MODULES])
def test_neither_the_commands_nor_the_engine_import_torch_or_the_screen(module: str) -> None:
    assert imported_in_turn((*COMMAND_MODULES, *ENGINE_MODULES))[module].isdisjoint({"textual", *HEAVY})


@pytest.mark.parametrize("module", STORE_MODULES)
def test_the_store_stands_alone(module: str) -> None:
    assert imported_in_turn(STORE_MODULES)[module].isdisjoint({"engine", "itop_tui", "textual", *HEAVY})


@pytest.mark.parametrize("line", [["--help"], ["--version"], ["trian"]])
def test_help_and_typing_errors_need_neither_settings_nor_store(line: list[str]) -> None:
    statement = f"from itop_tui.cli.application import run; run({line!r})"
    assert imported_by(statement).isdisjoint({"pydantic", "sqlalchemy", "alembic", "textual", *HEAVY})


@pytest.mark.parametrize("line", [["runs"], ["doctor"], ["devices"], ["train", "--help"], ["plan", "--help"]])
def test_running_a_command_imports_no_torch(line: list[str], tmp_path: object) -> None:
    statement = (
        f"import os; os.environ['ITOP_HOME'] = {str(tmp_path)!r}; "
        f"from itop_tui.cli.application import run; assert run({line!r}) == 0"
    )
    assert imported_by(statement).isdisjoint({"textual", *HEAVY})
