"""A home and a database of their own for each test, copied from ones that are made once."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from db.records import RunStatus
from db.session import Database
from tests.itop_tui.run.fabricate import record_run

STOPPED, RUNNING = 1, 2
"""The runs of the template."""
LOG = "".join(f"epoch {number} loss {1 / number:.3f}\n" for number in range(1, 201))


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A home with an empty database, and one with a stopped and a running run."""
    made = {name: tmp_path_factory.mktemp(name) for name in ("empty", "recorded")}
    for name, home in made.items():
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ITOP_HOME", str(home))
            patch.delenv("ITOP_DATABASE_URL", raising=False)
            database = Database.open()
            if name == "recorded":
                stopped = record_run(database, steps=450, log=LOG, ended=RunStatus.STOPPED, reason="stopped by user")
                assert stopped.id == STOPPED
                assert record_run(database, steps=120).id == RUNNING
            database.close()
    return made


@pytest.fixture(autouse=True)
def home(
    tmp_path: Path, templates: dict[str, Path], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """`ITOP_HOME` in a folder of the test; with the runs of the template for tests marked by `recorded`."""
    home = tmp_path / "home"
    template = templates["recorded" if "recorded" in request.fixturenames else "empty"]
    shutil.copytree(template, home)
    with closing(sqlite3.connect(home / "itop.db")) as copied, copied:
        copied.execute("UPDATE checkpoints SET path = replace(path, ?, ?)", (str(template), str(home)))
    monkeypatch.setenv("ITOP_HOME", str(home))
    monkeypatch.delenv("ITOP_DATABASE_URL", raising=False)
    return home


@pytest.fixture
def recorded() -> None:
    """Asks for a database that holds the runs `STOPPED` and `RUNNING`."""


@pytest.fixture
def database(home: Path) -> Iterator[Database]:
    """The database of the home."""
    opened = Database.open()
    yield opened
    opened.close()
