"""Metrics of runs as curves: thinned so that no peak is lost, averaged, or placed in time; no whole history is read.

Thinned (`series`, `several`, `sparks`): the range of steps is cut into equal buckets. Of each bucket its smallest and
its largest value are kept, and for each of nan, inf and -inf the first and the last step where it occurs; beside those,
the first and the last point of the whole range. So a chart with one bucket a column draws the same vertical spans as
from all points. Where a bucket is wide enough, the values come from the thinned copies that `levels` keeps, and the
borders between buckets move down to the next multiple of a power of 16 that is at most half a bucket. The steps that no
copy holds (the newest, and those at the ends of the range) are read as they are.

Averaged (`averages`): the mean of each range, which is what curves of several seeds are joined from.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from db.errors import StoreError
from db.history import levels
from db.history.declared import check_declared
from db.history.points import Stored, read, steps_of
from db.history.registered import numbers
from db.models import (
    EPOCH_METRICS,
    STEP_METRICS,
    UPDATE_METRICS,
    VALUE_METRICS,
    EpochMetricRow,
    MaskUpdateRow,
    StepMetricRow,
    StepValueRow,
)
from db.records import Series
from db.session import Database

__all__ = ["averages", "moments", "series", "several", "sparks"]


def _columns() -> dict[str, Stored]:
    stored = {
        name: Stored(StepMetricRow, getattr(StepMetricRow, name), STEP_METRICS, copies=place)
        for place, name in enumerate(STEP_METRICS.names)
    }
    # A metric that is recorded at steps as well as at epochs or updates is that of the steps.
    for table, columns in ((EpochMetricRow, EPOCH_METRICS), (MaskUpdateRow, UPDATE_METRICS)):
        for name in columns.names:
            stored.setdefault(name, Stored(table, getattr(table, name), columns))
    for name in ("pruned", "grown", "nonzeros"):
        stored[name] = Stored(MaskUpdateRow, getattr(MaskUpdateRow, name), None)
    return stored


_COLUMNS = _columns()


def _find(session: Session, names: Iterable[str]) -> dict[str, Stored]:
    """Where some metrics are stored, by name.

    Raises:
        StoreError: There is no such metric, neither declared nor in the database.
    """
    names = tuple(names)
    registered = {} if all(name in _COLUMNS for name in names) else numbers(session)
    found: dict[str, Stored] = {}
    for name in names:
        if name in _COLUMNS:
            found[name] = _COLUMNS[name]
            continue
        number = registered.get(name)
        if number is None:
            check_declared(name)
            number = 0  # declared, and recorded by no run: no metric has this number
        found[name] = Stored(
            StepMetricRow, StepValueRow.value, VALUE_METRICS, copies=levels.FURTHER + number, number=number
        )
    return found


def series(
    db: Database,
    run_id: int,
    metric: str,
    *,
    first: int | None = None,
    last: int | None = None,
    buckets: int | None = None,
) -> Series:
    """One metric of a run over its steps.

    Args:
        db: The database.
        run_id: The run.
        metric: A step, epoch or update metric, by name.
        first: Only from this step on.
        last: Only up to and with this step.
        buckets: Thin the curve to that many buckets, one a column of the chart, say; None reads every point.

    Returns:
        The points by step, without those where nothing was recorded. Values may be nan or infinite.

    Raises:
        StoreError: There is no such metric, or fewer than one bucket was asked for.
    """
    return several(db, [run_id], [metric], first=first, last=last, buckets=buckets)[run_id][metric]


def several(
    db: Database,
    run_ids: Sequence[int],
    metrics: Sequence[str],
    *,
    first: int | None = None,
    last: int | None = None,
    buckets: int | None = None,
) -> dict[int, dict[str, Series]]:
    """Metrics of several runs, all of one state of the database; arguments and errors as for `series`.

    Returns:
        By run and then by metric, in the order asked for; a run that recorded nothing has empty curves.
    """
    _check_buckets(buckets)
    wanted = list(dict.fromkeys(run_ids))
    with db.read() as session:
        stored = _find(session, metrics)
        tables = {each.table for each in stored.values()}
        ranges = {table: steps_of(session, table, wanted, first, last) for table in tables}
        found = {metric: read(session, each, ranges[each.table], buckets, ends=True) for metric, each in stored.items()}
    return {run_id: {metric: found[metric][run_id].thinned(buckets).series() for metric in stored} for run_id in wanted}


def sparks(db: Database, run_ids: Sequence[int], metric: str = "loss", points: int = 20) -> dict[int, list[float]]:
    """One metric of many runs, each as a few numbers over its whole length: for a small curve in a line of text.

    Args:
        db: The database.
        run_ids: The runs.
        metric: A step, epoch or update metric, by name.
        points: At most so many numbers a run.

    Returns:
        By run, for each bucket in which something was recorded, the middle between its smallest and its largest value;
        nan where it was not finite.

    Raises:
        StoreError: There is no such metric, or fewer than one point was asked for.
    """
    import numpy as np

    _check_buckets(points)
    small: dict[int, list[float]] = {}
    wanted = list(dict.fromkeys(run_ids))
    with db.read() as session:
        stored = _find(session, [metric])[metric]
        found = read(session, stored, steps_of(session, stored.table, wanted, None, None), points)
    for run_id, each in found.items():
        thin = each.thinned(points)
        if not len(thin.steps):
            small[run_id] = []
            continue
        values = np.where(thin.codes == 0, thin.values, np.nan)
        begins = np.append(0, np.nonzero(np.diff(each.bucket_of(thin.steps, points)))[0] + 1)
        # Halved first: two huge values have no sum.
        middle = np.minimum.reduceat(values, begins) / 2 + np.maximum.reduceat(values, begins) / 2
        small[run_id] = middle.tolist()
    return small


class _Infinity(FunctionElement[float]):
    """Infinity, which each database writes in its own way."""

    type = sa.Double()
    inherit_cache = True


@compiles(_Infinity, "sqlite")
def _(_element: _Infinity, _compiler: SQLCompiler, **_options: Any) -> str:
    return "9e999"


@compiles(_Infinity, "postgresql")
def _(_element: _Infinity, _compiler: SQLCompiler, **_options: Any) -> str:
    return "CAST('Infinity' AS double precision)"


def averages(db: Database, run_id: int, metric: str, *, first: int, last: int, buckets: int) -> Series:
    """The average of a metric in each of some equal ranges of steps.

    Args:
        db: The database.
        run_id: The run.
        metric: A step, epoch or update metric, by name.
        first: The first step of the first range.
        last: The last step of the last range.
        buckets: How many ranges.

    Returns:
        A point at the middle step of each range that holds a value, so that runs asked for the same ranges have the
        same steps; nan where a value in the range was not finite. Where there are fewer steps than ranges, every point
        as it was recorded.

    Raises:
        StoreError: There is no such metric, or fewer than one range was asked for.
    """
    if buckets < 1 or last - first < buckets:
        return series(db, run_id, metric, first=first, last=last, buckets=None if buckets >= 1 else buckets)
    span = last - first + 1
    number = sa.select(sa.literal(0).label("i")).cte("number", recursive=True)
    number = number.union_all(sa.select(number.c.i + 1).where(number.c.i < buckets - 1))
    bounds = sa.select(
        number.c.i.label("i"),
        (first + (number.c.i * span + buckets - 1) // buckets).label("start"),
        (first + ((number.c.i + 1) * span + buckets - 1) // buckets).label("stop"),
    ).cte("bounds")

    with db.read() as session:
        stored = _find(session, [metric])[metric]
        # What is not finite is stored as no value and a code; infinity stands for it here, so that one search finds
        # both. Each range is one search of the primary key; grouping all rows by their range would sort them.
        mean = (
            sa.select(sa.case((sa.func.max(stored.code) > 0, _Infinity()), else_=sa.func.avg(stored.column)))
            .where(
                stored.rows.run_id == run_id,
                stored.own,
                stored.rows.step >= bounds.c.start,
                stored.rows.step < bounds.c.stop,
            )
            .correlate(bounds)
            .scalar_subquery()
        )
        rows = session.execute(sa.select(bounds.c.start, bounds.c.stop, mean).order_by(bounds.c.i)).all()
    points = [
        ((start + stop - 1) // 2, float(value) if math.isfinite(value) else math.nan)
        for start, stop, value in rows
        if value is not None
    ]
    return Series([step for step, _ in points], [value for _, value in points])


def moments(db: Database, run_id: int, *, count: int = 400, beside: Iterable[int] = ()) -> Series:
    """The time at which some steps of a run were recorded, spread evenly over all of them.

    Args:
        db: The database.
        run_id: The run.
        count: About so many steps; each costs a search by key, so that a long run is as fast as a short one.
        beside: Steps that are wanted with the one after each, whatever the count: where an attempt began, say.

    Returns:
        Steps, ascending, and their times in unix seconds; of the steps asked for, those that were recorded.
    """
    step = StepMetricRow.step
    own = sa.select(step, StepMetricRow.at).where(StepMetricRow.run_id == run_id)
    with db.read() as session:
        first = session.execute(own.order_by(step).limit(1)).first()
        last = session.execute(own.order_by(step.desc()).limit(1)).first()
        if first is None or last is None:
            return Series([], [])
        low, high = int(first[0]), int(last[0])
        parts = max(1, count - 1)
        wanted = {low + (high - low) * part // parts for part in range(parts + 1)}
        wanted.update(near for at in beside for near in (at, at + 1))
        rows = session.execute(own.where(step.in_(sorted(wanted))).order_by(step)).all()
    return Series([int(row[0]) for row in rows], [float(row[1]) for row in rows])


def _check_buckets(buckets: int | None) -> None:
    if buckets is not None and buckets < 1:
        raise StoreError(f"buckets is {buckets}; at least 1 is needed.")
