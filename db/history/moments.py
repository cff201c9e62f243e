"""When the steps of a run were taken, as finely as a chart over time needs it."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from db.models import StepMetricRow
from db.records import Series
from db.session import Database

__all__ = ["moments"]


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
