"""A list narrowed by typing, of which several lines may be checked: what the choosers of columns and figures share."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.widgets import Input, Label, OptionList
from textual.widgets.option_list import Option

from itop_tui.dialogs.leaving import Dialog
from itop_tui.widgets.key_bar import KeyBar, KeyHint

T = TypeVar("T")


class _Search(Input):
    """The line in which one searches. A space checks the line at the cursor: no name that is searched holds one."""

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "space":
            event.stop()
            event.prevent_default()
            await self.screen.run_action("screen.check")
        else:
            await super()._on_key(event)


class CheckList(Dialog[T | None], Generic[T]):
    """Lists lines to check; closes with what was chosen, or with None where it is left as it was.

    A subclass fills the list, and implements `action_check` and `action_keep`.
    """

    # Whole, for a subclass may stand in another folder.
    CSS_PATH = Path(__file__).with_name("check_list.tcss")
    BINDINGS: ClassVar = [
        Binding("escape", "leave", show=False, priority=True),
        Binding("enter", "keep", show=False, priority=True),
        Binding("down", "move(1)", show=False, priority=True),
        Binding("up", "move(-1)", show=False, priority=True),
        Binding("pagedown", "move(10)", show=False, priority=True),
        Binding("pageup", "move(-10)", show=False, priority=True),
    ]
    HINTS: ClassVar[tuple[KeyHint, ...]] = ()
    """What the foot says, before the keys that all such lists have."""

    def __init__(self, title: str, placeholder: str) -> None:
        super().__init__()
        self._heading, self._placeholder = title, placeholder

    def compose(self) -> ComposeResult:
        """Lay out the list."""
        with Vertical(classes="check-list"):
            yield Label(self._heading, classes="title", markup=False)
            yield _Search(placeholder=self._placeholder, compact=True)
            yield OptionList(compact=True, markup=False)
            yield KeyBar()

    def on_mount(self) -> None:
        """Leave the focus in the line, and say which keys there are."""
        self.query_one(OptionList).can_focus = False
        self.query_one(KeyBar).hints = (
            *self.HINTS,
            KeyHint("↵", "keep", "screen.keep"),
            KeyHint("esc", "leave", "screen.leave"),
        )

    @property
    def line(self) -> int:
        """The line at the cursor, from 0."""
        return self.query_one(OptionList).highlighted or 0

    def list_lines(self, lines: Iterable[Text], at: int) -> None:
        """Show other lines, with the cursor on one of them, or on the last where there are fewer."""
        listed = self.query_one(OptionList)
        listed.clear_options()
        listed.add_options([Option(line) for line in lines])
        if listed.option_count:
            listed.highlighted = max(0, min(at, listed.option_count - 1))

    def action_move(self, lines: int) -> None:
        """Move through the list."""
        listed = self.query_one(OptionList)
        if listed.option_count:
            listed.highlighted = max(0, min(listed.option_count - 1, self.line + lines))
