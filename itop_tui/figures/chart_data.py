"""What a chart shows: curves, and what happened on the way. Frozen; a screen makes it, `Chart` paints it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from itop_tui.figures.braille import FloatArray
from itop_tui.figures.comparison import Stat
from itop_tui.figures.metric_text import Write

EVENT_GLYPHS = {"drop": "▼", "resume": "↻", "fork": "Y", "checkpoint": "◆"}
"""How events are distinguished without colours; mask updates are ╷ or ┊, values that are not finite ✗."""
FEW = 0.01
"""The largest share of a curve that is outliers, where nothing else is said."""
OUTSIDE_GLYPHS = ("▴", "▾")
"""What marks values above and below the y axis."""
MEANINGS = {
    "update": "mask update",
    "drop": "learning rate drops",
    "resume": "resumed",
    "fork": "forked here",
    "checkpoint": "checkpoint",
    "parent": "the parent, up to the fork",
}
"""What can be marked, in the order of a legend."""


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One curve.

    Attributes:
        label: What the legend and the cursor call it.
        x: Positions, ascending, shape (n,).
        y: Values, shape (n,); NaN and infinite ones interrupt the line and are marked.
        tone: What colours it: one of `TONES`, "raw" (dim, behind a smoothed one), "parent" (dim,
            what was before), or "curve-3" and "dim-3" for the entry of a comparison at place 3.
        dotted: Whether each point is marked, for a curve with few of them.
        marker: A character that stands on the line here and there and in the legend, so that lines can be distinguished
            without colour; empty for none.
        right: Whether its values have the axis at the right.
        write: What writes its values; None for what writes the chart's.
        position: Its entry's place in a comparison, which gives its colour; None where `tone` does.
        std: What a band around it reaches to either side, shape (n,); empty for no band, NaN where there is none.
        n: How many runs a point joins; empty for a single run.
        last: The last value that was recorded, which the legend shows; None for the last of `y`.
        runs: How many runs its entry has.
        mean_x: Positions at which the cursor reads `mean_y`, shape (m,); empty where it reads `y`.
        mean_y: Means over ranges of steps, as the lines beside this one join them, shape (m,).
        smooth: Whether it is the moving average of a raw line of the same label.
        outliers: The largest share of its values that may lie outside of the y axis.
    """

    label: str
    x: FloatArray
    y: FloatArray
    tone: str = "first"
    dotted: bool = False
    marker: str = ""
    right: bool = False
    write: Write | None = None
    position: int | None = None
    std: FloatArray = field(default_factory=lambda: np.empty(0))
    n: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, dtype=np.intp))
    last: Stat | None = None
    runs: int = 1
    mean_x: FloatArray = field(default_factory=lambda: np.empty(0))
    mean_y: FloatArray = field(default_factory=lambda: np.empty(0))
    smooth: bool = False
    outliers: float = FEW

    @property
    def is_raw(self) -> bool:
        """Whether it is what was recorded, behind a smoothed line."""
        return self.tone == "raw" or self.tone.startswith("dim-")


TONES = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
"""The tones of curves side by side; see `itop_tui.chart.chart_colours`."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at a step, or at a position of the x axis.

    Attributes:
        x: The step or position.
        kind: "drop" of the learning rate, "resume", "fork" or "checkpoint"; each has a glyph of its own.
        text: What happened, for the cursor: "resumed".
    """

    x: float
    kind: str
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class ChartData:
    """Everything a chart shows.

    Attributes:
        lines: The curves; later ones are drawn over earlier ones.
        marks: Positions marked on the x axis (mask updates).
        broken: Where values are not finite, as (position, what to say: "NaN at step 123").
        empty: What to say while there is nothing to draw.
        x_unit: What the x axis counts: "step", "epoch", "hour" or "itop_rate".
        events: What happened on the way, marked at the edge of the plot.
        right_percent: Whether the axis at the right is in per cent.
        whose: Whose marks and events they are, where the curves are of several runs: a letter.
        smoothing: The weight of the past in the moving average that curves are; 0 where they are what was recorded.
        x_note: What is to be known of the x axis: "training time, pauses left out".
        averaged: Whether values of a curve are means over several steps, as they are where long runs are joined.
        read_beside: Whether a list beside the charts shows the values at the cursor, so that the chart does not.
    """

    lines: tuple[Line, ...] = ()
    marks: FloatArray = field(default_factory=lambda: np.empty(0))
    broken: tuple[tuple[float, str], ...] = ()
    empty: str = "no data yet"
    x_unit: str = "step"
    events: tuple[Event, ...] = ()
    right_percent: bool = False
    whose: str = ""
    smoothing: float = 0.0
    x_note: str = ""
    averaged: bool = False
    read_beside: bool = False

    @property
    def marked(self) -> frozenset[str]:
        """What is marked, of `MEANINGS`."""
        kinds = {event.kind for event in self.events}
        kinds |= {"update"} if len(self.marks) else set()
        return frozenset(kinds | ({"parent"} if any(line.tone == "parent" for line in self.lines) else set()))

    @property
    def has_right(self) -> bool:
        """Whether there is an axis at the right."""
        return any(line.right and len(line.x) for line in self.lines)
