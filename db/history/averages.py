"""One figure of a run as the averages of equal ranges of steps: what curves of several seeds are joined from.

`db.history.series` keeps the peaks of a curve; a mean over seeds wants the middle of it.
"""

from __future__ import annotations

import math
from typing import Any

import sqlalchemy as sa

from db.history.series import METRICS, series
from db.records import Series
from db.session import Database

__all__ = ["averages"]


def averages(db: Database, run_id: int, metric: str, *, first: int, last: int, buckets: int) -> Series:
    """The average of a figure in each of some equal ranges of steps.

    Args:
        db: The database.
        run_id: The run.
        metric: A name of `db.history.series.METRICS`.
        first: The first step of the first range.
        last: The last step of the last range.
        buckets: How many ranges.

    Returns:
        A point at the middle step of each range that holds a value, so that runs asked for the same ranges have the
        same steps; nan where a value in the range was not finite. Where there are fewer steps than ranges, every point
        as it was recorded.

    Raises:
        StoreError: There is no such figure, or fewer than one range was asked for.
    """
    if metric not in METRICS or buckets < 1 or last - first < buckets:
        return series(db, run_id, metric, first=first, last=last, buckets=None if buckets >= 1 else buckets)
    source = METRICS[metric]
    table, code = source.table, source.code
    span = last - first + 1
    number = sa.select(sa.literal(0).label("i")).cte("number", recursive=True)
    number = number.union_all(sa.select(number.c.i + 1).where(number.c.i < buckets - 1))
    bounds = sa.select(
        number.c.i.label("i"),
        (first + (number.c.i * span + buckets - 1) // buckets).label("start"),
        (first + ((number.c.i + 1) * span + buckets - 1) // buckets).label("stop"),
    ).cte("bounds")

    def of_range(value: sa.ColumnElement[Any]) -> sa.ScalarSelect[Any]:
        # Each range is one search of the primary key; grouping all rows by their range would sort them.
        return (
            sa.select(value)
            .where(table.run_id == run_id, table.step >= bounds.c.start, table.step < bounds.c.stop)
            .correlate(bounds)
            .scalar_subquery()
        )

    # What is not finite is stored as no value and a code; infinity stands for it here, so that one search tells both.
    mean = of_range(sa.case((sa.func.max(code) > 0, sa.literal_column("9e999")), else_=sa.func.avg(source.column)))
    with db.read() as session:
        rows = session.execute(sa.select(bounds.c.start, bounds.c.stop, mean).order_by(bounds.c.i)).all()
    points = [
        ((start + stop - 1) // 2, float(value) if math.isfinite(value) else math.nan)
        for start, stop, value in rows
        if value is not None
    ]
    return Series([step for step, _ in points], [value for _, value in points])
