"""A run whose checkpoint is not in this home does not start, and nothing that is known of it is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from db import paths
from db.history.writer import MetricWriter
from db.records import CheckpointRecord, RunRecord, RunStatus
from db.runs import attempts, checkpoints, runs
from db.session import Database
from engine.launch.processes import host_name
from engine.launch.scheduler import Scheduler
from engine.launch.start_files import missing_start
from tests.engine.launch.tools import Lab


def completed(lab: Lab, *steps: int, host: str | None = None) -> tuple[RunRecord, list[CheckpointRecord]]:
    """A run that has completed with a test accuracy, and its checkpoints, each with a file."""
    run = lab.queue("finish 0")
    attempt = runs.reserve(lab.db, run.id, host=host or host_name(), device="cpu", slots=100)
    assert attempt is not None
    attempts.running(lab.db, attempt.id, pid=1, start_time=1.0, boot_id="boot")
    with MetricWriter(lab.db, run.id, attempt.id) as writer:
        writer.progress(test_accuracy=0.9, step=max(steps))
    made = []
    for step in steps:
        path = paths.run_folder(run.uid) / "checkpoints" / f"{step}.pt"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"weights")
        made.append(
            checkpoints.add(
                lab.db, run_id=run.id, attempt_id=attempt.id, step=step, epoch=1, kind="epoch", path=str(path),
                bytes=7, sha256="0" * 64,
            )
        )  # fmt: skip
    attempts.finish(lab.db, attempt.id, status=RunStatus.COMPLETED, reason=None)
    return runs.get(lab.db, run.id), made


def test_a_run_whose_checkpoint_is_missing_is_held_with_its_path(lab: Lab) -> None:
    run, (checkpoint,) = completed(lab, 10)
    fork = runs.create(
        lab.db, config=run.config, parent_id=run.id, start_checkpoint_id=checkpoint.id, fork_step=checkpoint.step
    )
    runs.requeue_resume(lab.db, run.id, checkpoint.id)
    Path(checkpoint.path).unlink()

    scheduler = Scheduler(lab.db, worker=lab.worker)
    for _ in range(2):  # one for each, as there is one slot
        scheduler.tick()

    for each in (run, fork):
        now = lab.get(each)
        assert (now.status, now.held) == (RunStatus.QUEUED, True)
        assert now.reason == (
            f"checkpoint {checkpoint.id} of step 10 of run {run.id} is not in this home: {checkpoint.path} is missing"
        )
    assert lab.get(run).test_accuracy == 0.9
    assert lab.get(run).attempt_count == 1
    assert attempts.for_run(lab.db, fork.id) == []


def test_a_run_with_an_earlier_checkpoint_starts(lab: Lab) -> None:
    run, (early, late) = completed(lab, 5, 10)
    runs.requeue_resume(lab.db, run.id, late.id)
    Path(late.path).unlink()
    assert missing_start(lab.db, run.id, late.id) is None
    assert [one.id for one in checkpoints.before(lab.db, late.id)] == [early.id]
    assert missing_start(lab.db, None, late.id) is not None, "a fork starts from that one and no other"
    Path(early.path).unlink()
    assert missing_start(lab.db, run.id, late.id) is not None


def test_what_is_no_file_is_missing(lab: Lab) -> None:
    run, (checkpoint,) = completed(lab, 10)
    assert missing_start(lab.db, run.id, checkpoint.id) is None
    Path(checkpoint.path).unlink()
    Path(checkpoint.path).mkdir()
    assert missing_start(lab.db, run.id, checkpoint.id) is not None


def test_with_a_server_a_run_is_left_to_the_host_that_wrote_its_checkpoint(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, (own,) = completed(lab, 10)
    there, (other,) = completed(lab, 10, host="another")
    for run, checkpoint in ((here, own), (there, other)):
        Path(checkpoint.path).unlink()
        runs.requeue_resume(lab.db, run.id, checkpoint.id)
    monkeypatch.setattr(Database, "on_server", True)
    scheduler = Scheduler(lab.db, worker=lab.worker)
    scheduler.tick()
    assert lab.get(here).held
    assert not lab.get(there).held
    assert lab.get(there).status is RunStatus.QUEUED
    Path(other.path).write_bytes(b"weights")
    scheduler._planned_for = ()
    scheduler.tick()
    assert lab.get(there).status is not RunStatus.QUEUED, "its file is here now"
