"""The colours of curves that are compared: eight that people who are red-green colour-blind can distinguish.

There may be twenty curves: colours are then used again, and the letter distinguishes the curves, as it
does where there is no colour.
"""

from __future__ import annotations

ON_DARK = ("#6fb1f0", "#f0a35c", "#6bcf9f", "#ef8fb6", "#dccb62", "#b59cf0", "#5cc8d6", "#cfa88a")
"""For a dark background."""
ON_LIGHT = ("#1b62a3", "#a34a07", "#0c6e49", "#b02a6b", "#6e5b00", "#6741b5", "#0a6678", "#7a5233")
"""For a light one, and for paper."""
DASHES = ("", "7 3", "2 2", "9 3 2 3")
"""Of lines in a drawing: each time the colours come again, another."""


def colour(position: int, *, dark: bool) -> str:
    """The colour of a curve by its place in the comparison, as "#rrggbb"."""
    chosen = ON_DARK if dark else ON_LIGHT
    return chosen[position % len(chosen)]


def dash(position: int) -> str:
    """The dashes of a curve by its place, as SVG writes them; empty for a solid line."""
    return DASHES[position // len(ON_LIGHT) % len(DASHES)]
