"""Which runs a queued run starts after: any end of them, or only their completion.

A run that waits for others is skipped until each of them has ended; it takes no place from those behind it. What a
run waits for is read from the states of the others when a scheduler looks, so no end of a run writes anything here, and
none can be missed. A run that was deleted has ended, and did not complete.

What waits for the completion of a run that ended otherwise is held: see `db.runs.behind`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.errors import IllegalState, RunNotFound
from db.models import RunDependencyRow as Dependency
from db.models import RunRow, table_of
from db.records import RunStatus, StartsAfter
from db.rows import get_runs
from db.runs.behind import is_held_behind
from db.runs.dependency_sql import ENDED, MET, NOT_MET, OPEN, QUEUED, WAITS, Before, joined, parts
from db.session import Database

__all__ = ["add_new", "check", "of", "replace", "started", "waits", "waits_for", "who_wait"]

_LOCK = "itop dependencies"
_NAMED = 6
"""So many runs are named in a reason; of more, the number is given."""

# ------------------------------------------------------------------------------------------------------------ reading


def of(db: Database, run_ids: Iterable[int]) -> dict[int, StartsAfter]:
    """What each of some runs starts after, or did when it started; those that start after none are left out."""
    found: dict[int, tuple[list[int], list[int]]] = {}
    with db.read() as session:
        for part in parts(run_ids):
            statement = sa.select(Dependency.run_id, Dependency.after_id, Dependency.must_complete).where(
                Dependency.run_id.in_(part)
            )
            for run_id, after_id, must_complete in session.execute(
                statement.order_by(Dependency.run_id, Dependency.after_id)
            ):
                found.setdefault(run_id, ([], []))[int(must_complete)].append(after_id)
    return {run_id: StartsAfter(tuple(after), tuple(after_ok)) for run_id, (after, after_ok) in found.items()}


def waits(session: Session, run_id: int) -> bool:
    """Whether a run must not start yet, because of the runs that it starts after."""
    return (
        session.scalars(joined(Dependency.run_id).where(Dependency.run_id == run_id, NOT_MET, WAITS).limit(1)).first()
        is not None
    )


def who_wait(db: Database) -> frozenset[int]:
    """The queued runs that must not start yet, because of the runs that they start after."""
    statement = joined(Dependency.run_id).join(RunRow, RunRow.id == Dependency.run_id).where(NOT_MET, WAITS, *QUEUED)
    with db.read() as session:
        return frozenset(session.scalars(statement))


def waits_for(db: Database, run_ids: Iterable[int] | None = None) -> dict[int, str]:
    """Say of queued runs what they wait for: "after run 12 (running)"; those that wait for no run are left out.

    Args:
        db: The database.
        run_ids: The runs; None for all that are queued.
    """
    columns = (Dependency.run_id, Dependency.after_id, Dependency.must_complete, Before.status, Before.held)
    statement = joined(*columns).join(RunRow, RunRow.id == Dependency.run_id).where(NOT_MET, WAITS, *QUEUED)
    statement = statement.order_by(Dependency.run_id, Dependency.after_id)
    found: dict[int, _Waiting] = {}
    with db.read() as session:
        for part in [None] if run_ids is None else parts(run_ids):
            chosen = statement if part is None else statement.where(Dependency.run_id.in_(part))
            for run_id, after_id, must_complete, status, held in session.execute(chosen):
                waiting = found.setdefault(run_id, _Waiting())
                state = "held" if held and status == RunStatus.QUEUED else "deleted" if status is None else str(status)
                (waiting.completed if must_complete else waiting.ended).append((after_id, state))
    return {run_id: waiting.sentence for run_id, waiting in found.items()}


@dataclass(slots=True)
class _Waiting:
    """The runs that a run waits for, each with its state."""

    ended: list[tuple[int, str]] = field(default_factory=list)
    completed: list[tuple[int, str]] = field(default_factory=list)

    @property
    def sentence(self) -> str:
        words = []
        if self.ended:
            words.append(f"after {_named(self.ended)}")
        if self.completed:
            words.append(
                f"after {_named(self.completed)}, if {'it completes' if len(self.completed) == 1 else 'all complete'}"
            )
        return "; ".join(words)


def _named(runs: Sequence[tuple[int, str]]) -> str:
    """Runs in words: one with its state, several with what is unusual."""
    if len(runs) == 1:
        return f"run {runs[0][0]} ({runs[0][1]})"
    shown = [str(run_id) + (" (held)" if state == "held" else "") for run_id, state in runs[:_NAMED]]
    more = f" and {len(runs) - _NAMED:,} more" if len(runs) > _NAMED else ""
    return f"runs {', '.join(shown)}{more}"


# ----------------------------------------------------------------------------------------------------------- changing


def add_new(session: Session, wanted: Mapping[int, StartsAfter]) -> None:
    """Let new runs, which no run waits for, start after others.

    Args:
        session: A write transaction.
        wanted: What each of the new runs starts after.

    Raises:
        RunNotFound: One of the others is not there, or in the trash.
        IllegalState: A run would wait for the completion of one that will not complete.
    """
    alike: dict[StartsAfter, list[int]] = {}
    for run_id, starts_after in wanted.items():
        alike.setdefault(starts_after, []).append(run_id)
    for starts_after, run_ids in alike.items():
        check(session, starts_after)
        _insert(session, run_ids, starts_after)


def replace(db: Database, session: Session, run: RunRow, starts_after: StartsAfter) -> None:
    """Let a run start after others, instead of what it started after until now; one that was held for that is free.

    Args:
        db: The database.
        session: A write transaction.
        run: The run, locked.
        starts_after: The others.

    Raises:
        RunNotFound: One of the others is not there, or in the trash; nothing was changed.
        IllegalState: The run would wait for itself, or for the completion of one that will not complete.
    """
    if starts_after:
        db.exclusive(session, _LOCK)  # until the transaction ends, no other makes half of a circle
        named = {*starts_after.after, *starts_after.after_ok}
        if run.id in named:
            raise IllegalState(f"Run {run.id} ({run.name}) cannot start after itself.")
        check(session, starts_after)
        chain = _chain(session, named, run.id)
        if chain:
            links = ", which starts after ".join(f"run {run_id}" for run_id in chain[1:])
            raise IllegalState(
                f"Run {run.id} ({run.name}) cannot start after run {chain[0]}: that one starts after {links}."
            )
    if is_held_behind(session, run):
        run.held, run.reason = False, None
    session.execute(sa.delete(Dependency).where(Dependency.run_id == run.id))
    _insert(session, [run.id], starts_after)


def check(session: Session, starts_after: StartsAfter) -> None:
    """See whether a new run may start after others.

    Raises:
        RunNotFound: One of the others is not there, or in the trash.
        IllegalState: The run would wait for the completion of one that will not complete.
    """
    rows = get_runs(session, {*starts_after.after, *starts_after.after_ok})
    for run_id in (*starts_after.after, *starts_after.after_ok):
        if run_id not in rows:
            raise RunNotFound(f"There is no run {run_id}.")
        if rows[run_id].trashed_at is not None:
            raise RunNotFound(f"Run {run_id} ({rows[run_id].name}) was deleted: no run can start after it.")
    for run_id in starts_after.after_ok:
        before = rows[run_id]
        if before.status in ENDED:
            raise IllegalState(
                f"Run {run_id} ({before.name}) {ENDED[before.status]}: what is to start only after it has completed "
                "would never start. Resume it first, or start after any end of it."
            )


def _insert(session: Session, run_ids: Sequence[int], starts_after: StartsAfter) -> None:
    named = dict.fromkeys(starts_after.after, False) | dict.fromkeys(starts_after.after_ok, True)
    rows = [
        {"run_id": run_id, "after_id": after_id, "must_complete": must_complete, "outcome": OPEN}
        for run_id in run_ids
        for after_id, must_complete in named.items()
    ]
    if rows:
        session.execute(sa.insert(table_of(Dependency)), rows)


def started(session: Session, run_id: int) -> None:
    """Note that a run has started: where it is queued again, it waits for none of those that it started after."""
    session.execute(sa.update(Dependency).where(Dependency.run_id == run_id, NOT_MET).values(outcome=MET))


def _chain(session: Session, named: Collection[int], run_id: int) -> list[int]:
    """The shortest way from one of some runs to a run, by what each waits for; empty where there is none."""
    came_from: dict[int, int | None] = dict.fromkeys(sorted(named))
    here: list[int] = list(came_from)
    while here:
        beyond: list[int] = []
        for part in parts(here):
            statement = sa.select(Dependency.run_id, Dependency.after_id).join(RunRow, RunRow.id == Dependency.run_id)
            chosen = statement.where(Dependency.run_id.in_(part), NOT_MET, *QUEUED).order_by(
                Dependency.run_id, Dependency.after_id
            )
            for waiting, before in session.execute(chosen).all():
                if before not in came_from:
                    came_from[before] = waiting
                    beyond.append(before)
        if run_id in came_from:
            way: list[int] = [run_id]
            while (previous := came_from[way[-1]]) is not None:
                way.append(previous)
            return way[::-1]
        here = beyond
    return []
