"""What the app does to runs."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from db.runs import commands, runs
from db.session import Database
from itop_tui.service import run_requests


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
