"""A disk without room, really full: kill kills, each command says what is wrong, and the states are true afterwards."""

from __future__ import annotations

import subprocess
import sys

import pytest

from db.errors import DatabaseFull
from db.records import RunStatus
from db.runs import runs
from engine.launch import submit
from tests.engine.launch.small_disk import fill, small, write_much
from tests.engine.launch.tools import Lab, wait_for

__all__ = ["small"]


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
