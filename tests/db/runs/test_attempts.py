from __future__ import annotations

import pytest

from db.errors import IllegalState, RunNotFound, StoreError
from db.records import RunStatus
from db.runs import attempts, commands, runs
from db.session import Database
from tests.db.helpers import end, new_run, start, started


def test_an_attempt_from_reservation_to_its_end(db: Database) -> None:
    run = new_run(db)
    attempt = runs.reserve(db, run.id, host="h", device="cuda:1", slots=1)
    assert attempt is not None
    attempts.spawned(db, attempt.id, warden_pid=11)
    assert attempts.running(
        db,
        attempt.id,
        pid=12,
        start_time=3.5,
        boot_id="b",
        versions={"torch": "2.9"},
        commit="abc",
        dirty=True,
        command_line="itop train",
    )
    attempt = attempts.latest(db, run.id)
    assert attempt is not None
    assert (attempt.warden_pid, attempt.pid, attempt.start_time, attempt.boot_id) == (11, 12, 3.5, "b")
    assert (attempt.versions, attempt.commit, attempt.dirty) == ({"torch": "2.9"}, "abc", True)
    assert (attempt.command_line, attempt.status) == ("itop train", RunStatus.RUNNING)
    run = runs.get(db, run.id)
    assert (run.status, run.pid, run.host, run.device) == ("running", 12, "h", "cuda:1")

    assert attempts.finish(
        db, attempt.id, status=RunStatus.FAILED, reason="ValueError: x", exit_code=1, traceback="Traceback …"
    )
    attempt = attempts.get(db, attempt.id)
    run = runs.get(db, run.id)
    assert (attempt.status, attempt.exit_code, attempt.traceback) == ("failed", 1, "Traceback …")
    assert (run.status, run.reason, run.exit_code, run.ended_at) == ("failed", "ValueError: x", 1, attempt.ended_at)


def test_the_first_word_wins_and_later_ones_only_add_what_was_unknown(db: Database) -> None:
    run, attempt = started(db)
    assert attempts.finish(db, attempt.id, status=RunStatus.STOPPED, reason="stopped by user")
    assert not attempts.finish(db, attempt.id, status=RunStatus.KILLED, reason="SIGKILL", exit_code=3, signal=9)
    assert not attempts.finish(db, attempt.id, status=RunStatus.LOST, reason="gone", exit_code=7)
    run, attempt = runs.get(db, run.id), attempts.get(db, attempt.id)
    for record in (run, attempt):
        assert (record.status, record.reason) == (RunStatus.STOPPED, "stopped by user")
        assert (record.exit_code, record.signal) == (3, 9)


def test_a_late_word_about_an_old_attempt_does_not_touch_the_new_one(db: Database) -> None:
    run, first = started(db)
    attempts.finish(db, first.id, status=RunStatus.LOST, reason="gone")
    runs.requeue_resume(db, run.id, None)
    assert not attempts.finish(db, first.id, status=RunStatus.FAILED, reason="late", exit_code=1)
    assert (runs.get(db, run.id).status, runs.get(db, run.id).exit_code) == ("queued", None)
    second = start(db, run)
    assert not attempts.finish(db, first.id, status=RunStatus.FAILED, reason="late", exit_code=1, signal=15)
    assert not attempts.set_status(db, first.id, RunStatus.PAUSED)
    assert not attempts.running(db, first.id, pid=1, start_time=1.0, boot_id=None)
    run = runs.get(db, run.id)
    assert (run.status, run.exit_code, run.signal, run.pid) == ("running", None, None, second.pid)


def test_the_end_answers_what_was_asked(db: Database) -> None:
    run, attempt = started(db)
    commands.send(db, run.id, "checkpoint")
    commands.send(db, run.id, "stop")
    attempts.finish(db, attempt.id, status=RunStatus.KILLED, reason="killed by SIGKILL", signal=9)
    assert commands.pending(db, run.id) == []
    outcomes = {command.outcome for command in commands.for_run(db, run.id)}
    assert outcomes == {"the run ended: killed (killed by SIGKILL)"}


def test_status_moves_with_the_attempt_until_it_ends(db: Database) -> None:
    run, attempt = started(db)
    for status in (RunStatus.PAUSED, RunStatus.RUNNING, RunStatus.STOPPING):
        assert attempts.set_status(db, attempt.id, status)
        assert runs.get(db, run.id).status is attempts.get(db, attempt.id).status is status
    attempts.finish(db, attempt.id, status=RunStatus.STOPPED, reason=None)
    assert not attempts.set_status(db, attempt.id, RunStatus.RUNNING)
    assert runs.get(db, run.id).status is RunStatus.STOPPED


def test_endings_and_states_are_not_mixed_up(db: Database) -> None:
    _, attempt = started(db)
    with pytest.raises(StoreError, match="cannot be set to completed"):
        attempts.set_status(db, attempt.id, RunStatus.COMPLETED)
    with pytest.raises(StoreError, match="cannot end as running"):
        attempts.finish(db, attempt.id, status=RunStatus.RUNNING, reason=None)


def test_open_attempts_by_host(db: Database) -> None:
    here, there, ended = (new_run(db) for _ in range(3))
    first, second = start(db, here, host="a"), start(db, there, host="b")
    third = start(db, ended, host="a")
    attempts.finish(db, third.id, status=RunStatus.COMPLETED, reason=None)
    assert [attempt.id for attempt in attempts.open_attempts(db)] == [first.id, second.id]
    assert [attempt.id for attempt in attempts.open_attempts(db, "a")] == [first.id]


def test_attempts_are_numbered_from_one(db: Database) -> None:
    run = new_run(db)
    assert attempts.for_run(db, run.id) == []
    assert attempts.latest(db, run.id) is None
    for _ in range(3):
        attempt = start(db, run)
        attempts.finish(db, attempt.id, status=RunStatus.STOPPED, reason=None)
        runs.requeue_resume(db, run.id, None)
    assert [attempt.number for attempt in attempts.for_run(db, run.id)] == [1, 2, 3]
    latest = attempts.latest(db, run.id)
    assert latest is not None
    assert latest.number == runs.get(db, run.id).attempt_count == 3


def test_what_does_not_exist_is_said(db: Database) -> None:
    with pytest.raises(RunNotFound):
        attempts.for_run(db, 5)
    with pytest.raises(RunNotFound):
        attempts.latest(db, 5)
    with pytest.raises(IllegalState, match="no attempt 5"):
        attempts.get(db, 5)
    with pytest.raises(IllegalState, match="no attempt 5"):
        attempts.finish(db, 5, status=RunStatus.LOST, reason=None)


def test_a_late_word_does_not_hide_that_a_run_is_stopping(db: Database) -> None:
    """The training's thread leaves its pause and reports "running" after the listener has reported "stopping"."""
    run, attempt = started(db)
    assert attempts.set_status(db, attempt.id, RunStatus.PAUSED)
    assert attempts.set_status(db, attempt.id, RunStatus.STOPPING)
    for late in (RunStatus.RUNNING, RunStatus.PAUSED):
        assert not attempts.set_status(db, attempt.id, late)
        assert runs.get(db, run.id).status is RunStatus.STOPPING
        assert attempts.get(db, attempt.id).status is RunStatus.STOPPING
    assert attempts.set_status(db, attempt.id, RunStatus.STOPPING)
    end(db, run)
    assert not attempts.set_status(db, attempt.id, RunStatus.STOPPING)
