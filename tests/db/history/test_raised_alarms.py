"""Alarms of a run: recorded once, found by a query, given once to who watches, cut back with the history."""

from __future__ import annotations

from db.history import raised_alarms
from db.history.writer import MetricWriter
from db.records import Alarm, RunQuery
from db.runs import checkpoints, runs
from db.session import Database
from tests.db.helpers import end, new_run, start, started, step

COLLAPSE = Alarm("collapse", "fc2", 20, "4 of 1,000 weights are active; it began with 100", at=5.0)
OTHER = Alarm("collapse", "fc1", 30, "0 of 1,000 weights are active; it began with 100", at=5.5)
STALLED = Alarm("stalled", "", 40, "R_s stays", at=6.0)


def test_each_is_recorded_once_and_found(db: Database) -> None:
    run, attempt = started(db)
    quiet = new_run(db)
    with MetricWriter(db, run.id, attempt.id) as writer:
        writer.alarm(COLLAPSE)
        writer.alarm(STALLED)
        writer.flush()
        writer.alarm(Alarm("collapse", "fc2", 60, "again"))
        writer.alarm(OTHER)
    assert raised_alarms.for_run(db, run.id) == [COLLAPSE, STALLED, OTHER]
    assert runs.get(db, run.id).alarms == ("collapse", "stalled")
    for text, expected in {
        "alarm:any": [run.id],
        "alarm:collapse": [run.id],
        "alarm=stalled": [run.id],
        "alarm:diverged": [],
        "-alarm:any": [quiet.id],
        'alarm:""': [quiet.id],
    }.items():
        assert [each.id for each in runs.list_runs(db, RunQuery(text=text))] == expected, text


def test_who_watches_gets_each_once(db: Database) -> None:
    run, attempt = started(db)
    with MetricWriter(db, run.id, attempt.id) as writer:
        writer.alarm(COLLAPSE)
        writer.flush()
        mark, found = raised_alarms.since(db, None)
        assert found == ()
        writer.alarm(STALLED)
        writer.flush()
        mark, found = raised_alarms.since(db, mark)
        assert [(each.id, alarm) for each, alarm in found] == [(run.id, STALLED)]
        assert raised_alarms.since(db, mark) == (mark, ())


def test_a_resume_removes_those_raised_after_its_step(db: Database) -> None:
    run, attempt = started(db)
    with MetricWriter(db, run.id, attempt.id) as writer:
        for number in range(1, 51):
            writer.step(step(number))
        for alarm in (COLLAPSE, OTHER, STALLED):
            writer.alarm(alarm)
    at = checkpoints.add(
        db, run_id=run.id, attempt_id=attempt.id, step=30, epoch=0, kind="manual", path="/nowhere/30.pt", bytes=1,
        sha256="0" * 64, val_accuracy=None,
    )  # fmt: skip
    end(db, run)
    runs.requeue_resume(db, run.id, at.id)
    again = start(db, run)
    assert raised_alarms.for_run(db, run.id) == [COLLAPSE, OTHER]
    assert runs.get(db, run.id).alarms == ("collapse",)
    with MetricWriter(db, run.id, again.id) as writer:
        writer.alarm(STALLED)
    assert runs.get(db, run.id).alarms == ("collapse", "stalled")
