"""Thinned copies of the steps, for charts; filled for the runs there are.

What a chunk holds, and why, stands in `db.history.levels`. This is that code as it was at this revision: a migration
must not change with the code.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_FIGURES = ("loss", "accuracy", "learning_rate", "death_rate", "density", "itop_rate", "samples_per_second")
_BLOCKS = (16, 256, 4096)
_SLICE = 65_536  # steps at a time: a chunk of the largest level

_ENTRY = np.dtype([("low", "<f8"), ("high", "<f8"), ("low_step", "<u4"), ("high_step", "<u4")])
_DIVERGED = np.dtype([("step", "<u4"), ("code", "u1")])

_steps = sa.table("step_metrics", *(sa.column(name) for name in ("run_id", "step", "nonfinite", *_FIGURES)))


def upgrade() -> None:
    chunks = op.create_table(
        "step_chunks",
        sa.Column("run_id", sa.Integer, sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
        *(sa.Column(name, sa.Integer, primary_key=True, autoincrement=False) for name in ("figure", "level", "chunk")),
        sa.Column("entries", sa.LargeBinary, nullable=False),
        sa.Column("diverged", sa.LargeBinary),
        sqlite_with_rowid=False,
    )
    connection = op.get_bind()
    for (run_id,) in connection.execute(sa.text("SELECT id FROM runs ORDER BY id")).all():
        end = sa.select(sa.func.max(_steps.c.step)).where(_steps.c.run_id == run_id)
        last = connection.execute(end).scalar()
        if last is None:
            continue
        for start in range(0, last + 1, _SLICE):
            rows = _chunks_of(connection, run_id, start, last)
            if rows:
                connection.execute(sa.insert(chunks), rows)


def downgrade() -> None:
    op.drop_table("step_chunks")


def _chunks_of(connection: sa.Connection, run_id: int, start: int, last: int) -> list[dict[str, Any]]:
    """The rows of all complete chunks within one slice of a run."""
    found = connection.execute(
        sa.select(_steps.c.step, _steps.c.nonfinite, *(_steps.c[name] for name in _FIGURES))
        .where(_steps.c.run_id == run_id, _steps.c.step >= start, _steps.c.step < start + _SLICE)
        .order_by(_steps.c.step)
    ).all()
    if not found:
        return []
    table = np.array([tuple(row) for row in found], dtype=np.float64)
    steps, bits = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64)
    rows: list[dict[str, Any]] = []
    for level, block in enumerate(_BLOCKS):
        size = 16 * block
        complete = [int(chunk) for chunk in np.unique(steps // size) if (chunk + 1) * size <= last + 1]
        for figure in range(len(_FIGURES)):
            values, codes = table[:, 2 + figure], (bits >> (2 * figure)) & 3
            finite = np.nonzero(~np.isnan(values))[0]
            blocks = _extremes(steps[finite], values[finite], block)
            lost = _lost(steps, codes, block)
            rows += [
                {
                    "run_id": run_id,
                    "figure": figure,
                    "level": level,
                    "chunk": chunk,
                    "entries": blocks[blocks["low_step"] // size == chunk].tobytes(),
                    "diverged": lost[lost["step"] // size == chunk].tobytes() or None,
                }
                for chunk in complete
            ]
    return rows


def _extremes(steps: np.ndarray[Any, Any], values: np.ndarray[Any, Any], block: int) -> np.ndarray[Any, Any]:
    lowest, highest = (_firsts(steps // block, key, steps) for key in (values, -values))
    blocks = np.empty(len(lowest), dtype=_ENTRY)
    blocks["low"], blocks["low_step"] = values[lowest], steps[lowest]
    blocks["high"], blocks["high_step"] = values[highest], steps[highest]
    return blocks


def _firsts(group: np.ndarray[Any, Any], value: np.ndarray[Any, Any], step: np.ndarray[Any, Any]) -> Any:
    order = np.lexsort((step, value, group))
    return order[np.unique(group[order], return_index=True)[1]]


def _lost(steps: np.ndarray[Any, Any], codes: np.ndarray[Any, Any], block: int) -> np.ndarray[Any, Any]:
    """The first and the last step of each kind of non-finite value in each block."""
    chosen: set[int] = set()
    for code in (1, 2, 3):
        places = np.nonzero(codes == code)[0]
        for order in (places, places[::-1]):
            chosen.update(order[np.unique(steps[order] // block, return_index=True)[1]].tolist())
    kept = np.array(sorted(chosen), dtype=np.int64)
    lost = np.empty(len(kept), dtype=_DIVERGED)
    lost["step"], lost["code"] = steps[kept], codes[kept]
    return lost
