"""Choosing the columns of the list of runs: which, in which order, how wide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Label, OptionList
from textual.widgets.option_list import Option

from itop_tui.theme import tone_style
from itop_tui.widgets.key_bar import KeyBar, KeyHint
from itop_tui.widgets.run_columns import COLUMNS, Column
from itop_tui.widgets.run_fields import FIELDS, column, settings_columns
from itop_tui.widgets.run_layout import Chosen, default_columns, resized

Choice = tuple[Chosen, ...]


class _Search(Input):
    """The line in which one searches. A space chooses: no name of a column holds one."""

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "space":
            event.stop()
            event.prevent_default()
            await self.screen.run_action("screen.choose")
        else:
            await super()._on_key(event)


class ColumnChooser(ModalScreen[Choice | None]):
    """Lists every column, the chosen ones first and in their order; typing narrows the list.

    Closes with the choice, with an empty one for the list's own columns, or with None where it is left as it was.

    Args:
        chosen: The columns chosen so far; empty for the list's own.
    """

    CSS_PATH = "column_chooser.tcss"
    BINDINGS: ClassVar = [
        Binding("escape", "leave", show=False, priority=True),
        Binding("enter,ctrl+s", "save", show=False, priority=True),
        Binding("down", "move(1)", show=False, priority=True),
        Binding("up", "move(-1)", show=False, priority=True),
        Binding("pagedown", "move(10)", show=False, priority=True),
        Binding("pageup", "move(-10)", show=False, priority=True),
        Binding("shift+down,ctrl+down", "shift(1)", show=False, priority=True),
        Binding("shift+up,ctrl+up", "shift(-1)", show=False, priority=True),
        Binding("shift+right,ctrl+right", "widen(1)", show=False, priority=True),
        Binding("shift+left,ctrl+left", "widen(-1)", show=False, priority=True),
        Binding("ctrl+r", "reset", show=False, priority=True),
    ]

    def __init__(self, chosen: Sequence[Chosen]) -> None:
        super().__init__()
        self._chosen: Choice = tuple(chosen) or default_columns()
        self._own = not chosen
        self._known = (*COLUMNS, *FIELDS, *settings_columns())
        self._listed: tuple[Column, ...] = ()

    def compose(self) -> ComposeResult:
        """Lay out the list."""
        with Vertical(classes="chooser"):
            yield Label("Columns", classes="title")
            yield _Search(placeholder="type to search every field, setting and figure", compact=True)
            yield OptionList(compact=True, markup=False)
            yield KeyBar()

    def on_mount(self) -> None:
        """Fill the list."""
        self.query_one(OptionList).can_focus = False
        self.query_one(KeyBar).hints = (
            KeyHint("space", "show or hide", "screen.choose"),
            KeyHint("⇧↑↓", "order", "screen.shift(1)"),
            KeyHint("⇧←→", "width", "screen.widen(1)"),
            KeyHint("^r", "as it was", "screen.reset"),
            KeyHint("↵", "keep", "screen.save"),
            KeyHint("esc", "leave it", "screen.leave"),
        )
        self._fill()

    # ------------------------------------------------------------------------------------------------------- the list

    @property
    def _keys(self) -> list[str]:
        return [each.key for each in self._chosen]

    @property
    def _current(self) -> Column | None:
        at = self.query_one(OptionList).highlighted
        return self._listed[at] if at is not None and at < len(self._listed) else None

    def _fill(self, *, at: str = "") -> None:
        """List what matches; the cursor goes to the column of that key, or stays at its place."""
        words = self.query_one(Input).value.lower().split()
        shown = [found for key in self._keys if (found := column(key)) is not None]
        others = [each for each in self._known if each.key not in self._keys]
        self._listed = tuple(
            each for each in (*shown, *others) if all(word in f"{each.title} {each.about}".lower() for word in words)
        )
        listed = self.query_one(OptionList)
        before = listed.highlighted or 0
        listed.clear_options()
        listed.add_options([Option(self._line(each)) for each in self._listed])
        if self._listed:
            keys = [each.key for each in self._listed]
            listed.highlighted = keys.index(at) if at in keys else min(before, len(keys) - 1)

    def _line(self, each: Column) -> Text:
        variables = self.app.theme_variables
        muted = tone_style(variables, "muted")
        text = Text(no_wrap=True, overflow="ellipsis", end="")
        chosen = {one.key: one for one in self._chosen}.get(each.key)
        text.append("✓ " if chosen else "  ", tone_style(variables, "accent"))
        text.append(f"{each.title:<20}")
        width = "" if chosen is None else "auto" if chosen.width is None else f"{chosen.width} wide"
        text.append(f"{width:<9}", muted)
        text.append(each.about, muted)
        return text

    @on(Input.Changed)
    def _typed(self) -> None:
        self.query_one(OptionList).highlighted = 0
        self._fill()

    @on(OptionList.OptionSelected)
    def _clicked(self) -> None:
        self.action_choose()

    # ------------------------------------------------------------------------------------------------------- the keys

    def action_move(self, lines: int) -> None:
        """Move through the list."""
        listed = self.query_one(OptionList)
        if self._listed:
            listed.highlighted = max(0, min(len(self._listed) - 1, (listed.highlighted or 0) + lines))

    def action_choose(self) -> None:
        """Show or hide the column at the cursor; the last one stays."""
        here = self._current
        if here is None:
            return
        keys = self._keys
        if here.key not in keys:
            self._change((*self._chosen, Chosen(here.key)), at=here.key)
        elif len(keys) > 1:
            self._change(tuple(each for each in self._chosen if each.key != here.key), at="")

    def action_shift(self, places: int) -> None:
        """Move the column at the cursor to another place."""
        here = self._current
        keys = self._keys
        if here is None or here.key not in keys:
            return
        start = keys.index(here.key)
        end = max(0, min(len(keys) - 1, start + places))
        moved = list(self._chosen)
        moved.insert(end, moved.pop(start))
        self._change(tuple(moved), at=here.key)

    def action_widen(self, cells: int) -> None:
        """Make the column at the cursor wider or narrower."""
        here = self._current
        chosen = {each.key: each for each in self._chosen}
        if here is not None and here.key in chosen:
            width = (chosen[here.key].width or here.width) + cells
            self._change(resized(self._chosen, here.key, width), at=here.key)

    def action_reset(self) -> None:
        """Go back to the list's own columns."""
        self._change(default_columns(), at="")
        self._own = True

    def _change(self, chosen: Choice, *, at: str) -> None:
        self._chosen, self._own = chosen, False
        self._fill(at=at)

    def action_save(self) -> None:
        """Close with the choice."""
        self.dismiss(() if self._own else self._chosen)

    def action_leave(self) -> None:
        """Close and change nothing."""
        self.dismiss(None)
