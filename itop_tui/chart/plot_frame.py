"""The rectangle of a canvas in which values are drawn, and its axes: shared by charts and scatter plots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.style import Style

from itop_tui.chart.cell_canvas import CellCanvas
from itop_tui.figures import braille
from itop_tui.figures.braille import Range


@dataclass(frozen=True, slots=True)
class PlotFrame:
    """Where values lie on a canvas: `xs` from the first to the last column, `ys` from the last row to the first.

    A cell is that in which `itop_tui.figures.braille` puts the dot of a value, so that labels and letters stand on the
    row and in the column of the curve.
    """

    left: int
    top: int
    width: int
    height: int
    xs: Range
    ys: Range

    @property
    def right(self) -> int:
        """The last column."""
        return self.left + self.width - 1

    @property
    def bottom(self) -> int:
        """The last row."""
        return self.top + self.height - 1

    def column(self, x: float) -> int:
        """The column at a position; outside of the frame where the position is."""
        return self.left + braille.cell_of((x - self.xs[0]) / (self.xs[1] - self.xs[0]), self.width, braille.ACROSS)

    def row(self, y: float) -> int:
        """The row of a value; outside of the frame where the value is."""
        return self.top + braille.cell_of((self.ys[1] - y) / (self.ys[1] - self.ys[0]), self.height, braille.DOWN)

    def paint_side(self, canvas: CellCanvas, column: int, style: Style) -> None:
        """Paint the line of an axis beside the frame."""
        for row in range(self.top, self.bottom + 1):
            canvas.put(column, row, "│", style)

    def paint_y_axis(
        self, canvas: CellCanvas, ticks: Mapping[float, str], *, axis: Style, label: Style, grid: Style
    ) -> None:
        """Paint the axis at the left, with labels in the columns before it and a line across the frame at each tick.

        Ticks outside of the frame are left out, and so are labels without room: a part of one would be another number.
        """
        self.paint_side(canvas, self.left - 1, axis)
        for tick, text in ticks.items():
            row = self.row(tick)
            if self.top <= row <= self.bottom:
                if len(text) < self.left:
                    canvas.put(self.left - 1 - len(text), row, text, label)
                canvas.put(self.left - 1, row, "┤", axis)
                canvas.put(self.left, row, "┄" * self.width, grid)

    def paint_x_labels(self, canvas: CellCanvas, row: int, ticks: Mapping[float, str], style: Style) -> int:
        """Write the labels of positions in a row below the frame, as far as they do not touch.

        Each label covers the column of its position: in the middle, or aside where the frame ends.

        Returns:
            The first column that is free after them.
        """
        free = 0
        for tick, text in ticks.items():
            column = min(self.column(tick) - len(text) // 2, self.right + 1 - len(text))
            if column >= free and self.left <= self.column(tick) <= self.right:
                canvas.put(column, row, text, style)
                free = column + len(text) + 1
        return free
