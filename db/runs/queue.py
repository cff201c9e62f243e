"""The runs that wait: in which order they start, and what people change about that.

Of two waiting runs the one of higher priority starts first; among equals the one that stands further ahead, which is
the older one unless somebody moved it. A held run keeps its place and does not start.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Literal, get_args

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.errors import IllegalState, StoreError
from db.models import RunRow
from db.records import RunRecord, RunStatus
from db.rows import get_run, run_record
from db.session import Database

__all__ = ["Direction", "hold", "how_many_wait", "move", "queued", "release", "set_priority", "waiting"]

Direction = Literal["top", "bottom", "up", "down"]

_HELD_BY_USER = "held by user"
_STEP = 0.001  # seconds between two places that are given out anew
_LARGEST_PRIORITY = 2**31 - 1

_PLACE = sa.func.coalesce(RunRow.position, RunRow.queued_at)
_WAITING = (RunRow.status == RunStatus.QUEUED, RunRow.trashed_at.is_(None))
_ORDER = (RunRow.priority.desc(), _PLACE, RunRow.id)


def waiting(db: Database, limit: int | None = None) -> list[RunRecord]:
    """All runs that wait, or the first so many, held ones among them, in the order in which they would start."""
    statement = sa.select(RunRow).where(*_WAITING).order_by(*_ORDER).limit(limit)
    with db.read() as session:
        return [run_record(row) for row in session.scalars(statement)]


def how_many_wait(db: Database) -> tuple[int, int]:
    """How many runs wait, and how many of them are held."""
    held = sa.func.coalesce(sa.func.sum(sa.case((RunRow.held, 1), else_=0)), 0)
    with db.read() as session:
        number, of_them = session.execute(sa.select(sa.func.count(), held).where(*_WAITING)).one()
    return int(number), int(of_them)


def queued(db: Database) -> list[RunRecord]:
    """The runs that may be started, in the order to start them: priority, then place. Held ones are left out."""
    statement = sa.select(RunRow).where(*_WAITING, RunRow.held.is_(False)).order_by(*_ORDER)
    with db.read() as session:
        return [run_record(row) for row in session.scalars(statement)]


def move(db: Database, run_id: int, to: Direction) -> RunRecord:
    """Move a waiting run among the waiting runs of its priority; what is there already stays there.

    Args:
        db: The database.
        run_id: The run.
        to: "top" or "bottom" of them, or one place "up" or "down".

    Raises:
        RunNotFound: There is no such run.
        IllegalState: It does not wait, or only another priority would take it past its neighbour.
        StoreError: There is no such direction.
    """
    if to not in get_args(Direction):
        raise StoreError(f"A run cannot be moved to {to!r}; allowed are {', '.join(get_args(Direction))}.")
    with db.write() as session:
        db.exclusive(session, "itop queue")
        run = _get_waiting(session, run_id, "moved")
        rows = session.scalars(sa.select(RunRow).where(*_WAITING, RunRow.priority == run.priority).order_by(*_ORDER))
        equals = list(rows)
        here = equals.index(run)
        there = {"top": 0, "bottom": len(equals) - 1, "up": here - 1, "down": here + 1}[to]
        if 0 <= there < len(equals):
            _put(equals, here, there)
        else:
            _check_end_of_queue(session, run, ahead=there < 0)
        session.flush()
        return run_record(run)


def hold(db: Database, run_id: int, reason: str | None = None) -> RunRecord:
    """Keep a waiting run from starting until it is released; one that is held already keeps its reason.

    Args:
        db: The database.
        run_id: The run.
        reason: Why; None says that a person wished it.

    Raises:
        RunNotFound: There is no such run.
        IllegalState: It does not wait.
    """
    with db.write() as session:
        run = _get_waiting(session, run_id, "held")
        if not run.held or reason is not None:
            run.held, run.reason = True, reason or _HELD_BY_USER
        session.flush()
        return run_record(run)


def release(db: Database, run_id: int) -> RunRecord:
    """Let a held run start when its turn comes; its failed starts are forgotten. One that is not held stays as it is.

    Raises:
        RunNotFound: There is no such run.
        IllegalState: It does not wait.
    """
    with db.write() as session:
        run = _get_waiting(session, run_id, "released")
        if run.held:
            run.held, run.reason, run.start_failures = False, None, 0
        session.flush()
        return run_record(run)


def set_priority(db: Database, run_id: int, priority: int) -> RunRecord:
    """Give a waiting run another priority; it joins the runs of that priority by its age.

    Args:
        db: The database.
        run_id: The run.
        priority: Larger starts earlier.

    Raises:
        RunNotFound: There is no such run.
        IllegalState: It does not wait.
        StoreError: The number is too large for a database.
    """
    if abs(priority) > _LARGEST_PRIORITY:
        raise StoreError(f"priority = {priority}: must be between -{_LARGEST_PRIORITY} and {_LARGEST_PRIORITY}.")
    with db.write() as session:
        run = _get_waiting(session, run_id, "given another priority")
        if run.priority != priority:
            run.priority, run.position = priority, None
        session.flush()
        return run_record(run)


def _get_waiting(session: Session, run_id: int, what: str) -> RunRow:
    run = get_run(session, run_id, lock=True)
    if run.status != RunStatus.QUEUED or run.trashed_at is not None:
        state = run.status if run.trashed_at is None else "deleted"
        raise IllegalState(f"Run {run.id} ({run.name}) is {state}; only a run that waits in the queue can be {what}.")
    return run


def _check_end_of_queue(session: Session, run: RunRow, *, ahead: bool) -> None:
    """Refuse a step past the runs of the same priority where runs of another one stand there."""
    other = RunRow.priority > run.priority if ahead else RunRow.priority < run.priority
    nearest = RunRow.priority if ahead else RunRow.priority.desc()
    neighbour = session.scalars(sa.select(RunRow).where(*_WAITING, other).order_by(nearest).limit(1)).first()
    if neighbour is not None:
        end, verb = ("first", "start before") if ahead else ("last", "start after")
        raise IllegalState(
            f"Run {run.id} ({run.name}) is the {end} of priority {run.priority}; to {verb} those of priority "
            f"{neighbour.priority} it needs another priority."
        )


def _put(rows: Sequence[RunRow], here: int, there: int) -> None:
    """Give the run at one place of the queue a place among the others; all get new ones where there is no room."""
    others = [row for row in rows if row is not rows[here]]
    if len(others) == 0 or here == there:
        return
    if there == 0:
        place = _place(others[0]) - 1
    elif there == len(others):
        # Not before what is submitted from now on, which stands at its own time.
        place = max(time.time(), math.nextafter(_place(others[-1]), math.inf))
    else:
        before, after = _place(others[there - 1]), _place(others[there])
        place = (before + after) / 2
        if not before < place < after:
            ordered = [*others[:there], rows[here], *others[there:]]
            last = _place(rows[-1])
            for number, row in enumerate(reversed(ordered)):
                row.position = last - number * _STEP
            return
    rows[here].position = place


def _place(row: RunRow) -> float:
    if row.position is not None:
        return row.position
    return row.queued_at if row.queued_at is not None else row.created_at
