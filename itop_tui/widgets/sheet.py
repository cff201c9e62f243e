"""A table that is read and not edited: fixed heads, cells in tones or shades, scrolled by whole rows and columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.color import Color
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from itop_tui.figures.format import fit, plain
from itop_tui.look.theme import Tone, curve_colour, shades
from itop_tui.look.toned import Toned

_GAP = 2
_MORE = len(" +99 ›")
"""What the head needs to say how many columns do not fit."""
_SHADES = 24
_WHEEL = 3


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell.

    Attributes:
        text: What it says; data, never markup.
        tone: How.
        bold: Whether it is bold.
        shade: Its place between 0 and 1 on the scale of a heat map; None for none.
        entry: The place in a comparison whose colour it has; None for none.
    """

    text: str
    tone: Tone = "text"
    bold: bool = False
    shade: float | None = None
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table.

    Attributes:
        head: The heads of the columns; the first column stays when the others are scrolled.
        rows: The rows, as long as the head each.
        notes: Lines below the table.
        title: A line above it; empty for none.
    """

    head: tuple[Cell, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    notes: tuple[str, ...] = ()
    title: str = ""

    def as_text(self) -> str:
        """The table as aligned plain text."""
        lines = [self.head, *self.rows] if self.head else []
        widths = [max((cell_len(plain(line[at].text)) for line in lines), default=0) for at in range(len(self.head))]
        lines_of_text = [plain(self.title)] if self.title else []
        for line in lines:
            cells = (fit(cell.text, widths[at], right=at > 0) for at, cell in enumerate(line))
            lines_of_text.append("  ".join(cells).rstrip())
        return "\n".join([*lines_of_text, *(plain(note) for note in self.notes)])


@lru_cache(maxsize=16)
def _wrapped(notes: tuple[str, ...], width: int) -> tuple[str, ...]:
    """Notes as lines of at most so many cells."""
    return tuple(line for note in notes for line in textwrap.wrap(plain(note), width) or [""])


class SheetView(Toned):
    """Shows a sheet."""

    DEFAULT_CSS = "SheetView { height: 1fr; width: 1fr; }"
    sheet: reactive[Sheet] = reactive(Sheet(), always_update=True)
    top: reactive[int] = reactive(0)
    left: reactive[int] = reactive(0)

    @dataclass
    class HeadClicked(Message):
        """The head of a column was clicked."""

        column: int

    def __init__(self, *, widest: int = 30, widget_id: str | None = None) -> None:
        super().__init__(id=widget_id)
        self._widest = widest
        self._widths: list[int] = []
        self._shades: tuple[Color, ...] = ()

    def watch_sheet(self, sheet: Sheet) -> None:
        """Measure the columns."""
        lines: Sequence[tuple[Cell, ...]] = [sheet.head, *sheet.rows] if sheet.head else []
        self._widths = [
            min(self._widest, max(cell_len(plain(line[at].text)) for line in lines)) for at in range(len(sheet.head))
        ]
        self.top, self.left = min(self.top, self._last_row()), min(self.left, max(0, len(self._widths) - 2))

    def on_resize(self) -> None:
        """The notes take other lines."""
        self.top = min(self.top, self._last_row())

    @property
    def _notes(self) -> tuple[str, ...]:
        """The lines of the notes.

        They are wrapped as they are drawn: a sheet is given while its tab is hidden and has no width, and drawn in the
        room it gets before the widget knows its size.
        """
        return _wrapped(self.sheet.notes, max(1, self.size.width - 2))

    def notify_style_update(self) -> None:
        """Another theme has other shades."""
        self._shades = ()
        super().notify_style_update()

    def _last_row(self) -> int:
        return max(0, len(self.sheet.rows) + len(self._notes) + 1 - self._room())

    def _room(self) -> int:
        return max(1, self.size.height - 1 - bool(self.sheet.title))

    def scroll_rows(self, by: int) -> None:
        """Move by rows."""
        self.top = min(max(0, self.top + by), self._last_row())

    def scroll_pages(self, by: int) -> None:
        """Move by pages."""
        self.scroll_rows(by * max(1, self._room() - 1))

    def scroll_columns(self, by: int) -> None:
        """Move by columns, as far as there are some that do not fit."""
        if by < 0 or self._hidden_right():
            self.left = min(max(0, self.left + by), max(0, len(self._widths) - 2))

    def _first_width(self) -> int:
        others = min(self._widths[1:], default=0)
        return min(self._widths[0], max(8, self.size.width - 2 - _GAP - others)) if self._widths else 0

    def _shown(self) -> list[int]:
        """The columns that fit, the first one aside."""
        room = self.size.width - 1 - self._first_width() - 1
        shown: list[int] = []
        for at in range(1 + self.left, len(self._widths)):
            room -= self._widths[at] + _GAP
            # Where others follow, the head says how many they are.
            if shown and room < (_MORE if at + 1 < len(self._widths) else 0):
                break
            shown.append(at)
        return shown

    def _hidden_right(self) -> int:
        shown = self._shown()
        return len(self._widths) - 1 - shown[-1] if shown else 0

    def on_click(self, event: events.Click) -> None:
        """Report a click on a head."""
        if self.sheet.head and event.y == bool(self.sheet.title):
            column = self._column_at(event.x)
            if column is not None:
                self.post_message(self.HeadClicked(column))

    def _column_at(self, x: int) -> int | None:
        """The column that has a cell of the line; None beside all."""
        end = 1 + self._first_width()
        if x < end:
            return 0
        for at in self._shown():
            end += _GAP + self._widths[at]
            if x < end:
                return at
        return None

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """The wheel moves by rows, with shift by columns."""
        self.scroll_columns(1) if event.shift else self.scroll_rows(_WHEEL)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """The wheel moves by rows, with shift by columns."""
        self.scroll_columns(-1) if event.shift else self.scroll_rows(-_WHEEL)

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        sheet, width, base = self.sheet, self.size.width, self.rich_style
        if sheet.title:
            if y == 0:
                return self._line(sheet.title, "title")
            y -= 1
        if not sheet.head:
            return self._line(self._notes[y], "muted") if y < len(self._notes) else Strip.blank(width, base)
        if y == 0:
            return self._row(sheet.head, head=True)
        at = y - 1 + self.top
        if at < len(sheet.rows):
            return self._row(sheet.rows[at])
        note = at - len(sheet.rows) - 1
        return self._line(self._notes[note], "muted") if 0 <= note < len(self._notes) else Strip.blank(width, base)

    def _line(self, text: str, tone: Tone) -> Strip:
        return Strip([Segment(fit(f" {text}", self.size.width), self.rich_style + self.tone(tone))])

    def _row(self, cells: tuple[Cell, ...], *, head: bool = False) -> Strip:
        base = self.rich_style
        segments = [Segment(" ", base), Segment(fit(cells[0].text, self._first_width()), self._style(cells[0]))]
        for at in self._shown():
            cell = cells[at]
            text = fit(cell.text, self._widths[at], right=True)
            if cell.shade is None:
                segments += [Segment(" " * _GAP, base), Segment(text, self._style(cell))]
            else:
                segments += [Segment(" ", base), Segment(f" {text}", self._style(cell))]
        if head and self._hidden_right():
            segments.append(Segment(f" +{self._hidden_right()} ›", base + self.tone("accent")))
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def _style(self, cell: Cell) -> Style:
        if cell.shade is not None:
            back = self._shade(cell.shade)
            return Style(color=back.get_contrast_text(1.0).rich_color, bgcolor=back.rich_color, bold=cell.bold or None)
        style = self.rich_style + self.tone(cell.tone)
        if cell.entry is not None:
            style += Style(color=curve_colour(self.app.current_theme, cell.entry))
        return style + Style(bold=True) if cell.bold else style

    def _shade(self, value: float) -> Color:
        if not self._shades:
            self._shades = shades(self.app.theme_variables, _SHADES)
        last = len(self._shades) - 1
        return self._shades[min(max(int(value * last + 0.5), 0), last)]
