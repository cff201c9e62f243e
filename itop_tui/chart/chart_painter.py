"""How a chart is painted on its canvas: title, axes, curves, marks and the cursor, in that order.

The plot keeps the whole width and height it is given: no frame, one line for the title with its legend and
readings, one for the labels of the x axis, and a gutter for those of the y axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from rich.cells import cell_len
from textual_hires_canvas import Canvas

from itop_tui.figures import axis, braille
from itop_tui.figures.braille import FloatArray, Range
from itop_tui.figures.chart_data import EVENT_GLYPHS, Line
from itop_tui.figures.format import fit

if TYPE_CHECKING:
    from itop_tui.chart.chart import Chart

_GAP = 2
"""Columns between two parts of the title line."""
_LEGEND = {"raw": "╌", "parent": "╌", "second": "┅"}
_Part = tuple[str, str, str]
_ORDER = tuple(EVENT_GLYPHS)
_DOT = "•"
_SPOTS = 5
"""On a line with a marker, it stands so many times across the plot."""
_CROWDED = 5
"""Dots in a cell from which on a line drawn over it replaces them."""
_DOTS_IN = np.array([code.bit_count() for code in range(256)], dtype=np.uint8)
CHARACTERS = [chr(braille.BLANK + code) for code in range(256)]
"""The characters of braille cells by their code."""


class Painter:
    """Paints one frame of a chart.

    Args:
        chart: What is painted, with its colours.
        canvas: Where.
        gutter: Columns left of the plot.
    """

    def __init__(self, chart: Chart, canvas: Canvas, gutter: int) -> None:
        self._chart = chart
        self._canvas = canvas
        self._left = gutter
        self._right = canvas.size.width - chart.right_gutter
        self._bottom = canvas.size.height - 2
        self._width = self._right - gutter
        self._edge = canvas.size.width
        self._height = canvas.size.height - 2
        self._style = chart.style_of

    def paint(self) -> tuple[Range, Range]:
        """Paint everything; returns the ranges of both axes."""
        lines = [line for line in self._chart.data.lines if len(line.x)]
        xs = self._chart.extent
        log = self._chart.log_scale and any(bool((line.y > 0).any()) for line in lines)
        left = [(line, self._scaled(line, log)) for line in lines if not line.right]
        right = [(line, line.y) for line in lines if line.right]
        ys = self._y_range(left or right, xs)
        self._paint_axes(xs, ys, log and bool(left), bare=not lines)
        if right:
            self._paint_right_axis(self._y_range(right, xs))
        if not lines:
            self._write_centred(self._chart.data.empty)
        self._paint_marks(xs)
        # The lines of the right axis first, those of the left one over them.
        self._paint_lines([(*one, self._y_range(right, xs)) for one in right] + [(*one, ys) for one in left], xs)
        self._paint_events(xs)
        self._paint_broken(xs)
        self._paint_cursor(xs)
        self._paint_title(lines)
        return xs, ys

    # ------------------------------------------------------------------------------ scales

    @staticmethod
    def _scaled(line: Line, log: bool) -> FloatArray:
        """Values as they are drawn; what is not positive lies at the foot of a logarithmic axis."""
        if not log:
            return line.y
        positive = line.y[np.isfinite(line.y) & (line.y > 0)]
        foot = float(positive.min()) if len(positive) else 1.0
        logs: FloatArray = np.where(np.isfinite(line.y), np.log10(np.maximum(line.y, foot)), np.nan)
        return logs

    def _y_range(self, curves: list[tuple[Line, FloatArray]], xs: Range) -> Range:
        low, high = np.inf, -np.inf
        for line, values in curves:
            seen = values[(line.x >= xs[0]) & (line.x <= xs[1])]
            seen = seen[np.isfinite(seen)]
            if not len(seen):
                seen = values[np.isfinite(values)]
            if len(seen):
                low, high = min(low, float(seen.min())), max(high, float(seen.max()))
        return axis.padded(low, high) if high >= low else (0.0, 1.0)

    def _column(self, x: float, xs: Range) -> int:
        """The column of the canvas at a position; outside of the plot where the position is."""
        return self._left + int(np.floor((x - xs[0]) / (xs[1] - xs[0]) * (self._width - 1) + 0.5))

    def _row(self, y: float, ys: Range) -> int:
        return 1 + int(np.floor((ys[1] - y) / (ys[1] - ys[0]) * (self._height - 1) + 0.5))

    # ------------------------------------------------------------------------------ parts

    def _put(self, column: int, row: int, text: str, style: str) -> None:
        for offset, character in enumerate(text):
            self._canvas.set_pixel(column + offset, row, character, style)

    def _write_centred(self, text: str) -> None:
        text = text[: self._width]
        column = self._left + max(0, (self._width - len(text)) // 2)
        self._put(column, 1 + self._height // 2, text, self._style("label"))

    def _paint_axes(self, xs: Range, ys: Range, log: bool, *, bare: bool) -> None:
        style, grid, label = self._style("axis"), self._style("grid"), self._style("label")
        for row in range(1, self._bottom + 1):
            self._put(self._left - 1, row, "│", style)
        if bare:
            return
        most = max(2, self._height // 3)
        ticks = axis.log_ticks(*ys, most) if log else axis.linear_ticks(*ys, most)
        for tick in ticks:
            row = self._row(tick, ys)
            if not 1 <= row <= self._bottom:
                continue
            value = 10.0**tick if log else tick
            text = f"{axis.label(value * 100, 5)}%" if self._chart.percent else axis.label(value, 6)
            self._put(0, row, text.rjust(self._left - 1)[: self._left - 1], label)
            self._put(self._left - 1, row, "┤", style)
            self._put(self._left, row, "┄" * self._width, grid)
        self._paint_x_labels(xs)

    def _paint_x_labels(self, xs: Range) -> None:
        free = self._left
        unit = f"{self._chart.data.x_unit}s"
        whole = unit == "steps"
        for tick in axis.linear_ticks(*xs, max(2, self._width // 10)):
            if whole and abs(tick - round(tick)) > 1e-6:
                continue
            text = axis.label(tick, 7)
            column = min(self._column(tick, xs) - len(text) // 2, self._right - len(text))
            if column >= free:
                self._put(column, self._bottom + 1, text, self._style("label"))
                free = column + len(text) + 1
        if free + 2 + len(unit) <= self._right:
            self._put(self._right - len(unit), self._bottom + 1, unit, self._style("axis"))

    def _paint_marks(self, xs: Range) -> None:
        marks = self._chart.data.marks
        marks = marks[(marks >= xs[0]) & (marks <= xs[1])]
        columns = sorted({self._column(float(mark), xs) for mark in marks})
        # Few of them stand as lines; many would hide the curve and are ticks at the foot of the plot.
        rows = range(1, self._bottom + 1) if len(columns) * 8 <= self._width else (self._bottom,)
        for column in columns:
            for row in rows:
                self._put(column, row, "┊" if len(rows) > 1 else "╷", self._style("mark"))

    def _paint_right_axis(self, ys: Range) -> None:
        for row in range(1, self._bottom + 1):
            self._put(self._right, row, "│", self._style("axis"))
        percent = self._chart.data.right_percent
        for tick in axis.linear_ticks(*ys, max(2, self._height // 3)):
            row = self._row(tick, ys)
            if 1 <= row <= self._bottom:
                text = f"{axis.label(tick * 100, 5)}%" if percent else axis.label(tick, 6)
                self._put(self._right, row, "├", self._style("axis"))
                self._put(self._right + 1, row, text[: self._edge - self._right - 1], self._style("label"))

    def _paint_lines(self, curves: list[tuple[Line, FloatArray, Range]], xs: Range) -> None:
        """Draw all curves into one picture first, then put each cell of it on the canvas once."""
        shape = (self._height, self._width)
        codes, owners = np.zeros(shape, dtype=np.uint8), np.zeros(shape, dtype=np.intp)
        for owner, (line, values, ys) in enumerate(curves):
            mine = braille.cells(line.x, values, xs, ys, self._width, self._height)
            drawn = mine > 0
            # Crossing lines share a cell; in the thick of a noisy one, the line on top must stay a line.
            below = np.where(_DOTS_IN[codes] < _CROWDED, codes, 0)
            codes = np.where(drawn, mine | below, codes)
            owners[drawn] = owner
        styles = [self._style(line.tone) for line, _, _ in curves]
        rows, columns = np.nonzero(codes)
        cells = zip(
            rows.tolist(), columns.tolist(), codes[rows, columns].tolist(), owners[rows, columns].tolist(), strict=True
        )
        put, left = self._canvas.set_pixel, self._left
        for row, column, code, owner in cells:
            put(left + column, 1 + row, CHARACTERS[code], styles[owner])
        for number, ((line, values, ys), style) in enumerate(zip(curves, styles, strict=True)):
            if line.dotted and self._paint_dots(line, values, xs, ys, style):
                continue
            if line.marker:
                self._paint_spots(line, values, xs, ys, style, number / len(curves))

    def _paint_dots(self, line: Line, values: FloatArray, xs: Range, ys: Range, style: str) -> bool:
        """Mark each point of a line; False where there are too many."""
        inside = np.isfinite(values) & (line.x >= xs[0]) & (line.x <= xs[1])
        if inside.sum() * 4 > self._width:
            return False
        for x, y in zip(line.x[inside].tolist(), values[inside].tolist(), strict=True):
            row = self._row(y, ys)
            if 1 <= row <= self._bottom:
                self._put(self._column(x, xs), row, line.marker or _DOT, style)
        return True

    def _paint_spots(self, line: Line, values: FloatArray, xs: Range, ys: Range, style: str, offset: float) -> None:
        """Put a line's marker on it here and there, at other places than those of other lines."""
        finite = np.flatnonzero(np.isfinite(values))
        if not len(finite):
            return
        places = xs[0] + (np.arange(_SPOTS) + 0.2 + 0.7 * offset) / _SPOTS * (xs[1] - xs[0])
        for place in places[(places >= line.x[finite[0]]) & (places <= line.x[finite[-1]])].tolist():
            row = self._row(float(np.interp(place, line.x[finite], values[finite])), ys)
            if 1 <= row <= self._bottom:
                self._put(self._column(place, xs), row, line.marker, style)

    def _paint_events(self, xs: Range) -> None:
        """Glyphs at the edge of the plot: checkpoints at its foot, what changes the training at its top."""
        style = self._style("event")
        # Of two in one column the one that explains the other is seen: a fork, not the drop that came with it.
        for event in sorted(self._chart.data.events, key=lambda one: _ORDER.index(one.kind)):
            if not xs[0] <= event.x <= xs[1]:
                continue
            column = self._column(event.x, xs)
            if event.kind == "checkpoint":
                self._put(column, self._bottom, EVENT_GLYPHS["checkpoint"], style)
                continue
            for row in range(2, self._bottom + 1):
                if self._canvas.get_pixel(column, row)[0] in " ┄┊":
                    self._put(column, row, "╎", self._style("mark"))
            self._put(column, 1, EVENT_GLYPHS[event.kind], style)

    def _paint_broken(self, xs: Range) -> None:
        for x, _ in self._chart.data.broken:
            if xs[0] <= x <= xs[1]:
                self._put(self._column(x, xs), 1, "✗", self._style("broken"))

    def _paint_cursor(self, xs: Range) -> None:
        for place in (self._chart.cursor, *(self._chart.selection or ())):
            if place is None or not xs[0] <= place <= xs[1]:
                continue
            column = self._column(place, xs)
            for row in range(1, self._bottom + 1):
                if self._canvas.get_pixel(column, row)[0] in " ┄┊╷╎":
                    self._put(column, row, "│", self._style("cursor"))

    def _paint_title(self, lines: list[Line]) -> None:
        column = 1
        chosen = self._chart.has_class("-chosen")
        column = self._say(column, ("▸ " if chosen else "") + self._chart.title, self._style("title"))
        if self._chart.log_scale:
            column = self._say(column, "log", self._style("label"))
        cursor = self._chart.cursor
        broken = self._chart.data.broken
        if cursor is not None and lines:
            reading = self._chart.readout(cursor)
            self._say(max(column, self._edge - cell_len(reading)), reading, self._style("cursor"))
            return
        warning = ""
        if broken:
            more = f" (+{len(broken) - 1:,})" if len(broken) > 1 else ""
            warning = f"{broken[0][1]}{more}"
        room = self._edge - (cell_len(warning) + 2 if warning else 0)
        column = self._paint_legend(column, [line for line in lines if line.tone != "parent"], room)
        if warning:
            self._say(max(column, self._edge - cell_len(warning)), warning, self._style("broken"))

    def _paint_legend(self, column: int, lines: Sequence[Line], room: int) -> int:
        """The glyph, name and last value of each line, and how many more there are; returns the column after them.

        Args:
            column: Where it begins.
            lines: The lines, without a parent's, of which the marks' legend tells.
            room: The column at which it has to end.
        """
        named = [line for line in lines if line.label]  # beside them, one without a name is what another was made of
        parts = [self._legend_part(line) for line in named or lines]
        shown = _fitting(parts, room - column)
        if shown < len(parts) and all(line.label.strip() for line in named):
            # Which curve is which comes before what it has come to, which the cursor tells too.
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
        value = self._chart.value_text(float(line.y[-1]), line.percent) if valued else ""
        glyph = f"{_LEGEND.get(line.tone, '━')}{line.marker or (_DOT if line.dotted else '')}"
        text = f"{line.label} {value}".strip()
        return line.tone, glyph if line.label else "", f"{text} ▸" if line.right else text

    def _say(self, column: int, text: str, style: str, *, gap: int = _GAP) -> int:
        """Write on the title line as far as it reaches; returns the column after it and a gap."""
        if column >= self._edge:
            return column
        shown = text if cell_len(text) <= self._edge - column else fit(text, self._edge - column)
        self._put(column, 0, shown, style)
        return column + cell_len(shown) + gap


def _fitting(parts: Sequence[_Part], room: int) -> int:
    """How many parts of the legend have room side by side; where not all have, "+3" has room behind them."""
    widths = [cell_len(f"{glyph} {text}".lstrip()) + _GAP for _, glyph, text in parts]
    ends = np.cumsum(widths) - _GAP
    shown = int(np.searchsorted(ends, room, side="right"))
    while 0 < shown < len(widths) and ends[shown - 1] + _GAP + len(f"+{len(widths) - shown}") > room:
        shown -= 1
    return shown
