"""Choosing a saved view of the list of runs; saving the present one, and deleting one, from the same list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.widgets import Label, OptionList
from textual.widgets.option_list import Option

from itop_tui.dialogs.leaving import Dialog
from itop_tui.figures.format import plain
from itop_tui.look.theme import tone_style
from itop_tui.runs.list_state import ListState
from itop_tui.widgets.key_bar import KeyBar, KeyHint

Answer = tuple[str, str]
"""What is to be done ("show", "save" or "delete"), and with the view of which name."""


class ViewPicker(Dialog[Answer | None]):
    """Lists the views.

    Args:
        built_in: Those of the app.
        saved: Those a person saved.
        current: The name of the view that is shown; empty where it has none.
    """

    CSS_PATH = "picker.tcss"
    BINDINGS: ClassVar = [
        Binding("escape,v,q", "leave", show=False),
        Binding("w", "save", show=False),
        Binding("x,delete", "delete", show=False),
        Binding("j", "move(1)", show=False),
        Binding("k", "move(-1)", show=False),
    ]

    def __init__(self, built_in: Sequence[ListState], saved: Sequence[ListState], current: str) -> None:
        super().__init__()
        self._views = (*built_in, *saved)
        self._saved = {view.name for view in saved}
        self._current = current

    def compose(self) -> ComposeResult:
        """Lay out the list."""
        with Vertical(classes="picker"):
            with Vertical(classes="head"):
                yield Label("Views", classes="title")
            yield OptionList(compact=True, markup=False)
            yield KeyBar()

    def on_mount(self) -> None:
        """Fill the list."""
        listed = self.query_one(OptionList)
        listed.add_options([Option(self._line(view)) for view in self._views])
        names = [view.name for view in self._views]
        listed.highlighted = names.index(self._current) if self._current in names else 0
        listed.focus()
        self._show_keys()

    def _line(self, view: ListState) -> Text:
        muted = tone_style(self.app.theme_variables, "muted")
        text = Text(no_wrap=True, overflow="ellipsis", end="")
        text.append("• " if view.name == self._current else "  ")
        text.append(f"{plain(view.name, limit=40):<16} ")
        told = [view.text or "all runs"]
        if view.by:
            told.append(f"by {view.by}")
        if view.sort != "id" or not view.descending:
            told.append(f"{'▼' if view.descending else '▲'} {view.sort}")
        text.append(plain("  ".join(told), limit=200), muted)
        return text

    @property
    def _here(self) -> ListState:
        return self._views[self.query_one(OptionList).highlighted or 0]

    @on(OptionList.OptionHighlighted)
    def _show_keys(self) -> None:
        hints = [KeyHint("↵", "show", "screen.show"), KeyHint("w", "save what is shown now", "screen.save")]
        if self._here.name in self._saved:
            hints.append(KeyHint("x", "delete", "screen.delete"))
        self.query_one(KeyBar).hints = (*hints, KeyHint("esc", "leave it", "screen.leave"))

    @on(OptionList.OptionSelected)
    def action_show(self) -> None:
        """Show the view at the cursor."""
        self.dismiss(("show", self._here.name))

    def action_save(self) -> None:
        """Save the present view."""
        self.dismiss(("save", ""))

    def action_delete(self) -> None:
        """Delete the view at the cursor, where it is a saved one."""
        if self._here.name in self._saved:
            self.dismiss(("delete", self._here.name))
        else:
            self.notify(f"{self._here.name} is the app's own and stays.", severity="warning", markup=False)

    def action_move(self, lines: int) -> None:
        """Move through the list."""
        listed = self.query_one(OptionList)
        listed.highlighted = max(0, min(len(self._views) - 1, (listed.highlighted or 0) + lines))
