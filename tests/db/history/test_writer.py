from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy.orm import Session

from db.errors import DatabaseUnavailable, IllegalState, StoreError
from db.history import metrics, writer
from db.history.writer import MetricWriter
from db.records import EpochMetric, LayerMaskStat, MaskUpdate, RunStatus
from db.runs import attempts, runs
from db.session import Database
from tests.db.helpers import new_run, start, started, step, wait_for
from tests.patience import PATIENCE


def update(number: int, at: int, **changes: float) -> MaskUpdate:
    return MaskUpdate(number, at, 0.4, 1, 1, 100 + number, 0.05, 0.5 + number / 100, **changes)


def test_flush_is_a_barrier(db: Database) -> None:
    run, attempt = started(db)
    with MetricWriter(db, run.id, attempt.id) as recorder:
        for number in range(1, 301):
            recorder.step(step(number))
            if number % 100 == 0:
                recorder.flush()
                assert recorder.pending == 0
                assert metrics.steps(db, run.id)[-1].step == number


def test_without_a_flush_it_is_there_soon(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of a second is promised, and held by a benchmark; here, that no flush and no heartbeat is needed."""
    monkeypatch.setattr(writer, "_HEARTBEAT_SECONDS", 1000.0)
    run, attempt = started(db)
    with MetricWriter(db, run.id, attempt.id) as recorder:
        recorder.step(step(1))
        wait_for(lambda: metrics.steps(db, run.id), "the step")


def test_the_runs_metrics_move_with_the_rows(db: Database) -> None:
    run, attempt = started(db)
    with MetricWriter(db, run.id, attempt.id) as recorder:
        recorder.mask_update(update(0, 0), [LayerMaskStat("fc", 0, (2,), 2, 1, 0, 0, 1)])
        recorder.flush()
        first = runs.get(db, run.id)
        assert (first.step, first.nonzeros, first.itop_rate, first.loss) == (0, 100, 0.5, None)

        recorder.step(step(1, loss=0.75, epoch=0))
        recorder.step(step(2, loss=math.nan, epoch=0))
        recorder.flush()
        second = runs.get(db, run.id)
        assert (second.step, second.accuracy, second.learning_rate, second.samples_per_second) == (2, 0.25, 0.1, 1000)
        assert second.loss is not None
        assert math.isnan(second.loss)

        recorder.step(step(3, loss=0.5))
        recorder.epoch(EpochMetric(1, 3, train_loss=0.6, val_loss=math.inf, val_accuracy=0.8))
        recorder.epoch(EpochMetric(2, 3, val_accuracy=0.7))
        recorder.flush()
        third = runs.get(db, run.id)
        assert (third.loss, third.epoch, third.val_accuracy, third.best_val_accuracy) == (0.5, 2, 0.7, 0.8)
        assert third.val_loss is None

        recorder.epoch(EpochMetric(3, 4, val_loss=math.inf, val_accuracy=math.nan))
        recorder.progress(test_accuracy=0.9, training_flops=1e15, total_steps=50, flops_ratio=0.25)
        recorder.flush()
        fourth = runs.get(db, run.id)
        assert (fourth.val_loss, fourth.best_val_accuracy, fourth.loss) == (math.inf, 0.8, 0.5)
        assert (fourth.test_accuracy, fourth.training_flops) == (0.9, 1e15)
        assert (fourth.total_steps, fourth.flops_ratio) == (50, 0.25)
        assert second.heartbeat_at is not None
        assert fourth.heartbeat_at is not None
        assert fourth.heartbeat_at >= second.heartbeat_at


def test_calls_are_kept_in_order(db: Database) -> None:
    run, attempt = started(db)
    with MetricWriter(db, run.id, attempt.id) as recorder:
        recorder.progress(loss=1.0, density=0.5)
        recorder.step(step(1, loss=2.0, density=0.6))
        recorder.progress(loss=3.0)
    run = runs.get(db, run.id)
    assert (run.loss, run.density) == (3.0, 0.6)


def test_the_heart_beats_while_nothing_happens(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_HEARTBEAT_SECONDS", 0.02)
    run, attempt = started(db)
    with MetricWriter(db, run.id, attempt.id):
        first = runs.get(db, run.id).heartbeat_at
        wait_for(lambda: runs.get(db, run.id).heartbeat_at != first, "a heartbeat")


def test_what_was_recorded_is_not_recorded_again(db: Database) -> None:
    run, attempt = started(db)
    with MetricWriter(db, run.id, attempt.id) as recorder:
        recorder.step(step(5))
        recorder.epoch(EpochMetric(1, 5))
        recorder.mask_update(update(0, 0), [])
        for again in (5, 4):
            with pytest.raises(IllegalState, match=f"Step {again} of run {run.id} is not after .*, 5"):
                recorder.step(step(again))
        with pytest.raises(IllegalState, match="Epoch 1"):
            recorder.epoch(EpochMetric(1, 6))
        with pytest.raises(IllegalState, match="Mask update 0"):
            recorder.mask_update(update(0, 6), [])
        recorder.step(step(6))
    # A writer that comes later knows what is there.
    with MetricWriter(db, run.id, attempt.id) as recorder:
        with pytest.raises(IllegalState, match="the last one recorded, 6"):
            recorder.step(step(6))
        with pytest.raises(IllegalState):
            recorder.epoch(EpochMetric(1, 6))
        recorder.step(step(7))
    assert [each.step for each in metrics.steps(db, run.id)] == [5, 6, 7]


def test_after_a_resume_the_steps_come_again(db: Database) -> None:
    run, attempt = started(db)
    with MetricWriter(db, run.id, attempt.id) as recorder:
        recorder.step(step(1))
    attempts.finish(db, attempt.id, status=RunStatus.STOPPED, reason=None)
    runs.requeue_resume(db, run.id, None)
    with MetricWriter(db, run.id, start(db, run).id) as recorder:
        recorder.step(step(1, loss=0.125))
    assert [each.loss for each in metrics.steps(db, run.id)] == [0.125]


def test_after_close_nothing_goes_in(db: Database) -> None:
    run, attempt = started(db)
    recorder = MetricWriter(db, run.id, attempt.id)
    recorder.step(step(1))
    recorder.close()
    recorder.close()
    assert len(metrics.steps(db, run.id)) == 1
    with pytest.raises(IllegalState, match="closed"):
        recorder.step(step(2))
    with pytest.raises(IllegalState, match="closed"):
        recorder.progress(loss=0.1)
    recorder.flush()


def test_an_unknown_metric_is_refused_at_once(db: Database) -> None:
    run, attempt = started(db)
    with (
        MetricWriter(db, run.id, attempt.id) as recorder,
        pytest.raises(StoreError, match=r"no metric 'status'. Allowed: "),
    ):
        recorder.progress(status="completed")


def test_a_deleted_run_ends_its_recording(db: Database) -> None:
    run, attempt = started(db)
    recorder = MetricWriter(db, run.id, attempt.id)
    attempts.finish(db, attempt.id, status=RunStatus.LOST, reason=None)
    runs.delete(db, run.id)
    recorder.step(step(1))
    with pytest.raises(StoreError, match="There is no run"):
        recorder.flush()
    with pytest.raises(StoreError):
        recorder.close()


def test_a_worker_given_up_for_dead_cannot_write_into_the_next_attempt(db: Database) -> None:
    run, first = started(db)
    zombie = MetricWriter(db, run.id, first.id)
    attempts.finish(db, first.id, status=RunStatus.LOST, reason="no heartbeat")
    runs.requeue_resume(db, run.id, None)
    second = start(db, run)
    zombie.step(step(1, loss=666.0))
    with pytest.raises(StoreError, match=rf"Attempt {first.id} is not the latest of run {run.id}"):
        zombie.flush()
    assert metrics.steps(db, run.id) == []
    with pytest.raises(IllegalState):
        MetricWriter(db, run.id, first.id)
    with MetricWriter(db, run.id, second.id) as recorder:
        recorder.step(step(1))


def test_a_commit_whose_answer_was_lost_is_not_made_twice(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server may end after the commit and before it says so; to write the rows again would break their keys."""
    run, attempt = started(db)
    real = Database.write
    answers_lost: list[int] = []

    @contextmanager
    def write(self: Database) -> Iterator[Session]:
        with real(self) as session:
            yield session
        if len(answers_lost) < 3:
            answers_lost.append(1)
            raise DatabaseUnavailable("server closed the connection unexpectedly")

    monkeypatch.setattr(writer, "_FIRST_RETRY_SECONDS", 0.001)
    monkeypatch.setattr(Database, "write", write)
    with MetricWriter(db, run.id, attempt.id) as recorder:
        recorder.mask_update(update(0, 0), [LayerMaskStat("fc", 0, (2,), 2, 1, 0, 0, 1)])
        recorder.flush()
        recorder.epoch(EpochMetric(1, 1, val_accuracy=0.5))
        recorder.flush()
        for number in (1, 2):
            recorder.step(step(number))
        recorder.progress(test_accuracy=0.75)
        recorder.flush()
        recorder.step(step(3))
    assert len(answers_lost) == 3
    assert [each.step for each in metrics.steps(db, run.id)] == [1, 2, 3]
    assert len(metrics.epochs(db, run.id)) == len(metrics.mask_updates(db, run.id)) == 1
    assert runs.get(db, run.id).test_accuracy == 0.75


def test_a_full_queue_holds_training_up_instead_of_losing(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    run, attempt = started(db)
    gate = threading.Event()
    recorder = MetricWriter(db, run.id, attempt.id, capacity=10)
    recorder.flush()
    real = recorder._commit
    monkeypatch.setattr(recorder, "_commit", lambda batch: (gate.wait(PATIENCE), real(batch)))
    numbers = iter(range(1, 101))

    def train() -> None:
        for number in numbers:
            recorder.step(step(number))

    thread = threading.Thread(target=train)
    thread.start()
    wait_for(lambda: recorder.pending >= 10, "a full queue")
    assert thread.is_alive()
    gate.set()
    thread.join(PATIENCE)
    recorder.close()
    assert len(metrics.steps(db, run.id)) == 100


def test_several_threads_may_record(db: Database) -> None:
    run, attempt = started(db)
    with MetricWriter(db, run.id, attempt.id) as recorder:

        def report(column: str) -> None:
            for number in range(500):
                recorder.progress(**{column: number})

        threads = [
            threading.Thread(target=report, args=(name,)) for name in ("nonzeros", "total_steps", "total_epochs")
        ]
        for thread in threads:
            thread.start()
        for number in range(1, 501):
            recorder.step(step(number))
        for thread in threads:
            thread.join(PATIENCE)
    run = runs.get(db, run.id)
    assert (run.nonzeros, run.total_steps, run.total_epochs, run.step) == (499, 499, 499, 500)
    assert recorder.pending == 0


def test_the_attempt_must_be_the_runs(db: Database) -> None:
    run, _ = started(db)
    _, other = started(db)
    with pytest.raises(IllegalState):
        MetricWriter(db, run.id, other.id)
    with pytest.raises(IllegalState):
        MetricWriter(db, new_run(db).id, 99)


@pytest.mark.benchmark
def test_a_step_costs_training_microseconds(db: Database) -> None:
    run, attempt = started(db)
    records = [step(number) for number in range(1, 20_001)]
    with MetricWriter(db, run.id, attempt.id) as recorder:
        before = time.perf_counter()
        for record in records:
            recorder.step(record)
        each = (time.perf_counter() - before) / len(records)
    assert each < 10e-6
