"""Cutting a run's recorded history back to a step, so that a curve never has two values for one step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from db.history import raised_alarms
from db.history.levels import cut
from db.history.registered import numbers
from db.models import (
    EPOCH_METRICS,
    RUN_METRICS,
    STEP_METRICS,
    VALUE_METRICS,
    EpochMetricRow,
    LayerMaskStatRow,
    MaskUpdateRow,
    RunRow,
    StepMetricRow,
    StepValueRow,
)

__all__ = ["truncate"]

_STEP_NAMES = STEP_METRICS.names
_EPOCH_NAMES = ("val_loss", "val_accuracy")


def truncate(session: Session, run: RunRow, after: int) -> None:
    """Delete what was recorded after a step, and set the run's latest and best metrics to what is left.

    Metrics that the history does not hold (test accuracy, FLOPs) become unknown. The run's step and epoch are the
    caller's to set.

    Args:
        session: The write transaction that starts the attempt.
        run: The run.
        after: The last step that stays; -1 deletes everything.
    """
    first_gone = session.scalar(
        select(func.min(MaskUpdateRow.update)).where(MaskUpdateRow.run_id == run.id, MaskUpdateRow.step > after)
    )
    if first_gone is not None:
        session.execute(
            delete(LayerMaskStatRow).where(LayerMaskStatRow.run_id == run.id, LayerMaskStatRow.update >= first_gone)
        )
    for table in (MaskUpdateRow, EpochMetricRow, StepMetricRow):
        session.execute(
            delete(table).where(table.run_id == run.id, table.step > after),
            execution_options={"synchronize_session": False},
        )
    registered = numbers(session)
    session.execute(
        delete(StepValueRow).where(
            StepValueRow.run_id == run.id,
            StepValueRow.metric_id.in_(registered.values()),  # so that each is one search of the primary key
            StepValueRow.step > after,
        ),
        execution_options={"synchronize_session": False},
    )
    cut(session, run.id, after)
    latest = dict.fromkeys(RUN_METRICS.names) | _latest(session, run.id)
    run.nonzeros = latest.pop("nonzeros", None)
    for name, value in RUN_METRICS.encode(latest).items():
        setattr(run, name, value)
    run.metrics = _latest_values(session, run.id, registered)
    run.alarms = raised_alarms.cut_back(session, run.id, after)


def _latest(session: Session, run_id: int) -> dict[str, Any]:
    latest: dict[str, Any] = {}
    update = session.scalars(
        select(MaskUpdateRow).where(MaskUpdateRow.run_id == run_id).order_by(MaskUpdateRow.update.desc()).limit(1)
    ).first()
    if update is not None:
        latest["nonzeros"] = update.nonzeros
    step = session.scalars(
        select(StepMetricRow).where(StepMetricRow.run_id == run_id).order_by(StepMetricRow.step.desc()).limit(1)
    ).first()
    if step is not None:
        row = {name: getattr(step, name) for name in _STEP_NAMES}
        latest |= STEP_METRICS.decode(row | {"nonfinite": step.nonfinite})
    epoch = session.scalars(
        select(EpochMetricRow).where(EpochMetricRow.run_id == run_id).order_by(EpochMetricRow.epoch.desc()).limit(1)
    ).first()
    if epoch is not None:
        row = {name: getattr(epoch, name) for name in EPOCH_METRICS.names}
        decoded = EPOCH_METRICS.decode(row | {"nonfinite": epoch.nonfinite})
        latest |= {name: decoded[name] for name in _EPOCH_NAMES}
    latest["best_val_accuracy"] = session.scalar(
        select(func.max(EpochMetricRow.val_accuracy)).where(EpochMetricRow.run_id == run_id)
    )
    return latest


def _latest_values(session: Session, run_id: int, registered: Mapping[str, int]) -> dict[str, float]:
    """The last value of each metric that has no column."""
    latest: dict[str, float] = {}
    for name, number in registered.items():
        row = session.scalars(
            select(StepValueRow)
            .where(StepValueRow.run_id == run_id, StepValueRow.metric_id == number)
            .order_by(StepValueRow.step.desc())
            .limit(1)
        ).first()
        if row is not None:
            latest[name] = VALUE_METRICS.decode({"value": row.value, "nonfinite": row.nonfinite})["value"]
    return latest
