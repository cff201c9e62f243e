"""What the charts of a run and those of a comparison share: how they are shown, and how many fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textual.containers import Vertical

from itop_tui.figures.x_axis import ACROSS, Across

SMOOTHING = (0.0, 0.6, 0.9, 0.98)
"""Weights of the past in the moving average, from none to much."""
LEGEND_FROM = 16
"""Lines of the pane from which on one is spared for the legend of the marks."""


def grid_shape(width: int, height: int) -> tuple[int, int]:
    """How many charts fit side by side and one above the other, so that each can still be read."""
    columns = 1 if width < 64 else 2 if width < 150 else 3
    rows = 1 if height < 14 else 2 if height < 30 or (columns == 3 and height < 42) else 3
    return columns, rows


class ChartGrid(Vertical):
    """Charts in a grid, or one at full size, all over the same part of the x axis.

    Attributes:
        full: Whether one chart is shown alone.
        smoothing: The weight of the past in the moving average, of `SMOOTHING`.
        across: What stands across.
        logarithmic: Whether the y axes are logarithmic where that makes sense.
        with_marks: Whether mask updates and what else happened are marked.
        window: The part of the x axis that is shown; None for all.
    """

    def __init__(self, widget_id: str | None = None) -> None:
        super().__init__(id=widget_id)
        self.full = False
        self.smoothing = SMOOTHING[0]
        self.across: Across = ACROSS[0]
        self.logarithmic = True
        self.with_marks = True
        self.window: tuple[float, float] | None = None

    @property
    def state(self) -> dict[str, Any]:
        """How the charts are shown, as JSON: what another start of the app takes up again."""
        return {
            "full": self.full,
            "smoothing": self.smoothing,
            "across": self.across,
            "logarithmic": self.logarithmic,
            "marks": self.with_marks,
        }

    def take_up(self, state: Mapping[str, Any]) -> None:
        """Show the charts as they were shown before; whatever in `state` makes no sense is passed over."""
        self.full = state.get("full") is True
        self.smoothing = state["smoothing"] if state.get("smoothing") in SMOOTHING else SMOOTHING[0]
        self.across = state["across"] if state.get("across") in ACROSS else ACROSS[0]
        self.logarithmic = state.get("logarithmic") is not False
        self.with_marks = state.get("marks") is not False

    def _take_next_smoothing(self) -> None:
        self.smoothing = SMOOTHING[(SMOOTHING.index(self.smoothing) + 1) % len(SMOOTHING)]

    def _take_next_across(self, *, epochs: bool) -> None:
        """Let the next thing stand across: epochs only where their length is known."""
        choices = [each for each in ACROSS if each != "epoch" or epochs]
        at = choices.index(self.across) if self.across in choices else 0
        self.across = choices[(at + 1) % len(choices)]
