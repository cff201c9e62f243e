"""Which runs have ended since the last call, in all lists.

A run ends when its attempt does, or when it is stopped before it has one. So it is enough to look at the attempts that
were open the last time and at the attempts and stops that came since: the cost depends on the active runs and on
those that ended, not on how many runs there are.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from db.models import AttemptRow, CommandRow, RunRow
from db.records import TERMINAL, RunRecord
from db.rows import run_record
from db.session import Database

__all__ = ["Mark", "since"]


@dataclass(frozen=True, slots=True)
class Mark:
    """Up to where endings are known.

    Attributes:
        open: The attempts that had not ended.
        attempt: The latest attempt; 0 where there was none.
        command: The latest command; 0 where there was none.
    """

    open: frozenset[int]
    attempt: int
    command: int


def since(db: Database, mark: Mark | None) -> tuple[Mark, tuple[RunRecord, ...]]:
    """The runs that ended since a mark and have not begun again, by id; those in the trash are left out.

    Both are of one moment, so that each ending is given once where each call passes the mark of the one before.

    Args:
        db: The database.
        mark: What this gave the last time; None for the first time, when no run has ended yet.

    Returns:
        The mark for the next time, and the runs.
    """
    with db.read() as session:
        open_now = frozenset(session.scalars(sa.select(AttemptRow.id).where(AttemptRow.ended_at.is_(None))))
        now = Mark(
            open_now,
            session.scalar(sa.select(sa.func.max(AttemptRow.id))) or 0,
            session.scalar(sa.select(sa.func.max(CommandRow.id))) or 0,
        )
        if mark is None or now == mark:
            return now, ()
        # A run that waits is stopped by a command alone; an attempt may begin and end between two times.
        attempts = sa.or_(AttemptRow.id.in_(mark.open - open_now), AttemptRow.id > mark.attempt)
        stops = sa.and_(CommandRow.id > mark.command, CommandRow.kind == "stop")
        touched = sa.union(sa.select(AttemptRow.run_id).where(attempts), sa.select(CommandRow.run_id).where(stops))
        ended = sa.select(RunRow).where(
            RunRow.id.in_(touched), RunRow.status.in_(TERMINAL), RunRow.trashed_at.is_(None)
        )
        return now, tuple(run_record(row) for row in session.scalars(ended.order_by(RunRow.id)))
