"""The help: every key of the current screen, read from the registry."""

from __future__ import annotations

from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Label, Static

from itop_tui.keys import Scope, in_scope, key_name, writes
from itop_tui.look.theme import STATES
from itop_tui.look.toned import Toned
from itop_tui.widgets.leaving import Dialog

_MOVING: dict[Scope, tuple[tuple[str, str], ...]] = {
    "runs": (
        ("↑ ↓  k j", "Up and down."),
        ("pgup pgdn", "A page up and down."),
        ("⇧↑ ⇧↓", "Up and down, selecting on the way."),
        ("home end  G", "First and last run."),
        (
            "click",
            "On a column head: sort by it; drag it to move the column, its edge to resize it. Double click on a run: "
            "open it. With ^: select it; with ⇧: select up to it.",
        ),
    ),
    "form": (("tab  ↓", "Next field."), ("⇧tab  ↑", "Previous field."), ("space  ↵", "Toggle, or open a list.")),
}


class _Keys(Toned, Static):
    """The table of keys of a screen."""

    def __init__(self, scope: Scope) -> None:
        super().__init__()
        self._scope = scope

    def on_mount(self) -> None:
        """Fill the table."""
        table = Table.grid(padding=(0, 2, 0, 0), expand=True)
        table.add_column(width=13, no_wrap=True)
        table.add_column(ratio=1)

        def heading(name: str) -> None:
            if table.row_count:
                table.add_row("", "")
            table.add_row(Text(name, self.tone("title")), "")

        actions = in_scope(self._scope)
        for name in dict.fromkeys(action.heading for action in actions):
            heading(name)
            for action in (each for each in actions if each.heading == name):
                table.add_row(Text(action.key_shown, self.tone("accent")), Text(action.help, self.tone("text")))
        if self._scope in _MOVING:
            heading("Moving")
            for key, what in _MOVING[self._scope]:
                table.add_row(Text(key, self.tone("accent")), Text(what, self.tone("text")))
        heading("Everywhere")
        taken = {key for action in in_scope(self._scope) for key in action.key.split(",")}
        for action in in_scope("app"):
            # Where the screen uses a key itself (the form: to type letters), the next key of the action is shown.
            lost = {key for key in action.key.split(",") if key in taken or (self._scope == "form" and writes(key))}
            free = [key for key in action.key.split(",") if key not in lost]
            table.add_row(
                Text(key_name(free[0]) if free else "", self.tone("accent")), Text(action.help, self.tone("text"))
            )
        heading("States")
        shown = Text()
        for state in STATES.values():
            shown.append(f"{state.glyph} {state.word}   ", self.tone(state.tone))
        table.add_row("", shown)
        self.update(table)


class HelpScreen(Dialog[None]):
    """Lists the keys of a screen."""

    CSS_PATH = "help.tcss"
    BINDINGS: ClassVar = [("escape,q,question_mark,f1,enter", "leave", "close")]

    def __init__(self, scope: Scope) -> None:
        super().__init__()
        self._scope: Scope = scope

    def compose(self) -> ComposeResult:
        """Lay out the help."""
        with Vertical(id="help"):
            with VerticalScroll():
                yield _Keys(self._scope)
            yield Label("↑ ↓ scroll   esc close", id="foot", markup=False)
