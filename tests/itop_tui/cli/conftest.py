"""A home of its own for each test, and the command line as a function."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from db.session import Database
from engine.launch import submit
from itop_tui.cli.application import run


@dataclass(frozen=True)
class Outcome:
    """What a command line did."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        import json

        assert self.code == 0, self.err
        return json.loads(self.out)


Itop = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set ITOP_HOME to a folder that is new, and forget what the developer's shell has set."""
    for name in ("ITOP_DATABASE_URL", "ITOP_DATA_DIR", "ITOP_DEBUG", "COLUMNS", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ITOP_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def database(home: Path, empty_database: Path) -> Iterator[Database]:
    if not (home / "itop.db").exists():
        home.mkdir(parents=True, exist_ok=True)
        shutil.copy(empty_database, home / "itop.db")
    opened = Database.open()
    yield opened
    opened.close()


@pytest.fixture
def scheduler_calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the requests for a scheduler instead of starting one: what is queued then stays queued."""
    calls: list[int] = []

    def ensure(db: Database) -> None:
        calls.append(1)

    monkeypatch.setattr(submit, "ensure_scheduler", ensure)
    return calls


@pytest.fixture
def itop(capsys: pytest.CaptureFixture[str], scheduler_calls: list[int]) -> Itop:
    """Run a command line as `itop` would, in this process."""

    def call(*tokens: str) -> Outcome:
        capsys.readouterr()
        code = run(list(tokens))
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call
