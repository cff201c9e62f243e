"""The filter of the list: a line to type in, what could be typed next below it, and what is wrong with it.

The widget knows no query language. It reports what was typed, and is given suggestions and a problem.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Input, Label, OptionList
from textual.widgets.option_list import Option

from itop_tui.figures.format import fit, plain
from itop_tui.look.theme import tone_style

PLACEHOLDER = "words, or state:running density<0.1 growth:gradient tag:paper acc>=0.93 name~vgg"
_MOST, _WIDTH = 8, 58
"""The lines of the drop-down, and the cells of one."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Something that could be typed: what the whole line would be then, and what the drop-down says of it."""

    text: str
    caret: int
    shown: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong with what was typed, and where it begins; None where it is no one place."""

    message: str
    position: int | None = None
    length: int = 0

    @property
    def end(self) -> int:
        """Before which character it ends."""
        return (self.position or 0) + self.length


class FilterInput(Input):
    """The line itself."""

    def validate_value(self, value: str) -> str:
        """Keep what a terminal would obey, pasted or from a saved view, out of the line."""
        return plain(value, limit=20_000)


class FilterLine(Vertical):
    """A line of text with a drop-down, to which arrows and tab belong."""

    BINDINGS: ClassVar = [
        Binding("tab", "complete", show=False),
        Binding("down", "suggest(1)", show=False),
        Binding("up", "suggest(-1)", show=False),
    ]
    suggestions: reactive[tuple[Suggestion, ...]] = reactive(())
    """What could be typed next, the most likely first."""
    wrong: reactive[Wrong | None] = reactive(None)
    """What is wrong with what stands there."""

    @dataclass
    class Typed(Message):
        """The line changed, or the caret moved on."""

        text: str
        caret: int

    class Kept(Message):
        """The filter is to be kept."""

    def compose(self) -> ComposeResult:
        """Lay out the line, the complaint and the drop-down."""
        with Horizontal(id="filter-line"):
            yield Label("/")
            yield FilterInput(placeholder=PLACEHOLDER, id="filter", compact=True, select_on_focus=False)
        yield Label("", id="filter-wrong", markup=False)
        yield OptionList(id="filter-drop", compact=True, markup=False)

    def on_mount(self) -> None:
        """Keep the focus in the line."""
        self.query_one(OptionList).can_focus = False
        self._draw()

    @property
    def input(self) -> FilterInput:
        """The line."""
        return self.query_one(FilterInput)

    @property
    def text(self) -> str:
        """What was typed."""
        return self.input.value

    def put(self, text: str, caret: int | None = None) -> None:
        """Write another text."""
        self.input.value = text
        self.input.cursor_position = len(text) if caret is None else caret

    # -------------------------------------------------------------------------------------------------- suggestions

    @property
    def picked(self) -> Suggestion | None:
        """The suggestion the arrows went to."""
        at = self.query_one(OptionList).highlighted
        return self.suggestions[at] if at is not None and at < len(self.suggestions) else None

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        complaint = self.query_one("#filter-wrong", Label)
        complaint.display = self.wrong is not None
        if self.wrong is not None:
            place = "" if self.wrong.position is None else " " * (self.wrong.position + 3) + "▲ "
            room = max(20, self.size.width - 1)
            message = plain(self.wrong.message, limit=400)
            # A pointer far to the right would leave the sentence no room.
            if place and len(place) + len(message) > room:
                place = f" ▲ at {(self.wrong.position or 0) + 1}: "
            complaint.update(fit(place + message, room) if place else fit(f" {message}", room))
        drop = self.query_one("#filter-drop", OptionList)
        drop.clear_options()
        drop.display = bool(self.suggestions) and self.input.has_focus
        muted = tone_style(self.app.theme_variables, "muted")
        for each in self.suggestions[:_MOST]:
            shown = plain(each.shown, limit=_WIDTH)
            line = Text(shown, no_wrap=True, end="")
            if each.detail and cell_len(shown) < _WIDTH - 4:
                line.append(f"  {fit(each.detail, _WIDTH - cell_len(shown) - 2).rstrip()}", muted)
            # The list wraps what is too long, whatever the text asks for.
            line.truncate(_WIDTH, overflow="ellipsis")
            drop.add_option(Option(line))

    watch_suggestions = watch_wrong = _draw

    def action_suggest(self, lines: int) -> None:
        """Go through the suggestions; above the first one is the line itself."""
        drop = self.query_one(OptionList)
        last = min(_MOST, len(self.suggestions)) - 1
        at = (-1 if drop.highlighted is None else drop.highlighted) + lines
        drop.highlighted = None if at < 0 else min(at, last) if last >= 0 else None

    def action_complete(self) -> None:
        """Take the suggestion the arrows went to, or the first one; without one, stay."""
        taken = self.picked or next(iter(self.suggestions), None)
        if taken is not None:
            self.put(taken.text, taken.caret)
            self.input.focus()

    def forget(self) -> bool:
        """Leave the drop-down where the arrows went into it; returns whether they had."""
        drop = self.query_one(OptionList)
        picked = drop.highlighted is not None
        drop.highlighted = None
        return picked

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Typed(event.value, self.input.cursor_position))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if self.picked:
            self.action_complete()
        else:
            self.post_message(self.Kept())

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.query_one(OptionList).highlighted = event.option_index
        self.action_complete()

    def on_descendant_blur(self) -> None:
        """Close the drop-down."""
        self.suggestions = ()
