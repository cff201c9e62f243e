"""The metrics of epochs, of mask updates and of layers at mask updates, which are few enough to read all of them."""

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


def density(row: LayerMaskStat) -> float:
    """The share of a layer's weights that are active."""
    return row.nonzeros / row.size if row.size else 0.0


def explored(row: LayerMaskStat) -> float:
    """R_s of a layer: the share of its weights that were ever active."""
    return row.explored / row.size if row.size else 0.0


def churn(row: LayerMaskStat) -> float:
    """The share of a layer's active weights that the update put there."""
    return row.grown / row.nonzeros if row.nonzeros else 0.0


_LAYER_VALUES: Mapping[str, Any] = {"density": density, "itop_rate": explored, "churn": churn}
"""What is worked out of a layer's row; everything else is a field of it."""


def read_sparse(
    db: Database,
    run_id: int,
    names: Iterable[str],
    updates: Sequence[MaskUpdate],
    first: int | None = None,
    last: int | None = None,
) -> dict[str, Curve]:
    """The metrics among `names` that are not those of steps, from a first step on, up to and with a last one."""
    low, high = -math.inf if first is None else first, math.inf if last is None else last
    wanted = [metric for metric in map(find, names) if metric is not None and metric.source != "step"]
    epochs = metrics.epochs(db, run_id) if any(metric.source == "epoch" for metric in wanted) else []
    histories = {
        layer: metrics.layer_history(db, run_id, layer)
        for layer in {_layer(metric) for metric in wanted if metric.source == "layer"}
    }
    curves: dict[str, Curve] = {}
    for metric in wanted:
        if metric.source == "epoch":
            points = [(row.step, getattr(row, metric.name)) for row in epochs]
        elif metric.source == "update":
            # The first mask is no update: nothing was exchanged in it.
            points = [
                (row.step, getattr(row, metric.name)) for row in updates if row.update or metric.name == "nonzeros"
            ]
        else:
            points = [(step, layer_value(row, metric.name)) for step, row in histories[_layer(metric)]]
        known = [(step, value) for step, value in points if value is not None and low <= step <= high]
        curves[metric.name] = Curve(
            np.asarray([step for step, _ in known], dtype=np.float64),
            np.asarray([value for _, value in known], dtype=np.float64),
        )
    return curves


def _layer(metric: Metric) -> str:
    return metric.name.partition(AT_LAYER)[2]


def layer_value(row: LayerMaskStat, name: str) -> float | None:
    """A metric of a layer's row, by the name of the metric with or without the layer."""
    kind = name.partition(AT_LAYER)[0]
    worked_out = _LAYER_VALUES.get(kind)
    value: float | None = worked_out(row) if worked_out else getattr(row, kind)
    return value
