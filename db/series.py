"""One figure of a run as a curve, thinned in the database so that no peak is lost.

The range of steps is cut into equal buckets. Of each bucket only its smallest and its largest value are read, and for
each of nan, inf and -inf the first and the last step where it occurs; beside those, the first and the last point of the
whole range. So a chart with one bucket a column draws the same vertical spans as from all points.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.errors import StoreError
from db.figures import VALUES, Figures
from db.models import (
    EPOCH_FIGURES,
    STEP_FIGURES,
    UPDATE_FIGURES,
    EpochMetricRow,
    MaskUpdateRow,
    StepMetricRow,
)
from db.records import Series
from db.session import Database

__all__ = ["METRICS", "series"]


@dataclass(frozen=True, slots=True)
class _Source:
    table: type[StepMetricRow] | type[EpochMetricRow] | type[MaskUpdateRow]
    column: Any
    figures: Figures | None

    @property
    def code(self) -> sa.ColumnElement[int]:
        if self.figures is None:
            return sa.literal(0)
        return self.figures.code(self.column.key, sa.type_coerce(self.table.nonfinite, sa.Integer))


def _sources() -> dict[str, _Source]:
    sources: dict[str, _Source] = {}
    for table, figures in (
        (StepMetricRow, STEP_FIGURES),
        (EpochMetricRow, EPOCH_FIGURES),
        (MaskUpdateRow, UPDATE_FIGURES),
    ):
        for name in figures.names:
            sources.setdefault(name, _Source(table, getattr(table, name), figures))
    for name in ("pruned", "grown", "nonzeros"):
        sources[name] = _Source(MaskUpdateRow, getattr(MaskUpdateRow, name), None)
    return sources


# What `series` can read. A figure recorded for steps as well as for epochs or updates is that of the steps.
METRICS: Mapping[str, _Source] = _sources()


def series(
    db: Database,
    run_id: int,
    metric: str,
    *,
    first: int | None = None,
    last: int | None = None,
    buckets: int | None = None,
) -> Series:
    """One figure of a run over its steps.

    Args:
        db: The database.
        run_id: The run.
        metric: A name of `METRICS`.
        first: Only from this step on.
        last: Only up to and with this step.
        buckets: Thin the curve to that many buckets, one a column of the chart, say; None reads every point.

    Returns:
        The points by step, without those where nothing was recorded. Values may be nan or infinite.

    Raises:
        StoreError: There is no such figure, or fewer than one bucket was asked for.
    """
    source = METRICS.get(metric)
    if source is None:
        near = difflib.get_close_matches(metric, METRICS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise StoreError(f"There is no figure {metric!r}.{hint} Allowed: {', '.join(sorted(METRICS))}.")
    if buckets is not None and buckets < 1:
        raise StoreError(f"buckets is {buckets}; at least 1 is needed.")
    table = source.table
    code = source.code
    conditions = [table.run_id == run_id, sa.or_(source.column.is_not(None), code != 0)]
    recorded = sa.select(table.step.label("step"), source.column.label("value"), code.label("code")).where(*conditions)
    points = recorded
    if first is not None:
        points = points.where(table.step >= first)
    if last is not None:
        points = points.where(table.step <= last)
    with db.read() as session:
        if buckets is not None:
            points = _thinned(session, points, recorded, buckets)
        rows = session.execute(points.order_by("step")).all()
    return Series([row[0] for row in rows], [float(row[1]) if not row[2] else VALUES[row[2]] for row in rows])


def _thinned(session: Session, points: sa.Select[Any], recorded: sa.Select[Any], buckets: int) -> sa.Select[Any]:
    """Of these points, those that a chart needs; `recorded` are the same without the limits of the range.

    A window function over the buckets would sort all points; the minimum of one bucket, found by a search of the
    primary key's range, needs one pass. So the buckets are made first (by a recursive query) and each looks up its own.
    """
    ends = points.subquery("ends").c.step
    low, high = (session.scalar(sa.select(ends).order_by(order).limit(1)) for order in (ends.asc(), ends.desc()))
    if low is None or high is None or high - low < buckets:
        return points
    span = high - low + 1
    number = sa.select(sa.literal(0).label("i")).cte("number", recursive=True)
    number = number.union_all(sa.select(number.c.i + 1).where(number.c.i < buckets - 1))
    bounds = sa.select(
        (low + (number.c.i * span + buckets - 1) // buckets).label("start"),
        (low + ((number.c.i + 1) * span + buckets - 1) // buckets).label("stop"),
    ).cte("bounds")

    def extreme(name: str, *, largest: bool) -> sa.Select[Any]:
        # A bucket lies within the range: its own two bounds are the whole search of the key. With a third one (the
        # range's) SQLite may take that one, and then reads the range once for every bucket.
        inner = recorded.subquery(name)
        value = inner.c.value.desc() if largest else inner.c.value.asc()
        found = (
            sa.select(inner.c.step)
            .where(inner.c.step >= bounds.c.start, inner.c.step < bounds.c.stop, inner.c.code == 0)
            .order_by(value, inner.c.step)
            .limit(1)
            .correlate(bounds)
            .scalar_subquery()
        )
        return sa.select(found.label("step")).select_from(bounds)

    diverged = points.subquery("diverged")
    bucket = (diverged.c.step - low) * buckets // span

    def marked(step: sa.ColumnElement[int]) -> sa.Select[Any]:
        return sa.select(step).where(diverged.c.code != 0).group_by(bucket, diverged.c.code)

    chosen = sa.union(
        extreme("smallest", largest=False),
        extreme("largest", largest=True),
        marked(sa.func.min(diverged.c.step)),
        marked(sa.func.max(diverged.c.step)),
        sa.select(sa.literal(low)),
        sa.select(sa.literal(high)),
    ).subquery("chosen")
    every = points.subquery("every_point")
    return sa.select(every.c.step, every.c.value, every.c.code).join(chosen, chosen.c.step == every.c.step)
