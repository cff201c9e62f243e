"""What a batch of recorded events becomes: rows, thinned copies, and the latest metrics of the run."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.history import raised_alarms, tested
from db.history.levels import seal
from db.history.nonfinite import code_of
from db.history.recent_speed import RecentSpeed
from db.history.registered import register
from db.models import (
    EPOCH_METRICS,
    LAYER_METRICS,
    RUN_METRICS,
    STEP_METRICS,
    UPDATE_METRICS,
    AttemptRow,
    Base,
    EpochMetricRow,
    LayerMaskStatRow,
    MaskUpdateRow,
    RunRow,
    StepMetricRow,
    table_of,
)
from db.records import Alarm, EpochMetric, LayerMaskStat, MaskUpdate, Recorded, StepMetric
from db.session import Database

__all__ = ["PROGRESS", "Batch", "Event", "last_recorded"]

# The columns of a run that `MetricWriter.progress` sets; any other declared metric goes into its `metrics`.
_ENERGY = "energy_wh"  # of the attempt; that of the run is the sum over its attempts
PROGRESS = frozenset({"step", "total_steps", "epoch", "total_epochs", "nonzeros", _ENERGY, *RUN_METRICS.names})

Event = StepMetric | EpochMetric | tuple[MaskUpdate, tuple[LayerMaskStat, ...]] | Alarm | dict[str, Any]


def _names(table: type[Base], record: type[Recorded]) -> tuple[tuple[str, str], ...]:
    """The record's fields, each with the column that takes it."""
    columns = sa.inspect(table).columns
    return tuple((field.name, columns[field.name].key) for field in fields(record) if field.name in columns)


_STEP_NAMES = _names(StepMetricRow, StepMetric)
_EPOCH_NAMES = _names(EpochMetricRow, EpochMetric)
_UPDATE_NAMES = _names(MaskUpdateRow, MaskUpdate)
_LAYER_NAMES = _names(LayerMaskStatRow, LayerMaskStat)


class Batch:
    """The rows of a batch, and what it leaves on the run.

    Args:
        run_id: The run.
        attempt_id: Its attempt.
        metrics: The latest values of metrics without a column, as they were before.
        speed: The speed of the steps before.

    Attributes:
        metrics: The same after this batch.
        speed: The same after this batch.
    """

    def __init__(self, run_id: int, attempt_id: int, metrics: Mapping[str, float], speed: RecentSpeed) -> None:
        self.metrics = dict(metrics)
        self.speed = speed.copy()
        self._changed = False
        self._run_id = run_id
        self._attempt_id = attempt_id
        self._steps: list[dict[str, Any]] = []
        self._values: dict[str, list[tuple[int, float]]] = {}  # by metric: steps and values
        self._epochs: list[dict[str, Any]] = []
        self._updates: list[dict[str, Any]] = []
        self._layers: list[dict[str, Any]] = []
        self._alarms: list[Alarm] = []
        self._latest: dict[str, Any] = {}
        self._best: float | None = None
        self._energy: float | None = None

    def add(self, event: Event) -> None:
        """Take what the training loop handed over."""
        if isinstance(event, StepMetric):
            row = self._row(event, _STEP_NAMES)
            self._latest |= {name: row[name] for name in ("step", "epoch", *STEP_METRICS.names)}
            self.speed.add(event.samples_per_second)
            self._latest["samples_per_second"] = self.speed.value
            self._steps.append(STEP_METRICS.encode(row))
            for name, value in event.metrics.items():
                self._values.setdefault(name, []).append((event.step, float(value)))
                self._set_latest(name, value)
        elif isinstance(event, EpochMetric):
            row = self._row(event, _EPOCH_NAMES)
            self._latest |= {name: row[name] for name in ("epoch", "val_loss", "val_accuracy")}
            accuracy = event.val_accuracy
            if accuracy is not None and math.isfinite(accuracy):
                self._best = accuracy if self._best is None else max(self._best, accuracy)
            self._epochs.append(EPOCH_METRICS.encode(row))
        elif isinstance(event, Alarm):
            self._alarms.append(event)
        elif isinstance(event, dict):
            for name, value in event.items():
                if name == _ENERGY:
                    self._energy = float(value)
                elif name in PROGRESS:
                    self._latest[name] = value
                else:
                    self._set_latest(name, value)
        else:
            update, layers = event
            row = self._row(update, _UPDATE_NAMES)
            self._latest |= {name: row[name] for name in ("nonzeros", "density", "itop_rate")}
            self._updates.append(UPDATE_METRICS.encode(row))
            for layer in layers:
                row = self._row(layer, _LAYER_NAMES) | {"number": update.update, "shape": list(layer.shape)}
                self._layers.append(LAYER_METRICS.encode(row))

    def are_there(self, session: Session) -> bool:
        """Whether an earlier try has committed them after all: all of them, then, or none."""
        for column, rows in (
            (StepMetricRow.step, self._steps),
            (EpochMetricRow.epoch, self._epochs),
            (MaskUpdateRow.update, self._updates),
        ):
            if rows:
                return bool(last_recorded(session, column, self._run_id) >= rows[-1][column.name])
        return False

    def write(self, db: Database, session: Session) -> None:
        """Write all of it, in a transaction that holds the run's row."""
        connection = session.connection()
        for table, rows in (
            (StepMetricRow, self._steps),
            (EpochMetricRow, self._epochs),
            (MaskUpdateRow, self._updates),
            (LayerMaskStatRow, self._layers),
        ):
            if rows:
                # By Core: the same through the ORM takes more than twice as long.
                connection.execute(sa.insert(table_of(table)), rows)
        if self._values:
            self._write_values(connection, register(db, session, self._values))
        if self._steps:
            seal(session, self._run_id, self._steps[0]["step"], self._steps[-1]["step"])
        if "test_accuracy" in self._latest:
            tested.forget(session, self._run_id)
        changes = RUN_METRICS.changes(self._latest, sa.type_coerce(RunRow.nonfinite, sa.Integer))
        if self._best is not None and "best_val_accuracy" not in self._latest:
            best = RunRow.best_val_accuracy
            changes["best_val_accuracy"] = sa.case((best >= self._best, best), else_=self._best)
        if self._changed:
            changes["metrics"] = self.metrics
        if self._alarms:
            changes["alarms"] = raised_alarms.kinds_with(session, self._run_id, self._alarms)
        if self._energy is not None:
            changes[_ENERGY] = self._add_energy(session, self._energy)
        session.execute(
            sa.update(RunRow)
            .where(RunRow.id == self._run_id)
            .values(heartbeat_at=time.time(), **changes)
            .execution_options(synchronize_session=False)
        )

    def _add_energy(self, session: Session, energy: float) -> sa.ScalarSelect[Any]:
        """Set what the attempt used so far; returns what the run used in all."""
        session.execute(
            sa.update(AttemptRow)
            .where(AttemptRow.id == self._attempt_id)
            .values(energy_wh=energy)
            .execution_options(synchronize_session=False)
        )
        used = sa.select(sa.func.sum(AttemptRow.energy_wh)).where(AttemptRow.run_id == self._run_id)
        return used.scalar_subquery()

    def _set_latest(self, name: str, value: float) -> None:
        self.metrics[name] = float(value)
        self._changed = True

    def _write_values(self, connection: sa.Connection, numbers: Mapping[str, int]) -> None:
        rows = [
            (self._run_id, number, step, *((value, 0) if value - value == 0 else (None, code_of(value))))
            for name, number in sorted(numbers.items(), key=lambda item: item[1])  # in the order of the primary key
            for step, value in self._values[name]
        ]
        # There may be many for each step, and as dictionaries by `sa.insert` they take twice as long.
        mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
        connection.exec_driver_sql(
            f"INSERT INTO step_values (run_id, metric_id, step, value, nonfinite) VALUES ({', '.join([mark] * 5)})",
            rows,
        )

    def _row(self, record: Any, names: tuple[tuple[str, str], ...]) -> dict[str, Any]:
        row = {column: getattr(record, field) for field, column in names}
        row["run_id"] = self._run_id
        return row


def last_recorded(session: Session, column: Any, run_id: int) -> int:
    """The largest number that a run recorded in a column of a history; -1 where there is none."""
    last = session.scalar(sa.select(sa.func.max(column)).where(column.class_.run_id == run_id))
    return -1 if last is None else int(last)
