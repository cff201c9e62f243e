"""Runs that are held because a run that must complete before them did not.

A run that is to start only after another has completed would wait forever where that one ends otherwise. It is held
then, with the reason, and so is what waits for its completion in turn. It is free again by itself when the run it waits
for is resumed; a person can also change what it starts after.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.errors import IllegalState
from db.models import RunDependencyRow as Dependency
from db.models import RunRow
from db.records import RunStatus
from db.rows import get_runs
from db.runs.dependency_sql import (
    ENDED,
    FAILED,
    HELD,
    NOT_MET,
    OPEN,
    QUEUED,
    WILL_NOT_COMPLETE,
    Before,
    joined,
    parts,
)
from db.session import Database

__all__ = ["check_may_start", "held_behind", "is_held_behind", "settle", "unflag"]


def held_behind(db: Database, run_ids: Iterable[int]) -> dict[int, str]:
    """Why some runs do not start unless a person does something: those of them that `settle` has held."""
    held = sa.select(RunRow.id, RunRow.reason).where(*QUEUED, RunRow.held.is_(True), HELD)
    with db.read() as session:
        found = [row for part in parts(run_ids) for row in session.execute(held.where(RunRow.id.in_(part)))]
    return {run_id: reason or "" for run_id, reason in found}


def is_held_behind(session: Session, run: RunRow) -> bool:
    """Whether `settle` has held a run."""
    failed = sa.select(Dependency.run_id).where(Dependency.run_id == run.id, Dependency.outcome == FAILED)
    return run.held and session.scalars(failed.limit(1)).first() is not None


def check_may_start(session: Session, run: RunRow) -> None:
    """See whether a run that `settle` has held may be released by a person.

    Raises:
        IllegalState: It still waits for a run that will not complete.
    """
    rows = (Dependency.run_id == run.id, Dependency.must_complete.is_(True), NOT_MET)
    if session.scalars(joined(Dependency.after_id).where(*rows, WILL_NOT_COMPLETE).limit(1)).first() is not None:
        raise IllegalState(
            f"Run {run.id} ({run.name}) is held {run.reason}. It is released by itself when that run is resumed; or "
            "change what it starts after."
        )


def unflag(session: Session, run: RunRow) -> None:
    """Forget that `settle` has held a run: a person holds or releases it now."""
    failed = (Dependency.run_id == run.id, Dependency.outcome == FAILED)
    session.execute(sa.update(Dependency).where(*failed).values(outcome=OPEN))


# ----------------------------------------------------------------------------------------------------------- settling


def settle(db: Database) -> int:
    """Hold the runs that wait for the completion of a run that will not complete; free those that do so no more.

    What is behind a run that is held so is held as well. A run that a person held stays as it is. Safe to call from any
    process, at any time; one query where there is nothing to do.

    Returns:
        How many runs were held or freed.
    """
    news = (
        joined(Dependency.run_id)
        .join(RunRow, RunRow.id == Dependency.run_id)
        .where(
            Dependency.must_complete.is_(True),
            *QUEUED,
            sa.or_(
                sa.and_(Dependency.outcome == OPEN, RunRow.held.is_(False), WILL_NOT_COMPLETE),
                sa.and_(Dependency.outcome == FAILED, sa.not_(WILL_NOT_COMPLETE)),
            ),
        )
        .limit(1)
    )
    with db.read() as session:
        if session.scalars(news).first() is None:
            return 0
    changed = 0
    with db.write() as session:
        causes, flagged = _causes(session)
        rows = get_runs(session, {*causes, *flagged}, lock=True)
        causes, flagged = _causes(session)  # as they are now that no other transaction changes these runs
        for run in rows.values():
            if run.status != RunStatus.QUEUED or run.trashed_at is not None:
                continue
            cause = causes.get(run.id)
            if cause is not None and (not run.held or (run.id in flagged and run.reason != cause.reason)):
                run.held, run.reason = True, cause.reason
            elif cause is None and run.id in flagged and run.held:
                run.held, run.reason = False, None
            else:
                continue
            changed += 1
            because = cause.after_ids if cause is not None else frozenset[int]()
            outcome = sa.case((Dependency.after_id.in_(sorted(because)), FAILED), else_=OPEN)
            session.execute(sa.update(Dependency).where(Dependency.run_id == run.id, NOT_MET).values(outcome=outcome))
    return changed


@dataclass(slots=True)
class _Cause:
    """Why a run will not start: in words, with the run where it began, and what it waits for without success."""

    reason: str
    root: str
    after_ids: frozenset[int]


def _causes(session: Session) -> tuple[Mapping[int, _Cause], frozenset[int]]:
    """The queued runs that will not start, and those that are held for that already."""
    before = (Before.id, Before.status, Before.trashed_at, Before.held, Before.start_failures)
    statement = (
        joined(Dependency.run_id, Dependency.after_id, Dependency.outcome, RunRow.held, *before)
        .join(RunRow, RunRow.id == Dependency.run_id)
        .where(Dependency.must_complete.is_(True), NOT_MET, *QUEUED)
        .order_by(Dependency.run_id, Dependency.after_id)
    )
    behind: dict[int, list[int]] = {}
    without_success: dict[int, dict[int, str]] = {}
    flagged: set[int] = set()
    held: set[int] = set()
    for run_id, after_id, outcome, is_held, found, status, trashed_at, before_held, failures in session.execute(
        statement
    ):
        behind.setdefault(after_id, []).append(run_id)
        if outcome == FAILED:
            flagged.add(run_id)
        if is_held:
            held.add(run_id)
        if found is None or trashed_at is not None:
            without_success.setdefault(run_id, {})[after_id] = "was deleted"
        elif status in ENDED:
            without_success.setdefault(run_id, {})[after_id] = ENDED[status]
        elif status == RunStatus.QUEUED and before_held and failures:
            without_success.setdefault(run_id, {})[after_id] = "is held, as its starts failed"
    by_a_person = held - flagged
    causes: dict[int, _Cause] = {}
    for run_id, ended in without_success.items():
        if run_id not in by_a_person:
            root = next(f"run {after_id}, which {how}" for after_id, how in ended.items())
            causes[run_id] = _Cause(f"after {root}", root, frozenset(ended))
    ahead = deque(causes)
    while ahead:
        reached = ahead.popleft()
        for run_id in behind.get(reached, ()):
            if run_id in by_a_person:
                continue
            if run_id in causes:
                causes[run_id].after_ids |= {reached}
                continue
            root = causes[reached].root
            causes[run_id] = _Cause(f"after run {reached}, which is held behind {root}", root, frozenset({reached}))
            ahead.append(run_id)
    return causes, frozenset(flagged)
