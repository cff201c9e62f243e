from __future__ import annotations

import pytest

from db.errors import IllegalState, RunNotFound, StoreError
from db.records import CommandKind, RunStatus
from db.runs import attempts, commands, runs
from db.session import Database
from tests.db.helpers import new_run, started


def test_a_command_waits_until_it_is_answered(db: Database) -> None:
    run, _ = started(db)
    command = commands.send(db, run.id, "pause")
    assert (command.kind, command.done_at, command.outcome) == ("pause", None, None)
    assert commands.pending(db, run.id) == [command]
    assert commands.acknowledge(db, command.id, "paused")
    assert commands.pending(db, run.id) == []
    (answered,) = commands.for_run(db, run.id)
    assert answered.outcome == "paused"
    assert answered.done_at is not None
    assert not commands.acknowledge(db, command.id, "again")
    assert commands.for_run(db, run.id) == [answered]


@pytest.mark.parametrize("kind", ["stop", "pause", "checkpoint"])
def test_asking_twice_is_asking_once(db: Database, kind: CommandKind) -> None:
    run, _ = started(db)
    assert commands.send(db, run.id, kind) == commands.send(db, run.id, kind)
    assert len(commands.pending(db, run.id)) == 1


def test_a_pending_pause_can_be_taken_back(db: Database) -> None:
    run, _ = started(db)
    for kind in ("pause", "unpause", "pause"):
        commands.send(db, run.id, kind)
    assert [command.kind for command in commands.pending(db, run.id)] == ["pause", "unpause", "pause"]


def test_after_a_pending_stop_only_stop(db: Database) -> None:
    run, _ = started(db)
    stop = commands.send(db, run.id, "stop")
    with pytest.raises(IllegalState, match="running and about to be stopping; only a running run can be paused"):
        commands.send(db, run.id, "pause")
    assert commands.send(db, run.id, "stop") == stop


def test_stopping_what_waits_in_the_queue_is_done_at_once(db: Database) -> None:
    run = new_run(db)
    command = commands.send(db, run.id, "stop")
    assert command.done_at is not None
    run = runs.get(db, run.id)
    assert (run.status, run.reason, run.ended_at) == ("stopped", command.outcome, command.done_at)
    assert runs.reserve(db, run.id, host="h", device="cpu", slots=1) is None
    assert commands.pending(db, run.id) == []


STATES = {
    RunStatus.QUEUED: {"stop"},
    RunStatus.STARTING: {"stop", "pause", "checkpoint"},
    RunStatus.RUNNING: {"stop", "pause", "checkpoint"},
    RunStatus.PAUSED: {"stop", "unpause", "checkpoint"},
    RunStatus.STOPPING: {"stop"},
    RunStatus.COMPLETED: set(),
    RunStatus.LOST: set(),
}


@pytest.mark.parametrize("status", STATES)
@pytest.mark.parametrize("kind", ["stop", "pause", "unpause", "checkpoint"])
def test_what_each_state_allows(db: Database, status: RunStatus, kind: CommandKind) -> None:
    run = new_run(db, name="mine")
    if status is not RunStatus.QUEUED:
        attempt = runs.reserve(db, run.id, host="h", device="cpu", slots=1)
        assert attempt is not None
        if status.is_terminal:
            attempts.finish(db, attempt.id, status=status, reason=None)
        elif status is not RunStatus.STARTING:
            attempts.set_status(db, attempt.id, status)
    if kind in STATES[status]:
        assert commands.send(db, run.id, kind).kind == kind
    else:
        with pytest.raises(IllegalState, match=rf"Run {run.id} \(mine\) is {status}; only a "):
            commands.send(db, run.id, kind)
        assert commands.for_run(db, run.id) == []


def test_what_does_not_exist_is_said(db: Database) -> None:
    with pytest.raises(RunNotFound):
        commands.send(db, 5, "stop")
    with pytest.raises(StoreError, match="'dance' is not a command; allowed are stop, pause"):
        commands.send(db, new_run(db).id, "dance")  # type: ignore[arg-type]
    assert not commands.acknowledge(db, 5, "x")
    assert commands.pending(db, 5) == []


def test_a_command_that_was_carried_out_but_not_answered_does_not_swallow_the_next(db: Database) -> None:
    """An answer may fail: the command stays pending, can be answered later, and what is asked afterwards is asked."""
    run, attempt = started(db)
    attempts.set_status(db, attempt.id, RunStatus.PAUSED)
    unanswered = commands.send(db, run.id, "unpause")
    attempts.set_status(db, attempt.id, RunStatus.RUNNING)  # carried out; its answer failed
    commands.send(db, run.id, "pause")
    attempts.set_status(db, attempt.id, RunStatus.PAUSED)
    again = commands.send(db, run.id, "unpause")
    assert again.id != unanswered.id
    assert [command.kind for command in commands.pending(db, run.id)] == ["unpause", "pause", "unpause"]
    assert commands.acknowledge(db, unanswered.id, "resumed")
    assert [command.id for command in commands.pending(db, run.id)][-1] == again.id
