"""What a heat map shows of the layers: measures of each layer at each mask update, and which of them to begin with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from db.records import LayerMaskStat
from itop_tui.figures.format import r_s, share
from itop_tui.figures.metric_text import Write
from itop_tui.figures.update_metrics import churn, density, explored

__all__ = ["MEASURES", "LayerMeasure", "first_measure", "measure"]

_MOVES = 0.01
"""The change of a layer's density, as a share of its first one, from which on a map of densities shows something."""


@dataclass(frozen=True, slots=True)
class LayerMeasure:
    """A measure of a layer at a mask update.

    Attributes:
        name: What it is called in a list.
        about: What it is.
        value: Works it out; NaN where it is not known.
        write: Writes it.
    """

    name: str
    about: str
    value: Callable[[LayerMaskStat], float]
    write: Write = share

    @property
    def title(self) -> str:
        """Its name, and what it is."""
        return f"{self.name}: {self.about}"


def _known(value: float | None) -> float:
    return float("nan") if value is None else value


def _part(number: int | None, of: int) -> float:
    return float("nan") if number is None or not of else number / of


def _outputs(row: LayerMaskStat) -> int:
    return row.shape[0] if row.shape else 0


def _inputs(row: LayerMaskStat) -> int:
    return row.shape[1] if len(row.shape) > 1 else 0


MEASURES: tuple[LayerMeasure, ...] = (
    LayerMeasure("density", "share of weights that are active", density),
    LayerMeasure("R_s", "share of weights ever active", explored, r_s),
    LayerMeasure("churn", "share of active weights put there by each update", churn),
    LayerMeasure("survival", "share of what the update before has grown that is still active",
                 lambda row: _known(row.survival)),
    LayerMeasure("overlap with the mask before", "share of its active weights that still are",
                 lambda row: _known(row.overlap_previous)),
    LayerMeasure("overlap with the first mask", "share of its active weights that are active",
                 lambda row: _known(row.overlap_first)),
    LayerMeasure("dead outputs", "share of neurons or channels without an active weight",
                 lambda row: _part(row.dead_outputs, _outputs(row))),
    LayerMeasure("neurons alive", "share of outputs that active weights feed and read (perceptrons only)",
                 lambda row: _part(row.alive, _outputs(row))),
    LayerMeasure("neurons on a path", "share of outputs between an input and an output (perceptrons only)",
                 lambda row: _part(row.percolated, _outputs(row))),
    LayerMeasure("dead inputs", "share of inputs that no active weight reads",
                 lambda row: _part(row.dead_inputs, _inputs(row))),
)  # fmt: skip


def measure(name: str) -> LayerMeasure:
    """The measure of a name, the first one where there is none."""
    return next((one for one in MEASURES if one.name == name), MEASURES[0])


def first_measure(layers: Iterable[Sequence[LayerMaskStat]]) -> LayerMeasure:
    """What a heat map shows first: the density where that of some layer has changed, else R_s where masks have moved.

    Args:
        layers: Of each layer, its rows at all mask updates.
    """
    ends = [(rows[0], rows[-1]) for rows in layers if rows]
    if any(abs(density(last) - density(first)) > _MOVES * density(first) for first, last in ends):
        return measure("density")
    return measure("R_s" if any(last.explored > first.explored for first, last in ends) else "density")
