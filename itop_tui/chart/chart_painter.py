"""How a chart is painted on its canvas: title, axes, bands, curves, marks and the cursor, in that order.

The plot keeps the whole width and height it is given: no frame, one line for the title with its legend and
readings, one for the labels of the x axis, and a gutter for those of the y axis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len
from rich.style import Style

from itop_tui.chart.cell_canvas import CellCanvas
from itop_tui.chart.cursor_reading import ReadingPart, laid_out
from itop_tui.chart.plot_frame import PlotFrame
from itop_tui.figures import axis, braille
from itop_tui.figures.braille import FloatArray, Range
from itop_tui.figures.chart_data import EVENT_GLYPHS, OUTSIDE_GLYPHS, ChartData, Line
from itop_tui.figures.comparison import Stat, write_stat
from itop_tui.figures.format import figure, fit
from itop_tui.figures.metric_text import Write
from itop_tui.figures.x_axis import axis_name
from itop_tui.figures.y_range import Bounds, band_edges, y_scales

GUTTER = 7
"""Columns left of the plot, for the labels of the y axis and its line; as many right of it where it has an axis."""
_GAP = 2
"""Columns between two parts of the title line."""
_LEGEND = {"raw": "╌", "parent": "╌", "second": "┅"}
_Part = tuple[str, str, str]
_ORDER = tuple(EVENT_GLYPHS)
_DOT = "•"
_ABOVE, _BELOW = OUTSIDE_GLYPHS
_SPOTS = 5
"""On a line with a marker, it stands so many times across the plot."""
_CROWDED = 5
"""Dots in a cell from which on a line drawn over it replaces them."""
_DOTS_IN = np.array([code.bit_count() for code in range(256)], dtype=np.uint8)
_CHARACTERS = np.array([chr(braille.BLANK + code) for code in range(256)])
"""The characters of braille cells by their code."""
StyleOf = Callable[[str], Style]
"""The style of a part of a chart, or of a tone of a line, by its name."""


@dataclass(frozen=True, slots=True, eq=False)
class PaintedChart:
    """What is painted."""

    data: ChartData
    title: str
    xs: Range
    percent: bool = False
    """Whether its axis is in per cent."""
    write: Write = figure
    """What writes its values."""
    log_scale: bool = False
    """Whether the y axis is logarithmic where there is anything positive."""
    bounds: Bounds = "robust"
    """What the y axes reach."""
    chosen: bool = False
    """Whether keys act on this chart."""
    cursor: float | None = None
    edges: tuple[float, ...] = ()
    """The edges of what is dragged over."""
    reading: tuple[ReadingPart, ...] = ()
    """What is said at the cursor, on the title line and below it."""


def stat_text(stat: Stat, write: Write, runs: int) -> str:
    """A mean of so many runs with its deviation, and of how many it is where some have none: "93.10% ±0.20% of 3"."""
    return write_stat(stat, write, runs).replace("± ", "±")


class Painter:
    """Paints one frame of a chart; nothing on a canvas that is too small."""

    def __init__(self, chart: PaintedChart, canvas: CellCanvas, style_of: StyleOf) -> None:
        self._chart, self._data = chart, chart.data
        self._canvas = canvas
        self._style = style_of
        self._left = GUTTER
        self._right = canvas.width - (GUTTER if chart.data.has_right else 0)
        self._bottom = canvas.height - 2
        self._width = self._right - GUTTER
        self._edge = canvas.width
        self._height = canvas.height - 2

    def paint(self) -> None:
        """Paint everything."""
        if self._width <= 1 or self._canvas.height < 4:
            return
        lines = [line for line in self._data.lines if len(line.x)]
        chart, xs = self._chart, self._chart.xs
        scales = y_scales(self._data, xs, chart.bounds, log_scale=chart.log_scale, percent=chart.percent)
        frame = PlotFrame(self._left, 1, self._width, self._height, xs, scales.ys)
        right_frame = PlotFrame(self._left, 1, self._width, self._height, xs, scales.right_ys)
        self._paint_axes(frame, scales.log and bool(scales.left), bare=not lines)
        if scales.right:
            self._paint_right_axis(right_frame)
        if not lines:
            self._write_centred(self._data.empty)
        self._paint_marks(frame)
        # The lines of the right axis first, those of the left one over them; behind all, what smoothed ones are of.
        curves = [(*one, right_frame) for one in scales.right] + [(*one, frame) for one in scales.left]
        self._paint_bands(curves)
        self._paint_lines([one for one in curves if one[0].is_raw])
        self._paint_lines(sorted((one for one in curves if not one[0].is_raw), key=lambda one: one[0].tone != "parent"))
        self._paint_events(frame)
        self._paint_broken(frame)
        self._paint_cursor(frame)
        self._paint_title(lines)

    # ------------------------------------------------------------------------------ parts

    def _write_centred(self, text: str) -> None:
        text = text[: self._width]
        column = self._left + max(0, (self._width - len(text)) // 2)
        self._canvas.put(column, 1 + self._height // 2, text, self._style("label"))

    def _paint_axes(self, frame: PlotFrame, log: bool, *, bare: bool) -> None:
        if bare:
            frame.paint_side(self._canvas, self._left - 1, self._style("axis"))
            return
        most = max(2, self._height // 3)
        ticks = axis.log_ticks(*frame.ys, most) if log else axis.linear_ticks(*frame.ys, most)
        values = [10.0**tick if log else tick for tick in ticks]
        texts = [axis.tick_label(value, self._chart.percent) for value in values]
        frame.paint_y_axis(
            self._canvas, dict(zip(ticks, texts, strict=True)),
            axis=self._style("axis"), label=self._style("label"), grid=self._style("grid"),
        )  # fmt: skip
        self._paint_x_labels(frame)

    def _paint_x_labels(self, frame: PlotFrame) -> None:
        unit = axis_name(self._data.x_unit)
        texts = axis.x_ticks(*frame.xs, max(2, self._width // 10), self._data.x_unit)
        free = frame.paint_x_labels(self._canvas, self._bottom + 1, texts, self._style("label"))
        if free + 2 + len(unit) <= self._right:
            self._canvas.put(self._right - len(unit), self._bottom + 1, unit, self._style("axis"))

    def _paint_marks(self, frame: PlotFrame) -> None:
        marks = self._data.marks
        marks = marks[(marks >= frame.xs[0]) & (marks <= frame.xs[1])]
        columns = sorted({frame.column(float(mark)) for mark in marks})
        # Few of them stand as lines; many would hide the curve and are ticks at the foot of the plot.
        rows = range(1, self._bottom + 1) if len(columns) * 8 <= self._width else (self._bottom,)
        for column in columns:
            for row in rows:
                self._canvas.put(column, row, "┊" if len(rows) > 1 else "╷", self._style("mark"))

    def _paint_right_axis(self, frame: PlotFrame) -> None:
        frame.paint_side(self._canvas, self._right, self._style("axis"))
        for tick in axis.linear_ticks(*frame.ys, max(2, self._height // 3)):
            row = frame.row(tick)
            if 1 <= row <= self._bottom:
                self._canvas.put(self._right, row, "├", self._style("axis"))
                text = axis.tick_label(tick, self._data.right_percent)
                if len(text) < GUTTER:
                    self._canvas.put(self._right + 1, row, text, self._style("label"))

    def _paint_lines(self, curves: list[tuple[Line, FloatArray, PlotFrame]]) -> None:
        """Draw curves, each cell once, and where they leave the plot."""
        shape = (self._height, self._width)
        codes, owners = np.zeros(shape, dtype=np.uint8), np.zeros(shape, dtype=np.intp)
        for owner, (line, values, frame) in enumerate(curves):
            mine = braille.cells(line.x, values, frame.xs, frame.ys, self._width, self._height)
            drawn = mine > 0
            # Crossing lines share a cell; in the thick of a noisy one, the line on top must stay a line.
            below = np.where(_DOTS_IN[codes] < _CROWDED, codes, 0)
            codes = np.where(drawn, mine | below, codes)
            owners[drawn] = owner
        styles = [self._style(line.tone) for line, _, _ in curves]
        self._put_codes(codes, owners, styles)
        for curve, style in zip(curves, styles, strict=True):
            self._paint_outside(*curve, style)
        for number, ((line, values, frame), style) in enumerate(zip(curves, styles, strict=True)):
            if line.dotted and self._paint_dots(line, values, frame, style):
                continue
            if line.marker:
                self._paint_spots(line, values, frame, style, number / len(curves))

    def _put_codes(self, codes: NDArray[np.uint8], owners: NDArray[np.intp], styles: Sequence[Style]) -> None:
        """Put the braille cells of all owners on the canvas, each owner's in its style."""
        for owner, style in enumerate(styles):
            rows, columns = np.nonzero((codes > 0) & (owners == owner))
            if len(rows):
                self._canvas.put_cells(1 + rows, self._left + columns, _CHARACTERS[codes[rows, columns]], style)

    def _paint_bands(self, curves: list[tuple[Line, FloatArray, PlotFrame]]) -> None:
        """Paint bands under the curves: dots in a grid, so that they show without colour too."""
        codes = np.zeros((self._height, self._width), dtype=np.uint8)
        owners = np.zeros(codes.shape, dtype=np.intp)
        styles: list[Style] = []
        for line, values, frame in curves:
            edges = band_edges(line, values)
            place = line.position or 0
            band = braille.band(line.x, *edges, frame.xs, frame.ys, self._width, self._height, place) if edges else None
            if band is not None:  # each cell is put on the canvas once, by the last band that reaches it
                drawn = band > 0
                codes[drawn], owners[drawn] = band[drawn], len(styles)
                styles.append(self._style(f"dim-{place}"))
        self._put_codes(codes, owners, styles)

    def _paint_outside(self, line: Line, values: FloatArray, frame: PlotFrame, style: Style) -> None:
        """Mark the columns in which a line is above or below the plot, at its edge."""
        places = np.linspace(*frame.xs, frame.width)
        inside = (line.x >= frame.xs[0]) & (line.x <= frame.xs[1])
        x = np.concatenate([places, line.x[inside]])
        y = np.concatenate([_heights(line.x, values, places), values[inside]])
        x, y = x[np.isfinite(y)], y[np.isfinite(y)]
        for glyph, row, beyond in ((_ABOVE, 1, y > frame.ys[1]), (_BELOW, self._bottom, y < frame.ys[0])):
            for column in {frame.column(place) for place in x[beyond].tolist()}:
                self._canvas.put(column, row, glyph, style)

    def _paint_dots(self, line: Line, values: FloatArray, frame: PlotFrame, style: Style) -> bool:
        """Mark each point of a line; False where there are too many."""
        inside = np.isfinite(values) & (line.x >= frame.xs[0]) & (line.x <= frame.xs[1])
        if inside.sum() * 4 > self._width:
            return False
        for x, y in zip(line.x[inside].tolist(), values[inside].tolist(), strict=True):
            row = frame.row(y)
            if 1 <= row <= self._bottom:
                self._canvas.put(frame.column(x), row, line.marker or _DOT, style)
        return True

    def _paint_spots(self, line: Line, values: FloatArray, frame: PlotFrame, style: Style, offset: float) -> None:
        """Put a line's marker on it here and there, at other places than those of other lines."""
        inside = (line.x >= frame.xs[0]) & (line.x <= frame.xs[1]) & np.isfinite(values)
        if not inside.any():
            return
        low, high = frame.xs
        places = low + (np.arange(_SPOTS) + 0.2 + 0.7 * offset) / _SPOTS * (high - low)
        heights = _heights(line.x, values, places)
        if not np.isfinite(heights).any():  # too short to reach one of these places: at its end
            last = np.flatnonzero(inside)[-1:]
            places, heights = line.x[last], values[last]
        for place, height in zip(places.tolist(), heights.tolist(), strict=True):
            if not np.isfinite(height):
                continue
            row = frame.row(height)
            if 1 <= row <= self._bottom:
                self._canvas.put(frame.column(place), row, line.marker, style)

    def _paint_events(self, frame: PlotFrame) -> None:
        """Glyphs at the edge of the plot: checkpoints at its foot, what changes the training at its top."""
        style = self._style("event")
        # Of two in one column the one that explains the other is seen: a fork, not the drop that came with it.
        for event in sorted(self._data.events, key=lambda one: _ORDER.index(one.kind)):
            if not frame.xs[0] <= event.x <= frame.xs[1]:
                continue
            column = frame.column(event.x)
            if event.kind == "checkpoint":
                self._canvas.put(column, self._bottom, EVENT_GLYPHS["checkpoint"], style)
                continue
            for row in range(2, self._bottom + 1):
                if self._canvas.character(column, row) in " ┄┊":
                    self._canvas.put(column, row, "╎", self._style("mark"))
            self._canvas.put(column, 1, EVENT_GLYPHS[event.kind], style)

    def _paint_broken(self, frame: PlotFrame) -> None:
        for x, _ in self._data.broken:
            if frame.xs[0] <= x <= frame.xs[1]:
                self._canvas.put(frame.column(x), 1, "✗", self._style("broken"))

    def _paint_cursor(self, frame: PlotFrame) -> None:
        for place in (self._chart.cursor, *self._chart.edges):
            if place is None or not frame.xs[0] <= place <= frame.xs[1]:
                continue
            column = frame.column(place)
            for row in range(1, self._bottom + 1):
                if self._canvas.character(column, row) in " ┄┊╷╎":
                    self._canvas.put(column, row, "│", self._style("cursor"))

    def _paint_title(self, lines: list[Line]) -> None:
        chosen = self._chart.chosen
        title = ("▸ " if chosen else "") + self._chart.title
        column = self._say(1, title, self._style("chosen" if chosen else "title"))
        if self._chart.log_scale:
            column = self._say(column, "log", self._style("label"))
        broken, reading = self._data.broken, self._chart.reading
        if reading and lines:
            self._paint_reading(column)
            return
        warning = ""
        if broken:
            more = f" (+{len(broken) - 1:,})" if len(broken) > 1 else ""
            warning = f"{broken[0][1]}{more}"
        room = self._edge - (cell_len(warning) + 2 if warning else 0)
        column = self._paint_legend(column, [line for line in lines if line.tone not in ("parent", "raw")], room)
        if warning:
            self._say(max(column, self._edge - cell_len(warning)), warning, self._style("broken"))

    def _paint_reading(self, column: int) -> None:
        """Write what is read at the cursor beside the title, and on lines below it where it needs more room."""
        style, width = self._style("cursor"), self._edge - 1
        most = 1 + max(1, self._height // 2)
        first, *more = laid_out(self._chart.reading, self._edge - column, width, most)
        self._say(max(column, self._edge - cell_len(first)), first, style)
        for row, text in enumerate(more, start=1):
            self._canvas.put(1, row, fit(text, width), style)

    def _paint_legend(self, column: int, lines: Sequence[Line], room: int) -> int:
        """The glyph, name and last value of each line, and how many more there are; returns the column after them."""
        named = [line for line in lines if line.label]  # beside them, one without a name is what another was made of
        parts = [self._legend_part(line) for line in named or lines]
        shown = _fitting(parts, room - column)
        if shown < len(parts) and all(line.label.strip() for line in named):
            # The names come first: the cursor shows values too.
            bare = [self._legend_part(line, valued=False) for line in named]
            if _fitting(bare, room - column) == len(bare):
                parts, shown = bare, len(bare)
        for tone, glyph, reading in parts[:shown]:
            if glyph:
                column = self._say(column, glyph, self._style(tone), gap=1)
            column = self._say(column, reading, self._style("label"))
        more = f"+{len(parts) - shown}"
        if named and shown < len(parts) and column + len(more) <= room:
            column = self._say(column, more, self._style("label"))
        return column

    def _legend_part(self, line: Line, *, valued: bool = True) -> _Part:
        """What the legend has of a line: its tone, its glyph where it has a name, its name and last value."""
        write = line.write or self._chart.write
        last = float(line.y[-1]) if line.last is None or line.last.mean is None else line.last.mean
        value = write(last) if valued else ""
        glyph = f"{_LEGEND.get(line.tone, '━')}{line.marker or (_DOT if line.dotted else '')}"
        text = f"{line.label} {value}".strip()
        return line.tone, glyph if line.label else "", f"{text} ▸" if line.right else text

    def _say(self, column: int, text: str, style: Style, *, gap: int = _GAP) -> int:
        """Write on the title line as far as it reaches; returns the column after it and a gap."""
        if column >= self._edge:
            return column
        shown = text if cell_len(text) <= self._edge - column else fit(text, self._edge - column)
        self._canvas.put(column, 0, shown, style)
        return column + cell_len(shown) + gap


def _fitting(parts: Sequence[_Part], room: int) -> int:
    """How many parts of the legend have room side by side; where not all have, "+3" has room behind them."""
    widths = [cell_len(f"{glyph} {text}".lstrip()) + _GAP for _, glyph, text in parts]
    ends = np.cumsum(widths) - _GAP
    shown = int(np.searchsorted(ends, room, side="right"))
    while 0 < shown < len(widths) and ends[shown - 1] + _GAP + len(f"+{len(widths) - shown}") > room:
        shown -= 1
    return shown


def _heights(x: FloatArray, values: FloatArray, places: FloatArray) -> FloatArray:
    """The height of a curve at places; NaN beyond its ends and in its gaps."""
    after = np.clip(np.searchsorted(x, places), 1, max(1, len(x) - 1))
    low, high = x[after - 1], x[np.minimum(after, len(x) - 1)]
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.where(high > low, (places - low) / (high - low), 0.0)
        below, above = values[after - 1], values[np.minimum(after, len(x) - 1)]
        heights: FloatArray = below + (above - below) * part  # exact on a flat stretch, as the curve is drawn
    return np.where((part >= 0) & (part <= 1) & (places >= x[0]) & (places <= x[-1]), heights, np.nan)
