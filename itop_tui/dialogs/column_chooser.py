"""Choosing the columns of the list of runs: which, in which order, how wide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.binding import Binding
from textual.widgets import Input, OptionList

from itop_tui.dialogs.check_list import CheckList
from itop_tui.look.theme import tone_style
from itop_tui.runs.run_columns import COLUMNS, RunColumn
from itop_tui.runs.run_fields import FIELDS, column, settings_columns
from itop_tui.runs.run_layout import ChosenColumn, default_columns, moved, resized
from itop_tui.widgets.key_bar import KeyHint

Choice = tuple[ChosenColumn, ...]


class ColumnChooser(CheckList[Choice]):
    """Lists every column, the chosen ones first and in their order; typing narrows the list.

    Closes with the choice, with an empty one for the list's own columns, or with None where it is left as it was.

    Args:
        chosen: The columns chosen so far; empty for the list's own.
        at: The column on which the cursor stands at first; empty for the first one.
    """

    BINDINGS: ClassVar = [
        Binding("ctrl+s", "keep", show=False, priority=True),
        Binding("shift+down,ctrl+down", "shift(1)", show=False, priority=True),
        Binding("shift+up,ctrl+up", "shift(-1)", show=False, priority=True),
        Binding("shift+right,ctrl+right", "widen(1)", show=False, priority=True),
        Binding("shift+left,ctrl+left", "widen(-1)", show=False, priority=True),
        Binding("ctrl+r", "reset", show=False, priority=True),
    ]
    HINTS = (
        KeyHint("space", "on or off", "screen.check"),
        KeyHint("⇧↑↓", "order", "screen.shift(1)"),
        KeyHint("⇧←→", "width", "screen.widen(1)"),
        KeyHint("^r", "reset", "screen.reset"),
    )

    def __init__(self, chosen: Sequence[ChosenColumn], at: str = "") -> None:
        super().__init__("Columns", "type to search every field, setting and figure")
        self._chosen: Choice = tuple(chosen) or default_columns()
        self._own = not chosen
        self._at = at
        self._known = (*COLUMNS, *FIELDS, *settings_columns())
        self._listed: tuple[RunColumn, ...] = ()

    def on_mount(self) -> None:
        """Fill the list."""
        self._fill(at=self._at)

    # ------------------------------------------------------------------------------------------------------- the list

    @property
    def _keys(self) -> list[str]:
        return [each.key for each in self._chosen]

    @property
    def _current(self) -> RunColumn | None:
        return self._listed[self.line] if self.line < len(self._listed) else None

    def _fill(self, *, at: str = "", line: int | None = None) -> None:
        """List what matches; the cursor goes to the column of that key, else to that line, or stays at its place."""
        words = self.query_one(Input).value.lower().split()
        shown = [found for key in self._keys if (found := column(key)) is not None]
        others = [each for each in self._known if each.key not in self._keys]
        self._listed = tuple(
            each for each in (*shown, *others) if all(word in f"{each.title} {each.about}".lower() for word in words)
        )
        keys = [each.key for each in self._listed]
        line = self.line if line is None else line
        self.list_lines(map(self._line, self._listed), keys.index(at) if at in keys else line)

    def _line(self, each: RunColumn) -> Text:
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
        self._fill(line=0)

    @on(OptionList.OptionSelected)
    def _clicked(self) -> None:
        self.action_check()

    # ------------------------------------------------------------------------------------------------------- the keys

    def action_check(self) -> None:
        """Show or hide the column at the cursor; the last one stays."""
        here = self._current
        if here is None:
            return
        keys = self._keys
        if here.key not in keys:
            self._change((*self._chosen, ChosenColumn(here.key)), at=here.key)
        elif len(keys) > 1:
            self._change(tuple(each for each in self._chosen if each.key != here.key), at="")

    def action_shift(self, places: int) -> None:
        """Move the column at the cursor to another place."""
        here = self._current
        keys = self._keys
        if here is None or here.key not in keys:
            return
        self._change(moved(self._chosen, keys, here.key, keys.index(here.key) + places), at=here.key)

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

    def action_keep(self) -> None:
        """Close with the choice."""
        self.dismiss(() if self._own else self._chosen)
