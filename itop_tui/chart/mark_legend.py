"""The line under charts that says what the marks on them mean."""

from __future__ import annotations

from rich.text import Text
from textual.reactive import reactive

from itop_tui.figures.chart_data import EVENT_GLYPHS, MEANINGS
from itop_tui.look.toned import Toned

_GLYPHS = {"update": "╷", "parent": "╌", **EVENT_GLYPHS}


class MarkLegend(Toned):
    """What the marks on the charts mean."""

    kinds: reactive[frozenset[str]] = reactive(frozenset())
    """Which there are, of `MEANINGS`."""
    whose: reactive[str] = reactive("")
    """Whose they are, where the charts are of several runs."""

    def render(self) -> Text:
        """Draw the line."""
        text = Text(no_wrap=True, overflow="ellipsis", end="")
        if self.whose:
            text.append(f" {self.whose}:", self.tone("title"))
        for kind, meaning in MEANINGS.items():
            if kind in self.kinds:
                text.append(f" {_GLYPHS[kind]} ", self.tone("accent" if kind in EVENT_GLYPHS else "muted"))
                text.append(f"{meaning} ", self.tone("muted"))
        return text
