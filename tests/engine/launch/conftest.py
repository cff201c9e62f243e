"""A home of its own for each test, real processes in it, and none of them left afterwards."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from db.session import Database
from tests.engine.launch.tools import Lab, wait_for


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """ITOP_HOME for this test and for all it starts; whatever still runs with it at the end is killed."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("ITOP_HOME", str(folder))
    monkeypatch.delenv("ITOP_DATABASE_URL", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield folder

    def all_gone() -> bool:
        leftovers = list(processes_of(folder))
        for process in leftovers:  # each time: one of them may have just started another
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        return not leftovers

    wait_for(all_gone, "every process of the test to be gone")


def processes_of(folder: Path) -> Iterator[psutil.Process]:
    """The living processes, other than this one, that were started with this ITOP_HOME."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get("ITOP_HOME") == str(folder):
                yield process


def fake_worker() -> tuple[str, ...]:
    """The command of a worker that trains nothing."""
    return sys.executable, "-P", str(Path(__file__).parent / "fake_worker.py")


@pytest.fixture
def lab(home: Path, empty_database: Path) -> Iterator[Lab]:
    """A database in the home, with a fake worker to run in it."""
    shutil.copy(empty_database, home / "itop.db")
    with contextlib.closing(Lab(Database.open(), home, fake_worker())) as laboratory:
        yield laboratory
