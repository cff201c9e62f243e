"""What a pane of charts needs to know of what it shows: a run, or the entries of a comparison."""

from __future__ import annotations

from typing import Protocol

from itop_tui.figures.braille import Range
from itop_tui.figures.chart_data import ChartData
from itop_tui.figures.chart_specs import ChartSpec
from itop_tui.figures.x_axis import Across, Scale


class Charted(Protocol):
    """Something whose recorded metrics are charted; frozen; a new one is made when more was read."""

    @property
    def epochs_known(self) -> bool:
        """Whether the x axis can count epochs."""

    def window_scale(self, across: Across) -> Scale:
        """How the window of the charts lies on the x axis."""

    def limits(self, across: Across) -> Range | None:
        """The first and last position that there is; None where that is not known."""

    def note(self, across: Across) -> str:
        """What a reader has to know of the x axis; empty for steps and epochs."""

    def chart(self, spec: ChartSpec, across: Across, *, with_marks: bool) -> ChartData:
        """What one chart shows."""
