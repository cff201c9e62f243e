"""Reading what a run recorded: steps, epochs, mask updates, layers; and curves for charts, from `db.history.series`.

Written by `db.history.writer`. Reads go through Core: as ORM objects, 100,000 rows take over a second. A run that
does not exist has recorded nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.history.declared import METRICS
from db.history.nonfinite import VALUES
from db.history.registered import learn, numbers, recorded
from db.history.series import averages, moments, series, several, sparks
from db.models import (
    EPOCH_METRICS,
    LAYER_METRICS,
    STEP_METRICS,
    UPDATE_METRICS,
    Base,
    EpochMetricRow,
    LayerMaskStatRow,
    MaskUpdateRow,
    StepMetricRow,
    StepValueRow,
)
from db.records import EpochMetric, LayerMaskStat, MaskUpdate, Recorded, StepMetric
from db.session import Database

__all__ = [
    "METRICS",
    "averages",
    "count_steps",
    "epochs",
    "layer_history",
    "layer_stats",
    "layer_updates",
    "learn",
    "mask_updates",
    "moments",
    "recorded",
    "series",
    "several",
    "sparks",
    "steps",
]


def _columns(table: type[Base], record: type[Recorded]) -> list[sa.ColumnElement[Any]]:
    """A record's columns under its own names, and the bits of its metrics."""
    names = (*(field.name for field in fields(record) if field.name != "metrics"), "nonfinite")
    return [getattr(table, name).label(name) for name in names]


_STEP = _columns(StepMetricRow, StepMetric)
_EPOCH = _columns(EpochMetricRow, EpochMetric)
_UPDATE = _columns(MaskUpdateRow, MaskUpdate)
_LAYER = _columns(LayerMaskStatRow, LayerMaskStat)


def _layer(row: dict[str, Any]) -> LayerMaskStat:
    fields = LAYER_METRICS.decode(row)
    fields["shape"] = tuple(fields["shape"])
    return LayerMaskStat(**fields)


def steps(
    db: Database,
    run_id: int,
    *,
    after: int = -1,
    until: int | None = None,
    limit: int | None = None,
    latest: int | None = None,
    having: Sequence[str] = (),
) -> list[StepMetric]:
    """The steps of a run, in order.

    Args:
        db: The database.
        run_id: The run.
        after: Only later ones: the last step one has seen.
        until: Only up to and with this one.
        limit: At most so many, the earliest.
        latest: At most so many, the latest; no other steps are read.
        having: Only steps with a value of one of these metrics without a column; empty for all steps.
    """
    statement = sa.select(*_STEP).where(StepMetricRow.run_id == run_id, StepMetricRow.step > after)
    if until is not None:
        statement = statement.where(StepMetricRow.step <= until)
    with db.read() as session:
        if having:
            statement = statement.where(_has_value(session, run_id, having))
        # Positional: 100,000 rows through mappings take twice as long.
        if latest is not None:
            rows = session.execute(statement.order_by(StepMetricRow.step.desc()).limit(latest)).all()[::-1]
        else:
            rows = session.execute(statement.order_by(StepMetricRow.step).limit(limit)).all()
        further = _values(session, run_id, rows[0][0], rows[-1][0]) if rows else {}
    found = [
        StepMetric(*row[:-1]) if not row[-1] else StepMetric(**STEP_METRICS.decode({**row._mapping})) for row in rows
    ]
    return [replace(step, metrics=further.get(step.step, {})) for step in found] if further else found


def _values(session: Session, run_id: int, first: int, last: int) -> dict[int, dict[str, float]]:
    """By step, the values of the metrics that have no column, by name."""
    names = {number: name for name, number in numbers(session).items()}
    if not names:
        return {}
    rows: Sequence[Any] = session.execute(
        sa.select(StepValueRow.metric_id, StepValueRow.step, StepValueRow.value, StepValueRow.nonfinite).where(
            StepValueRow.run_id == run_id,
            StepValueRow.metric_id.in_(names),  # so that each is one search of the primary key
            StepValueRow.step >= first,
            StepValueRow.step <= last,
        )
    ).all()
    found: dict[int, dict[str, float]] = {}
    for number, step, value, code in rows:
        found.setdefault(step, {})[names[number]] = VALUES[code] if code else value
    return found


def _has_value(session: Session, run_id: int, names: Sequence[str]) -> sa.ColumnElement[bool]:
    """SQL for whether a step of the run has a value of one of these metrics without a column."""
    registered = numbers(session)
    own = [registered[name] for name in names if name in registered]
    recorded_at = sa.select(StepValueRow.step).where(StepValueRow.run_id == run_id, StepValueRow.metric_id.in_(own))
    return StepMetricRow.step.in_(recorded_at)


def count_steps(db: Database, run_id: int, *, after: int = -1, having: Sequence[str] = ()) -> int:
    """How many steps a run recorded after one; `having` as for `steps`."""
    own = sa.select(sa.func.count()).where(StepMetricRow.run_id == run_id, StepMetricRow.step > after)
    with db.read() as session:
        if having:
            own = own.where(_has_value(session, run_id, having))
        return int(session.scalar(own) or 0)


def epochs(db: Database, run_id: int) -> list[EpochMetric]:
    """The epochs of a run, in order."""
    statement = sa.select(*_EPOCH).where(EpochMetricRow.run_id == run_id).order_by(EpochMetricRow.epoch)
    with db.read() as session:
        return [EpochMetric(**EPOCH_METRICS.decode({**row})) for row in session.execute(statement).mappings()]


def mask_updates(db: Database, run_id: int) -> list[MaskUpdate]:
    """The mask updates of a run, in order; the first is the first mask."""
    statement = sa.select(*_UPDATE).where(MaskUpdateRow.run_id == run_id).order_by(MaskUpdateRow.update)
    with db.read() as session:
        return [MaskUpdate(**UPDATE_METRICS.decode({**row})) for row in session.execute(statement).mappings()]


def layer_stats(db: Database, run_id: int, update: int | None = None) -> list[LayerMaskStat]:
    """What a mask update (by default the latest) did to each layer, by position."""
    number: Any = update
    if number is None:
        number = (
            sa.select(sa.func.max(LayerMaskStatRow.update)).where(LayerMaskStatRow.run_id == run_id).scalar_subquery()
        )
    statement = (
        sa.select(*_LAYER)
        .where(LayerMaskStatRow.run_id == run_id, LayerMaskStatRow.update == number)
        .order_by(LayerMaskStatRow.position)
    )
    with db.read() as session:
        return [_layer({**row}) for row in session.execute(statement).mappings()]


def layer_history(db: Database, run_id: int, layer: str) -> list[tuple[int, LayerMaskStat]]:
    """What each mask update did to one layer: pairs of the update's step and the layer's metrics, in order."""
    statement = (
        sa.select(MaskUpdateRow.step.label("update_step"), *_LAYER)
        .join(
            MaskUpdateRow,
            sa.and_(MaskUpdateRow.run_id == LayerMaskStatRow.run_id, MaskUpdateRow.update == LayerMaskStatRow.update),
        )
        .where(LayerMaskStatRow.run_id == run_id, LayerMaskStatRow.layer == layer)
        .order_by(LayerMaskStatRow.update)
    )
    with db.read() as session:
        rows = [dict(row) for row in session.execute(statement).mappings()]
    return [(row.pop("update_step"), _layer(row)) for row in rows]


def layer_updates(db: Database, run_id: int, *, after: int = -1) -> list[tuple[int, int, list[LayerMaskStat]]]:
    """What mask updates did to all layers, in order.

    Args:
        db: The database.
        run_id: The run.
        after: Only later updates: the number of the last one that is known already.

    Returns:
        Of each update its number, its step, and its layers by position.
    """
    statement = (
        sa.select(MaskUpdateRow.step.label("update_step"), LayerMaskStatRow.update.label("number"), *_LAYER)
        .join(
            MaskUpdateRow,
            sa.and_(MaskUpdateRow.run_id == LayerMaskStatRow.run_id, MaskUpdateRow.update == LayerMaskStatRow.update),
        )
        .where(LayerMaskStatRow.run_id == run_id, LayerMaskStatRow.update > after)
        .order_by(LayerMaskStatRow.update, LayerMaskStatRow.position)
    )
    with db.read() as session:
        rows = [dict(row) for row in session.execute(statement).mappings()]
    found: list[tuple[int, int, list[LayerMaskStat]]] = []
    for row in rows:
        step, number = row.pop("update_step"), row.pop("number")
        if not found or found[-1][0] != number:
            found.append((number, step, []))
        found[-1][2].append(_layer(row))
    return found
