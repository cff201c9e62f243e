"""The line at the head of every screen: where one is, and what is going on."""

from __future__ import annotations

from rich.text import Text
from textual.reactive import reactive

from itop_tui.format import count, fit, plural
from itop_tui.poller import Snapshot
from itop_tui.theme import look
from itop_tui.widgets.toned import Part, Toned


class TopBar(Toned):
    """Shows the name of the screen and how many runs are running and waiting."""

    snapshot: reactive[Snapshot | None] = reactive(None)
    """What the database last held; None before it is open."""
    heading: reactive[str] = reactive("")
    """What the screen is about."""

    ALLOW_SELECT = False

    def render(self) -> Text:
        """Draw the bar: its heading at the left, the counts at the right."""
        right = self.toned(self._counts())
        room = max(0, self.size.width - right.cell_len - 9)
        left = self.toned([(" itop ", "title"), ("› ", "faint"), (fit(self.heading, room), "text")])
        left.append_text(right)
        return left

    def _counts(self) -> list[Part]:
        if self.snapshot is None:
            return [("opening the database … ", "muted")]
        parts: list[Part] = []
        if self.snapshot.active:
            parts.append((f"{look('running').glyph} {count(self.snapshot.active)} active  ", "live"))
        if self.snapshot.queued:
            parts.append((f"{look('queued').glyph} {count(self.snapshot.queued)} queued  ", "text"))
        parts.append((plural(self.snapshot.total, "run") + " ", "muted"))
        return parts
