"""Choosing the columns of the list of runs: which, in which order, how wide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding

from itop_tui.dialogs.chooser import CheckList, Item
from itop_tui.runs.run_columns import COLUMNS, FIELDS, RunColumn, column, settings_columns
from itop_tui.runs.run_layout import ChosenColumn, added, default_columns, moved, resized
from itop_tui.widgets.key_bar import KeyHint

Choice = tuple[ChosenColumn, ...]


class ColumnChooser(CheckList[Choice]):
    """Lists every column, the chosen ones first and in their order.

    Closes with the choice, with an empty one for the default columns, or with None where it is cancelled.
    """

    BINDINGS: ClassVar = [
        Binding("ctrl+s", "choose", show=False, priority=True),
        Binding("shift+down,ctrl+down", "shift(1)", show=False, priority=True),
        Binding("shift+up,ctrl+up", "shift(-1)", show=False, priority=True),
        Binding("shift+right,ctrl+right", "widen(1)", show=False, priority=True),
        Binding("shift+left,ctrl+left", "widen(-1)", show=False, priority=True),
        Binding("ctrl+r", "reset", show=False, priority=True),
    ]

    def __init__(self, chosen: Sequence[ChosenColumn], at: str = "") -> None:
        super().__init__("Columns", (), hint="type to search every field, setting and metric", current=at)
        self._chosen: Choice = tuple(chosen) or default_columns()
        self._added = "name"
        """The column after which the next new one comes."""
        self._known = {each.key: each for each in (*COLUMNS, *FIELDS, *settings_columns())}
        self._list_chosen()

    @property
    def hints(self) -> tuple[KeyHint, ...]:
        """What the key bar says."""
        return (
            *super().hints,
            KeyHint("⇧↑↓", "order", "screen.shift(1)"),
            KeyHint("⇧←→", "width", "screen.widen(1)"),
            KeyHint("^r", "reset", "screen.reset"),
        )

    @property
    def _keys(self) -> list[str]:
        return [each.key for each in self._chosen]

    def _list_chosen(self) -> None:
        """List the chosen columns, and then the others."""
        keys = self._keys
        shown = [found for key in keys if (found := column(key)) is not None]
        others = [each for key, each in self._known.items() if key not in keys]
        self.items = tuple(map(self._item, (*shown, *others)))

    def _item(self, each: RunColumn) -> Item:
        chosen = {one.key: one for one in self._chosen}.get(each.key)
        width = "" if chosen is None else "auto" if chosen.width is None else f"{chosen.width} wide"
        return Item(each.key, each.title, f"{width:<9}{each.about}")

    def is_chosen(self, value: str) -> bool:
        """Whether a column is shown."""
        return value in self._keys

    def toggle(self, value: str) -> None:
        """Show or hide a column; the last one stays. A new one comes after the name: at the end it may not fit."""
        if not self.is_chosen(value):
            self._change(added(self._chosen, value, after=self._added), follow=value)
            self._added = value
        elif len(self._chosen) > 1:
            self._change(tuple(each for each in self._chosen if each.key != value))

    def action_shift(self, places: int) -> None:
        """Move the column at the cursor to another place."""
        here, keys = self.item, self._keys
        if here is not None and here.value in keys:
            to = keys.index(here.value) + places
            self._change(moved(self._chosen, keys, here.value, to), follow=here.value)

    def action_widen(self, cells: int) -> None:
        """Make the column at the cursor wider or narrower."""
        chosen = {each.key: each for each in self._chosen}
        key = self.item.value if self.item is not None else ""
        here = column(key)
        if key in chosen and here is not None:
            self._change(resized(self._chosen, key, (chosen[key].width or here.width) + cells), follow=key)

    def action_reset(self) -> None:
        """Go back to the default columns."""
        self._change(default_columns())

    def _change(self, chosen: Choice, *, follow: str = "") -> None:
        """Take another choice; the cursor stays on its line, or follows a column."""
        at = self.at
        self._chosen = chosen
        self._list_chosen()
        self.fill(follow, at)

    def action_choose(self) -> None:
        """Close with the choice."""
        self.dismiss(() if self._chosen == default_columns() else self._chosen)
