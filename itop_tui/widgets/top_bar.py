"""The lines at the top of every screen: where one is, how many runs are active and queued, and a problem."""

from __future__ import annotations

from rich.text import Text
from textual.reactive import reactive

from itop_tui.figures.format import count, fit, plain, plural
from itop_tui.look.theme import look
from itop_tui.look.toned import Part, Toned
from itop_tui.poller import Snapshot


class TopBar(Toned):
    """Shows the name of the screen and how many runs are running and waiting."""

    snapshot: reactive[Snapshot | None] = reactive(None, repaint=False)
    """What the database last held; None before it is open."""
    _counts: reactive[tuple[Part, ...]] = reactive((("opening the database … ", "muted"),))
    read_only: str | None = None
    """Why nothing can be changed, in a few words; None where it can."""
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
        parts: list[Part] = [(f"read-only: {fit(self.read_only, 30)}  ", "text")] if self.read_only else []
        if snapshot.active:
            parts.append((f"{look('running').glyph} {count(snapshot.active)} active  ", "live"))
        if snapshot.queued:
            parts.append((f"{look('queued').glyph} {count(snapshot.queued)} queued  ", "text"))
        archived = f", {count(snapshot.archived)} archived" if snapshot.archived else ""
        parts.append((f"{plural(snapshot.total - snapshot.archived, 'run')}{archived} ", "muted"))
        self._counts = tuple(parts)


class Banner(Toned):
    """Shows a problem and what to do about it; hidden while there is none."""

    problem: reactive[str | None] = reactive(None, layout=True)
    """What is wrong, or None."""

    def watch_problem(self, problem: str | None) -> None:
        """Show the banner while there is a problem."""
        self.display = problem is not None

    def render(self) -> Text:
        """Draw the problem, over as many lines as it takes."""
        return Text.assemble(("! ", "bold"), plain(self.problem or "", limit=600), overflow="fold")
