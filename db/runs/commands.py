"""Commands: what people ask of a run while it trains. They wait in the database until the worker answers."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.errors import IllegalState, StoreError
from db.models import CommandRow, RunRow
from db.records import BatchResult, CommandKind, CommandRecord, RunStatus
from db.rows import command_record, get_run
from db.runs.change_many import change_each
from db.session import Database

__all__ = ["acknowledge", "for_run", "pending", "send", "send_many"]

_ALLOWED: dict[str, tuple[RunStatus, ...]] = {
    "stop": (RunStatus.STARTING, RunStatus.RUNNING, RunStatus.PAUSED, RunStatus.STOPPING),
    "pause": (RunStatus.STARTING, RunStatus.RUNNING),
    "unpause": (RunStatus.PAUSED,),
    "checkpoint": (RunStatus.STARTING, RunStatus.RUNNING, RunStatus.PAUSED),
}
_LEADS_TO = {"stop": RunStatus.STOPPING, "pause": RunStatus.PAUSED, "unpause": RunStatus.RUNNING}
_NEEDS = {
    "stop": "a run that is queued or active can be stopped",
    "pause": "a running run can be paused",
    "unpause": "a paused run can be unpaused",
    "checkpoint": "a running or paused run can write a checkpoint",
}


def send(db: Database, run_id: int, kind: CommandKind) -> CommandRecord:
    """Ask something of a run. An equal command that is still pending is returned instead of a second one.

    A run that waits in the queue is stopped at once. Whether a command is allowed is judged by the state the run will
    be in once the commands before it are done: a pause that is still pending can be undone by unpause.

    Raises:
        RunNotFound: There is no such run.
        IllegalState: The state of the run does not allow it; the message says why.
    """
    _check_kind(kind)
    with db.write() as session:
        row = _send(session, get_run(session, run_id, lock=True), kind)
        session.flush()
        return command_record(row)


def send_many(db: Database, kinds: Mapping[int, CommandKind]) -> BatchResult:
    """Ask something of several runs, as `send` does, in one transaction.

    Args:
        db: The database.
        kinds: The command for each run, by its id.
    """
    for kind in kinds.values():
        _check_kind(kind)
    return change_each(db, kinds, lambda session, run: _send(session, run, kinds[run.id]))


def _check_kind(kind: str) -> None:
    if kind not in _ALLOWED:
        raise StoreError(f"{kind!r} is not a command; allowed are {', '.join(_ALLOWED)}.")


def _send(session: Session, run: RunRow, kind: CommandKind) -> CommandRow:
    now = time.time()
    if kind == "stop" and run.status == RunStatus.QUEUED:
        row = _stop_queued(run, now)
        session.add(row)
        return row
    waiting = _pending(session, run.id)
    if waiting and waiting[-1].kind == kind:
        return waiting[-1]
    if kind in ("stop", "checkpoint"):
        for row in waiting:
            if row.kind == kind:
                return row
    expected = run.status
    for row in waiting:
        expected = _LEADS_TO.get(row.kind, expected)
    if expected not in _ALLOWED[kind]:
        described = expected if expected == run.status else f"{run.status} and about to be {expected}"
        raise IllegalState(f"Run {run.id} ({run.name}) is {described}; only {_NEEDS[kind]}.")
    row = CommandRow(run_id=run.id, kind=kind, created_at=now)
    session.add(row)
    return row


def pending(db: Database, run_id: int) -> list[CommandRecord]:
    """What a run has not answered yet, in the order it was asked."""
    with db.read() as session:
        return [command_record(row) for row in _pending(session, run_id)]


def for_run(db: Database, run_id: int) -> list[CommandRecord]:
    """All commands a run was ever sent, in order."""
    with db.read() as session:
        rows = session.scalars(sa.select(CommandRow).where(CommandRow.run_id == run_id).order_by(CommandRow.id))
        return [command_record(row) for row in rows]


def acknowledge(db: Database, command_id: int, outcome: str) -> bool:
    """Answer a command.

    Returns:
        False where it was answered before, or its run was deleted; then nothing changed.
    """
    with db.write() as session:
        answered = session.execute(
            sa.update(CommandRow)
            .where(CommandRow.id == command_id, CommandRow.done_at.is_(None))
            .values(done_at=time.time(), outcome=outcome)
            .returning(CommandRow.id)
        )
        return answered.first() is not None


def _pending(session: Session, run_id: int) -> Sequence[CommandRow]:
    return session.scalars(
        sa.select(CommandRow).where(CommandRow.run_id == run_id, CommandRow.done_at.is_(None)).order_by(CommandRow.id)
    ).all()


def _stop_queued(run: RunRow, now: float) -> CommandRow:
    run.status, run.ended_at = RunStatus.STOPPED, now
    run.reason, run.held = "stopped by user before it started", False
    return CommandRow(run_id=run.id, kind="stop", created_at=now, done_at=now, outcome=run.reason)
