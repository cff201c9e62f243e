"""What happened along the x axis of a drawing: mask updates as ticks, everything else as a shape, and what they mean.

Each kind has a shape of its own, so that none needs a colour; the shapes are drawn, since not every program that shows
an SVG has a font with them. What would crowd is thinned out, and the legend says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from itop_tui.export.svg_text import CHARACTER, cut, text_of
from itop_tui.figures.braille import FloatArray
from itop_tui.figures.chart_data import MEANINGS, Event

_LINE_EVERY = 28
"""Pixels a mask update has for itself, on average, from which on it stands as a line; closer ones are ticks."""
_TICK_EVERY = 3
"""Pixels between two ticks; between closer ones they could not be distinguished."""
_APART = 12
"""Pixels between two shapes in a row."""
_ROWS = 4
"""Rows of shapes, one below the other, where several things happened at about the same place."""
_SHAPES = {
    "drop": '<path d="M-5 -4H5L0 5Z" style="fill:{ink}"/>',
    "resume": '<path d="M3.1 2.6A4 4 0 1 1 3.5 -2" style="fill:none;stroke:{ink};stroke-width:1.7"/>'
    '<path d="M5.2 .9L5.9 -3.4L1.4 -1Z" style="fill:{ink}"/>',
    "fork": '<path d="M-4.5 -5L0 0L4.5 -5M0 0V5" style="fill:none;stroke:{ink};stroke-width:1.9"/>',
    "checkpoint": '<path d="M0 -5L5 0L0 5L-5 0Z" style="fill:{ink};stroke:{paper};stroke-width:1;paint-order:stroke"/>',
    "update": '<path d="M0 -5V5" style="stroke:{soft};stroke-dasharray:1 2"/>',
    "ticks": '<path d="M-3 0V5M0 0V5M3 0V5" style="stroke:{soft}"/>',
    "parent": '<path d="M-7 0H7" style="fill:none;stroke:{soft};stroke-dasharray:3 3"/>',
}
"""Each kind of mark around (0, 0), about ten pixels high."""


@dataclass(frozen=True, slots=True, eq=False)
class DrawnMarks:
    """What happened: mask updates, everything else, and whose it is where the drawing is of several runs."""

    updates: FloatArray = field(default_factory=lambda: np.empty(0))
    events: tuple[Event, ...] = ()
    whose: str = ""


@dataclass(frozen=True, slots=True)
class _Placed:
    """A shape: its kind, its pixel on the x axis, its row above the plot, and what it stands for."""

    kind: str
    x: float
    row: int
    texts: list[str]


class Marking:
    """Marks on one drawing.

    Args:
        marks: What happened; what lies outside of `xs` is left out.
        place: The pixel of a position on the x axis.
        xs: The positions at the edges of the plot.
        sides: Its left and right edge, in pixels.
        colours: The drawing's colours, by the names "ink", "soft" and "paper".
        parent: Whether some curves are the parent's, up to the fork.
    """

    def __init__(
        self,
        marks: DrawnMarks,
        place: Callable[[float], float],
        xs: tuple[float, float],
        sides: tuple[float, float],
        colours: Mapping[str, str],
        *,
        parent: bool,
    ) -> None:
        self._right = sides[1]
        self._colours = colours
        self._whose = marks.whose
        inside = marks.updates[(marks.updates >= xs[0]) & (marks.updates <= xs[1])]
        self._updates = _thinned(np.array([place(x) for x in np.sort(inside).tolist()]))
        self._left_out = len(inside) - len(self._updates)
        self._dense = len(self._updates) * _LINE_EVERY > sides[1] - sides[0]
        self._placed = self._in_rows([event for event in marks.events if xs[0] <= event.x <= xs[1]], place)
        kinds = {mark.kind for mark in self._placed}
        self._kinds = kinds | ({"update"} if len(inside) else set()) | ({"parent"} if parent else set())

    @staticmethod
    def _in_rows(events: list[Event], place: Callable[[float], float]) -> list[_Placed]:
        """The shapes; where one would hide the one before it of its kind, that one names both."""
        placed: list[_Placed] = []
        rows: list[list[float]] = [[] for _ in range(_ROWS)]
        latest: dict[str, _Placed] = {}
        for event in sorted(events, key=lambda one: one.x):
            x = place(event.x)
            before = latest.get(event.kind)
            if before is not None and x - before.x < _APART:
                before.texts.append(event.text)
                continue
            row = 0
            if event.kind != "checkpoint":  # these stand at the foot, alone
                free = (at for at, xs in enumerate(rows) if all(abs(x - other) >= _APART for other in xs))
                row = next(free, _ROWS - 1)
                rows[row].append(x)
            latest[event.kind] = _Placed(event.kind, x, row, [event.text])
            placed.append(latest[event.kind])
        return placed

    @property
    def height(self) -> int:
        """Pixels that the shapes above the plot take."""
        return _APART * max((mark.row + 1 for mark in self._placed if mark.kind != "checkpoint"), default=0)

    def behind(self, top: int, bottom: int) -> Iterable[str]:
        """What lies behind the curves: mask updates, and a line below each shape above the plot."""
        soft = self._colours["soft"]
        if len(self._updates):
            begin, look = (bottom - 6, "opacity:.75") if self._dense else (top, "stroke-dasharray:1 3")
            path = "".join(f"M{x:.1f} {begin}V{bottom}" for x in self._updates)
            yield f'<path d="{path}" class="updates" style="stroke:{soft};{look}"/>'
        path = "".join(f"M{mark.x:.1f} {top}V{bottom}" for mark in self._placed if mark.kind != "checkpoint")
        if path:
            yield f'<path d="{path}" style="stroke:{soft};stroke-dasharray:5 4;opacity:.75"/>'

    def before(self, top: int, bottom: int) -> Iterable[str]:
        """What lies over the curves: the shapes, above the plot and at its foot."""
        for mark in self._placed:
            y = bottom if mark.kind == "checkpoint" else top - 6 - _APART * mark.row
            yield self._shape(mark.kind, mark.x, y, "; ".join(mark.texts))

    def legend(self, x: float, y: float, line: float) -> tuple[int, list[str]]:
        """What the marks mean, in as many lines of a height as that takes: how many, and the elements.

        The first line begins at `x`, with its middle at `y`.
        """
        parts: list[str] = []
        at, rows = x, 0
        if self._kinds:
            rows = 1
            if self._whose:
                parts.append(self._text(at, y, f"{self._whose}:", bold=True))
                at += CHARACTER * (len(self._whose) + 1) + 10
        for kind, meaning in MEANINGS.items():
            if kind not in self._kinds:
                continue
            text = self._update_text(meaning) if kind == "update" else meaning
            wide = 14 + CHARACTER * len(text)
            if at > x and at + wide > self._right:
                at, rows = x, rows + 1
            middle = y + line * (rows - 1)
            parts.append(self._shape("ticks" if kind == "update" and self._dense else kind, at + 6, middle, ""))
            parts.append(self._text(at + 18, middle, cut(text, self._right - at - 18)))
            at += wide + 22
        return rows, parts

    def _update_text(self, meaning: str) -> str:
        return f"{meaning} ({self._left_out + len(self._updates):,}, not each drawn)" if self._left_out else meaning

    def _shape(self, kind: str, x: float, y: float, text: str) -> str:
        title = f"<title>{text_of(text)}</title>" if text else ""
        shape = _SHAPES[kind].format(**self._colours)
        return f'<g class="mark {kind}" transform="translate({x:.1f} {y:.1f})">{title}{shape}</g>'

    def _text(self, x: float, y: float, text: str, *, bold: bool = False) -> str:
        weight = ' font-weight="700"' if bold else ""
        return f'<text x="{x:.1f}" y="{y + 4:.1f}"{weight} style="fill:{self._colours["soft"]}">{text_of(text)}</text>'


def _thinned(pixels: FloatArray) -> FloatArray:
    """Ascending pixels, without those too close to one that is kept."""
    kept: list[float] = []
    for x in pixels.tolist():
        if not kept or x - kept[-1] >= _TICK_EVERY:
            kept.append(x)
    return np.array(kept)
