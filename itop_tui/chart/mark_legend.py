"""The line below charts that says what their marks mean."""

from __future__ import annotations

from rich.text import Text
from textual.reactive import reactive

from itop_tui.figures.chart_data import EVENT_GLYPHS, MEANINGS, OUTSIDE_GLYPHS
from itop_tui.keys import find
from itop_tui.look.toned import Toned

_GLYPHS = {"update": "╷", "parent": "╌", **EVENT_GLYPHS}


class MarkLegend(Toned):
    """What the marks on the charts mean."""

    kinds: reactive[frozenset[str]] = reactive(frozenset())
    """Which there are, of `MEANINGS`."""
    whose: reactive[str] = reactive("")
    """Whose they are, where the charts are of several runs."""
    outside: reactive[bool] = reactive(False)
    """Whether values lie outside of a y axis."""

    def render(self) -> Text:
        """Draw the line."""
        text = Text(no_wrap=True, overflow="ellipsis", end="")
        if self.outside:
            text.append(f" {''.join(OUTSIDE_GLYPHS)} ", self.tone("accent"))
            key = find("run", "next_bounds").key_shown
            text.append(f"outside of the y-axis ({key}) ", self.tone("muted"))
        if self.whose and self.kinds:
            text.append(f" {self.whose}:", self.tone("title"))
        for kind, meaning in MEANINGS.items():
            if kind in self.kinds:
                text.append(f" {_GLYPHS[kind]} ", self.tone("accent" if kind in EVENT_GLYPHS else "muted"))
                text.append(f"{meaning} ", self.tone("muted"))
        return text
