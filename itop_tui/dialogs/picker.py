"""Choosing one of a list, narrowed by typing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.widgets import Input, Label, OptionList
from textual.widgets.option_list import Option

from itop_tui.dialogs.leaving import Dialog
from itop_tui.figures.format import fit, plain
from itop_tui.look.theme import tone_style
from itop_tui.widgets.key_bar import KeyBar, KeyHint

_WIDEST = 36
"""The most cells that titles take up beside details; a longer one pushes its own detail on."""


@dataclass(frozen=True, slots=True)
class Item:
    """Something to choose.

    Attributes:
        value: What is given back.
        title: What the line says.
        detail: What it says further, more quietly.
    """

    value: str
    title: str
    detail: str = ""


class Picker(Dialog[str | None]):
    """Lists items; typing narrows the list, enter chooses, escape leaves.

    Args:
        title: What is chosen.
        items: What there is.
        current: The value that is highlighted at first.
        free: Whether enter also takes a typed text that no item matches.
        hint: What stands in the line while nothing is typed; empty for what is usual.
    """

    CSS_PATH = "picker.tcss"
    BINDINGS: ClassVar = [
        Binding("escape", "leave", "leave", show=False),
        Binding("down", "move(1)", show=False, priority=True),
        Binding("up", "move(-1)", show=False, priority=True),
        Binding("pagedown", "move(10)", show=False, priority=True),
        Binding("pageup", "move(-10)", show=False, priority=True),
    ]

    def __init__(
        self, title: str, items: Sequence[Item], *, current: str = "", free: bool = False, hint: str = ""
    ) -> None:
        super().__init__()
        self._hint = hint or ("type to search, or package.module:function" if free else "type to search")
        self._title, self._items, self._current, self._free = title, tuple(items), current, free
        self._matching = self._items

    def compose(self) -> ComposeResult:
        """Lay out the list."""
        with Vertical(classes="picker"):
            with Vertical(classes="head"):
                yield Label(plain(self._title, limit=100), classes="title", markup=False)
                yield Input(placeholder=self._hint, compact=True)
            yield OptionList(compact=True, markup=False)
            yield KeyBar()

    def on_mount(self) -> None:
        """Fill the list, and say which keys there are."""
        self.query_one(OptionList).can_focus = False
        self.query_one(KeyBar).hints = (
            KeyHint("↵", "choose, or take what is typed" if self._free else "choose", "screen.choose"),
            KeyHint("↑↓", "move"),
            KeyHint("esc", "leave it", "screen.leave"),
        )
        self._fill("")

    def _fill(self, text: str) -> None:
        words = text.lower().split()
        self._matching = tuple(
            item for item in self._items if all(word in f"{item.title} {item.detail}".lower() for word in words)
        )
        listed = self.query_one(OptionList)
        muted = tone_style(self.app.theme_variables, "muted")
        listed.clear_options()
        # Of all items, not of those that match: details stay where they are while one types.
        widths = [cell_len(plain(item.title)) for item in self._items if item.detail]
        width = max((each for each in widths if each <= _WIDEST), default=0)
        listed.add_options([Option(_line(item, width, muted)) for item in self._matching])
        if not self._matching and not self._free:
            listed.add_option(Option(Text("nothing of that name", muted), disabled=True))
        if self._matching:
            values = [item.value for item in self._matching]
            listed.highlighted = values.index(self._current) if self._current in values else 0

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._fill(event.value)

    @on(Input.Submitted)
    def action_choose(self) -> None:
        """Close with the item at the cursor, or with what was typed."""
        typed = self.query_one(Input).value.strip()
        at = self.query_one(OptionList).highlighted
        if self._matching and at is not None:
            self.dismiss(self._matching[at].value)
        elif self._free and typed:
            self.dismiss(typed)

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._matching[event.option_index].value)

    def action_move(self, lines: int) -> None:
        """Move through the list."""
        listed = self.query_one(OptionList)
        if self._matching:
            listed.highlighted = max(0, min(len(self._matching) - 1, (listed.highlighted or 0) + lines))


def _line(item: Item, width: int, muted: Style) -> Text:
    title = plain(item.title, limit=100)
    if item.detail and cell_len(title) < width:
        title = fit(title, width)
    text = Text(title, no_wrap=True, overflow="ellipsis", end="")
    if item.detail:
        text.append(f"  {plain(item.detail, limit=200)}", muted)
    return text
