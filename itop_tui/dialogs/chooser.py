"""A list over a screen, narrowed by typing, from which one line or several are chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.widgets import Input, Label, OptionList
from textual.widgets.option_list import Option

from db.records import RunRecord
from itop_tui.figures.format import fit, plain
from itop_tui.look.theme import look, tone_style
from itop_tui.widgets.key_bar import KeyBar, KeyHint
from itop_tui.widgets.leaving import Dialog

Answer = TypeVar("Answer")
_WIDEST = 36
"""The most cells that titles take up beside details; a longer one moves its own detail to the right."""


@dataclass(frozen=True, slots=True)
class Item:
    """Something to choose.

    Attributes:
        value: What is given back.
        title: What the line says.
        detail: What it says further, in a muted tone.
        words: What else it is found by.
    """

    value: str
    title: str
    detail: str = ""
    words: str = ""


class _Search(Input):
    """The line in which one types; a chooser of several takes the space out of it."""

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "space" and isinstance(self.screen, CheckList) and self.screen.takes_space:
            event.stop()
            event.prevent_default()
            self.screen.action_check()
        else:
            await super()._on_key(event)


class Chooser(Dialog[Answer | None], Generic[Answer]):
    """Lists items; closes with an answer, or with None where it is cancelled.

    A subclass says what `action_choose` answers, and may change `items` and call `fill`.

    Args:
        title: What is chosen.
        items: What there is.
        hint: What is in the line while nothing is typed; None where nothing can be typed.
        current: The value at which the cursor is while nothing else is said.
    """

    # Whole, for a subclass may be in another folder.
    CSS_PATH = Path(__file__).with_name("chooser.tcss")
    BINDINGS: ClassVar = [
        Binding("escape", "leave", show=False, priority=True),
        Binding("enter", "choose", show=False, priority=True),
        Binding("down", "move(1)", show=False, priority=True),
        Binding("up", "move(-1)", show=False, priority=True),
        Binding("pagedown", "move(10)", show=False, priority=True),
        Binding("pageup", "move(-10)", show=False, priority=True),
    ]
    nothing = "nothing of that name"
    """What the list says where nothing matches."""

    def __init__(
        self, title: str, items: Sequence[Item], *, hint: str | None = "type to search", current: str = ""
    ) -> None:
        super().__init__()
        self.items, self._current = tuple(items), current
        self._heading, self._hint = title, hint
        self.matching = self.items

    def compose(self) -> ComposeResult:
        """Lay out the list."""
        with Vertical(classes="chooser"):
            with Vertical(classes="head"):
                yield Label(plain(self._heading, limit=100), classes="title", markup=False)
                if self._hint is not None:
                    yield _Search(placeholder=self._hint, compact=True)
            yield OptionList(compact=True, markup=False)
            yield KeyBar()

    def on_mount(self) -> None:
        """Fill the list, and leave the focus in the line."""
        self.query_one(OptionList).can_focus = False
        self.fill(self._current)

    @property
    def hints(self) -> tuple[KeyHint, ...]:
        """What the key bar says, before how to cancel."""
        return (KeyHint("↵", "choose", "screen.choose"), KeyHint("↑↓", "move"))

    @property
    def written(self) -> str:
        """What stands in the line."""
        return self.query_one(Input).value if self._hint is not None else ""

    @property
    def typed(self) -> str:
        """What is typed, without the blanks around it."""
        return self.written.strip()

    @property
    def at(self) -> int:
        """The line of the cursor, from 0."""
        return self.query_one(OptionList).highlighted or 0

    @property
    def item(self) -> Item | None:
        """The item at the cursor; None where nothing matches."""
        return self.matching[self.at] if self.at < len(self.matching) else None

    def found(self) -> tuple[Item, ...]:
        """The items that match, in the order in which they are listed."""
        return tuple(filter(self.matches, self.items))

    def fill(self, value: str, otherwise: int = 0) -> None:
        """List what matches, with the cursor on the item of a value, or else on a line."""
        self.matching = self.found()
        listed = self.query_one(OptionList)
        listed.clear_options()
        # Of all items, not of those that match: details stay where they are as you type.
        widths = [cell_len(plain(item.title)) for item in self.items if item.detail]
        width = max((each for each in widths if each <= _WIDEST), default=0)
        listed.add_options([Option(self._line(item, width)) for item in self.matching])
        values = [item.value for item in self.matching]
        if values:
            listed.highlighted = values.index(value) if value in values else min(otherwise, len(values) - 1)
        elif self.nothing:
            listed.add_option(Option(Text(self.nothing, self._muted), disabled=True))
        self.show_keys()

    def matches(self, item: Item) -> bool:
        """Whether an item has every word that is typed."""
        text = f"{item.title} {item.detail} {item.words}".casefold()
        return all(word in text for word in self.typed.casefold().split())

    @property
    def _muted(self) -> Style:
        return tone_style(self.app.theme_variables, "muted")

    def mark(self, item: Item) -> str:
        """What the line of an item begins with."""
        return ""

    def _line(self, item: Item, width: int) -> Text:
        title = plain(item.title, limit=100)
        if item.detail and cell_len(title) < width:
            title = fit(title, width)
        text = Text(f"{self.mark(item)}{title}", no_wrap=True, overflow="ellipsis", end="")
        return text.append(f"  {plain(item.detail, limit=200)}", self._muted) if item.detail else text

    def show_keys(self) -> None:
        """Say which keys there are."""
        self.query_one(KeyBar).hints = (*self.hints, KeyHint("esc", "cancel", "screen.leave"))

    @on(Input.Changed)
    def _search(self) -> None:
        self.searched()

    def searched(self) -> None:
        """List what matches by now."""
        self.fill(self._current)

    @on(OptionList.OptionSelected)
    def _clicked(self) -> None:
        self.clicked()

    def clicked(self) -> None:
        """Do what a click on the item at the cursor does."""
        self.action_choose()

    def action_choose(self) -> None:
        """Close with an answer."""
        raise NotImplementedError

    def action_move(self, lines: int) -> None:
        """Move through the list."""
        if self.matching:
            at = max(0, min(len(self.matching) - 1, self.at + lines))
            self.query_one(OptionList).highlighted = at


def run_item(run: RunRecord, prefix: str = "") -> Item:
    """A run in a list to choose from; its value is the prefix with its id."""
    title = f"{look(run.status).glyph} run {run.id}  {fit(run.name, 24).rstrip()}"
    return Item(f"{prefix}{run.id}", title, f"{run.model} {run.data} {run.method}")


class Picker(Chooser[str]):
    """Chooses one item; where it is `free`, enter also takes a typed text that no item matches."""

    def __init__(
        self, title: str, items: Sequence[Item], *, current: str = "", free: bool = False, hint: str = ""
    ) -> None:
        usual = "type to search, or path/to/file.py:function" if free else "type to search"
        super().__init__(title, items, hint=hint or usual, current=current)
        self._free = free
        self.nothing = "" if free else self.nothing

    @property
    def hints(self) -> tuple[KeyHint, ...]:
        """What the key bar says."""
        first, *others = super().hints
        return (replace(first, label="choose, or use what is typed") if self._free else first, *others)

    def action_choose(self) -> None:
        """Close with the item at the cursor, or with what was typed."""
        if self.item is not None:
            self.dismiss(self.item.value)
        elif self._free and self.typed:
            self.dismiss(self.typed)


class CheckList(Chooser[Answer], Generic[Answer]):
    """Chooses several items: space and the mouse toggle a line, enter applies.

    A subclass keeps what is chosen: `is_chosen` and `toggle`.
    """

    @property
    def hints(self) -> tuple[KeyHint, ...]:
        """What the key bar says."""
        return (KeyHint("space", "toggle", "screen.check"), KeyHint("↵", "apply", "screen.choose"))

    @property
    def takes_space(self) -> bool:
        """Whether a space toggles instead of being typed."""
        return True

    def is_chosen(self, value: str) -> bool:
        """Whether an item is chosen."""
        raise NotImplementedError

    def toggle(self, value: str) -> None:
        """Choose an item, or do not choose it any more."""
        raise NotImplementedError

    def mark(self, item: Item) -> str:
        """Whether it is chosen."""
        return "✓ " if self.is_chosen(item.value) else "  "

    def clicked(self) -> None:
        """A click toggles."""
        self.action_check()

    def action_check(self) -> None:
        """Toggle the item at the cursor."""
        if self.item is not None:
            self.toggle(self.item.value)
