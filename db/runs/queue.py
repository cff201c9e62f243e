"""The runs that wait: in which order they start, and what people change about that.

Of two waiting runs the one of higher priority starts first; among equals the one that is further ahead, which is
the older one unless a person moved it. A held run keeps its place and does not start; nor does one that waits for
other runs (`db.runs.dependencies`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import pairwise
from typing import Literal, get_args

import sqlalchemy as sa
from sqlalchemy.orm import Session, load_only

from db.errors import IllegalState, RunNotFound, StoreError
from db.models import RunRow
from db.records import BatchResult, RunRecord, RunStatus, StartsAfter
from db.rows import get_run, get_runs, run_record
from db.runs import behind, dependencies
from db.runs.change_many import change_each
from db.session import Database

__all__ = [
    "HELD_BY_USER",
    "Direction",
    "add_priority",
    "hold",
    "hold_many",
    "how_many_wait",
    "move",
    "move_many",
    "places",
    "places_in_front",
    "queued",
    "release",
    "release_many",
    "set_priorities",
    "set_priority",
    "start_after",
    "waiting",
    "waiting_ids",
]

Direction = Literal["top", "bottom", "up", "down"]

HELD_BY_USER = "held by user"
"""The reason of a run that a person held without giving one."""

_LOCK = "itop queue"
_STEP = 0.001  # seconds between two places when all are given new ones
_LARGEST_PRIORITY = 2**31 - 1

_PLACE = sa.func.coalesce(RunRow.position, RunRow.queued_at)
_WAITING = (RunRow.status == RunStatus.QUEUED, RunRow.trashed_at.is_(None))
_PLACED = (RunRow.id, RunRow.name, RunRow.priority, RunRow.position, RunRow.queued_at, RunRow.created_at)
_ORDER = (RunRow.priority.desc(), _PLACE, RunRow.id)


def waiting(db: Database, limit: int | None = None) -> list[RunRecord]:
    """All runs that wait, or the first so many, held ones among them, in the order in which they would start."""
    return _in_order(db, _WAITING, limit)


def waiting_ids(db: Database, limit: int) -> list[int]:
    """The ids of the first so many runs that wait, held ones among them, in the order in which they would start."""
    with db.read() as session:
        return list(session.scalars(sa.select(RunRow.id).where(*_WAITING).order_by(*_ORDER).limit(limit)))


def how_many_wait(db: Database) -> tuple[int, int]:
    """How many runs wait, and how many of them are held."""
    held = sa.func.coalesce(sa.func.sum(sa.case((RunRow.held, 1), else_=0)), 0)
    with db.read() as session:
        number, of_them = session.execute(sa.select(sa.func.count(), held).where(*_WAITING)).one()
    return int(number), int(of_them)


def queued(db: Database, limit: int | None = None) -> list[RunRecord]:
    """The runs that wait and are not held, or the first so many, in the order to start them: priority, then place.

    Those that wait for other runs are among them: see `dependencies.who_wait`.
    """
    return _in_order(db, (*_WAITING, RunRow.held.is_(False)), limit)


def _in_order(db: Database, which: Sequence[sa.ColumnElement[bool]], limit: int | None) -> list[RunRecord]:
    """Some of the runs that wait, all or the first so many, in the order in which they would start."""
    statement = sa.select(RunRow).order_by(*_ORDER)
    if limit is None:
        statement = statement.where(*which)
    else:  # only ids are sorted, and only the rows of the first ones are read
        statement = statement.where(RunRow.id.in_(sa.select(RunRow.id).where(*which).order_by(*_ORDER).limit(limit)))
    with db.read() as session:
        return [run_record(row) for row in session.scalars(statement)]


def places(db: Database, run_ids: Iterable[int]) -> dict[int, int]:
    """The places of waiting runs among all that wait, from 1, in their order; those that do not wait are left out."""
    wanted = set(run_ids)
    statement = sa.select(RunRow.id).where(*_WAITING).order_by(*_ORDER)
    with db.read() as session:
        return {run_id: place for place, run_id in enumerate(session.scalars(statement), 1) if run_id in wanted}


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
    _check_direction(to)
    with db.write() as session:
        db.exclusive(session, _LOCK)
        run = _check_waits(get_run(session, run_id, lock=True), "moved")
        if _move_block(session, [run], to):
            _check_end_of_queue(session, run, ahead=to == "up")
        session.flush()
        return run_record(run)


def move_many(db: Database, run_ids: Iterable[int], to: Direction) -> BatchResult:
    """Move waiting runs, all in one transaction; those of one priority move as a block that keeps its order.

    Of several, one that cannot go further up or down stays where it is, and is not among those done. A single one is
    refused as by `move`.

    Args:
        db: The database.
        run_ids: The runs.
        to: "top" or "bottom" of the runs of their priority, or one place "up" or "down".

    Raises:
        StoreError: There is no such direction.
    """
    _check_direction(to)
    wanted = tuple(dict.fromkeys(run_ids))
    problems: list[str] = []
    movable: list[RunRow] = []
    with db.write() as session:
        db.exclusive(session, _LOCK)
        rows = get_runs(session, wanted, lock=True)
        for run_id in wanted:
            try:
                if run_id not in rows:
                    raise RunNotFound(f"There is no run {run_id}.")
                movable.append(_check_waits(rows[run_id], "moved"))
            except StoreError as error:
                problems.append(str(error))
        stuck = _move_block(session, movable, to)
        if stuck and len(movable) == 1:
            try:
                _check_end_of_queue(session, movable[0], ahead=to == "up")
            except IllegalState as error:
                problems.append(str(error))
            else:  # it is where it was wanted, before or behind all others
                stuck = set()
        return BatchResult(tuple(row.id for row in movable if row.id not in stuck), tuple(problems))


def hold(db: Database, run_id: int, reason: str | None = None) -> RunRecord:
    """Keep a waiting run from starting until it is released; one that is held already keeps its reason.

    Args:
        db: The database.
        run_id: The run.
        reason: Why; None says that a person did it.

    Raises:
        RunNotFound: There is no such run.
        IllegalState: It does not wait.
    """
    return _change_one(db, run_id, lambda session, run: _hold(session, run, reason))


def hold_many(db: Database, run_ids: Iterable[int], reason: str | None = None) -> BatchResult:
    """Keep waiting runs from starting, as `hold` does, in one transaction."""
    return change_each(db, run_ids, lambda session, run: _hold(session, run, reason))


def _hold(session: Session, run: RunRow, reason: str | None) -> None:
    _check_waits(run, "held")
    by_itself = behind.is_held_behind(session, run)
    if by_itself:
        behind.unflag(session, run)
    if not run.held or by_itself or reason is not None:
        run.held, run.reason = True, reason or HELD_BY_USER


def release(db: Database, run_id: int) -> RunRecord:
    """Let a held run start when its turn comes; its failed starts are forgotten. One that is not held stays as it is.

    Raises:
        RunNotFound: There is no such run.
        IllegalState: It does not wait, or it starts after the completion of a run that will not complete.
    """
    return _change_one(db, run_id, _release)


def release_many(db: Database, run_ids: Iterable[int]) -> BatchResult:
    """Let held runs start when their turn comes, as `release` does, in one transaction."""
    return change_each(db, run_ids, _release)


def _release(session: Session, run: RunRow) -> None:
    _check_waits(run, "released")
    if behind.is_held_behind(session, run):
        behind.check_may_start(session, run)
        behind.unflag(session, run)
    if run.held:
        run.held, run.reason, run.start_failures = False, None, 0


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
    return _change_one(db, run_id, lambda _, run: _set_priority(run, priority))


def set_priorities(db: Database, run_ids: Iterable[int], priority: int) -> BatchResult:
    """Give waiting runs another priority, as `set_priority` does, in one transaction."""
    return change_each(db, run_ids, lambda _, run: _set_priority(run, priority))


def add_priority(db: Database, run_ids: Iterable[int], by: int) -> BatchResult:
    """Raise the priority of waiting runs by a number, in one transaction; each is then placed by its age.

    Args:
        db: The database.
        run_ids: The runs.
        by: How much; negative lowers it.
    """
    return change_each(db, run_ids, lambda _, run: _set_priority(run, run.priority + by))


def _set_priority(run: RunRow, priority: int) -> None:
    if abs(priority) > _LARGEST_PRIORITY:
        raise StoreError(f"priority = {priority}: must be between -{_LARGEST_PRIORITY} and {_LARGEST_PRIORITY}.")
    _check_waits(run, "given another priority")
    if run.priority != priority:
        run.priority, run.position = priority, None


def places_in_front(db: Database, session: Session, number: int) -> list[tuple[int, float | None]]:
    """The priority and the position of each of so many new runs that are to start before all others.

    Nothing else may be moved in the queue before the transaction ends.
    """
    db.exclusive(session, _LOCK)
    priority = session.scalar(sa.select(sa.func.max(RunRow.priority)).where(*_WAITING, RunRow.held.is_(False)))
    priority = max(0, priority or 0)
    first = session.scalar(sa.select(sa.func.min(_PLACE)).where(*_WAITING, RunRow.priority == priority))
    return [(priority, None if first is None else first - (number - place)) for place in range(number)]


def start_after(db: Database, run_ids: Iterable[int], starts_after: StartsAfter) -> BatchResult:
    """Let waiting runs start after others, instead of those that they started after until now; in one transaction.

    Args:
        db: The database.
        run_ids: The runs.
        starts_after: The others; none of them for runs that are to wait for no other.
    """

    def change(session: Session, run: RunRow) -> None:
        _check_waits(run, "made to start after others")
        dependencies.replace(db, session, run, starts_after)

    return change_each(db, run_ids, change)


def _change_one(db: Database, run_id: int, change: Callable[[Session, RunRow], None]) -> RunRecord:
    with db.write() as session:
        run = get_run(session, run_id, lock=True)
        change(session, run)
        session.flush()
        return run_record(run)


def _check_waits(run: RunRow, what: str) -> RunRow:
    if run.status != RunStatus.QUEUED or run.trashed_at is not None:
        state = run.status if run.trashed_at is None else "deleted"
        raise IllegalState(f"Run {run.id} ({run.name}) is {state}; only a run that waits in the queue can be {what}.")
    return run


def _check_direction(to: str) -> None:
    if to not in get_args(Direction):
        raise StoreError(f"A run cannot be moved to {to!r}; allowed are {', '.join(get_args(Direction))}.")


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


def _move_block(session: Session, chosen: Iterable[RunRow], to: Direction) -> set[int]:
    """Move runs among the waiting ones of their priorities; returns those that cannot go further up or down."""
    by_priority: dict[int, set[int]] = {}
    for run in chosen:
        by_priority.setdefault(run.priority, set()).add(run.id)
    stuck: set[int] = set()
    for priority, ids in by_priority.items():
        before = list(
            session.scalars(
                sa.select(RunRow)
                .where(*_WAITING, RunRow.priority == priority)
                .order_by(*_ORDER)
                .options(load_only(*_PLACED, raiseload=True))
            )
        )
        if to in ("top", "bottom"):
            block, rest = [row for row in before if row.id in ids], [row for row in before if row.id not in ids]
            after = [*block, *rest] if to == "top" else [*rest, *block]
        elif to == "up":
            after, cannot = _one_up(before, ids)
            stuck |= cannot
        else:
            after, cannot = _one_up(before[::-1], ids)
            after.reverse()
            stuck |= cannot
        if after != before:
            _give_places(after, ids - stuck)
    return stuck


def _one_up(rows: Sequence[RunRow], ids: Collection[int]) -> tuple[list[RunRow], set[int]]:
    """The rows with the chosen ones one place further ahead, and those of them that have no place to go to."""
    after = list(rows)
    stuck: set[int] = set()
    for here, row in enumerate(rows):
        if row.id not in ids:
            continue
        if here == 0 or after[here - 1].id in ids:  # one that went ahead has left another row in its place
            stuck.add(row.id)
        else:
            after[here - 1], after[here] = row, after[here - 1]
    return after, stuck


def _give_places(rows: Sequence[RunRow], moved: Collection[int]) -> None:
    """Give the moved ones of some rows places in the order of the rows; all get new ones where there is no room."""
    fixed = [number for number, row in enumerate(rows) if row.id not in moved]
    if not fixed:
        return
    places: dict[int, float] = {}
    for before, after in zip([-1, *fixed], [*fixed, len(rows)], strict=True):
        between = range(before + 1, after)
        if after == len(rows):  # behind all others
            place = _place(rows[before])
            for number in between:
                # Not before what is submitted from now on, which is placed at its own time.
                place = places[number] = max(time.time(), math.nextafter(place, math.inf))
        elif before == -1:
            places |= {number: _place(rows[after]) - (after - number) for number in between}
        else:
            low, high = _place(rows[before]), _place(rows[after])
            places |= {number: low + (high - low) * (number - before) / (after - before) for number in between}
    all_places = [places.get(number, _place(row)) for number, row in enumerate(rows)]
    if any(places.keys() & {here, here + 1} and not a < b for here, (a, b) in enumerate(pairwise(all_places))):
        last = max(map(_place, rows))
        places = {number: last - (len(rows) - 1 - number) * _STEP for number in range(len(rows))}
    for number, place in places.items():
        rows[number].position = place


def _place(row: RunRow) -> float:
    if row.position is not None:
        return row.position
    return row.queued_at if row.queued_at is not None else row.created_at
