"""A line that tells of trouble and what to do, while the app goes on."""

from __future__ import annotations

from rich.text import Text
from textual.reactive import reactive

from itop_tui.figures.format import plain
from itop_tui.look.toned import Toned


class Banner(Toned):
    """Hidden while all is well; shows a problem and its remedy otherwise."""

    problem: reactive[str | None] = reactive(None, layout=True)
    """What is wrong, or None."""

    def watch_problem(self, problem: str | None) -> None:
        """Show the banner while there is a problem."""
        self.display = problem is not None

    def render(self) -> Text:
        """Draw the problem, over as many lines as it takes."""
        return Text.assemble(("! ", "bold"), plain(self.problem or "", limit=600), overflow="fold")
