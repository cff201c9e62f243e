"""A database of its own for each test that wants one."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from db.session import Database


@pytest.fixture
def db(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setenv("ITOP_HOME", str(tmp_path))
    monkeypatch.delenv("ITOP_DATABASE_URL", raising=False)
    shutil.copy(empty_database, tmp_path / "itop.db")
    database = Database.open()
    yield database
    database.close()


@pytest.fixture
def signals() -> Iterator[None]:
    """`worker.main` in this process takes the signal handlers over; give them back."""
    taken = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGTSTP, signal.SIGCONT)
    before = {number: signal.getsignal(number) for number in taken}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
