"""A line that reports a problem and what to do about it."""

from __future__ import annotations

from rich.text import Text
from textual.reactive import reactive

from itop_tui.figures.format import plain
from itop_tui.look.toned import Toned


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
