"""A scatter plot of runs, each a letter: what a figure costs against what it brings, with bars for groups of seeds."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.reactive import reactive
from textual.strip import Strip

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
        self._cells: dict[tuple[int, int], tuple[str, Style]] = {}
        self._painted: tuple[ScatterData, int, int, str] | None = None

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        key = (self.data, self.size.width, self.size.height, self.app.theme)
        if self._painted != key:
            self._paint()
            self._painted = key
        base = self.rich_style
        segments = []
        for x in range(self.size.width):
            text, style = self._cells.get((x, y), (" ", Style.null()))
            segments.append(Segment(text, base + style))
        return Strip(segments).simplify()

    def _say(self, x: int, y: int, text: str, style: Style) -> None:
        for offset, character in enumerate(text):
            if 0 <= x + offset < self.size.width:
                self._cells[x + offset, y] = (character, style)

    def _paint(self) -> None:
        self._cells.clear()
        data, width, height = self.data, self.size.width, self.size.height
        self._say(1, 0, fit(data.title, width - 2).rstrip(), self.tone("title"))
        right, bottom = width - 2, height - (5 if data.missing else 4)
        if data.missing:
            self._say(1, height - 1, fit(data.missing, width - 2).rstrip(), self.tone("muted"))
        if not data.points or right - _GUTTER < 8 or bottom < 3:
            if not data.points:
                self._say(_GUTTER, 2, "nothing to draw yet", self.tone("muted"))
            return
        xs, ys = data.ranges()

        def column(value: float) -> int:
            return _GUTTER + round((value - xs[0]) / (xs[1] - xs[0]) * (right - _GUTTER))

        def row(value: float) -> int:
            return 2 + round((ys[1] - value) / (ys[1] - ys[0]) * (bottom - 2))

        self._paint_axes(xs, ys, right, bottom)
        self._say(1, 1, data.y_label, self.tone("muted"))
        self._say(max(_GUTTER, right + 1 - len(data.x_label)), bottom + 3, data.x_label, self.tone("muted"))
        for point in data.points:
            style = Style(color=curve_colour(self.app.current_theme, point.position))
            if point.x_std:
                ends = column(point.x - point.x_std), column(point.x + point.x_std)
                self._say(ends[0], row(point.y), "─" * (ends[1] - ends[0] + 1), style)
            if point.y_std:
                for at in range(row(point.y + point.y_std), row(point.y - point.y_std) + 1):
                    self._say(column(point.x), at, "│", style)
        taken: set[tuple[int, int]] = set()
        for point in data.points:
            x, y = column(point.x), row(point.y)
            while (x, y) in taken:
                x += 1
            taken.add((x, y))
            style = Style(color=curve_colour(self.app.current_theme, point.position), bold=True)
            self._say(x, y, point.letter, style)

    def _paint_axes(self, xs: tuple[float, float], ys: tuple[float, float], right: int, bottom: int) -> None:
        faint, muted = self.tone("faint"), self.tone("muted")
        for y in range(2, bottom + 1):
            self._say(_GUTTER - 1, y, "│", faint)
        self._say(_GUTTER - 1, bottom + 1, "└" + "─" * (right - _GUTTER + 1), faint)
        for tick in axis.linear_ticks(*ys, max(2, (bottom - 2) // 3)):
            y = 2 + round((ys[1] - tick) / (ys[1] - ys[0]) * (bottom - 2))
            self._say(0, y, f"{axis.label(tick * 100, 5)}%".rjust(_GUTTER - 1), muted)
            self._say(_GUTTER - 1, y, "┤", faint)
            self._say(_GUTTER, y, "┄" * (right - _GUTTER + 1), faint)
        free = 0
        for tick in axis.linear_ticks(*xs, max(2, (right - _GUTTER) // 9)):
            x = _GUTTER + round((tick - xs[0]) / (xs[1] - xs[0]) * (right - _GUTTER))
            text = f"{axis.label(tick * 100, 5)}%"
            self._say(x, bottom + 1, "┴", faint)
            if x - len(text) // 2 >= free:
                self._say(x - len(text) // 2, bottom + 2, text, muted)
                free = x + len(text)
