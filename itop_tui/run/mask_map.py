"""The mask of a layer as a picture: each weight, or each block of weights, in one of four states.

A cell that stands for many weights cannot show them all. It shows one state, chosen so that over any small region the
share of cells in each state is the share of weights in it (ordered dithering by a low-discrepancy sequence); so a
sparse layer looks sparse, and a dead row or a dense corner is seen. A cell that stands for one weight is exact.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from itop_tui.figures.format import fit, share
from itop_tui.look.theme import Tone
from itop_tui.look.toned import Toned

if TYPE_CHECKING:
    from engine.helpers.masks_client import MaskGrid

NEVER, ONCE, ACTIVE, GROWN, BACK, DIED = range(6)
"""The states: never active, once active, active, and active since the latest mask update; of the history of masks also:
active again since that update, and active until it."""
STATES: tuple[tuple[str, str, Tone], ...] = (
    ("·", "never active", "line"),
    ("░", "once active", "muted"),
    ("▓", "active", "good"),
    ("█", "newly grown", "accent"),
    ("◆", "came back", "warn"),
    ("x", "died", "bad"),
)
"""The glyph, the name and the tone of each state."""
LEFT, RIGHT = 8, 12
"""Columns beside the picture: row numbers, and the density of each row."""
_ABOVE, _BELOW = 3, 1
"""Lines above the picture (the density of each column, with its scale) and below (column numbers)."""
_BARS = " ▁▂▃▄▅▆▇█"
_PARTS = " ▏▎▍▌▋▊▉█"


def states(grid: MaskGrid) -> NDArray[np.uint8]:
    """The state that each cell of a grid shows, shape (rows, cols)."""
    rows, columns = grid.active.shape
    # The two-dimensional golden ratio: any few neighbouring cells have thresholds spread evenly over [0, 1).
    threshold = (0.5 + 0.7548776662466927 * np.arange(rows)[:, None] + 0.5698402909980532 * np.arange(columns)) % 1.0
    result = np.zeros((rows, columns), dtype=np.uint8)
    result[threshold < grid.explored] = ONCE
    if grid.died is not None:
        result[threshold < grid.active + grid.died] = DIED
    result[threshold < grid.active] = ACTIVE
    result[threshold < grid.grown] = GROWN
    if grid.returned is not None:
        result[threshold < grid.returned] = BACK
    return result


class MaskMap(Toned):
    """Draws a grid of a mask, with the density of its rows and columns."""

    DEFAULT_CSS = "MaskMap { height: 1fr; }"

    class RoomChanged(Message):
        """There is room for more cells, or for fewer."""

    grid: reactive[MaskGrid | None] = reactive(None)
    """What is shown; None while it is read."""
    glyphs: reactive[bool] = reactive(False)
    """Whether states are glyphs, one cell each, instead of coloured half blocks, two a cell."""
    note: reactive[str] = reactive("")
    """What is said while there is no grid."""

    def __init__(self, widget_id: str | None = None) -> None:
        super().__init__(id=widget_id)
        self._states: NDArray[np.uint8] = np.zeros((0, 0), dtype=np.uint8)

    @property
    def room(self) -> tuple[int, int]:
        """Rows and columns of cells that can be shown."""
        lines = max(1, self.size.height - _ABOVE - _BELOW)
        return lines if self.glyphs else 2 * lines, max(1, self.size.width - LEFT - RIGHT)

    def on_resize(self) -> None:
        """Other cells fit: what is said above the picture may have taken lines from it."""
        self.post_message(self.RoomChanged())

    def watch_grid(self, grid: MaskGrid | None) -> None:
        """Work out the states once a grid."""
        self._states = states(grid) if grid is not None else np.zeros((0, 0), dtype=np.uint8)

    def _stretch(self) -> tuple[int, int]:
        """How many rows and columns of the screen each cell takes, where there are fewer cells than room."""
        rows, columns = self.room
        return max(1, rows // max(1, self._states.shape[0])), max(1, columns // max(1, self._states.shape[1]))

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        # Over the theme's background: a terminal's own may be of any colour.
        return self._line(y).apply_style(self.rich_style)

    def _line(self, y: int) -> Strip:
        width = self.size.width
        grid = self.grid
        if grid is None:
            lines = ["", *textwrap.wrap(self.note, max(1, width - 2))]
            return Strip([Segment(fit(f" {lines[y]}" if y < len(lines) else "", width), self.tone("muted"))])
        tall, wide = self._stretch()
        rows, columns = self._states.shape
        shown = min(columns * wide, self.room[1])
        lines = -(-rows * tall // (1 if self.glyphs else 2))
        if y < _ABOVE:
            return self._above(grid, y, wide, shown)
        line = y - _ABOVE
        last = min(lines, self.size.height - _ABOVE - _BELOW)
        if line < last:
            return self._row(grid, line, tall, wide, shown)
        if line == last:
            return self._columns_line(grid, shown)
        return Strip.blank(width, self.rich_style)

    def _above(self, grid: MaskGrid, y: int, wide: int, shown: int) -> Strip:
        width = self.size.width
        most = float(grid.column_density.max(initial=0.0))
        if y == 0:
            across, down = self._span(grid)
            text = f"{'':{LEFT}}density of {_lines('column', across)}, up to {share(round(most, 4))}"
            rows = f"of {_lines('row', down)}, to {share(round(float(grid.row_density.max(initial=0.0)), 4))}"
            text = fit(text, max(0, width - len(rows))) + rows if width > len(text) + len(rows) else fit(text, width)
            return Strip([Segment(text, self.tone("muted"))])
        eighths = np.rint(np.repeat(grid.column_density, wide)[:shown] / (most or 1.0) * 16).astype(int)
        part = np.clip(eighths - 8, 0, 8) if y == 1 else np.clip(eighths, 0, 8)
        bars = "".join(_BARS[each] for each in part.tolist())
        return Strip([Segment(fit(" " * LEFT + bars, width), self.tone("live"))])

    @staticmethod
    def _span(grid: MaskGrid) -> tuple[float, float]:
        """How many columns and rows of weights one cell stands for, on average."""
        rows, columns = grid.active.shape
        return (grid.window[3] - grid.window[2]) / columns, (grid.window[1] - grid.window[0]) / rows

    def _row(self, grid: MaskGrid, line: int, tall: int, wide: int, shown: int) -> Strip:
        rows = self._states.shape[0]
        per_line = 1 if self.glyphs else 2
        upper = line * per_line // tall
        lower = min((line * per_line + per_line - 1) // tall, rows - 1)
        first = grid.window[0] + upper * (grid.window[1] - grid.window[0]) // rows
        segments = [Segment(f"{first:>{LEFT - 1}} ", self.tone("muted"))]
        above = np.repeat(self._states[upper], wide)[:shown].tolist()
        below = np.repeat(self._states[lower], wide)[:shown].tolist()
        if line * per_line + per_line - 1 >= rows * tall:  # the last line of an odd number of rows
            below = [None] * len(above)
        if self.glyphs:
            styles = [self.tone(tone) for _, _, tone in STATES]
            segments += [Segment(STATES[state][0], styles[state]) for state in above]
        else:
            colors = [None, *(self.tone(tone).color for _, _, tone in STATES[1:])]
            segments += [_half(top, bottom, colors) for top, bottom in zip(above, below, strict=True)]
        most = float(grid.row_density.max(initial=0.0)) or 1.0
        density = float(grid.row_density[upper : lower + 1].mean())
        segments.append(Segment(f" {_bar(density / most, RIGHT - 2)}", self.tone("live")))
        return Strip(segments).simplify().adjust_cell_length(self.size.width, self.rich_style)

    def _columns_line(self, grid: MaskGrid, shown: int) -> Strip:
        first, last = f"{grid.window[2]:,}", f"{grid.window[3] - 1:,}"
        gap = max(1, shown - len(first) - len(last))
        return Strip([Segment(fit(" " * LEFT + first + " " * gap + last, self.size.width), self.tone("muted"))])


def _lines(what: str, together: float) -> str:
    """Of what a bar shows the density: a line of weights, or several together."""
    return f"{what}s" if together <= 1 else f"each {together:.3g} {what}s"


def _half(top: int, bottom: int | None, colors: Sequence[Color | None]) -> Segment:
    """Two states in one cell, the upper half and the lower half; never active is the background."""
    if not bottom:
        return Segment("▀", Style(color=colors[top])) if top else Segment(" ")
    if not top:
        return Segment("▄", Style(color=colors[bottom]))
    return Segment("▀", Style(color=colors[top], bgcolor=colors[bottom]))


def _bar(fraction: float, width: int) -> str:
    eighths = round(min(max(fraction, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    return "█" * full + (_PARTS[rest] if rest else "")
