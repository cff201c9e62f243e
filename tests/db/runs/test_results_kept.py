"""What was measured of a run stays, when it is resumed, until it is measured again."""

from __future__ import annotations

import math

import pytest

from db import key_values
from db.history import metrics, tested
from db.history.writer import MetricWriter
from db.records import CheckpointRecord, EpochMetric, RunRecord, RunStatus
from db.runs import attempts, checkpoints, runs
from db.session import Database
from tests.db.helpers import new_run, start, step

RESULTS = {
    "best_val_accuracy": 0.8,
    "test_accuracy": 0.75,
    "test_accuracy_last": 0.7,
    "training_flops": 4e9,
    "flops_ratio": 0.3,
}


def of(run: RunRecord) -> dict[str, float | None]:
    return {name: getattr(run, name) for name in RESULTS}


def add_checkpoint(db: Database, run: RunRecord, attempt: int, number: int, epoch: int) -> CheckpointRecord:
    return checkpoints.add(
        db,
        run_id=run.id,
        attempt_id=attempt,
        step=number,
        epoch=epoch,
        kind="epoch",
        path=f"/nowhere/{run.uid}/{number}.pt",
        bytes=1,
        sha256="0" * 64,
    )


@pytest.fixture
def completed(db: Database) -> RunRecord:
    """A run of four steps and two epochs, the second of them the worse, with a checkpoint after each."""
    run = new_run(db, total_steps=4)
    attempt = start(db, run)
    with MetricWriter(db, run.id, attempt.id) as writer:
        for number in range(1, 5):
            writer.step(step(number, loss=math.nan if number == 4 else 0.5))
        writer.epoch(EpochMetric(1, 2, 0.5, 0.7, 0.6, 0.8, 0.1, 1.0))
        writer.epoch(EpochMetric(2, 4, 0.5, 0.7, 0.6, 0.6, 0.1, 1.0))
        writer.progress(epoch=2, **RESULTS)
    add_checkpoint(db, run, attempt.id, 2, 1)
    add_checkpoint(db, run, attempt.id, 4, 2)
    attempts.finish(db, attempt.id, status=RunStatus.COMPLETED, reason=None, exit_code=0)
    return runs.get(db, run.id)


def resumed(db: Database, run: RunRecord, number: int) -> int:
    chosen = next(one for one in checkpoints.for_run(db, run.id) if one.step == number)
    runs.requeue_resume(db, run.id, chosen.id, total_steps=8)
    return start(db, run).id


def known(run: RunRecord) -> dict[str, object]:
    """What is recorded of a run, as text, in which NaN is like NaN."""
    changed = {"status", "reason", "exit_code", "signal", "total_steps", "start_checkpoint_id", "attempt_count", "pid"}
    changed |= {"queued_at", "ended_at", "heartbeat_at", "start_failures"}
    return {name: repr(getattr(run, name)) for name in run.__dataclass_fields__ if name not in changed}


@pytest.mark.parametrize("status", [RunStatus.FAILED, RunStatus.KILLED, RunStatus.LOST, RunStatus.STOPPED])
def test_an_attempt_that_ends_before_its_first_step_changes_nothing(
    db: Database, completed: RunRecord, status: RunStatus
) -> None:
    attempt = resumed(db, completed, 4)
    assert known(runs.get(db, completed.id)) == known(completed)
    attempts.finish(db, attempt, status=status, reason="no data set", exit_code=1)
    ended = runs.get(db, completed.id)
    assert known(ended) == known(completed)
    assert (ended.status, ended.reason) == (status, "no data set")
    assert [one.step for one in metrics.steps(db, completed.id)] == [1, 2, 3, 4]
    # Another try begins from the same.
    resumed(db, completed, 4)
    assert known(runs.get(db, completed.id)) == known(completed)
    assert tested.step_of(db, completed.id) == 4


def test_results_stay_while_the_run_trains_on_and_are_replaced_by_newer_ones(
    db: Database, completed: RunRecord
) -> None:
    assert tested.step_of(db, completed.id) is None
    attempt = resumed(db, completed, 4)
    with MetricWriter(db, completed.id, attempt) as writer:
        writer.step(step(5))
    assert of(runs.get(db, completed.id)) == RESULTS
    assert tested.step_of(db, completed.id) == 4
    attempts.finish(db, attempt, status=RunStatus.KILLED, reason="killed by user", signal=9)
    assert of(runs.get(db, completed.id)) == RESULTS
    attempt = resumed(db, completed, 4)
    with MetricWriter(db, completed.id, attempt) as writer:
        writer.step(step(5))
        writer.progress(best_val_accuracy=0.9, test_accuracy=0.85, test_accuracy_last=0.85)
    again = runs.get(db, completed.id)
    assert (again.best_val_accuracy, again.test_accuracy, again.test_accuracy_last) == (0.9, 0.85, 0.85)
    assert tested.step_of(db, completed.id) is None


def test_a_run_that_goes_back_keeps_its_test_and_has_the_best_of_what_is_left(
    db: Database, completed: RunRecord
) -> None:
    resumed(db, completed, 2)
    back = runs.get(db, completed.id)
    assert of(back) == RESULTS
    assert (back.step, back.val_accuracy) == (2, 0.8)
    assert [one.step for one in metrics.steps(db, completed.id)] == [1, 2]
    assert tested.step_of(db, completed.id) == 4


def test_a_run_that_begins_again_keeps_its_results_too(db: Database, completed: RunRecord) -> None:
    runs.requeue_resume(db, completed.id, None)
    start(db, completed)
    assert of(runs.get(db, completed.id)) == RESULTS
    assert runs.get(db, completed.id).loss is None
    assert metrics.steps(db, completed.id) == []


def test_nothing_of_a_result_is_left_of_a_deleted_run(db: Database, completed: RunRecord) -> None:
    attempt = resumed(db, completed, 4)
    attempts.finish(db, attempt, status=RunStatus.KILLED, reason="r", signal=9)
    runs.delete(db, completed.id)
    assert key_values.under(db, "tested:") == {}
