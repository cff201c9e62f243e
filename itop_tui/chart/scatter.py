"""A scatter plot of runs, each a letter: a metric against another one, with bars for groups of seeds."""

from __future__ import annotations

from collections.abc import Iterable

from rich.style import Style
from textual.reactive import reactive
from textual.strip import Strip

from itop_tui.chart.cell_canvas import CellCanvas
from itop_tui.chart.plot_frame import PlotFrame
from itop_tui.figures import axis
from itop_tui.figures.comparison_scatter import ScatterData
from itop_tui.figures.format import fit
from itop_tui.look.theme import curve_colour
from itop_tui.look.toned import Toned

_GUTTER = 8


class Scatter(Toned):
    """Draws a scatter plot, a letter a point; letters that would hide each other stand side by side."""

    DEFAULT_CSS = "Scatter { height: 1fr; width: 1fr; }"
    data: reactive[ScatterData] = reactive(ScatterData())

    def __init__(self, widget_id: str | None = None) -> None:
        super().__init__(id=widget_id)
        self._canvas = CellCanvas(0, 0)
        self._painted: tuple[ScatterData, int, int, str] | None = None

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        key = (self.data, self.size.width, self.size.height, self.app.theme)
        if self._painted != key:
            self._canvas = CellCanvas(*self.size)
            self._paint(self._canvas)
            self._painted = key
        return self._canvas.strip(y, self.rich_style)

    def _paint(self, canvas: CellCanvas) -> None:
        data, width, height = self.data, canvas.width, canvas.height
        muted = self.tone("muted")
        canvas.put(1, 0, fit(data.title, width - 2).rstrip(), self.tone("title"))
        right, bottom = width - 2, height - (5 if data.missing else 4)
        if data.missing:
            canvas.put(1, height - 1, fit(data.missing, width - 2).rstrip(), muted)
        if not data.points or right - _GUTTER < 8 or bottom < 3:
            if not data.points:
                canvas.put(_GUTTER, 2, "nothing to draw yet", muted)
            return
        frame = PlotFrame(_GUTTER, 2, right - _GUTTER + 1, bottom - 1, *data.ranges())
        self._paint_axes(canvas, frame)
        canvas.put(1, 1, data.y_label, muted)
        canvas.put(max(_GUTTER, right + 1 - len(data.x_label)), bottom + 3, data.x_label, muted)
        for point in data.points:
            style = Style(color=curve_colour(self.app.current_theme, point.position))
            if point.x_std:
                ends = frame.column(point.x - point.x_std), frame.column(point.x + point.x_std)
                canvas.put(ends[0], frame.row(point.y), "─" * (ends[1] - ends[0] + 1), style)
            if point.y_std:
                for row in range(frame.row(point.y + point.y_std), frame.row(point.y - point.y_std) + 1):
                    canvas.put(frame.column(point.x), row, "│", style)
        taken: set[tuple[int, int]] = set()
        for point in data.points:
            x, y = frame.column(point.x), frame.row(point.y)
            while (x, y) in taken:
                x += 1
            taken.add((x, y))
            style = Style(color=curve_colour(self.app.current_theme, point.position), bold=True)
            canvas.put(x, y, point.letter, style)

    def _paint_axes(self, canvas: CellCanvas, frame: PlotFrame) -> None:
        line, muted = self.tone("line"), self.tone("muted")
        labels = _labels(axis.linear_ticks(*frame.ys, max(2, (frame.height - 1) // 3)), percent=True)
        frame.paint_y_axis(canvas, labels, axis=line, label=muted, grid=line)
        canvas.put(_GUTTER - 1, frame.bottom + 1, "└" + "─" * frame.width, line)
        labels = _labels(axis.linear_ticks(*frame.xs, max(2, (frame.width - 1) // 9)), percent=self.data.x_percent)
        for tick in labels:
            canvas.put(frame.column(tick), frame.bottom + 1, "┴", line)
        frame.paint_x_labels(canvas, frame.bottom + 2, labels, muted)


def _labels(ticks: Iterable[float], *, percent: bool) -> dict[float, str]:
    return {tick: axis.tick_label(tick, percent) for tick in ticks}
