"""Charts as SVG: drawn from the data as a paper's figure would be, with axes, ticks, a legend, lines, bands and points.

A drawing that stands in a page takes its colours from the page's CSS variables, so that it can be shown on a dark
background; one that stands alone has those of paper, written out, since not every program knows variables.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from itop_tui.export import point_letters
from itop_tui.export.chart_marks import DrawnMarks, Marking
from itop_tui.export.svg_text import cut, text_of
from itop_tui.figures import axis
from itop_tui.figures.braille import FloatArray, Range
from itop_tui.look.series_colours import ON_LIGHT, colour, dash

Part = Literal["own", "raw", "parent"]
PAPER = {"ink": "#1c2530", "soft": "#5b6875", "grid": "#e3e7ec", "paper": "#ffffff"}
"""The colours of a drawing beside those of its curves: as `--ink` and so on, a page may give others."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 14, 34, 44
_ROOM = 12
"""Pixels between the title and the plot, where a row of marks has its place."""
_LEGEND_LINE = 16
_ONE_COLUMN = 4
"""Curves up to which the legend has one column."""
_BREAKS_NAMED = 3
_LETTER = 11
"""Pixels a letter takes to either side."""
_ASTRAY = 4 * _LETTER
"""Pixels below the end of its curve at which a letter says nothing any more."""
_TEXT = "font-family=\"'Helvetica Neue', Helvetica, Arial, sans-serif\""


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """A curve or a point of a drawing.

    Attributes:
        letter: Its letter; empty for none.
        label: Its name, for the legend.
        position: Its place, which gives its colour and dashes.
        x: Positions, shape (n,); of a point, n is 1.
        y: Values, shape (n,); a line is interrupted where one is not finite.
        spread: What a band, or a point's bar, reaches up and down, shape (n,); empty for none.
        across: What a point's bar reaches to either side; 0 for none.
        part: What it is of: its "own" curve; the "raw" one behind it, of which it was smoothed; or what a "parent"
            recorded before the fork. Only the first is named in the legend.
        right: Whether its values have the axis at the right.
    """

    letter: str
    label: str
    position: int
    x: FloatArray
    y: FloatArray
    spread: FloatArray = field(default_factory=lambda: np.empty(0))
    across: float = 0.0
    part: Part = "own"
    right: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """What is drawn: curves or points, in the legend's order, and what happened on the way.

    Attributes:
        x_unit: What the x axis counts, as `itop_tui.figures.axis.x_ticks` takes it; empty for anything else.
        right_percent: Whether values of the axis at the right are shares.
        broken: Where values are not finite, as (position, what to say: "NaN at step 123").
        x_range: The positions at the edges of the plot; None for those of the first and last point.
        note: A line below the legend; empty for none.
        height: In pixels, without the legend.
    """

    title: str
    x_label: str
    y_label: str
    traces: tuple[Trace, ...]
    points: bool = False
    logarithmic: bool = False
    x_unit: str = ""
    x_percent: bool = False
    y_percent: bool = False
    right_percent: bool = False
    broken: tuple[tuple[float, str], ...] = ()
    marks: DrawnMarks = field(default_factory=DrawnMarks)
    x_range: Range | None = None
    note: str = ""
    width: int = 560
    height: int = 340

    def svg(self, *, themed: bool = False) -> str:
        """The drawing as one `<svg>` element that needs nothing else; `themed` where its page gives the colours."""
        return "".join(_Sheet(self, themed=themed).elements())


class _Sheet:
    """One drawing while it is drawn."""

    def __init__(self, drawing: Drawing, *, themed: bool) -> None:
        self._drawing, self._themed = drawing, themed
        self._traces = [trace for trace in drawing.traces if len(trace.x)]
        left = [trace for trace in self._traces if not trace.right]
        self._log = drawing.logarithmic and any(bool((trace.y > 0).any()) for trace in left)
        self._has_right = len(left) < len(self._traces)
        self._right = drawing.width - (_LEFT if self._has_right else _RIGHT)
        self._bottom = drawing.height - _BOTTOM
        self._ys = self._range_of(left)
        self._ys_right = self._range_of([trace for trace in self._traces if trace.right])
        across = [trace.x + offset for trace in self._traces for offset in (-trace.across, trace.across)]
        self._xs = drawing.x_range or (_range(across) if drawing.points else _range(across, padded=False))
        colours = {name: self._of(name) for name in PAPER}
        forked = any(trace.part == "parent" for trace in self._traces)
        self._marking = Marking(drawing.marks, self._x, self._xs, (_LEFT, self._right), colours, parent=forked)
        self._top = _TOP + max(0, self._marking.height - _ROOM)

    def _of(self, name: str) -> str:
        """A colour of `PAPER`."""
        return f"var(--{name})" if self._themed else PAPER[name]

    def _ink(self, trace: Trace) -> str:
        if trace.part == "parent":
            return self._of("soft")
        return f"var(--curve-{trace.position % len(ON_LIGHT)})" if self._themed else colour(trace.position, dark=False)

    # ------------------------------------------------------------------------------------------------------- scales

    def _range_of(self, traces: Iterable[Trace]) -> Range:
        return _range(edge for trace in traces for edge in (self._scaled(trace.y, trace), *self._band(trace)))

    def _scaled(self, values: FloatArray, trace: Trace) -> FloatArray:
        return axis.logarithms(values, trace.y) if self._log and not trace.right else values

    def _band(self, trace: Trace) -> tuple[FloatArray, ...]:
        if not len(trace.spread):
            return ()
        return self._scaled(trace.y - trace.spread, trace), self._scaled(trace.y + trace.spread, trace)

    def _x(self, value: float) -> float:
        return _LEFT + (value - self._xs[0]) / (self._xs[1] - self._xs[0]) * (self._right - _LEFT)

    def _y(self, value: float, *, right: bool = False) -> float:
        low, high = self._ys_right if right else self._ys
        return self._top + (high - value) / (high - low) * (self._bottom - self._top)

    # -------------------------------------------------------------------------------------------------------- parts

    def elements(self) -> Iterable[str]:
        """The elements, in the order in which they lie over each other."""
        drawing = self._drawing
        legend = [trace for trace in self._traces if (trace.letter or trace.label) and trace.part == "own"]
        columns = 1 if len(legend) <= _ONE_COLUMN else 2
        rows = -(-len(legend) // columns)
        below = drawing.height + 8 + _LEGEND_LINE * rows
        mark_rows, meanings = self._marking.legend(_LEFT, below, _LEGEND_LINE)
        lines = rows + mark_rows
        texts = [*self._broken_lines(), *([drawing.note] if drawing.note else [])]
        height = drawing.height + _LEGEND_LINE * (lines + len(texts)) + (6 if lines or texts else 0)
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {drawing.width} {height}" width="{drawing.width}" '
            f'height="{height}" role="img" {_TEXT} font-size="11" class="drawing">'
            f"<title>{text_of(drawing.title)}</title>"
            f'<rect width="{drawing.width}" height="{height}" style="fill:{self._of("paper")}"/>'
            f'<text x="{_LEFT}" y="18" font-size="13" font-weight="600" style="fill:{self._of("ink")}">'
            f"{text_of(drawing.title)}</text>"
        )
        yield from self._axes()
        if not self._traces:
            x, y = (_LEFT + self._right) / 2, (self._top + self._bottom) / 2
            yield (
                f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle" style="fill:{self._of("soft")}">'
                f"nothing recorded</text>"
            )
        yield from self._marking.behind(self._top, self._bottom)
        if drawing.points:
            yield from self._points()
        else:
            for trace in self._traces:
                yield from self._area(trace)
            for trace in self._traces:
                yield from self._curve(trace)
            yield from self._letters()
            yield from self._crosses()
        yield from self._marking.before(self._top, self._bottom)
        wide = (drawing.width - _LEFT) / columns
        for number, trace in enumerate(legend):
            across, down = divmod(number, rows)
            yield self._legend(trace, _LEFT + across * wide, drawing.height + 8 + _LEGEND_LINE * down, wide)
        yield from meanings
        for number, text in enumerate(texts, start=lines):
            yield (
                f'<text x="{_LEFT}" y="{drawing.height + 12 + _LEGEND_LINE * number}" '
                f'style="fill:{self._of("soft")}">{text_of(cut(text, drawing.width - _LEFT))}</text>'
            )
        yield "</svg>"

    def _broken_lines(self) -> list[str]:
        broken = self._drawing.broken
        named = [f"✗ {text}" for _, text in broken[:_BREAKS_NAMED]]
        return [*named, f"✗ and {len(broken) - _BREAKS_NAMED} more"] if len(broken) > _BREAKS_NAMED else named

    def _axes(self) -> Iterable[str]:
        drawing = self._drawing
        soft, grid = f'style="fill:{self._of("soft")}"', f'style="stroke:{self._of("grid")}"'
        ticks = axis.log_ticks(*self._ys, 6) if self._log else axis.linear_ticks(*self._ys, 6)
        for tick in ticks if self._traces else ():
            y = self._y(tick)
            value = 10.0**tick if self._log else tick
            yield (
                f'<line x1="{_LEFT}" x2="{self._right}" y1="{y:.1f}" y2="{y:.1f}" {grid}/>'
                f'<text x="{_LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end" {soft}>'
                f"{text_of(axis.tick_label(value, drawing.y_percent, 7))}</text>"
            )
        across = axis.x_ticks(*self._xs, 8, drawing.x_unit)
        if drawing.x_percent:
            across = {tick: axis.tick_label(tick, percent=True, width=7) for tick in across}
        for tick, text in across.items() if self._traces else ():
            x = self._x(tick)
            yield (
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{self._bottom}" y2="{self._bottom + 4}" '
                f'style="stroke:{self._of("soft")}"/>'
                f'<text x="{x:.1f}" y="{self._bottom + 16}" text-anchor="middle" {soft}>'
                f"{text_of(text)}</text>"
            )
        middle = (self._top + self._bottom) / 2
        yield (
            f'<path d="M{_LEFT} {self._top}V{self._bottom}H{self._right}" '
            f'style="fill:none;stroke:{self._of("soft")}"/>'
            f'<text x="{(_LEFT + self._right) / 2:.1f}" y="{self._bottom + 34}" text-anchor="middle" '
            f'style="fill:{self._of("ink")}">{text_of(drawing.x_label)}</text>'
            f'<text transform="translate(14 {middle:.1f}) rotate(-90)" text-anchor="middle" '
            f'style="fill:{self._of("ink")}">{text_of(drawing.y_label)}</text>'
        )
        if self._has_right:
            yield f'<path d="M{self._right} {self._top}V{self._bottom}" style="fill:none;stroke:{self._of("soft")}"/>'
            for tick in axis.linear_ticks(*self._ys_right, 6):
                y = self._y(tick, right=True)
                yield (
                    f'<text x="{self._right + 6}" y="{y + 3.5:.1f}" {soft}>'
                    f"{text_of(axis.tick_label(tick, drawing.right_percent, 7))}</text>"
                )

    def _area(self, trace: Trace) -> Iterable[str]:
        band = self._band(trace)
        if not band:
            return
        low, high = band
        for part in _parts(np.isfinite(low) & np.isfinite(high)):
            x = trace.x[part]
            ring = [*zip(x, high[part], strict=True), *zip(x[::-1], low[part][::-1], strict=True)]
            yield f'<path d="{self._path(ring, trace)}Z" style="fill:{self._ink(trace)};opacity:.18;stroke:none"/>'

    def _curve(self, trace: Trace) -> Iterable[str]:
        values = self._scaled(trace.y, trace)
        dashes = f";stroke-dasharray:{dash(trace.position)}" if dash(trace.position) else ""
        look = {
            "own": f"stroke-width:1.4;stroke-linejoin:round{dashes}",
            "raw": "stroke-width:.8;opacity:.3",
            "parent": "stroke-width:1;stroke-dasharray:3 3;opacity:.65",
        }[trace.part]
        for part in _parts(np.isfinite(values)):
            run = list(zip(trace.x[part], values[part], strict=True))
            if len(run) > 1:
                path = self._path(run, trace)
                yield f'<path d="{path}" style="fill:none;stroke:{self._ink(trace)};{look}"/>'
            if len(run) == 1 or (len(trace.x) <= 40 and trace.part == "own"):
                yield from (self._dot(point, trace, 2.0) for point in run)

    def _letters(self) -> Iterable[str]:
        """The letter of each curve at its end; where some would hide each other they stand one below the other.

        One that would come to stand far from its curve is left to the legend.
        """
        ends: list[tuple[float, float, Trace]] = []
        for trace in self._traces:
            known = np.flatnonzero(np.isfinite(trace.y))
            if trace.letter and trace.part == "own" and len(known):
                height = float(self._scaled(trace.y, trace)[known[-1]])
                ends.append((self._x(float(trace.x[known[-1]])) + 2, self._y(height, right=trace.right) - 3, trace))
        placed: list[tuple[float, float]] = []
        for x, y, trace in sorted(ends, key=lambda end: end[1]):
            end = y
            while any(abs(x - other) < _LETTER and abs(y - taken) < _LETTER for other, taken in placed):
                y += 1.0
            if y - end > _ASTRAY:
                continue
            placed.append((x, y))
            yield (
                f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="end" font-weight="700" style="fill:{self._ink(trace)};'
                f'stroke:{self._of("paper")};stroke-width:3;paint-order:stroke">{text_of(trace.letter)}</text>'
            )

    def _crosses(self) -> Iterable[str]:
        """Where values are not finite, at the upper edge."""
        for x, text in self._drawing.broken:
            if self._xs[0] <= x <= self._xs[1]:
                yield (
                    f'<text x="{self._x(x):.1f}" y="{self._top + 11}" text-anchor="middle" font-weight="700" '
                    f'style="fill:{self._of("ink")}">✗<title>{text_of(text)}</title></text>'
                )

    def _points(self) -> Iterable[str]:
        """Bars, points, and letters on discs: on their point, or with a line beside it where points lie close."""
        places = [(self._x(float(trace.x[0])), self._y(float(trace.y[0]))) for trace in self._traces]
        for (x, y), trace in zip(places, self._traces, strict=True):
            bar = f'style="stroke:{self._ink(trace)}"'
            if len(trace.spread) and trace.spread[0] > 0:
                low, high = (self._y(float(edge[0])) for edge in self._band(trace))
                yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}" {bar}/>'
            if trace.across:
                left, right = (self._x(float(trace.x[0]) + edge) for edge in (-trace.across, trace.across))
                yield f'<line x1="{left:.1f}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}" {bar}/>'
        spots = point_letters.apart(places, (_LEFT, self._top, self._right, self._bottom))
        beside = [(*place, *spot, trace) for place, spot, trace in zip(places, spots, self._traces, strict=True)
                  if place != spot]  # fmt: skip
        for x, y, to_x, to_y, trace in beside:
            yield f'<path d="M{x:.1f} {y:.1f}L{to_x:.1f} {to_y:.1f}" style="stroke:{self._ink(trace)}"/>'
        for (x, y), trace in zip(spots, self._traces, strict=True):
            yield (
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{point_letters.RADIUS:g}" style="fill:{self._ink(trace)}"/>'
                f'<text x="{x:.1f}" y="{y + 4:.1f}" text-anchor="middle" font-weight="700" '
                f'style="fill:{self._of("paper")}">{text_of(trace.letter)}</text>'
            )
        for x, y, _, _, trace in beside:
            look = f"fill:{self._ink(trace)};stroke:{self._of('paper')}"
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" style="{look}"/>'

    def _legend(self, trace: Trace, x: float, y: float, wide: float) -> str:
        dashes = f";stroke-dasharray:{dash(trace.position)}" if dash(trace.position) else ""
        line = (
            f'<line x1="{x:.1f}" x2="{x + 22:.1f}" y1="{y:.1f}" y2="{y:.1f}" '
            f'style="stroke:{self._ink(trace)};stroke-width:2{dashes}"/>'
        )
        spot = f'<circle cx="{x + 16:.1f}" cy="{y:.1f}" r="4" style="fill:{self._ink(trace)}"/>'
        side = " (right)" if trace.right else ""
        return (
            f'{spot if self._drawing.points else line}<text x="{x + 28:.1f}" y="{y + 4:.1f}" '
            f'style="fill:{self._of("ink")}"><tspan font-weight="700" style="fill:{self._ink(trace)}">'
            f"{text_of(trace.letter)}</tspan> {text_of(cut(f'{trace.label}{side}', wide - 48, middle=True))}</text>"
        )

    def _dot(self, point: tuple[float, float], trace: Trace, radius: float) -> str:
        x, y = self._x(float(point[0])), self._y(float(point[1]), right=trace.right)
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" style="fill:{self._ink(trace)}"/>'

    def _path(self, points: Sequence[tuple[float, float]], trace: Trace) -> str:
        return "M" + "L".join(f"{self._x(float(x)):.1f} {self._y(float(y), right=trace.right):.1f}" for x, y in points)


def _parts(known: NDArray[np.bool_]) -> list[slice]:
    """The stretches of an array without a gap."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(np.int8)))
    return [slice(int(start), int(stop)) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


def _range(groups: Iterable[FloatArray], *, padded: bool = True) -> Range:
    low, high = math.inf, -math.inf
    for values in groups:
        known = values[np.isfinite(values)]
        if len(known):
            low, high = min(low, float(known.min())), max(high, float(known.max()))
    if high < low:
        return 0.0, 1.0
    return axis.padded(low, high) if padded or high == low else (low, high)
