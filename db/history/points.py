"""Reading just the points that a chart needs, from the steps and from their thinned copies; see `db.history.series`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.history import levels
from db.history.driver_rows import as_doubles
from db.history.nonfinite import VALUES, MetricColumns
from db.models import EpochMetricRow, MaskUpdateRow, StepChunkRow, StepMetricRow, StepValueRow
from db.records import Series

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Found", "Points", "Stored", "level_for", "read", "steps_of"]


Table = type[StepMetricRow] | type[EpochMetricRow] | type[MaskUpdateRow]


@dataclass(frozen=True, slots=True)
class Stored:
    """Where the values of a metric are.

    Attributes:
        table: The table that has a row for each step, epoch or update at which it may have a value.
        column: The column of its values.
        columns: What says which values of that column are not finite; None where all are.
        copies: Its number in the thinned copies; None where there are none.
        number: Its number in `step_values`, where its values are rows there instead of a column of `table`.
    """

    table: Table
    column: Any
    columns: MetricColumns | None
    copies: int | None = None
    number: int | None = None

    @property
    def rows(self) -> Table | type[StepValueRow]:
        """The table of its values."""
        return self.table if self.number is None else StepValueRow

    @property
    def own(self) -> sa.ColumnElement[bool]:
        """SQL for which rows of the table of values are its own."""
        return sa.true() if self.number is None else StepValueRow.metric_id == self.number

    @property
    def code(self) -> sa.ColumnElement[int]:
        """SQL for what kind of number a value is: 0 finite or absent, else see `db.history.nonfinite`."""
        if self.columns is None:
            return sa.literal(0)
        return self.columns.code(self.column.key, sa.type_coerce(self.rows.nonfinite, sa.Integer))

    @property
    def has_value(self) -> sa.ColumnElement[bool]:
        """SQL for whether a row holds a value of it."""
        return sa.and_(self.own, sa.or_(self.column.is_not(None), self.code != 0))


@dataclass(frozen=True, slots=True)
class Points:
    """Points of one run: arrays of equal length; a code other than 0 says what a value is (see `nonfinite`)."""

    steps: NDArray[Any]
    values: NDArray[Any]
    codes: NDArray[Any]

    def take(self, chosen: NDArray[Any]) -> Points:
        """Those at some indexes."""
        return Points(self.steps[chosen], self.values[chosen], self.codes[chosen])

    def series(self) -> Series:
        """The same as plain numbers."""
        values = self.values.tolist()
        for place in self.codes.nonzero()[0].tolist():
            values[place] = VALUES[int(self.codes[place])]
        return Series(self.steps.tolist(), values)


def level_for(span: int, buckets: int | None) -> int:
    """The level whose blocks are at most half a bucket of so many steps; -1 where the steps themselves are read."""
    level = -1
    while buckets is not None and level + 1 < levels.LEVELS and 2 * levels.block_size(level + 1) * buckets <= span:
        level += 1
    return level


@dataclass(frozen=True, slots=True)
class Found:
    """What was read of one run: candidates for its curve, and the range and blocks (in steps) they stand for."""

    points: Points
    low: int = 0
    high: int = 0
    block: int = 1

    def bucket_of(self, steps: NDArray[Any], buckets: int) -> NDArray[Any]:
        """Which of so many buckets each step is in; whole blocks are in one."""
        import numpy as np

        starts = np.maximum(steps // self.block * self.block, self.low)
        return np.asarray((starts - self.low) * buckets // (self.high - self.low + 1))

    def thinned(self, buckets: int | None) -> Points:
        """What a chart of so many buckets needs of it; everything where there is no such number."""
        if buckets is None or not len(self.points.steps) or self.high - self.low < buckets:
            return self.points
        return _thinned(self.points, self.bucket_of(self.points.steps, buckets))


def read(
    session: Session,
    stored: Stored,
    ranges: Mapping[int, tuple[int, int] | None],
    buckets: int | None,
    *,
    ends: bool = False,
) -> dict[int, Found]:
    """Read what the curves of some runs need; they are made of it by `Found.thinned`, once the transaction is over.

    Args:
        session: A transaction.
        stored: The metric.
        ranges: The steps of each run, as `steps_of` finds them.
        buckets: For how many buckets; None reads every point.
        ends: Whether the first and the last point of each range are looked up too.
    """
    spans = {run_id: steps for run_id, steps in ranges.items() if steps is not None}
    plans = {
        run_id: level_for(high - low + 1, buckets) if stored.copies is not None else -1
        for run_id, (low, high) in spans.items()
    }
    found = {run_id: Found(_concatenated([])) for run_id in ranges}
    for run_id, points in _gather(session, stored, spans, plans).items():
        low, high = spans[run_id]
        block = levels.block_size(plans[run_id]) if plans[run_id] >= 0 else 1
        if block > 1 and ends:
            points = _with_ends(session, stored, run_id, points, block, low, high)
        found[run_id] = Found(points, low, high, block)
    return found


def steps_of(
    session: Session, table: Table, run_ids: Sequence[int], first: int | None, last: int | None
) -> dict[int, tuple[int, int] | None]:
    """The first and the last step each run recorded within a range; None for runs that recorded nothing there.

    Args:
        session: A transaction.
        table: Where it was recorded.
        run_ids: The runs.
        first: Only from this step on.
        last: Only up to and with this step.
    """

    def end(run_id: Any, order: sa.ColumnElement[Any]) -> sa.ScalarSelect[int]:
        statement = sa.select(table.step).where(table.run_id == run_id)
        if first is not None:
            statement = statement.where(table.step >= first)
        if last is not None:
            statement = statement.where(table.step <= last)
        return statement.order_by(order).limit(1).scalar_subquery()

    if not run_ids:
        return {}
    wanted, options = _values("wanted", ["run_id"], [(run_id,) for run_id in run_ids])
    ask = sa.select(wanted.c.run_id, end(wanted.c.run_id, table.step.asc()), end(wanted.c.run_id, table.step.desc()))
    found = session.execute(ask, execution_options=options)
    ends = {row[0]: (row[1], row[2]) for row in found if row[1] is not None}
    return {run_id: ends.get(run_id) for run_id in run_ids}


_Interval = tuple[int, int, int]  # a run, and the steps from one up to but without another


def _gather(
    session: Session, stored: Stored, spans: Mapping[int, tuple[int, int]], plans: Mapping[int, int]
) -> dict[int, Points]:
    """Candidates for the extremes: all points, or in their place the extremes of whole blocks up to the run's level."""
    parts: dict[int, list[Points]] = {run_id: [] for run_id in spans}
    waiting: list[_Interval] = [(run_id, low, high + 1) for run_id, (low, high) in spans.items()]
    for level in reversed(range(levels.LEVELS)):
        here = [interval for interval in waiting if plans[interval[0]] >= level]
        if here:
            rest = [interval for interval in waiting if plans[interval[0]] < level]
            waiting = rest + _gather_level(session, stored, level, here, parts)
    if waiting:
        _gather_steps(session, stored, waiting, parts)
    return {run_id: _concatenated(several) for run_id, several in parts.items()}


def _gather_level(
    session: Session, stored: Stored, level: int, intervals: list[_Interval], parts: dict[int, list[Points]]
) -> list[_Interval]:
    """Read the whole blocks of some intervals; returns what is left of these: their ends, and what has no chunk yet."""
    import numpy as np

    block, chunk = levels.block_size(level), levels.chunk_size(level)
    left: list[_Interval] = []
    whole: list[_Interval] = []
    for run_id, start, stop in intervals:
        low, high = -(-start // block) * block, stop // block * block
        if low >= high:
            left.append((run_id, start, stop))
            continue
        whole.append((run_id, low, high))
        if start < low:
            left.append((run_id, start, low))
        if high < stop:
            left.append((run_id, high, stop))
    if not whole:
        return left
    wanted, options = _values(
        "wanted", ["run_id", "start", "stop"], [(r, a // chunk, (b - 1) // chunk) for r, a, b in whole]
    )
    table = StepChunkRow
    rows = session.execute(
        sa.select(wanted.c.run_id, wanted.c.start, table.chunk, table.entries, table.diverged)
        .join(
            wanted,
            sa.and_(
                table.run_id == wanted.c.run_id,
                table.metric == stored.copies,
                table.level == level,
                table.chunk >= wanted.c.start,
                table.chunk <= wanted.c.stop,
            ),
        )
        .order_by(table.run_id, table.chunk),
        execution_options=options,
    ).all()
    by_interval: dict[tuple[int, int], list[Any]] = {}
    for row in rows:
        by_interval.setdefault((row[0], row[1]), []).append(row)
    for run_id, low, high in whole:
        chunks = by_interval.get((run_id, low // chunk), [])
        reached = min(high, (chunks[-1][2] + 1) * chunk) if chunks else low
        if reached < high:
            left.append((run_id, reached, high))
        blocks = levels.entries([row[3] for row in chunks])
        blocks = blocks[(blocks["low_step"] >= low) & (blocks["low_step"] < high)]
        lost = levels.diverged_points([row[4] for row in chunks])
        lost = lost[(lost["step"] >= low) & (lost["step"] < high)]
        finite = np.zeros(2 * len(blocks), dtype=np.uint8)
        parts[run_id].append(
            Points(
                np.concatenate([blocks["low_step"], blocks["high_step"], lost["step"]]).astype(np.int64),
                np.concatenate([blocks["low"], blocks["high"], np.full(len(lost), np.nan)]),
                np.concatenate([finite, lost["code"]]),
            )
        )
    return left


def _gather_steps(session: Session, stored: Stored, intervals: list[_Interval], parts: dict[int, list[Points]]) -> None:
    """Read every point of some intervals."""
    import numpy as np

    table = stored.rows
    wanted, options = _values("wanted", ["run_id", "start", "stop"], intervals)
    found = session.connection().execute(
        sa.select(table.run_id, table.step, stored.column, stored.code)
        .join(
            wanted,
            sa.and_(table.run_id == wanted.c.run_id, table.step >= wanted.c.start, table.step < wanted.c.stop),
        )
        .where(stored.has_value),
        execution_options=options,
    )
    # The driver's own tuples: the same as rows of SQLAlchemy take thrice as long.
    assert found.cursor is not None
    rows = found.cursor.fetchall()
    if not rows:
        return
    # None becomes nan. Counts are below 2**53, which a double holds exactly.
    data = as_doubles(rows)
    owners = data[:, 0].astype(np.int64)
    for run_id in np.unique(owners).tolist():
        own = data[owners == run_id]
        parts[run_id].append(Points(own[:, 1].astype(np.int64), own[:, 2], own[:, 3].astype(np.uint8)))


def _with_ends(
    session: Session, stored: Stored, run_id: int, points: Points, block: int, low: int, high: int
) -> Points:
    """The same with the first and the last point of the range, which need not be extremes of their blocks."""
    import numpy as np

    if not len(points.steps):
        return points
    nearest, furthest = int(points.steps.min()), int(points.steps.max())
    table = stored.rows
    recorded = sa.select(table.step, stored.column, stored.code).where(table.run_id == run_id, stored.has_value)
    begin = recorded.where(table.step >= max(low, nearest // block * block), table.step <= nearest)
    end = recorded.where(table.step >= furthest, table.step <= min(high, furthest // block * block + block - 1))
    ends = [
        session.execute(statement.limit(1)).one()
        for statement in (begin.order_by(table.step), end.order_by(table.step.desc()))
    ]
    both = Points(
        np.array([row[0] for row in ends], dtype=np.int64),
        np.array([row[1] for row in ends], dtype=np.float64),
        np.array([row[2] for row in ends], dtype=np.uint8),
    )
    return _concatenated([points, both])


def _thinned(points: Points, bucket: NDArray[Any]) -> Points:
    """Of these points, by step, those that a chart needs, given the bucket of each."""
    import numpy as np

    (finite,) = np.nonzero(points.codes == 0)
    chosen = [np.array([0, len(points.steps) - 1]), levels.ends_of_each(bucket, points.codes)]
    for sign in (1.0, -1.0):
        best = levels.first_of_each(bucket[finite], sign * points.values[finite])
        chosen.append(finite[best])
    return points.take(np.unique(np.concatenate(chosen)))


def _concatenated(parts: Sequence[Points]) -> Points:
    """All points by step, each once."""
    import numpy as np

    if not parts:
        return Points(np.empty(0, np.int64), np.empty(0, np.float64), np.empty(0, np.uint8))
    together = Points(
        np.concatenate([part.steps for part in parts]),
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.codes for part in parts]),
    )
    return together.take(np.unique(together.steps, return_index=True)[1])


_FEW = 8
"""As many rows are parameters of a statement, which is compiled once for all runs and ranges."""


def _values(name: str, columns: Sequence[str], rows: Sequence[tuple[int, ...]]) -> tuple[sa.CTE, Mapping[str, Any]]:
    """Some rows of integers as a table to join with, and the options of the statement that does.

    Many are written into the statement: as parameters, a few hundred take longer than the query. Each such statement is
    another text, and keeping the compiled ones would only fill the memory.
    """
    few = len(rows) <= _FEW
    numbers = {f"{name}{at}_{place}": int(number) for at, row in enumerate(rows) for place, number in enumerate(row)}
    cells = [f":{key}" if few else f"{number}" for key, number in numbers.items()]
    width = len(columns)
    listed = ", ".join(f"({', '.join(cells[at : at + width])})" for at in range(0, len(cells), width))
    named = ", ".join(f"column{place} AS {column}" for place, column in enumerate(columns, 1))
    values = sa.text(f"SELECT {named} FROM (VALUES {listed}) AS listed")
    if few:
        values = values.bindparams(*(sa.bindparam(key, number, sa.BigInteger) for key, number in numbers.items()))
    options = {} if few else {"compiled_cache": None}
    return values.columns(*(sa.column(column, sa.Integer) for column in columns)).cte(name), options
