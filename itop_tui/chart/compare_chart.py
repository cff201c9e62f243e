"""A chart of several runs: each curve in a colour and with a letter, groups of seeds with a band of ± one deviation."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from textual_hires_canvas import Canvas

from itop_tui.chart.chart import GUTTER, Chart, Line
from itop_tui.chart.chart_painter import CHARACTERS, Painter
from itop_tui.figures.braille import FloatArray, Range
from itop_tui.look.theme import curve_colour

_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], dtype=np.uint8)


def _nothing() -> FloatArray:
    return np.empty(0)


@dataclass(frozen=True, slots=True, eq=False)
class BandLine(Line):
    """A curve of a comparison.

    Attributes:
        position: Its place in the comparison, which gives its colour; its letter is `marker`.
        std: What the band reaches to either side, shape (n,); empty for no band, nan where there is none.
        n: How many runs a point joins; empty for a single run.
    """

    position: int = 0
    std: FloatArray = field(default_factory=_nothing)
    n: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, dtype=np.intp))


class CompareChart(Chart):
    """A chart whose lines are coloured by their place in the comparison."""

    def style_of(self, name: str) -> str:
        """The colours of a part, or of the curve "curve-3" or its dim one, "dim-3"."""
        kind, _, place = name.partition("-")
        if kind not in ("curve", "dim") or not place.isdigit():
            return super().style_of(name)
        if name not in self._styles_of:
            chosen = curve_colour(self.app.current_theme, int(place))
            if kind == "dim" and self.app.current_theme.ansi:
                chosen = f"dim {chosen}"
            elif kind == "dim":
                from textual.color import Color

                chosen = self.background_colors[1].blend(Color.parse(chosen), 0.5).hex6
            self._styles_of[name] = chosen
        return self._styles_of[name]

    def readout(self, x: float) -> str:
        """Where the cursor stands, and what happened there; the legend beside the charts reads the values."""
        return "  ".join([self.position_text(x), *self.events_near(x)])

    def reading(self, position: int, x: float | None) -> str:
        """The value of a curve at a position, or its last one; "" where it has none.

        Args:
            position: The curve's place in the comparison.
            x: The position on the x axis; None for the end.
        """
        for line in self._data.lines:
            if not isinstance(line, BandLine) or line.position != position or not len(line.x) or not line.marker:
                continue
            at = len(line.x) - 1 if x is None else int(np.argmin(np.abs(line.x - x)))
            text = self.value_text(float(line.y[at]))
            if len(line.std) and np.isfinite(line.std[at]):
                text += f" ±{self.value_text(float(line.std[at]))}"
            return text
        return ""

    def _render_plot(self) -> None:
        canvas = self.query_one("#plot", Canvas)
        if canvas.size.width > GUTTER + 1 and canvas.size.height >= 4:
            painter = BandPainter(self, canvas, GUTTER)
            (self._x_min, self._x_max), (self._y_min, self._y_max) = painter.paint()


class BandPainter(Painter):
    """Paints bands under the curves: dots in a grid, so that they show without colour too."""

    def _edges(self, line: Line, values: FloatArray) -> tuple[FloatArray, FloatArray] | None:
        """The lower and upper edge of a line's band as they are drawn; None where it has none."""
        if not isinstance(line, BandLine) or not len(line.std) or not np.isfinite(line.std).any():
            return None
        if values is line.y:
            return line.y - line.std, line.y + line.std
        low = line.y - line.std  # on a logarithmic axis, a band that reaches 0 reaches the foot of the curve
        foot = float(np.nanmin(values))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(low > 0, np.log10(low), np.where(np.isnan(low), np.nan, foot)), np.log10(line.y + line.std)

    def _y_range(self, curves: list[tuple[Line, FloatArray]], xs: Range) -> Range:
        """The range of the values, the edges of their bands included."""
        every = list(curves)
        for line, values in curves:
            edges = self._edges(line, values)
            if edges is not None:
                every += [(line, edge) for edge in edges]
        return super()._y_range(every, xs)

    def _paint_lines(self, curves: list[tuple[Line, FloatArray, Range]], xs: Range) -> None:
        codes = np.zeros((self._height, self._width), dtype=np.uint8)
        owners = np.zeros(codes.shape, dtype=np.intp)
        for line, values, ys in curves:
            edges = self._edges(line, values)
            if edges is None or not isinstance(line, BandLine):
                continue
            band = self._band(line, edges, xs, ys)
            if band is not None:
                drawn = band > 0
                codes[drawn], owners[drawn] = band[drawn], line.position
        # Each cell is put on the canvas once, by the last band that reaches it.
        rows, columns = np.nonzero(codes)
        styles = {position: self._style(f"dim-{position}") for position in np.unique(owners[rows, columns]).tolist()}
        cells = zip(
            rows.tolist(), columns.tolist(), codes[rows, columns].tolist(), owners[rows, columns].tolist(), strict=True
        )
        put, left = self._canvas.set_pixel, self._left
        for row, column, code, owner in cells:
            put(left + column, 1 + row, CHARACTERS[code], styles[owner])
        super()._paint_lines(curves, xs)

    def _band(
        self, line: BandLine, edges: tuple[FloatArray, FloatArray], xs: Range, ys: Range
    ) -> NDArray[np.uint8] | None:
        """The dots of a band as codes of braille cells, shape (height, width); None where there is nothing to draw."""
        known = np.isfinite(edges[0]) & np.isfinite(edges[1])
        if known.sum() < 2:
            return None
        columns, rows = self._width * 2, self._height * 4
        places = xs[0] + (np.arange(columns) - 0.5) / max(1, columns - 1) * (xs[1] - xs[0])
        x = line.x[known]
        low, high = (np.interp(places, x, edge[known], left=np.nan, right=np.nan) for edge in edges)
        top, bottom = ((ys[1] - edge) / (ys[1] - ys[0]) * (rows - 1) + 0.5 for edge in (high, low))
        down, across = np.arange(rows)[:, None], np.arange(columns)[None, :]
        with np.errstate(invalid="ignore"):
            inside = (down >= np.floor(top)) & (down <= np.floor(bottom))
        # Each place has a pattern of its own, so that bands which overlap can both be seen.
        pattern = (down + 2 * across + line.position) % 4 == 0
        dots = (inside & pattern).view(np.uint8).reshape(self._height, 4, self._width, 2)
        codes = np.zeros((self._height, self._width), dtype=np.uint8)
        for row in range(4):
            for column in range(2):
                codes |= dots[:, row, :, column] * _DOTS[row, column]
        return codes
