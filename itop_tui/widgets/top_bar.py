"""The line at the top of every screen: where one is, and how many runs are active and queued."""

from __future__ import annotations

from rich.text import Text
from textual.reactive import reactive

from itop_tui.figures.format import count, fit, plural
from itop_tui.look.theme import look
from itop_tui.look.toned import Part, Toned
from itop_tui.poller import Snapshot


class TopBar(Toned):
    """Shows the name of the screen and how many runs are running and waiting."""

    snapshot: reactive[Snapshot | None] = reactive(None, repaint=False)
    """What the database last held; None before it is open."""
    _counts: reactive[tuple[Part, ...]] = reactive((("opening the database … ", "muted"),))
    heading: reactive[str] = reactive("")
    """What the screen is about."""

    ALLOW_SELECT = False

    def render(self) -> Text:
        """Draw the bar: its heading at the left, the counts at the right."""
        right = self.toned(self._counts)
        room = max(0, self.size.width - right.cell_len - 9)
        left = self.toned([(" itop ", "title"), ("› ", "faint"), (fit(self.heading, room), "text")])
        left.append_text(right)
        return left

    def watch_snapshot(self, snapshot: Snapshot | None) -> None:
        """Draw the counts again where they are others; snapshots come all the time while runs train."""
        if snapshot is None:
            return
        parts: list[Part] = []
        if snapshot.active:
            parts.append((f"{look('running').glyph} {count(snapshot.active)} active  ", "live"))
        if snapshot.queued:
            parts.append((f"{look('queued').glyph} {count(snapshot.queued)} queued  ", "text"))
        archived = f", {count(snapshot.archived)} archived" if snapshot.archived else ""
        parts.append((f"{plural(snapshot.total - snapshot.archived, 'run')}{archived} ", "muted"))
        self._counts = tuple(parts)
