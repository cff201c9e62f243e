"""Every figure that is recorded of a run and can be charted: what it is called, its unit, how it is read.

One registry for a run's charts, for comparisons, and for what is exported of either. A figure is named as the store
names it; one of a layer is `figure@layer` ("churn@features.0").
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from itop_tui.figures.format import plain

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
        short: What it is called where a title has little room; empty where that is its title.
    """

    name: str
    title: str
    label: str
    unit: str
    source: Source = "step"
    percent: bool = False
    logarithmic: bool = False
    noisy: bool = False
    short: str = ""

    @property
    def short_title(self) -> str:
        """Its title where there is little room."""
        return self.short or self.title


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
    Figure("train_loss", "loss of the epoch", "epoch", "loss", "epoch", logarithmic=True, short="loss by epoch"),
    Figure("train_accuracy", "accuracy of the epoch", "epoch", "accuracy", "epoch", percent=True,
           short="accuracy by epoch"),
    Figure("seconds", "seconds an epoch", "seconds", "seconds", "epoch"),
    Figure("churn", "churn: active weights exchanged", "churn", "share of active weights", "update", percent=True,
           short="churn"),
    Figure("survival", "survival of what was grown", "survived", "share of active weights", "update", percent=True,
           short="survival of grown"),
    Figure("overlap_previous", "overlap with the mask before", "kept last", "share of active weights", "update",
           percent=True),
    Figure("overlap_first", "overlap with the first mask", "kept first", "share of active weights", "update",
           percent=True),
    Figure("nonzeros", "active weights", "active", "weights", "update"),
    Figure("pruned", "weights pruned", "pruned", "weights", "update", short="pruned"),
    Figure("grown", "weights grown", "grown", "weights", "update", short="grown"),
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

COMPARED: tuple[Figure, ...] = tuple(
    _BY_NAME[name]
    for name in (
        "loss", "val_accuracy", "itop_rate", "accuracy", "churn", "val_loss", "train_loss", "train_accuracy", "density",
        "death_rate", "learning_rate", "survival", "overlap_previous", "overlap_first", "pruned", "grown", "nonzeros",
        "samples_per_second", "seconds",
    )
)  # fmt: skip
"""Those of the whole network, the most telling first: the order in which a comparison goes through them."""


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
