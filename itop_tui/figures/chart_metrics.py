"""What can be charted of a run: the metrics that are declared in `db.history.declared`, and those of each layer.

A metric is named as the store names it; one of a layer is `metric@layer` ("churn@features.0").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from db.history import metrics
from db.history.declared import LAYER_METRICS, MACHINE_METRICS, METRICS, Metric
from db.session import Database
from itop_tui.figures.chart_data import FEW
from itop_tui.figures.format import figure as number_text
from itop_tui.figures.format import plain
from itop_tui.figures.metric_text import Write, writer

AT_LAYER = "@"

_OF_LAYER = {metric.name: metric for metric in LAYER_METRICS}

_SCORES = frozenset({"loss", "accuracy"})
"""Units of what a training improves."""
_OUTLIERS = 0.1

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


def outliers(metric: Metric) -> float:
    """The largest share of a metric's values that may lie outside of its chart.

    What jumps, and the scores that change most at the beginning of a training, are read where they end. What follows a
    schedule is read as a whole.
    """
    return _OUTLIERS if metric.noisy or metric.unit in _SCORES else FEW


@dataclass(frozen=True, slots=True)
class ChartSpec:
    """What one chart shows.

    Attributes:
        names: Metrics; the first one's unit has the axis at the left, all others share the one at the right.
        title: What the chart is called; by its metrics where it is empty.
    """

    names: tuple[str, ...]
    title: str = ""

    @property
    def figures(self) -> tuple[Metric, ...]:
        """Its metrics, those that are known."""
        return tuple(figure for figure in map(find, self.names) if figure is not None)

    @property
    def heading(self) -> str:
        """What the chart is called."""
        if self.title:
            return self.title
        figures = self.figures
        if not figures:
            return "no metric chosen"
        if len({figure.unit for figure in figures}) == 1 and len(figures) > 1:
            return figures[0].unit
        return " · ".join(figure.title for figure in figures)

    @property
    def of_machine(self) -> bool:
        """Whether it shows nothing but what a run uses of its machine."""
        return bool(self.names) and set(self.names) <= set(MACHINE_METRICS)

    @property
    def percent(self) -> bool:
        """Whether the left axis is in per cent."""
        return bool(self.figures) and self.figures[0].percent

    @property
    def write(self) -> Write:
        """What writes the values of the left axis."""
        return writer(self.figures[0]) if self.figures else number_text

    @property
    def logarithmic(self) -> bool:
        """Whether a logarithmic axis makes sense."""
        figures = self.figures
        return bool(figures) and all(figure.logarithmic for figure in figures)

    def labels(self) -> dict[str, str]:
        """What the legend calls each metric: nothing for a single one, and no two the same."""
        figures = self.figures
        if len(figures) == 1:
            return {figures[0].name: ""}
        short = [figure.label for figure in figures]
        return {
            figure.name: figure.label if short.count(figure.label) == 1 else figure.title for figure in figures
        }  # fmt: skip


MACHINE_CHARTS: tuple[ChartSpec, ...] = (
    ChartSpec(("process_cpu", "host_cpu"), "CPU: cores, host %"),
    ChartSpec(("process_memory", "host_memory"), "memory, GiB"),
    ChartSpec(("process_gpu_load", "gpu_load"), "GPU load"),
    ChartSpec(("process_gpu_memory", "gpu_memory"), "GPU memory, GiB"),
    ChartSpec(("device_power", "gpu_temperature"), "power W, GPU °C"),
)
"""The charts of what a run uses of its machine."""

DEFAULT_CHARTS: tuple[ChartSpec, ...] = (
    ChartSpec(("loss", "val_loss"), "loss"),
    ChartSpec(("accuracy", "val_accuracy"), "accuracy"),
    ChartSpec(("itop_rate",)),
    ChartSpec(("death_rate",)),
    ChartSpec(("learning_rate",)),
    ChartSpec(("churn", "survival", "overlap_first"), "mask updates"),
    ChartSpec(("samples_per_second",)),
    ChartSpec(("density",)),
    *MACHINE_CHARTS,
)
"""The charts until a person chooses others."""

MOST_CHARTS, MOST_FIGURES = 24, 8
"""More would be read each time and could not be distinguished."""


def with_figures(spec: ChartSpec, names: Sequence[str]) -> ChartSpec:
    """The chart with other metrics; one that is changed is called by what it shows."""
    chosen = tuple(dict.fromkeys(names))[:MOST_FIGURES]
    return spec if chosen == spec.names else ChartSpec(chosen)


def as_setting(specs: Sequence[ChartSpec]) -> list[dict[str, Any]]:
    """Charts as JSON."""
    return [{"names": list(spec.names), "title": spec.title} for spec in specs]


def from_setting(value: object) -> tuple[ChartSpec, ...]:
    """Charts out of JSON; what is damaged or unknown is left out, and the default ones stand for none at all."""
    specs: list[ChartSpec] = []
    for entry in value if isinstance(value, list) else []:
        names = entry.get("names") if isinstance(entry, dict) else None
        if isinstance(names, list):
            known = tuple(name for name in names if isinstance(name, str) and find(name) is not None)
            title = entry.get("title", "")
            if known:
                specs.append(ChartSpec(known[:MOST_FIGURES], plain(title, 60) if isinstance(title, str) else ""))
    return tuple(specs[:MOST_CHARTS]) or DEFAULT_CHARTS
