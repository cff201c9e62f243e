"""Choosing a saved view of the list of runs; saving the current one, and deleting one, from the same list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.binding import Binding
from textual.widgets import OptionList

from itop_tui.dialogs.chooser import Chooser, Item
from itop_tui.runs.list_state import ListState
from itop_tui.widgets.key_bar import KeyHint

ViewAnswer = tuple[str, str]
"""What is to be done ("show", "save" or "delete"), and with the view of which name."""


def _item(view: ListState) -> Item:
    parts = [view.text or "all runs"]
    if view.by:
        parts.append(f"by {view.by}")
    if view.sort != "id" or not view.descending:
        parts.append(f"{'▼' if view.descending else '▲'} {view.sort}")
    return Item(view.name, view.name, "  ".join(parts))


class ViewPicker(Chooser[ViewAnswer]):
    """Lists the views: those of the app, and those a person saved."""

    BINDINGS: ClassVar = [
        Binding("v,q", "leave", show=False),
        Binding("ctrl+s", "save", show=False, priority=True),
        Binding("x,delete", "delete", show=False),
        Binding("j", "move(1)", show=False),
        Binding("k", "move(-1)", show=False),
        Binding("home", "move(-1000)", show=False),
        Binding("end", "move(1000)", show=False),
    ]

    def __init__(self, built_in: Sequence[ListState], saved: Sequence[ListState], current: str) -> None:
        super().__init__("Views", [_item(view) for view in (*built_in, *saved)], hint=None, current=current)
        self._saved = {view.name for view in saved}

    @property
    def hints(self) -> tuple[KeyHint, ...]:
        """What the key bar says; deleting only at a saved view."""
        hints = (KeyHint("↵", "show", "screen.choose"), KeyHint("^s", "save current view", "screen.save"))
        here = self.item
        return (*hints, KeyHint("x", "delete", "screen.delete")) if here and here.value in self._saved else hints

    def mark(self, item: Item) -> str:
        """Whether it is the view that is shown."""
        return "• " if item.value == self._current else "  "

    @on(OptionList.OptionHighlighted)
    def _moved(self) -> None:
        self.show_keys()

    def action_choose(self) -> None:
        """Show the view at the cursor."""
        if self.item is not None:
            self.dismiss(("show", self.item.value))

    def action_save(self) -> None:
        """Save the current view."""
        self.dismiss(("save", ""))

    def action_delete(self) -> None:
        """Delete the view at the cursor, where it is a saved one."""
        here = self.item
        if here is not None and here.value in self._saved:
            self.dismiss(("delete", here.value))
        elif here is not None:
            self.notify(f"{here.value} is built in and cannot be deleted.", severity="warning", markup=False)
