"""Whether a run's thinned copies are what its steps give, and building them again from the steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.errors import DatabaseDamaged
from db.history import levels
from db.models import RunRow, StepChunkRow, StepMetricRow, StepValueRow
from db.session import Database

__all__ = ["damaged_copies", "rebuild_copies"]

_Kept = dict[tuple[Any, Any, Any], tuple[Any, Any]]
"""What a copy holds, by metric, level and chunk."""


def damaged_copies(db: Database) -> list[int]:
    """The ids of the runs whose thinned copies differ from what their steps give; reads every step.

    Raises:
        StoreError: The steps cannot be read.
    """
    with db.read() as session:
        run_ids = session.scalars(sa.select(RunRow.id).order_by(RunRow.id)).all()
    found = []
    for run_id in run_ids:
        with db.read() as session:  # of one moment: a run may be recording
            if not _is_whole(session, run_id):
                found.append(run_id)
    return found


def rebuild_copies(db: Database, run_id: int) -> None:
    """Build the thinned copies of a run again, all in one transaction.

    Raises:
        StoreError: The database cannot be read or written.
    """
    with db.write() as session:
        session.execute(
            sa.delete(StepChunkRow).where(StepChunkRow.run_id == run_id),
            execution_options={"synchronize_session": False},
        )
        levels.seal(session, run_id, 0, _last_step(session, run_id))


def _is_whole(session: Session, run_id: int) -> bool:
    columns = (
        StepChunkRow.metric,
        StepChunkRow.level,
        StepChunkRow.chunk,
        StepChunkRow.entries,
        StepChunkRow.diverged,
    )
    stored = session.execute(sa.select(*columns).where(StepChunkRow.run_id == run_id)).all()
    kept: _Kept = {(metric, level, chunk): (low, lost) for metric, level, chunk, low, lost in stored}
    last = _last_step(session, run_id)
    try:
        # Each level is compared with what the level below gives as it is stored, which was compared before it.
        rows = [row for level in range(levels.LEVELS) for row in levels.chunks_of(session, run_id, level, last)]
    except DatabaseDamaged:
        return False
    return kept == _by_key(rows)


def _by_key(rows: Sequence[dict[str, Any]]) -> _Kept:
    return {(row["figure"], row["level"], row["chunk"]): (row["entries"], row["diverged"]) for row in rows}


def _last_step(session: Session, run_id: int) -> int:
    """The last step that was recorded; -1 where none was."""
    found = [
        session.scalar(sa.select(sa.func.max(table.step)).where(table.run_id == run_id))
        for table in (StepMetricRow, StepValueRow)
    ]
    return max((step for step in found if step is not None), default=-1)
