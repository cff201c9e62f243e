"""What the app does to runs."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from db.runs import checkpoints, commands, runs
from db.session import Database
from engine.launch import submit
from itop_tui.service import launching, run_requests
from tests.itop_tui.cli.recorded import trained


def test_a_checkpoint_is_asked_of_the_runs_that_can_write_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ITOP_HOME", str(tmp_path))
    monkeypatch.delenv("ITOP_DATABASE_URL", raising=False)
    with contextlib.closing(Database.open()) as db:
        active, waiting = (runs.create(db, config={}) for _ in range(2))
        assert runs.reserve(db, active.id, host="h", device="cpu", slots=1)
        for _ in range(2):
            outcome = run_requests.checkpoint_now(db, [active.id, waiting.id])
            assert outcome.done == (active.id,)
            assert "only a running or paused run can write a checkpoint" in outcome.problems[0]
        assert [command.kind for command in commands.pending(db, active.id)] == ["checkpoint"]


def test_a_fork_that_never_ran_is_resumed_from_its_parents_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ITOP_HOME", str(tmp_path))
    monkeypatch.setattr(submit, "ensure_scheduler", lambda db: None)
    database = Database.open()
    parent = trained(database)
    at = checkpoints.pick(database, parent.id, "best")
    fork = runs.create(
        database, config=parent.config, parent_id=parent.id, start_checkpoint_id=at.id, fork_step=at.step
    )
    commands.send(database, fork.id, "stop")
    assert launching.resume(database, fork.id).start_checkpoint_id == at.id
    database.close()
