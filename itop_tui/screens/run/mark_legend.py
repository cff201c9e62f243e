"""The line under the charts that says what the marks on them mean."""

from __future__ import annotations

from rich.text import Text
from textual.reactive import reactive

from itop_tui.widgets.chart_data import EVENT_GLYPHS
from itop_tui.widgets.toned import Toned

MEANINGS = {
    "update": "mask update",
    "drop": "learning rate drops",
    "resume": "resumed",
    "fork": "forked here",
    "checkpoint": "checkpoint",
    "parent": "the parent, up to the fork",
}
"""What can be marked, in the order of the legend."""
_GLYPHS = {"update": "╷", "parent": "╌", **EVENT_GLYPHS}


class MarkLegend(Toned):
    """What the marks on the charts mean."""

    kinds: reactive[frozenset[str]] = reactive(frozenset())
    """Which there are, of `MEANINGS`."""

    def render(self) -> Text:
        """Draw the line."""
        text = Text(no_wrap=True, overflow="ellipsis", end="")
        for kind, meaning in MEANINGS.items():
            if kind in self.kinds:
                text.append(f" {_GLYPHS[kind]} ", self.tone("accent" if kind in EVENT_GLYPHS else "muted"))
                text.append(f"{meaning} ", self.tone("muted"))
        return text
