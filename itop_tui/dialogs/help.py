"""The help, which lists every key of the current screen as the registry has it; and the message log.

A toast is gone after some seconds; the message log keeps what the app has reported since it was opened.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar

from rich.style import Style
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widget import Widget
from textual.widgets import Label, Static

from itop_tui import keys as registry
from itop_tui.figures.format import plain, plural
from itop_tui.keys import Scope, in_scope, key_name, writes
from itop_tui.keys.meanings import key_rows
from itop_tui.look.theme import STATES, Tone, tone_style
from itop_tui.look.toned import Part, TonedLines
from itop_tui.notices import Notice, Severity
from itop_tui.screen import shell_of
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
    """The table of keys of a screen, and after it that of each key of all screens, in the styles of tones."""
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
    heading("Each key, on all screens")
    for each in key_rows(registry.ACTIONS):
        meant = Text.assemble((each.meaning, tone("text")), (f" · {', '.join(each.screens)}", tone("faint")))
        table.add_row(Text(" ".join(each.keys), tone("accent")), meant)
    return table


_LOOKS: dict[Severity, tuple[str, Tone]] = {
    "information": ("·", "muted"),
    "warning": ("!", "warn"),
    "error": ("✗", "bad"),
}


def message_lines(messages: Sequence[Notice]) -> list[list[Part]]:
    """The messages, the newest first."""
    lines: list[list[Part]] = []
    for message in reversed(messages):
        glyph, tone = _LOOKS[message.severity]
        clock = time.strftime("%H:%M:%S", time.localtime(message.at))
        lines.append([(f"{clock}  ", "faint"), (f"{glyph} ", tone), (plain(message.text, limit=2000), "text")])
    return lines or [[("No messages yet: no error, no run that ended.", "muted")]]


class _Page(Dialog[None]):
    """A page over a screen, to be scrolled."""

    CSS_PATH = "help.tcss"
    heading = ""
    keys = "↑ ↓ scroll   esc close"

    def body(self) -> Widget:
        """What is on the page."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        """Lay out the page."""
        with Vertical(id="help") as page:
            page.border_title = self.heading
            with VerticalScroll():
                yield self.body()
            yield Label(self.keys, id="foot", markup=False)


class HelpScreen(_Page):
    """Lists the keys of a screen."""

    BINDINGS: ClassVar = [("escape,q,question_mark,f1,enter", "leave", "close")]

    def __init__(self, scope: Scope) -> None:
        super().__init__()
        self._scope: Scope = scope

    def body(self) -> Widget:
        """The keys."""
        return Static(key_table(self._scope, partial(tone_style, self.app.theme_variables)))


class MessagesScreen(_Page):
    """Shows the message log; gets the messages in the order in which they were reported."""

    BINDINGS: ClassVar = [("escape,q,enter,ctrl+l", "leave", "close"), ("Y", "copy", "copy")]
    heading = "Message log"
    keys = "↑ ↓ scroll   Y copy   esc close"

    def __init__(self, messages: Sequence[Notice]) -> None:
        super().__init__()
        self._messages = tuple(messages)

    def body(self) -> Widget:
        """The messages."""
        shown = TonedLines()
        shown.lines = message_lines(self._messages)
        return shown

    def action_copy(self) -> None:
        """Copy all of it, for a bug report."""
        stamp = "%Y-%m-%d %H:%M:%S"
        lines = (
            f"{time.strftime(stamp, time.localtime(one.at))} {one.severity}: {plain(one.text)}"
            for one in self._messages
        )
        shell_of(self).copy("\n".join(lines), f"The message log, {plural(len(self._messages), 'message')}")
