"""Figures that are recorded now and then (epochs, mask updates, layers at mask updates), read whole."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from db.history import metrics
from db.history.declared import Metric
from db.records import LayerMaskStat, MaskUpdate
from db.session import Database
from itop_tui.figures.chart_metrics import AT_LAYER, find
from itop_tui.figures.curves import Curve
from itop_tui.figures.layer_measures import churn, density, explored

_LAYER_VALUES: Mapping[str, Any] = {"density": density, "itop_rate": explored, "churn": churn}
"""What is worked out of a layer's row; everything else stands in it."""


def read_sparse(
    db: Database,
    run_id: int,
    names: Iterable[str],
    updates: Sequence[MaskUpdate],
    *,
    after: float = -math.inf,
    until: float = math.inf,
) -> dict[str, Curve]:
    """The figures among `names` that are not recorded at every step.

    Args:
        db: The database.
        run_id: The run.
        names: Figures of `itop_tui.figures.chart_metrics`.
        updates: The run's mask updates.
        after: Only later steps.
        until: Only steps up to and with this one.
    """
    figures = [figure for figure in map(find, names) if figure is not None and figure.source != "step"]
    epochs = metrics.epochs(db, run_id) if any(figure.source == "epoch" for figure in figures) else []
    histories = {
        layer: metrics.layer_history(db, run_id, layer)
        for layer in {_layer(figure) for figure in figures if figure.source == "layer"}
    }
    curves: dict[str, Curve] = {}
    for figure in figures:
        if figure.source == "epoch":
            points = [(row.step, getattr(row, figure.name)) for row in epochs]
        elif figure.source == "update":
            # The first mask is no update: nothing was exchanged in it.
            points = [
                (row.step, getattr(row, figure.name)) for row in updates if row.update or figure.name == "nonzeros"
            ]
        else:
            points = [(step, layer_value(row, figure.name)) for step, row in histories[_layer(figure)]]
        known = [(step, value) for step, value in points if value is not None and after < step <= until]
        curves[figure.name] = Curve(
            np.asarray([step for step, _ in known], dtype=np.float64),
            np.asarray([value for _, value in known], dtype=np.float64),
        )
    return curves


def _layer(figure: Metric) -> str:
    return figure.name.partition(AT_LAYER)[2]


def layer_value(row: LayerMaskStat, name: str) -> float | None:
    """A figure of a layer's row, by the figure's name with or without the layer."""
    kind = name.partition(AT_LAYER)[0]
    worked_out = _LAYER_VALUES.get(kind)
    value: float | None = worked_out(row) if worked_out else getattr(row, kind)
    return value
