"""The message log: what the app has reported since it was opened. A toast is gone after some seconds, this stays."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Label

from itop_tui.figures.format import plain
from itop_tui.look.theme import Tone
from itop_tui.look.toned import Part, TonedLines
from itop_tui.notices import Notice, Severity
from itop_tui.widgets.leaving import Dialog

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


class MessagesScreen(Dialog[None]):
    """Shows the message log; gets the messages in the order in which they were reported."""

    CSS_PATH = "help.tcss"
    BINDINGS: ClassVar = [("escape,q,enter,ctrl+l", "leave", "close"), ("y", "copy", "copy")]

    def __init__(self, messages: Sequence[Notice]) -> None:
        super().__init__()
        self._messages = tuple(messages)

    def compose(self) -> ComposeResult:
        """Lay out the messages."""
        with Vertical(id="help") as page:
            page.border_title = "Message log"
            with VerticalScroll():
                yield TonedLines()
            yield Label("↑ ↓ scroll   y copy   esc close", id="foot", markup=False)

    def on_mount(self) -> None:
        """Show the messages."""
        self.query_one(TonedLines).lines = message_lines(self._messages)

    def action_copy(self) -> None:
        """Copy all of it, for a bug report."""
        stamp = "%Y-%m-%d %H:%M:%S"
        lines = (
            f"{time.strftime(stamp, time.localtime(one.at))} {one.severity}: {plain(one.text)}"
            for one in self._messages
        )
        self.app.copy_to_clipboard("\n".join(lines))
        self.notify("Copied.", markup=False)
