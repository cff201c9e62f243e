"""What can be charted of a run: the metrics that are declared in `db.history.declared`, and those of each layer.

A metric is named as the store names it; one of a layer is `metric@layer` ("churn@features.0").
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from db.history import metrics
from db.history.declared import LAYER_METRICS, METRICS, Metric
from db.session import Database
from itop_tui.figures.format import plain

AT_LAYER = "@"

_OF_LAYER = {metric.name: metric for metric in LAYER_METRICS}

_FIRST_COMPARED = (
    "loss", "val_accuracy", "itop_rate", "accuracy", "churn", "val_loss", "train_loss", "train_accuracy", "density",
    "death_rate", "learning_rate", "survival", "overlap_previous", "overlap_first", "pruned", "grown", "nonzeros",
    "samples_per_second", "seconds",
)  # fmt: skip


def comparison_metrics() -> tuple[Metric, ...]:
    """The metrics of the whole network in the order of a comparison: those that say most first, then all others."""
    return tuple(METRICS[name] for name in dict.fromkeys((*_FIRST_COMPARED, *METRICS)))


def find(name: str) -> Metric | None:
    """The metric of a name, with its layer in its title where it is one of a layer; None for an unknown one."""
    kind, at, layer = name.partition(AT_LAYER)
    if not at:
        return METRICS.get(name)
    known = _OF_LAYER.get(kind)
    if known is None or not layer:
        return None
    where = plain(layer, 200)
    return replace(known, name=name, title=f"{known.title}, {where}", label=f"{known.label} {where}")


def choices(db: Database, run_id: int) -> list[Metric]:
    """Everything that can be charted of a run, with what other programs declared in its database. Reads the store."""
    metrics.learn(db)
    return all_metrics(layer.layer for layer in metrics.layer_stats(db, run_id))


def all_metrics(layers: Iterable[str] = ()) -> list[Metric]:
    """Everything that can be charted of a run with these layers."""
    names = [f"{metric.name}{AT_LAYER}{layer}" for layer in layers for metric in LAYER_METRICS]
    return [*METRICS.values(), *(found for found in map(find, names) if found is not None)]
