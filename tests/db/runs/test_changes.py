from __future__ import annotations

from typing import Any

from db import key_values
from db.records import RunRecord, RunStatus
from db.runs import attempts, changes, commands, runs
from db.runs.changes import ConfigChange
from db.session import Database
from tests.db.helpers import start, started


def end(db: Database, run: RunRecord) -> None:
    latest = attempts.latest(db, run.id)
    assert latest is not None
    attempts.finish(db, latest.id, status=RunStatus.STOPPED, reason=None)


def resume(db: Database, run: RunRecord, **new: Any) -> RunRecord:
    return runs.requeue_resume(db, run.id, None, {**runs.get(db, run.id).config, **new})


def test_each_change_is_kept_with_the_attempt_it_began_with(db: Database) -> None:
    run, _ = started(db, config={"epochs": 10, "lr": 0.1})
    end(db, run)
    assert changes.for_run(db, run.id) == []
    runs.requeue_resume(db, run.id, None)
    start(db, run)
    end(db, run)
    resume(db, run)  # the same settings: no change
    start(db, run)
    end(db, run)
    assert changes.for_run(db, run.id) == []
    queued = resume(db, run, epochs=20, keep_last=3)
    assert queued.config["epochs"] == queued.total_epochs == 20
    start(db, run)
    end(db, run)
    resume(db, run, epochs=30)
    assert changes.for_run(db, run.id) == [
        ConfigChange(4, {"epochs": (10, 20), "keep_last": (None, 3)}),
        ConfigChange(5, {"epochs": (20, 30)}),
    ]


def test_what_was_changed_twice_before_it_started_was_changed_once(db: Database) -> None:
    run, _ = started(db, config={"epochs": 10})
    end(db, run)
    for epochs in (20, 30):
        resume(db, run, epochs=epochs)
        runs_ended_in_the_queue(db, run)
    assert changes.for_run(db, run.id) == [ConfigChange(2, {"epochs": (10, 30)})]
    resume(db, run, epochs=10)
    assert changes.for_run(db, run.id) == []


def runs_ended_in_the_queue(db: Database, run: RunRecord) -> None:
    commands.send(db, run.id, "stop")
    assert runs.get(db, run.id).status is RunStatus.STOPPED


def test_they_go_with_their_run(db: Database) -> None:
    run, _ = started(db, config={"epochs": 10})
    end(db, run)
    resume(db, run, epochs=20)
    runs_ended_in_the_queue(db, run)
    assert key_values.get(db, f"changes:{run.id}") is not None
    runs.delete(db, run.id)
    assert key_values.get(db, f"changes:{run.id}") is None


def test_length_and_reason_of_a_run_that_is_queued_again(db: Database) -> None:
    run, _ = started(db)
    end(db, run)
    queued = runs.requeue_resume(db, run.id, None, total_steps=77, reason="a checkpoint was damaged")
    assert (queued.total_steps, queued.reason) == (77, "a checkpoint was damaged")
