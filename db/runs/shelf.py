"""Organizing runs: stars, the archive, and the trash, from which deleted runs can be restored.

Each function takes many runs and is one transaction. A run in the trash is in no list, count or queue; what it recorded
stays until `purge`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from db.errors import IllegalState, RunNotFound
from db.models import RunRow
from db.records import BatchResult, RunRecord
from db.rows import get_runs, run_record
from db.runs import runs
from db.runs.forks import check_deletable
from db.runs.removal import Remains
from db.session import Database

__all__ = ["Trashed", "archive", "purge", "restore", "star", "trash", "trashed"]


@dataclass(frozen=True, slots=True)
class Trashed:
    """What came of deleting one run.

    Attributes:
        run_id: The run.
        problem: Why it could not be deleted, in a sentence; None where it was.
    """

    run_id: int
    problem: str | None = None


def star(db: Database, ids: Iterable[int], on: bool = True) -> BatchResult:
    """Give runs a star, or take it away; one that has a star keeps the time at which it got it.

    Raises:
        RunNotFound: One of them is not there; nothing was changed.
    """
    return _mark(db, ids, "starred_at", on=on)


def archive(db: Database, ids: Iterable[int], on: bool = True) -> BatchResult:
    """Archive runs, so that lists leave them out unless they are asked for; or bring them back.

    Raises:
        RunNotFound: One of them is not there; nothing was changed.
    """
    return _mark(db, ids, "archived_at", on=on)


def trash(db: Database, ids: Iterable[int], *, force: bool = False) -> list[Trashed]:
    """Delete runs in such a way that they can be restored.

    Args:
        db: The database.
        ids: The runs. Runs that were forked from each other can be deleted together.
        force: Also runs that others were forked from.

    Returns:
        One for each run, in the order given. A run is not deleted while it is active, while others that stay were
        forked from it (unless `force`), or wait to start from it.
    """
    wanted = list(dict.fromkeys(ids))
    results = {run_id: Trashed(run_id, f"There is no run {run_id}.") for run_id in wanted}
    now = time.time()
    with db.write() as session:
        rows = get_runs(session, wanted, lock=True)
        going = {*wanted, *session.scalars(sa.select(RunRow.id).where(RunRow.trashed_at.is_not(None)))}
        # The youngest first: a fork that has to stay keeps the run it came from.
        for run in reversed(rows.values()):
            try:
                check_deletable(session, run, force=force, going=going)
            except IllegalState as refusal:
                going.discard(run.id)
                results[run.id] = Trashed(run.id, str(refusal))
            else:
                run.trashed_at = run.trashed_at or now
                results[run.id] = Trashed(run.id)
    return [results[run_id] for run_id in wanted]


def restore(db: Database, ids: Iterable[int]) -> BatchResult:
    """Take runs out of the trash; those that are not in it stay as they are.

    Raises:
        RunNotFound: One of them was removed permanently; nothing was changed.
    """
    return _mark(db, ids, "trashed_at", on=False)


def trashed(db: Database) -> list[RunRecord]:
    """The runs in the trash, the last deleted first."""
    statement = (
        sa.select(RunRow).where(RunRow.trashed_at.is_not(None)).order_by(RunRow.trashed_at.desc(), RunRow.id.desc())
    )
    with db.read() as session:
        return [run_record(row) for row in session.scalars(statement)]


def purge(db: Database, ids: Iterable[int] | None = None) -> Iterator[Remains]:
    """Remove runs of the trash permanently, with all they recorded, one for each step of the iteration.

    Runs that are not in the trash stay, also those that are taken out of it meanwhile; and so does one that a waiting
    run starts from. One at a time, so that the caller can delete a run's files before the next is removed: if
    it is interrupted, at most one run's files are left with no record of them.

    Args:
        db: The database.
        ids: Which of them; None means all.

    Yields:
        What one run leaves on the disk, for `removal.remove`.
    """
    chosen = None if ids is None else set(ids)
    # The youngest first, so that a fork goes before the run that it may wait for.
    for run_id in sorted((run.id for run in trashed(db) if chosen is None or run.id in chosen), reverse=True):
        try:
            gone = runs.delete(db, run_id, force=True, only_trashed=True)
        except (IllegalState, RunNotFound):  # restored, wanted by another run, or purged by another program
            continue
        yield gone


def _mark(db: Database, ids: Iterable[int], column: str, *, on: bool) -> BatchResult:
    wanted = tuple(dict.fromkeys(ids))
    marked: sa.ColumnElement[float] = getattr(RunRow, column)
    chosen = RunRow.id.in_(sorted(wanted))
    with db.write() as session:
        # Locked by ascending id, as every transaction over many runs does, so that no two wait for each other.
        there = session.scalars(sa.select(RunRow.id).where(chosen).order_by(RunRow.id).with_for_update()).all()
        missing = sorted(set(wanted).difference(there))
        if missing:
            raise RunNotFound(f"There is no run {missing[0]}.")
        value = sa.func.coalesce(marked, sa.literal(time.time(), sa.Double)) if on else sa.null()
        session.execute(sa.update(RunRow).where(chosen).values({column: value}))
    return BatchResult(wanted)
