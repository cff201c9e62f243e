"""A heat map drawn with half blocks: two rows of values in each line of the screen.

A widget of its own with `render_line`: a frame costs about a millisecond, where pixel canvases took 24 to 64.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from itop_tui.figures.format import fit, share
from itop_tui.look.theme import shades
from itop_tui.run.layer_table import fitted

_SHADES = 32
_TICKS = 5
_UNKNOWN = RichColor.parse("black")


class HeatMap(Widget):
    """Values of named rows over steps, as colours between 0 and 1 or between the extremes."""

    DEFAULT_CSS = "HeatMap { height: 1fr; }"
    title: reactive[str] = reactive("")
    """What is shown."""

    def __init__(self, widget_id: str | None = None) -> None:
        super().__init__(id=widget_id)
        self._names: tuple[str, ...] = ()
        self._steps: tuple[int, ...] = ()
        self._values: NDArray[np.float64] = np.zeros((0, 0))
        self._shades: tuple[Color, ...] = ()

    def show(self, names: Sequence[str], steps: Sequence[int], values: NDArray[np.float64]) -> None:
        """Show values.

        Args:
            names: Of the rows.
            steps: Of the columns, ascending.
            values: Shape (rows, columns); NaN where nothing is known.
        """
        self._names, self._steps, self._values = tuple(names), tuple(steps), values
        self.refresh()

    def notify_style_update(self) -> None:
        """Another theme has other shades."""
        self._shades = ()
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        """Draw one line: the title, a pair of rows, the steps, or the scale."""
        width = self.size.width
        base = self.rich_style
        rows, columns = self._values.shape if self._values.ndim == 2 else (0, 0)
        if y == 0:
            return Strip([Segment(fit(f" {self.title}", width), base + Style(bold=True))])
        if not rows or not columns:
            text = " no mask update yet" if y == 1 else ""
            return Strip([Segment(fit(text, width), base)])
        gutter = min(28, max(10, max(len(name) for name in self._names) + 1), width // 3)
        plot = max(1, width - gutter - 1)
        tall = self._tall(rows)
        lines = rows if tall else -(-rows // 2)
        if 1 <= y <= lines:
            return self._row_line(y - 1, gutter, plot, tall)
        if y == lines + 1:
            return Strip([Segment(self._step_line(gutter, plot, width), base + Style(dim=True))])
        if y == lines + 3:
            return self._scale_line(gutter, width)
        return Strip.blank(width, base)

    def _tall(self, rows: int) -> bool:
        """Whether each row of values may have a line of its own."""
        return rows <= self.size.height - 5

    def _row_line(self, line: int, gutter: int, plot: int, tall: bool) -> Strip:
        upper = line if tall else line * 2
        lower = line if tall else min(line * 2 + 1, len(self._names) - 1)
        name = fitted(self._names[upper], gutter - 1) + " "
        segments = [Segment(name, self.rich_style)]
        top, bottom = self._resampled(upper, plot), self._resampled(lower, plot)
        for above, below in zip(top.tolist(), bottom.tolist(), strict=True):
            if tall:
                segments.append(Segment(" ", Style(bgcolor=self._shade(above))))
            else:
                segments.append(Segment("▀", Style(color=self._shade(above), bgcolor=self._shade(below))))
        segments.append(Segment(" ", self.rich_style))
        return Strip(segments).simplify().extend_cell_length(self.size.width, self.rich_style)

    def _resampled(self, row: int, plot: int) -> NDArray[np.float64]:
        """A row with one value a column: the latest update at or before the step the column stands for."""
        steps = np.asarray(self._steps)
        at = np.linspace(steps[0], steps[-1], plot)
        index = np.clip(np.searchsorted(steps, at, side="right") - 1, 0, len(steps) - 1)
        values: NDArray[np.float64] = self._values[row][index]
        return values

    def _range(self) -> tuple[float, float]:
        finite = self._values[np.isfinite(self._values)]
        if not len(finite):
            return 0.0, 1.0
        low, high = float(finite.min()), float(finite.max())
        return (low, high) if high > low else (0.0, max(high, 1e-9))

    def _shade(self, value: float) -> RichColor:
        if not np.isfinite(value):
            return _UNKNOWN
        if not self._shades:
            self._shades = shades(self.app.theme_variables, _SHADES)
        low, high = self._range()
        last = len(self._shades) - 1
        at = int((value - low) / (high - low) * last + 0.5)
        return self._shades[min(max(at, 0), last)].rich_color

    def _step_line(self, gutter: int, plot: int, width: int) -> str:
        line = [" "] * width
        first, last = self._steps[0], self._steps[-1]
        for tick in range(_TICKS):
            text = f"{first + (last - first) * tick / (_TICKS - 1):,.0f}"
            at = gutter + min(max(0, round(plot * tick / (_TICKS - 1)) - len(text) // 2), plot - len(text))
            if at >= 0 and all(character == " " for character in line[max(0, at - 1) : at + len(text)]):
                line[at : at + len(text)] = text
        return "".join(line)[:width]

    def _scale_line(self, gutter: int, width: int) -> Strip:
        low, high = self._range()
        segments = [
            Segment(fit("scale", gutter - 1) + " ", self.rich_style),
            Segment(f"{share(low)} ", self.rich_style),
        ]
        segments += [Segment(" ", Style(bgcolor=self._shade(low + (high - low) * i / 19))) for i in range(20)]
        segments.append(Segment(f" {share(high)}", self.rich_style))
        return Strip(segments).adjust_cell_length(width, self.rich_style)
