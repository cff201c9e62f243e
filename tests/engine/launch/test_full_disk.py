"""A disk without room, really full: kill kills, each command says what is wrong, and the states are true afterwards."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from db.errors import DatabaseFull
from db.records import RunStatus
from db.runs import runs
from db.session import Database
from engine.launch import submit
from tests.engine.launch.conftest import fake_worker, processes_of
from tests.engine.launch.tools import Lab, wait_for


@pytest.fixture
def small(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A home on a file system of its own, of 4 MB."""
    home = tmp_path / "small"
    home.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", home], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("this user may not mount a file system")
    try:
        monkeypatch.setenv("ITOP_HOME", str(home))
        monkeypatch.delenv("ITOP_DATABASE_URL", raising=False)
        shutil.copy(empty_database, home / "itop.db")
        with contextlib.closing(Lab(Database.open(), home, fake_worker())) as laboratory:
            yield laboratory
        for process in list(processes_of(home)):
            with contextlib.suppress(psutil.Error):
                process.kill()
        wait_for(lambda: not list(processes_of(home)), "the processes of the test to be gone")
    finally:
        subprocess.run(["umount", "--lazy", home], check=True)


def fill(home: Path) -> Path:
    """Take all room there is."""
    path = home / "filler"
    with path.open("ab", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while file.write(b"x" * size) == size:
                    pass
    assert shutil.disk_usage(home).free == 0
    return path


def write_much(db: Database, run_id: int) -> None:
    """Write more than the room that a log has left that was longer before."""
    for number in range(100):
        runs.update_fields(db, run_id, notes=f"{number}" * 1000)


def itop(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "itop_tui", *words], capture_output=True, text=True, timeout=120, check=False
    )


def test_kill_kills_and_what_was_killed_is_recorded_when_there_is_room(small: Lab) -> None:
    run = small.queue("wait")
    small.ensure_scheduler()
    small.wait_status(run, RunStatus.RUNNING)
    worker = small.identity(run, "worker")
    filler = fill(small.home)
    with pytest.raises(DatabaseFull, match="The disk is full"):
        write_much(small.db, run.id)
    killed = itop("kill", str(run.id))
    wait_for(lambda: not worker.alive(), "the worker to be dead")
    assert "Traceback" not in killed.stderr
    listed = itop("runs")
    assert listed.returncode == 0, listed.stderr
    assert run.name in listed.stdout
    filler.unlink()
    submit.reconcile(small.db)
    ended = small.wait_status(run, RunStatus.KILLED)
    assert ended.reason == "killed by user"


def test_a_command_that_must_write_says_that_the_disk_is_full(small: Lab) -> None:
    run = runs.create(small.db, config={}, name="one", where="held")
    filler = fill(small.home)
    said = [itop("note", str(run.id), "x" * 20_000) for _ in range(3)][-1]
    assert said.returncode == 1
    assert "The disk is full" in said.stderr
    assert "Traceback" not in said.stderr
    assert filler.stat().st_size > 0
    filler.unlink()
    assert itop("note", str(run.id), "again").returncode == 0
