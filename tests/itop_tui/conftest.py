from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from db.session import Database
from itop_tui.app import ItopApp
from itop_tui.poller import DatabaseReader
from tests.itop_tui.support import FixedPlanner


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
    """After each key the pilot waits for a quiet 20 ms, twice; what the tests wait for is a condition anyway."""
    monkeypatch.setattr("textual._wait.SLEEP_GRANULARITY", 1 / 200)
    monkeypatch.setattr("textual._wait.SLEEP_IDLE", 1 / 400)


@pytest.fixture
def database(home: Path) -> Iterator[Database]:
    """A real database."""
    opened = Database.open()
    yield opened
    opened.close()


@pytest.fixture
def scheduled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keeps the scheduler from being started, and counts how often it was asked for."""
    asked: list[str] = []
    monkeypatch.setattr("engine.launch.submit.ensure_scheduler", lambda db: asked.append(db.url))
    return asked


class UnsettledReader(DatabaseReader):
    """Reads the real database, and leaves runs as the test made them though they have no process."""

    def settle(self) -> str | None:
        return None


@pytest.fixture
def app(database: Database, scheduled: list[str]) -> ItopApp:
    """The app over a real database; no scheduler is started and no plan asked of torch."""
    made = ItopApp(Database.open, reader=UnsettledReader, planner=FixedPlanner())
    made.animation_level = "none"
    return made
