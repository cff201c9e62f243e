"""In a copy of a home in which a run trains, that run is the original's: it is not killed from there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from db.errors import IllegalState
from db.records import RunStatus
from db.session import Database
from engine.launch import submit
from tests.engine.launch.tools import Lab


def test_a_run_of_the_original_is_not_killed_from_a_copy(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = lab.queue("wait")
    lab.ensure_scheduler()
    lab.wait_status(run, RunStatus.RUNNING)
    copy = tmp_path / "copy"
    with lab.db.write():  # nothing is written meanwhile
        shutil.copytree(lab.home, copy)
    monkeypatch.setenv("ITOP_HOME", str(copy))
    there = Database.open()
    try:
        with pytest.raises(IllegalState, match=f"another home, of which this one is a copy .{lab.home}"):
            submit.kill(there, run.id)
    finally:
        there.close()
        monkeypatch.setenv("ITOP_HOME", str(lab.home))
    assert lab.get(run).status is RunStatus.RUNNING
    submit.kill(lab.db, run.id)
    lab.wait_status(run, RunStatus.KILLED)
