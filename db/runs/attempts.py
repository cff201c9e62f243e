"""Attempts: each start or resume of a run, from its reservation to its one true ending."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.errors import IllegalState, StoreError
from db.fence import check_open
from db.models import AttemptRow, CommandRow, DeviceClaimRow, RunRow
from db.records import AttemptRecord, Host, RunStatus
from db.rows import attempt_record, get_attempt, get_run, lock_attempt
from db.runs.hosts import on_machine
from db.session import Database

__all__ = [
    "START_TRIES",
    "confirm_open",
    "finish",
    "for_run",
    "get",
    "latest",
    "latest_moment",
    "launch",
    "open_attempts",
    "running",
    "set_status",
    "spawned",
]

START_TRIES = 3
"""So often in a row a run may end before its first step; then it is held."""

_BEFORE = {
    RunStatus.RUNNING: frozenset({RunStatus.STARTING, RunStatus.RUNNING, RunStatus.PAUSED}),
    RunStatus.PAUSED: frozenset({RunStatus.STARTING, RunStatus.RUNNING, RunStatus.PAUSED}),
    RunStatus.STOPPING: frozenset({RunStatus.STARTING, RunStatus.RUNNING, RunStatus.PAUSED, RunStatus.STOPPING}),
}
"""From which states an attempt may come to one: an attempt that is stopping stays so until it has ended."""


def get(db: Database, attempt_id: int) -> AttemptRecord:
    """The attempt with this id.

    Raises:
        IllegalState: There is none; its run was deleted.
    """
    with db.read() as session:
        return attempt_record(get_attempt(session, attempt_id))


def confirm_open(db: Database, run_id: int, attempt_id: int) -> None:
    """Make sure that an attempt is its run's latest and has not ended.

    Raises:
        AttemptOver: It has ended, or there is a later one.
        RunNotFound: The run was deleted.
    """
    with db.read() as session:
        check_open(session, run_id, attempt_id)


def launch(db: Database, attempt_id: int) -> bool:
    """Take it on to start the process of a reserved attempt; that is given out once.

    Returns:
        Whether the caller is the one who starts it; False also where the attempt has ended.
    """
    with db.write() as session:
        try:
            attempt, _ = lock_attempt(session, attempt_id)
        except IllegalState:  # deleted
            return False
        if attempt.launched or attempt.ended_at is not None or attempt.pid is not None:
            return False
        attempt.launched = True
        return True


def spawned(db: Database, attempt_id: int, *, warden_pid: int) -> None:
    """Note the process that watches the worker."""
    with db.write() as session:
        get_attempt(session, attempt_id).warden_pid = warden_pid


def running(
    db: Database,
    attempt_id: int,
    *,
    pid: int,
    start_time: float | None,
    boot_id: str | None,
    versions: Mapping[str, str] | None = None,
    commit: str | None = None,
    dirty: bool | None = None,
    command_line: str | None = None,
    diff: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> bool:
    """Note that the worker is up: who it is, of which code and versions. Attempt and run become running.

    Returns:
        False where the attempt had ended before, or another process makes it; then nothing changed, and the worker
        must not train.
    """
    with db.write() as session:
        attempt, run = lock_attempt(session, attempt_id)
        if attempt.ended_at is not None or (attempt.pid is not None and not _is(attempt, pid, start_time)):
            return False
        attempt.pid, attempt.start_time, attempt.boot_id = pid, start_time, boot_id
        attempt.launched = True
        attempt.versions = dict(versions or {})
        attempt.commit, attempt.dirty, attempt.command_line = commit, dirty, command_line
        attempt.diff, attempt.environment = diff, None if environment is None else dict(environment)
        attempt.status = run.status = RunStatus.RUNNING
        run.pid = pid
        run.heartbeat_at = time.time()
        return True


def _is(attempt: AttemptRow, pid: int, start_time: float | None) -> bool:
    return attempt.pid == pid and attempt.start_time == start_time


def set_status(db: Database, attempt_id: int, status: RunStatus) -> bool:
    """Make an attempt and its run running, paused or stopping.

    Several threads of a worker report states: one that is late must not hide that the attempt is stopping.

    Returns:
        False where the attempt had ended before, or is stopping and the new status is another; then nothing changed.

    Raises:
        StoreError: Another status was given; an ending is for `finish`.
    """
    if status not in _BEFORE:
        raise StoreError(f"An attempt cannot be set to {status}; allowed are {', '.join(sorted(_BEFORE))}.")
    with db.write() as session:
        attempt, run = lock_attempt(session, attempt_id)
        if attempt.ended_at is not None or attempt.status not in _BEFORE[status]:
            return False
        attempt.status = run.status = status
        return True


def finish(
    db: Database,
    attempt_id: int,
    *,
    status: RunStatus,
    reason: str | None,
    exit_code: int | None = None,
    signal: int | None = None,
    traceback: str | None = None,
    ended_at: float | None = None,
    retry_may_help: bool = False,
) -> bool:
    """End an attempt and its run. Commands that are still pending are acknowledged with what happened.

    Worker, warden and scheduler may each report an ending; the first report counts.

    Where trying again may help, and the attempt took no step, and no person asked it to stop, the run goes back to its
    place in the queue; after `START_TRIES` such ends in a row it is held there, with the reason.

    Args:
        db: The database.
        attempt_id: The attempt.
        status: How it ended.
        reason: Why, in words.
        exit_code: Of the worker, where it had one.
        signal: The signal that killed the worker, where one did.
        traceback: Of the exception that ended it.
        ended_at: When it ended; None for now.
        retry_may_help: Whether trying again may help: the cause is not a mistake in the run's settings.

    Returns:
        False where it had ended before; then nothing changed, except that an exit code, signal or traceback that was
        not known yet is added.

    Raises:
        StoreError: The status is not an ending.
    """
    if not status.is_terminal:
        raise StoreError(f"A run cannot end as {status}.")
    facts: dict[str, Any] = {"exit_code": exit_code, "signal": signal}
    with db.write() as session:
        attempt, run = lock_attempt(session, attempt_id)
        latest = run.attempt_count == attempt.number
        if attempt.ended_at is not None:
            for name, value in (facts | {"traceback": traceback}).items():
                if getattr(attempt, name) is None:
                    setattr(attempt, name, value)
                    # A run that was queued again in between has nothing to do with that ending any more.
                    if name in facts and latest and run.status.is_terminal:
                        setattr(run, name, value)
            return False
        now = time.time()
        ended_at = now if ended_at is None else ended_at  # known where the end is written down long after
        attempt.status, attempt.reason, attempt.ended_at = status, reason, ended_at
        attempt.exit_code, attempt.signal, attempt.traceback = exit_code, signal, traceback
        session.execute(sa.delete(DeviceClaimRow).where(DeviceClaimRow.attempt_id == attempt.id))
        took_a_step = run.step > attempt.start_step
        if took_a_step:
            run.start_failures = 0
        if retry_may_help and not took_a_step and not _was_asked_to_stop(session, run):
            _queue_again(run, reason or status)
        else:
            run.status, run.reason, run.ended_at = status, reason, ended_at
            run.exit_code, run.signal = exit_code, signal
        outcome = f"the run ended: {status}" + (f" ({reason})" if reason else "")
        session.execute(
            sa.update(CommandRow)
            .where(CommandRow.run_id == run.id, CommandRow.done_at.is_(None))
            .values(done_at=now, outcome=outcome)
        )
        return True


def _was_asked_to_stop(session: Session, run: RunRow) -> bool:
    pending = sa.select(CommandRow.id).where(
        CommandRow.run_id == run.id, CommandRow.kind == "stop", CommandRow.done_at.is_(None)
    )
    return run.status == RunStatus.STOPPING or session.scalars(pending.limit(1)).first() is not None


def _queue_again(run: RunRow, reason: str) -> None:
    """Put a run that could not begin back in its place in the queue, held if that has happened too often."""
    run.start_failures += 1
    run.status, run.pid = RunStatus.QUEUED, None
    run.held = run.start_failures >= START_TRIES
    if run.held:
        run.reason = f"held: {run.start_failures} starts in a row failed, the last one with: {reason}"
    else:
        run.reason = f"start {run.start_failures} of {START_TRIES} failed: {reason}"


def for_run(db: Database, run_id: int) -> list[AttemptRecord]:
    """All attempts of a run, in order.

    Raises:
        RunNotFound: There is no such run.
    """
    with db.read() as session:
        get_run(session, run_id)
        rows = session.scalars(sa.select(AttemptRow).where(AttemptRow.run_id == run_id).order_by(AttemptRow.number))
        return [attempt_record(row) for row in rows]


def latest(db: Database, run_id: int) -> AttemptRecord | None:
    """The latest attempt of a run, or None where it never started.

    Raises:
        RunNotFound: There is no such run.
    """
    with db.read() as session:
        get_run(session, run_id)
        row = session.scalars(
            sa.select(AttemptRow).where(AttemptRow.run_id == run_id).order_by(AttemptRow.number.desc()).limit(1)
        ).first()
        return None if row is None else attempt_record(row)


def latest_moment(db: Database) -> float | None:
    """The latest moment of all attempts and signs of life, in unix seconds; None where there is none yet."""
    moments = (AttemptRow.started_at, AttemptRow.ended_at, RunRow.heartbeat_at)
    with db.read() as session:
        found = [session.scalar(sa.select(sa.func.max(column))) for column in moments]
    return max((moment for moment in found if moment is not None), default=None)


def open_attempts(db: Database, host: Host | str | None = None) -> list[AttemptRecord]:
    """The attempts that have not ended, on one machine or on all, by id."""
    statement = sa.select(AttemptRow).where(AttemptRow.ended_at.is_(None)).order_by(AttemptRow.id)
    if host is not None:
        statement = statement.where(on_machine(host))
    with db.read() as session:
        return [attempt_record(row) for row in session.scalars(statement)]
