"""Thinned copies of a run's steps, so that a chart of any length reads a bounded number of rows.

A level cuts the steps into blocks of 16, 256 or 4,096 (aligned to multiples of that) and keeps of each block and metric
the smallest and the largest value with the first step where each occurs, and for each of nan, inf and -inf the first
and the last step where it occurs. Sixteen blocks make a chunk, one row. A chunk is written once, in the transaction
that records its last step; the steps after the last chunk are few and are read as they are. So recording never rewrites
a chunk, and nothing is half written after a crash.

A metric that has a column in `step_metrics` has a row for each chunk, also where the chunk has no value of it: its
newest row says how far the copies reach. A metric that is kept in `step_values` has rows only for chunks with a value,
so that one that is recorded now and then stays small; where a row is missing there is nothing to read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.errors import DatabaseDamaged
from db.history.driver_rows import as_doubles
from db.history.nonfinite import VALUES
from db.models import STEP_METRICS, MetricRow, StepChunkRow, StepMetricRow, StepValueRow, table_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "FURTHER",
    "LEVELS",
    "block_size",
    "chunk_size",
    "chunks_of",
    "cut",
    "diverged_points",
    "ends_of_each",
    "entries",
    "first_of_each",
    "seal",
]

LEVELS = 3
FURTHER = 1_000  # what is added to the id of a `MetricRow`, above all places in STEP_METRICS
_FAN = 16  # blocks a chunk, and chunks of one level in one block of the level after next


def block_size(level: int) -> int:
    """How many steps a block of a level spans."""
    return int(_FAN ** (level + 1))


def chunk_size(level: int) -> int:
    """How many steps a chunk of a level spans: as many as a block of the next."""
    return block_size(level + 1)


def seal(session: Session, run_id: int, first: int, last: int) -> None:
    """Write the chunks that newly recorded steps complete.

    Args:
        session: The write transaction that recorded the steps.
        run_id: The run.
        first: The first of the new steps.
        last: The last of them; every later step of the run will be larger.
    """
    for level in range(LEVELS):
        size = chunk_size(level)
        stop = (last + 1) // size
        if first // size >= stop:
            return  # nor is any larger chunk complete
        key = (StepChunkRow.run_id == run_id, StepChunkRow.level == level, StepChunkRow.metric == 0)
        newest = session.scalar(sa.select(sa.func.max(StepChunkRow.chunk)).where(*key))
        start = 0 if newest is None else newest + 1
        if rows := _chunks(session, run_id, level, start, stop):
            session.connection().execute(sa.insert(table_of(StepChunkRow)), rows)


def chunks_of(session: Session, run_id: int, level: int, last: int) -> list[dict[str, Any]]:
    """The rows that a level should have: of the first, by the steps; of another, by the stored level below.

    Args:
        session: A transaction.
        run_id: The run.
        level: The level.
        last: The last step of the run; -1 where it has none.

    Raises:
        DatabaseDamaged: What is stored cannot be read as chunks.
    """
    return _chunks(session, run_id, level, 0, (last + 1) // chunk_size(level))


def _chunks(session: Session, run_id: int, level: int, start: int, stop: int) -> list[dict[str, Any]]:
    """The rows of some chunks of a level."""
    if level == 0:
        return _from_steps(session, run_id, start * chunk_size(0), stop * chunk_size(0))
    return _from_chunks(session, run_id, level, start, stop)


def cut(session: Session, run_id: int, after: int) -> None:
    """Delete the chunks that hold steps after one; what is left of theirs is read from the steps."""
    for level in range(LEVELS):
        session.execute(
            sa.delete(StepChunkRow).where(
                StepChunkRow.run_id == run_id,
                StepChunkRow.level == level,
                StepChunkRow.chunk >= (after + 1) // chunk_size(level),
            ),
            execution_options={"synchronize_session": False},
        )


def entries(packed: Sequence[bytes]) -> NDArray[Any]:
    """The blocks of some chunks, by step: an array with fields `low`, `high`, `low_step`, `high_step`.

    Raises:
        DatabaseDamaged: They are not what was written.
    """
    return _unpacked(packed, _entry_type())


def diverged_points(packed: Sequence[bytes | None]) -> NDArray[Any]:
    """Where some chunks are not finite: an array with fields `step` and `code` (see `db.history.nonfinite`).

    Raises:
        DatabaseDamaged: They are not what was written.
    """
    return _unpacked([one for one in packed if one is not None], _diverged_type())


def _unpacked(packed: Sequence[bytes], kind: np.dtype[Any]) -> NDArray[Any]:
    import numpy as np

    try:
        return np.frombuffer(b"".join(packed), dtype=kind)
    except (TypeError, ValueError):  # no bytes at all, or not whole
        raise DatabaseDamaged(
            "The thinned copies of a run's steps are damaged. The steps are whole: itop doctor --repair builds the "
            "copies again from them."
        ) from None


def _entry_type() -> np.dtype[Any]:
    import numpy as np

    return np.dtype([("low", "<f8"), ("high", "<f8"), ("low_step", "<u4"), ("high_step", "<u4")])


def _diverged_type() -> np.dtype[Any]:
    import numpy as np

    return np.dtype([("step", "<u4"), ("code", "u1")])


def _from_steps(session: Session, run_id: int, start: int, stop: int) -> list[dict[str, Any]]:
    """The rows of the first level's chunks from one step up to another."""
    return _from_columns(session, run_id, start, stop) + _from_values(session, run_id, start, stop)


def _from_columns(session: Session, run_id: int, start: int, stop: int) -> list[dict[str, Any]]:
    """Those of the metrics that have columns."""
    import numpy as np

    columns = [getattr(StepMetricRow, name) for name in STEP_METRICS.names]
    table = _numbers(
        session,
        sa.select(StepMetricRow.step, StepMetricRow.nonfinite, *columns)
        .where(StepMetricRow.run_id == run_id, StepMetricRow.step >= start, StepMetricRow.step < stop)
        .order_by(StepMetricRow.step),
    )
    if not len(table):
        return []
    steps, bits = table[:, 0].astype(np.uint32), table[:, 1].astype(np.int64)
    chunks = np.unique(steps // chunk_size(0))
    rows: list[dict[str, Any]] = []
    for metric in range(len(STEP_METRICS.names)):
        values, codes = table[:, 2 + metric], (bits >> (2 * metric)) & 3
        rows += _chunk_rows(run_id, metric, 0, chunks, *_points(steps, values, codes))
    return rows


def _from_values(session: Session, run_id: int, start: int, stop: int) -> list[dict[str, Any]]:
    """Those of the metrics that have values in these chunks."""
    import numpy as np

    table = _numbers(
        session,
        sa.select(StepValueRow.metric_id, StepValueRow.step, StepValueRow.nonfinite, StepValueRow.value)
        .where(
            StepValueRow.run_id == run_id,
            StepValueRow.metric_id.in_(sa.select(MetricRow.id)),  # so that each is one search of the primary key
            StepValueRow.step >= start,
            StepValueRow.step < stop,
        )
        .order_by(StepValueRow.metric_id, StepValueRow.step),
    )
    rows: list[dict[str, Any]] = []
    for number in np.unique(table[:, 0]).astype(np.int64).tolist() if len(table) else ():
        own = table[table[:, 0] == number]
        steps, codes = own[:, 1].astype(np.uint32), own[:, 2].astype(np.int64)
        chunks = np.unique(steps // chunk_size(0))
        rows += _chunk_rows(run_id, FURTHER + number, 0, chunks, *_points(steps, own[:, 3], codes))
    return rows


def _numbers(session: Session, statement: sa.Executable) -> NDArray[Any]:
    """The rows of a statement as an array, where NULL is nan."""
    found = session.connection().execute(statement)
    # The driver's own tuples: the same as rows of SQLAlchemy take thrice as long.
    assert found.cursor is not None
    return as_doubles(found.cursor.fetchall())


def _points(steps: NDArray[Any], values: NDArray[Any], codes: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Points of one metric as blocks of one step each, and those that are not finite; no value is nan with code 0."""
    import numpy as np

    finite, diverged = ~np.isnan(values), codes != 0
    points = np.empty(int(finite.sum()), dtype=_entry_type())
    points["low"] = points["high"] = values[finite]
    points["low_step"] = points["high_step"] = steps[finite]
    lost = np.empty(int(diverged.sum()), dtype=_diverged_type())
    lost["step"], lost["code"] = steps[diverged], codes[diverged]
    return points, lost


def _from_chunks(session: Session, run_id: int, level: int, start: int, stop: int) -> list[dict[str, Any]]:
    """The rows of a level's chunks, from those of the level below."""
    import numpy as np

    rows: list[dict[str, Any]] = []
    further = session.scalars(sa.select(MetricRow.id)).all()
    for metric in (*range(len(STEP_METRICS.names)), *(FURTHER + number for number in further)):
        found = session.execute(
            sa.select(StepChunkRow.chunk, StepChunkRow.entries, StepChunkRow.diverged)
            .where(
                StepChunkRow.run_id == run_id,
                StepChunkRow.level == level - 1,
                StepChunkRow.metric == metric,
                StepChunkRow.chunk >= start * _FAN,
                StepChunkRow.chunk < stop * _FAN,
            )
            .order_by(StepChunkRow.chunk)
        ).all()
        chunks = np.unique(np.array([row[0] for row in found], dtype=np.int64) // _FAN)
        below = entries([row[1] for row in found])
        rows += _chunk_rows(run_id, metric, level, chunks, below, diverged_points([row[2] for row in found]))
    return rows


def _chunk_rows(
    run_id: int, metric: int, level: int, chunks: NDArray[Any], points: NDArray[Any], lost: NDArray[Any]
) -> list[dict[str, Any]]:
    """The rows of some chunks of one metric, also of those without a value."""
    import numpy as np

    block, chunk = block_size(level), chunk_size(level)
    lowest = points[first_of_each(points["low_step"] // block, points["low"])]
    highest = points[first_of_each(points["high_step"] // block, -points["high"])]
    blocks = lowest.copy()
    blocks["high"], blocks["high_step"] = highest["high"], highest["high_step"]
    kept = lost[ends_of_each(lost["step"] // block, lost["code"])]
    chunk_of_block, chunk_of_lost = blocks["low_step"] // chunk, kept["step"] // chunk
    return [
        {
            "run_id": run_id,
            "figure": metric,
            "level": level,
            "chunk": int(number),
            "entries": blocks[chunk_of_block == number].tobytes(),
            "diverged": kept[chunk_of_lost == number].tobytes() or None,
        }
        for number in np.asarray(chunks)
    ]


def first_of_each(group: NDArray[Any], value: NDArray[Any]) -> NDArray[Any]:
    """The index of each group's smallest value, the first of equal ones; groups ascend, no value is nan."""
    import numpy as np

    begins = _changes(group)
    if not len(begins):
        return begins
    lengths = np.diff(np.append(begins, len(group)))
    (smallest,) = np.nonzero(value == np.repeat(np.minimum.reduceat(value, begins), lengths))
    return np.asarray(smallest[_changes(group[smallest])])


def ends_of_each(group: NDArray[Any], code: NDArray[Any]) -> NDArray[Any]:
    """The indexes of the first and the last of each kind (code) in each group, ascending; the arrays are by step."""
    import numpy as np

    chosen = [np.empty(0, dtype=np.intp)]
    for kind in VALUES:
        (places,) = np.nonzero(code == kind)
        first = _changes(group[places])
        last = np.append(first[1:] - 1, len(places) - 1) if len(places) else first
        chosen += [places[first], places[last]]
    return np.unique(np.concatenate(chosen))


def _changes(ordered: NDArray[Any]) -> NDArray[Any]:
    """Where each run of equal values begins."""
    import numpy as np

    if not len(ordered):
        return np.empty(0, dtype=np.intp)
    return np.append(0, np.nonzero(ordered[1:] != ordered[:-1])[0] + 1)
