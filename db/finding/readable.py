"""The runs that can still be read where a part of their table is damaged.

A query reads the table from one end to the other and ends where it meets a damaged page. So the ids are read from an
index, which lies on pages of its own, and then each run by itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from db.errors import DatabaseDamaged
from db.finding.listing import selected
from db.models import RunRow
from db.records import RunQuery, RunRecord
from db.rows import run_record
from db.session import Database

__all__ = ["readable_runs"]

_AT_ONCE = 100


def readable_runs(db: Database, query: RunQuery) -> tuple[list[RunRecord], int]:
    """The runs that a query selects, as far as they can be read, in the order of their ids.

    Returns:
        The runs, and how many of all runs could not be read, whether the query would select them or not.

    Raises:
        DatabaseDamaged: Nor can the ids be read.
        QueryError: The query's text cannot be understood.
    """
    with db.read() as session:
        # Not by id, which the table itself would give.
        ids = sorted(session.scalars(sa.select(RunRow.id).order_by(RunRow.uid)), reverse=query.descending)
    found: list[RunRecord] = []
    lost = 0
    for start in range(0, len(ids), _AT_ONCE):
        part = ids[start : start + _AT_ONCE]
        try:
            found += _read(db, query, part)
        except DatabaseDamaged:
            for run_id in part:
                try:
                    found += _read(db, query, [run_id])
                except DatabaseDamaged:
                    lost += 1
    return found[query.offset :][: query.limit], lost


def _read(db: Database, query: RunQuery, ids: Sequence[int]) -> list[RunRecord]:
    order = RunRow.id.desc() if query.descending else RunRow.id.asc()
    statement = sa.select(RunRow).where(RunRow.id.in_(ids), *selected(query)).order_by(order)
    with db.read() as session:
        return [run_record(row) for row in session.scalars(statement)]
