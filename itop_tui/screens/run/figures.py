"""Every figure that is recorded of a run and can be charted, and which of them stand on which chart.

A figure is named as the store names it; one of a layer is `figure@layer` ("churn@features.0").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from itop_tui.format import plain

Source = Literal["step", "epoch", "update", "layer"]
"""How often a figure is recorded: at each step, epoch or mask update; or at each mask update, of each layer."""

AT_LAYER = "@"


@dataclass(frozen=True, slots=True)
class Figure:
    """Something that is recorded.

    Attributes:
        name: As the store (or `LayerMaskStat`) calls it.
        title: What a chart of it is called.
        label: What the legend calls it beside others of its unit.
        unit: Figures of one unit share an axis.
        source: How often it is recorded.
        percent: Whether it is a share, written in per cent.
        logarithmic: Whether a logarithmic axis makes sense.
        noisy: Whether it jumps from step to step, so that smoothing helps.
    """

    name: str
    title: str
    label: str
    unit: str
    source: Source = "step"
    percent: bool = False
    logarithmic: bool = False
    noisy: bool = False


FIGURES: tuple[Figure, ...] = (
    Figure("loss", "loss", "train", "loss", logarithmic=True, noisy=True),
    Figure("accuracy", "accuracy", "train", "accuracy", percent=True, noisy=True),
    Figure("itop_rate", "R_s explored", "R_s", "share of weights", percent=True),
    Figure("death_rate", "death rate", "ζ", "death rate"),
    Figure("learning_rate", "learning rate", "lr", "learning rate", logarithmic=True),
    Figure("density", "density", "density", "share of weights", percent=True),
    Figure("samples_per_second", "samples/s", "samples/s", "samples/s", noisy=True),
    Figure("val_loss", "validation loss", "val", "loss", "epoch", logarithmic=True),
    Figure("val_accuracy", "validation accuracy", "val", "accuracy", "epoch", percent=True),
    Figure("train_loss", "loss of the epoch", "epoch", "loss", "epoch", logarithmic=True),
    Figure("train_accuracy", "accuracy of the epoch", "epoch", "accuracy", "epoch", percent=True),
    Figure("seconds", "seconds an epoch", "seconds", "seconds", "epoch"),
    Figure("churn", "churn: active weights exchanged", "churn", "share of active weights", "update", percent=True),
    Figure("survival", "survival of what was grown", "survived", "share of active weights", "update", percent=True),
    Figure("overlap_previous", "overlap with the mask before", "kept last", "share of active weights", "update",
           percent=True),
    Figure("overlap_first", "overlap with the first mask", "kept first", "share of active weights", "update",
           percent=True),
    Figure("nonzeros", "active weights", "active", "weights", "update"),
    Figure("pruned", "weights pruned", "pruned", "weights", "update"),
    Figure("grown", "weights grown", "grown", "weights", "update"),
)  # fmt: skip
"""The figures of the whole network."""

LAYER_FIGURES: tuple[Figure, ...] = (
    Figure("density", "density", "density", "share of weights", "layer", percent=True),
    Figure("itop_rate", "R_s explored", "R_s", "share of weights", "layer", percent=True),
    Figure("churn", "churn", "churn", "share of active weights", "layer", percent=True),
    Figure("survival", "survival of what was grown", "survived", "share of active weights", "layer", percent=True),
    Figure("overlap_previous", "overlap with the mask before", "kept last", "share of active weights", "layer",
           percent=True),
    Figure("overlap_first", "overlap with the first mask", "kept first", "share of active weights", "layer",
           percent=True),
    Figure("dead_outputs", "outputs without an active weight", "dead out", "neurons", "layer"),
    Figure("dead_inputs", "inputs without an active weight", "dead in", "neurons", "layer"),
)  # fmt: skip
"""The figures of one layer."""

_BY_NAME = {figure.name: figure for figure in FIGURES}
_OF_LAYER = {figure.name: figure for figure in LAYER_FIGURES}


def find(name: str) -> Figure | None:
    """The figure of a name, with its layer in its title where it is one of a layer; None for an unknown one."""
    kind, at, layer = name.partition(AT_LAYER)
    if not at:
        return _BY_NAME.get(name)
    known = _OF_LAYER.get(kind)
    if known is None or not layer:
        return None
    where = plain(layer, 200)
    return Figure(name, f"{known.title}, {where}", f"{known.label} {where}", known.unit, "layer", known.percent)


def all_figures(layers: Iterable[str] = ()) -> list[Figure]:
    """Everything that can be charted of a run with these layers."""
    names = [f"{figure.name}{AT_LAYER}{layer}" for layer in layers for figure in LAYER_FIGURES]
    return [*FIGURES, *(found for found in map(find, names) if found is not None)]


@dataclass(frozen=True, slots=True)
class ChartSpec:
    """What one chart shows.

    Attributes:
        names: Figures; the first one's unit has the axis at the left, all others share the one at the right.
        title: What the chart is called; by its figures where it is empty.
    """

    names: tuple[str, ...]
    title: str = ""

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Its figures, those that are known."""
        return tuple(figure for figure in map(find, self.names) if figure is not None)

    @property
    def heading(self) -> str:
        """What the chart is called."""
        if self.title:
            return self.title
        figures = self.figures
        if not figures:
            return "no figure chosen (e)"
        if len({figure.unit for figure in figures}) == 1 and len(figures) > 1:
            return figures[0].unit
        return " · ".join(figure.title for figure in figures)

    @property
    def percent(self) -> bool:
        """Whether the left axis is in per cent."""
        return bool(self.figures) and self.figures[0].percent

    @property
    def logarithmic(self) -> bool:
        """Whether a logarithmic axis makes sense."""
        figures = self.figures
        return bool(figures) and all(figure.logarithmic for figure in figures)

    def labels(self) -> dict[str, str]:
        """What the legend calls each figure: nothing for a single one, and no two the same."""
        figures = self.figures
        if len(figures) == 1:
            return {figures[0].name: ""}
        short = [figure.label for figure in figures]
        return {
            figure.name: figure.label if short.count(figure.label) == 1 else figure.title for figure in figures
        }  # fmt: skip


DEFAULT_CHARTS: tuple[ChartSpec, ...] = (
    ChartSpec(("loss", "val_loss"), "loss"),
    ChartSpec(("accuracy", "val_accuracy"), "accuracy"),
    ChartSpec(("itop_rate",)),
    ChartSpec(("death_rate",)),
    ChartSpec(("learning_rate",)),
    ChartSpec(("churn", "survival", "overlap_first"), "mask updates"),
    ChartSpec(("samples_per_second",)),
    ChartSpec(("density",)),
)
"""The charts until a person chooses others."""

MOST_CHARTS, MOST_FIGURES = 24, 8
"""More would be read at every look and could not be told apart."""


def with_figures(spec: ChartSpec, names: Sequence[str]) -> ChartSpec:
    """The chart with other figures; one that is changed is called by what it shows."""
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
