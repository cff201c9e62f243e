"""The legend of a comparison: its entries with letter, colour, name and a reading, and a cursor for the keys."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual import events
from textual.message import Message
from textual.reactive import reactive

from itop_tui.figures.comparison import Entry
from itop_tui.figures.format import fit, shortened
from itop_tui.look.theme import curve_colour, look
from itop_tui.look.toned import Toned

_LEAST_NAME = 3
_LETTER_TO = 3
"""The last cell of an entry's letter and state."""


class EntryList(Toned):
    """Lists the entries of a comparison."""

    DEFAULT_CSS = "EntryList { height: 1fr; }"
    entries: reactive[tuple[Entry, ...]] = reactive(())
    hidden: reactive[frozenset[int]] = reactive(frozenset())
    """Those whose curves are left out, by their `key`."""
    readings: reactive[tuple[str, ...]] = reactive(())
    """The value of each on the chosen chart; empty for none."""
    caption: reactive[tuple[str, str]] = reactive(("", ""))
    """What the readings are, and where; empty for nothing to say."""
    cursor: reactive[int] = reactive(0)

    @dataclass
    class Clicked(Message):
        """An entry was clicked; `on_letter` where that was on its letter or its state, which hides or shows it."""

        position: int
        on_letter: bool

    @dataclass
    class Dragged(Message):
        """An entry was dragged to the place of another one."""

        position: int
        to: int

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self._dragged: int | None = None
        self._moved = False

    def render(self) -> Text:
        """Draw the entries, two lines each where there is room, and how many more there are."""
        width, tall, shown = self.size.width, self._tall(), self._shown()
        text = Text(no_wrap=True, end="", overflow="crop")
        for line in self._caption:
            text.append(fit(shortened(f" {line}", width), width) + "\n", self.tone("muted"))
        for position in shown:
            entry, value = self.entries[position], self.readings[position]
            hidden = entry.key in self.hidden
            here = position == self.cursor
            tint = Style(color=curve_colour(self.app.current_theme, position), bold=True)
            mark = "▸" if here else " "
            state = look(entry.status) if entry.status else None
            count = f" ×{entry.n}" if entry.n > 1 else ""
            # The value is whole: the name makes room for it, and then how many runs there are.
            reading = "" if tall or not value else f" {value}"
            if width - 6 - len(count) - len(reading) < _LEAST_NAME and reading:
                count = ""
            room = max(0 if reading else _LEAST_NAME, width - 6 - len(count) - len(reading))
            text.append(mark, self.tone("accent"))
            text.append(entry.letter, tint)
            text.append(" ")
            text.append(state.glyph if state else "·", self.tone(state.tone if state else "muted"))
            style = self.tone("faint") if hidden else self.tone("title" if here else "text")
            name, beside = entry.fitted(room - 2 * hidden)
            below = value or ("hidden" if hidden else "")
            under = ""
            if (
                tall and name and not beside and entry.called.unique
            ):  # the line below has room for what the name does not say
                under = entry.called.beside(width - 5 - len(below))
            if hidden or not (name and beside):
                label = " ".join(filter(None, (name, beside)))
                text.append(" " + fit(f"({label})" if hidden else label, room), style)
            else:
                text.append(f" {name} ", style)
                text.append(fit(beside, room - cell_len(name) - 1), self.tone("muted"))
            text.append(count, self.tone("muted"))
            text.append(reading, self.tone("muted"))
            if tall:
                indent = " " * min(4, max(0, width - len(below)))
                line = " ".join(filter(None, (under, below)))
                text.append("\n" + fit(indent + line, width), self.tone("muted"))
            text.append("\n")
        others = ((shown.start, "above"), (len(self.entries) - shown.stop, "below"))
        if more := ", ".join(f"+{number} {where}" for number, where in others if number):
            text.append(fit(f"    {more}", width), self.tone("muted"))
        return text

    @property
    def _caption(self) -> list[str]:
        """The lines of the caption: one where both parts fit into it."""
        what, where = self.caption
        whole = f"{what} {where}".strip()
        return [each for each in ((whole,) if len(whole) < self.size.width else (what, where)) if each]

    @property
    def _height(self) -> int:
        """The lines there are for entries."""
        return self.size.height - len(self._caption)

    def _tall(self) -> bool:
        return len(self.entries) * 2 <= self._height

    def _shown(self) -> range:
        """The entries there is room for, that at the cursor among them."""
        count = len(self.entries)
        if count <= self._height:
            return range(count)
        room = max(1, self._height - 1)  # a line says how many others there are
        first = min(max(0, self.cursor - room + 1), count - room)
        return range(first, first + room)

    def _position_at(self, y: int) -> int | None:
        """The entry in a line; None beside all."""
        shown = self._shown()
        position = shown.start + (y - len(self._caption)) // (2 if self._tall() else 1)
        return position if y >= len(self._caption) and position in shown else None

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Hold the entry, which moving the mouse then drags."""
        self._dragged, self._moved = self._position_at(event.y), False
        if self._dragged is not None:
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Drag the entry that is held to the place the mouse is on."""
        to = self._position_at(event.y)
        if self._dragged is not None and to is not None and to != self._dragged:
            self.post_message(self.Dragged(self._dragged, to))
            self._dragged, self._moved = to, True

    def on_mouse_up(self) -> None:
        """Let the entry go."""
        self._dragged = None
        self.release_mouse()

    def on_click(self, event: events.Click) -> None:
        """Choose the entry that was clicked; on its letter, hide it or show it again."""
        position = self._position_at(event.y)
        if position is not None and not self._moved:
            self.post_message(self.Clicked(position, on_letter=1 <= event.x <= _LETTER_TO))
