from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from db.session import Database
from itop_tui.app import ItopApp
from tests.itop_tui.support import FixedPlanner, StillReader
from tests.patience import PATIENCE


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of the test's own, and a time zone and colours that are the same everywhere."""
    folder = tmp_path / "home"
    monkeypatch.setenv("ITOP_HOME", str(folder))
    monkeypatch.delenv("ITOP_DATABASE_URL", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    return folder


@pytest.fixture(autouse=True)
def brisk_pilot(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pilot waits for a quiet 5 ms after each key instead of 20, and for a busy app as long as the tests do."""
    monkeypatch.setattr("textual._wait.SLEEP_GRANULARITY", 1 / 200)
    monkeypatch.setattr("textual._wait.SLEEP_IDLE", 1 / 400)
    monkeypatch.setattr(Pilot._wait_for_screen, "__defaults__", (PATIENCE,))


@pytest.fixture
def database(home: Path, empty_database: Path) -> Iterator[Database]:
    """A real database."""
    if not (home / "itop.db").exists():
        home.mkdir(parents=True, exist_ok=True)
        shutil.copy(empty_database, home / "itop.db")
    opened = Database.open()
    yield opened
    opened.close()


@pytest.fixture
def scheduled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keeps the scheduler from being started, and counts how often it was asked for."""
    asked: list[str] = []
    monkeypatch.setattr("engine.launch.submit.ensure_scheduler", lambda db: asked.append(db.url))
    return asked


@pytest.fixture
def app(database: Database, scheduled: list[str]) -> ItopApp:
    """The app over a real database; no scheduler is started and no plan asked of torch."""
    made = ItopApp(Database.open, reader=StillReader, planner=FixedPlanner())
    made.animation_level = "none"
    return made
