"""Cutting a run's recorded history back to a step, so that a curve never has two values for one step."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from db.history.levels import cut
from db.models import (
    EPOCH_FIGURES,
    RUN_FIGURES,
    STEP_FIGURES,
    EpochMetricRow,
    LayerMaskStatRow,
    MaskUpdateRow,
    RunRow,
    StepMetricRow,
)

__all__ = ["truncate"]

_STEP_FIGURES = STEP_FIGURES.names
_EPOCH_FIGURES = ("val_loss", "val_accuracy")


def truncate(session: Session, run: RunRow, after: int) -> None:
    """Delete what was recorded after a step, and set the run's latest and best figures to what is left.

    Figures that the history does not hold (test accuracy, FLOPs) become unknown. The run's step and epoch are the
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
    cut(session, run.id, after)
    figures = dict.fromkeys(RUN_FIGURES.names) | _latest_figures(session, run.id)
    run.nonzeros = figures.pop("nonzeros", None)
    for name, value in RUN_FIGURES.encode(figures).items():
        setattr(run, name, value)


def _latest_figures(session: Session, run_id: int) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    update = session.scalars(
        select(MaskUpdateRow).where(MaskUpdateRow.run_id == run_id).order_by(MaskUpdateRow.update.desc()).limit(1)
    ).first()
    if update is not None:
        figures["nonzeros"] = update.nonzeros
    step = session.scalars(
        select(StepMetricRow).where(StepMetricRow.run_id == run_id).order_by(StepMetricRow.step.desc()).limit(1)
    ).first()
    if step is not None:
        row = {name: getattr(step, name) for name in _STEP_FIGURES}
        figures |= STEP_FIGURES.decode(row | {"nonfinite": step.nonfinite})
    epoch = session.scalars(
        select(EpochMetricRow).where(EpochMetricRow.run_id == run_id).order_by(EpochMetricRow.epoch.desc()).limit(1)
    ).first()
    if epoch is not None:
        row = {name: getattr(epoch, name) for name in EPOCH_FIGURES.names}
        decoded = EPOCH_FIGURES.decode(row | {"nonfinite": epoch.nonfinite})
        figures |= {name: decoded[name] for name in _EPOCH_FIGURES}
    figures["best_val_accuracy"] = session.scalar(
        select(func.max(EpochMetricRow.val_accuracy)).where(EpochMetricRow.run_id == run_id)
    )
    return figures
