"""The help: every key of the current screen, read from the registry."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar

from rich.style import Style
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Label, Static

from itop_tui.keys import Scope, in_scope, key_name, writes
from itop_tui.look.theme import STATES, Tone, tone_style
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


def key_table(scope: Scope, tone: Callable[[Tone], Style]) -> Table:
    """The table of keys of a screen, in the styles of tones."""
    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    table.add_column(width=13, no_wrap=True)
    table.add_column(ratio=1)

    def heading(name: str) -> None:
        if table.row_count:
            table.add_row("", "")
        table.add_row(Text(name, tone("title")), "")

    def row(key: str, what: str) -> None:
        table.add_row(Text(key, tone("accent")), Text(what, tone("text")))

    actions = in_scope(scope)
    for name in dict.fromkeys(action.heading for action in actions):
        heading(name)
        for action in (each for each in actions if each.heading == name):
            row(action.key_shown, action.help)
    if scope in _MOVING:
        heading("Moving")
        for key, what in _MOVING[scope]:
            row(key, what)
    heading("Everywhere")
    taken = {key for action in actions for key in action.key.split(",")}
    for action in in_scope("app"):
        # Where the screen uses a key itself (the form: to type letters), the next key of the action is shown.
        lost = {key for key in action.key.split(",") if key in taken or (scope == "form" and writes(key))}
        free = [key for key in action.key.split(",") if key not in lost]
        row(key_name(free[0]) if free else "", action.help)
    heading("States")
    shown = Text()
    for state in STATES.values():
        shown.append(f"{state.glyph} {state.word}   ", tone(state.tone))
    table.add_row("", shown)
    return table


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
                yield Static(key_table(self._scope, partial(tone_style, self.app.theme_variables)))
            yield Label("↑ ↓ scroll   esc close", id="foot", markup=False)
