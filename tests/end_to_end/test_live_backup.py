"""A backup that is made while a real worker trains is put back elsewhere, and the run there goes on to the same end."""

from __future__ import annotations

from pathlib import Path

import pytest

from db.records import RunStatus
from db.runs import attempts, runs
from itop_tui.service import launching
from tests.end_to_end.crash.storm import home, uninterrupted
from tests.end_to_end.crash.twins import assert_equal, launch, whole
from tests.end_to_end.test_places import itop
from tests.patience import wait_for

NAME, EPOCHS = "RigL, Adam", 60


@pytest.mark.slow  # three trainings by processes that import torch
def test_a_backup_of_a_run_that_trains_is_resumed_elsewhere_to_the_same_end(tmp_path: Path) -> None:
    expected = uninterrupted(tmp_path / "twin", EPOCHS, [NAME])[NAME]
    original, restored, backup = tmp_path / "original", tmp_path / "restored", tmp_path / "backup.tar"
    with home(original) as db:
        run = launch(db, NAME, EPOCHS)
        wait_for(lambda: runs.get(db, run.id).epoch >= 2, "the run to train")
        itop(original, "backup", str(backup))
        assert runs.get(db, run.id).status is RunStatus.RUNNING, "the run is too short to be backed up while it trains"
        wait_for(lambda: runs.get(db, run.id).status.is_terminal, "the run to end", every=0.1)
        assert_equal(whole(db, run), expected, "the original")
        assert len(attempts.for_run(db, run.id)) == 1
    itop(restored, "restore", str(backup))
    with home(restored) as db:
        lost = runs.get(db, run.id)
        assert lost.status is RunStatus.LOST
        assert 0 < lost.step < lost.total_steps
        launching.resume(db, run.id)
        wait_for(lambda: runs.get(db, run.id).status.is_terminal, "the restored run to end", every=0.1)
        assert_equal(whole(db, run), expected, "the restored run")
        first, second = attempts.for_run(db, run.id)
        assert first.number < second.number
        assert 0 < second.start_step <= lost.step
