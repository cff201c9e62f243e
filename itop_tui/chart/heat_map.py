"""A heat map that fills its place: rows of several lines where there is room, else two rows in a line of half blocks.

Where not even these have room, some of the rows are shown, and it scrolls. A widget with its own `render_line`, which
draws stretches of equal cells: a frame of 50 layers takes milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from itop_tui.figures.format import fit, plain, share
from itop_tui.figures.metric_text import Write
from itop_tui.look.theme import shades

_SHADES = 32
_TICKS = 5
_AROUND = 4
"""Lines that hold no row: the title, the steps, a blank one and the scale."""
_ALONE, _PAIR = _SHADES + 1, _SHADES + 2
"""The shade below a cell that has one shade only, and what the upper of two shades is multiplied with."""
_UNKNOWN = RichColor.parse("black")


class HeatMap(Widget, can_focus=True):
    """Values of named rows over steps, as colours between the extremes."""

    DEFAULT_CSS = "HeatMap { height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move_rows(2)", show=False),
        Binding("up,k", "move_rows(-2)", show=False),
        Binding("home", "move_rows(-1_000_000)", show=False),
        Binding("end", "move_rows(1_000_000)", show=False),
    ]
    title: reactive[str] = reactive("")
    """What is shown."""

    def __init__(self, widget_id: str | None = None) -> None:
        super().__init__(id=widget_id)
        self.write: Write = share
        """What writes the ends of the scale."""
        self._first = 0
        """The first row that is shown, where not all of them have room."""
        self._names: tuple[str, ...] = ()
        self._steps: NDArray[np.float64] = np.zeros(0)
        self._values: NDArray[np.float64] = np.zeros((0, 0))
        self._levels: NDArray[np.intp] | None = None
        """The shade of each value, as a place in `_colors`; None until they are drawn."""
        self._range: tuple[float, float] = (0.0, 1.0)
        self._colors: tuple[RichColor, ...] = ()
        self._styles: dict[int, Style] = {}
        self._columns: dict[int, NDArray[np.intp]] = {}

    def show(self, names: Sequence[str], steps: Sequence[int], values: NDArray[np.float64]) -> None:
        """Show values, a row for each name and a column for each step (ascending); NaN where nothing is known."""
        self._names, self._steps = tuple(names), np.asarray(steps, dtype=np.float64)
        self._range = _range(values)
        self._values, self._levels = values, None
        self._columns.clear()
        self.refresh()

    def notify_style_update(self) -> None:
        """Another theme has other shades."""
        self._colors, self._levels = (), None
        self._styles.clear()
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        """Draw one line: the title, a pair of rows, the steps, or the scale."""
        width = self.size.width
        base = self.rich_style
        rows, columns = self._values.shape
        if y == 0:
            return Strip([Segment(fit(f" {self.title}{self._part_shown()}", width), base + Style(bold=True))])
        if not rows or not columns:
            text = " no mask update yet" if y == 1 else ""
            return Strip([Segment(fit(text, width), base)])
        gutter = min(28, max(10, max(len(name) for name in self._names) + 1), width // 3)
        plot = max(1, width - gutter - 1)
        lines = self._lines
        if 1 <= y <= lines:
            return self._row_line(y - 1, gutter, plot)
        if y == lines + 1:
            return Strip([Segment(self._step_line(gutter, plot, width), base + Style(dim=True))])
        if y == lines + 3:
            return self._scale_line(gutter, width)
        return Strip.blank(width, base)

    @property
    def _room(self) -> int:
        """Lines that rows may take."""
        return max(1, self.size.height - _AROUND)

    @property
    def _lines(self) -> int:
        """Lines that rows take: all there are, unless half blocks leave the last ones empty."""
        rows = len(self._names)
        return self._room if rows <= self._room else min(self._room, -(-rows // 2))

    def _rows_of(self, line: int) -> tuple[int, int | None]:
        """The row of a line, and of its lower half where it shows two."""
        rows, room = len(self._names), self._room
        if rows <= room:
            return line * rows // room, None
        first = self._first_row()
        return first + 2 * line, min(first + 2 * line + 1, rows - 1)

    def _first_row(self) -> int:
        hidden = max(0, len(self._names) - 2 * self._room)
        return min(self._first, hidden + hidden % 2)

    def _part_shown(self) -> str:
        rows, first = len(self._names), self._first_row()
        if rows <= 2 * self._room:
            return ""
        return f"   rows {first + 1}–{min(rows, first + 2 * self._room)} of {rows}, ↑ ↓"

    def action_move_rows(self, by: int) -> None:
        """Show rows further down, where not all have room."""
        if len(self._names) > 2 * self._room:
            self._first = max(0, self._first_row() + by)
            self._first = self._first_row()
            self.refresh()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """The wheel shows rows further down."""
        event.stop()
        self.action_move_rows(2)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """The wheel shows rows further up."""
        event.stop()
        self.action_move_rows(-2)

    def _row_line(self, line: int, gutter: int, plot: int) -> Strip:
        upper, lower = self._rows_of(line)
        named = lower is not None or line == 0 or self._rows_of(line - 1)[0] != upper
        name = self._names[upper] if named else ""
        segments = [Segment(_cut_name(name, gutter - 1) + " ", self.rich_style)]
        if self._levels is None:
            self._levels = self._levels_of(self._values)
        columns = self._resampled(plot)
        # One segment for each stretch of equal cells: a frame consists of few of them.
        pairs = self._levels[upper][columns] * _PAIR + (_ALONE if lower is None else self._levels[lower][columns])
        begins = np.flatnonzero(np.diff(pairs, prepend=-1))
        kinds, lengths = pairs[begins].tolist(), np.diff(begins, append=plot).tolist()
        styles = {kind: self._style(kind) for kind in set(kinds)}
        character = " " if lower is None else "▀"
        segments += [Segment(character * length, styles[kind]) for kind, length in zip(kinds, lengths, strict=True)]
        segments.append(Segment(" ", self.rich_style))
        return Strip(segments, gutter + plot + 1).extend_cell_length(self.size.width, self.rich_style)

    def _style(self, pair: int) -> Style:
        """The style of a cell of one shade (`_ALONE` below it), or of two, one above the other."""
        if pair not in self._styles:
            above, below = divmod(pair, _PAIR)
            color = self._colors[above]
            self._styles[pair] = (
                Style(bgcolor=color) if below == _ALONE else Style(color=color, bgcolor=self._colors[below])
            )
        return self._styles[pair]

    def _resampled(self, plot: int) -> NDArray[np.intp]:
        """For each column of the plot, the latest update at or before the step that the column stands for."""
        if plot not in self._columns:
            at = np.linspace(self._steps[0], self._steps[-1], plot)
            self._columns[plot] = np.clip(np.searchsorted(self._steps, at, side="right") - 1, 0, len(self._steps) - 1)
        return self._columns[plot]

    def _levels_of(self, values: NDArray[np.float64]) -> NDArray[np.intp]:
        """The shade of each value between the extremes, or that of unknown ones, as a place in `_colors`."""
        if not self._colors:
            known = (shade.rich_color for shade in shades(self.app.theme_variables, _SHADES))
            self._colors = (*known, _UNKNOWN)
        last = len(self._colors) - 2
        low, high = self._range
        with np.errstate(invalid="ignore"):
            levels = np.clip((values - low) / (high - low) * last + 0.5, 0, last)
        return np.where(np.isfinite(values), np.nan_to_num(levels), last + 1).astype(np.intp)

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
        low, high = self._range
        segments = [
            Segment(fit("scale", gutter - 1) + " ", self.rich_style),
            Segment(f"{self.write(low)} ", self.rich_style),
        ]
        levels = self._levels_of(low + (high - low) * np.arange(20) / 19).tolist()
        segments += [Segment(" ", self._style(level * _PAIR + _ALONE)) for level in levels]
        segments.append(Segment(f" {self.write(high)}", self.rich_style))
        return Strip(segments).adjust_cell_length(width, self.rich_style)


def _range(values: NDArray[np.float64]) -> tuple[float, float]:
    """The smallest and largest known value; from 0 where all are the same."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    return (low, high) if high > low else (0.0, max(high, 1e-9))


def _cut_name(name: str, width: int) -> str:
    """A layer's name in exactly `width` cells, cut at its beginning."""
    shown = plain(name, 400)
    return fit(shown if len(shown) <= width else "…" + shown[-(width - 1) :], width)
