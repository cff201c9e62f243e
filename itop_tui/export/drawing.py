"""Charts as SVG: drawn from the data as a paper's figure would be, with axes, ticks, a legend, lines, bands and points.

A drawing takes its colours from CSS variables with values for paper, so that a page can show it on a dark background.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np
from numpy.typing import NDArray

from itop_tui.series_colours import ON_LIGHT, colour, dash
from itop_tui.widgets import axis

FloatArray = NDArray[np.float64]
Range = tuple[float, float]
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 14, 34, 44
_LEGEND_LINE = 16
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
    """

    letter: str
    label: str
    position: int
    x: FloatArray
    y: FloatArray
    spread: FloatArray = field(default_factory=lambda: np.empty(0))
    across: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """What is drawn.

    Attributes:
        title: Above it.
        x_label: Below the x axis.
        y_label: Beside the y axis.
        traces: Curves or points, in the legend's order.
        points: Whether traces are points with bars.
        logarithmic: Whether the y axis is.
        x_percent: Whether positions are shares.
        y_percent: Whether values are.
        width: In pixels.
        height: In pixels, without the legend.
    """

    title: str
    x_label: str
    y_label: str
    traces: tuple[Trace, ...]
    points: bool = False
    logarithmic: bool = False
    x_percent: bool = False
    y_percent: bool = False
    width: int = 560
    height: int = 340

    def svg(self, *, themed: bool = False) -> str:
        """The drawing as one `<svg>` element; it refers to nothing outside.

        Args:
            themed: Whether the page it stands in gives the colours; otherwise they are those of paper.
        """
        return "".join(_Sheet(self).lines("drawing themed" if themed else "drawing"))


def text_of(text: str) -> str:
    """Any text as XML takes it: markup escaped, characters that XML does not know left out."""
    known = re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\N{REPLACEMENT CHARACTER}", text)
    return escape(known, quote=True)


class _Sheet:
    """One drawing while it is drawn."""

    def __init__(self, drawing: Drawing) -> None:
        self._drawing = drawing
        self._log = drawing.logarithmic and any(bool((trace.y > 0).any()) for trace in drawing.traces)
        self._traces = [trace for trace in drawing.traces if len(trace.x)]
        self._right, self._bottom = drawing.width - _RIGHT, drawing.height - _BOTTOM
        edges = [(self._scaled(trace.y, trace), *self._band(trace)) for trace in self._traces]
        self._ys = _range(value for group in edges for value in group)
        across = [trace.x + offset for trace in self._traces for offset in (-trace.across, trace.across)]
        self._xs = _range(across) if drawing.points else _range(across, padded=False)

    # ------------------------------------------------------------------------------------------------------- scales

    def _scaled(self, values: FloatArray, trace: Trace) -> FloatArray:
        """Values as they are drawn; what is not positive lies at the foot of a logarithmic axis."""
        if not self._log:
            return values
        positive = trace.y[np.isfinite(trace.y) & (trace.y > 0)]
        foot = float(positive.min()) if len(positive) else 1.0
        return np.where(np.isfinite(values), np.log10(np.maximum(values, foot)), np.nan)

    def _band(self, trace: Trace) -> tuple[FloatArray, ...]:
        if not len(trace.spread):
            return ()
        return self._scaled(trace.y - trace.spread, trace), self._scaled(trace.y + trace.spread, trace)

    def _x(self, value: float) -> float:
        return _LEFT + (value - self._xs[0]) / (self._xs[1] - self._xs[0]) * (self._right - _LEFT)

    def _y(self, value: float) -> float:
        return _TOP + (self._ys[1] - value) / (self._ys[1] - self._ys[0]) * (self._bottom - _TOP)

    # -------------------------------------------------------------------------------------------------------- parts

    def lines(self, kind: str) -> Iterable[str]:
        """The elements, in the order in which they lie over each other."""
        drawing = self._drawing
        legend = [trace for trace in self._traces if trace.letter or trace.label]
        height = drawing.height + _LEGEND_LINE * len(legend) + (6 if legend else 0)
        variables = "".join(f"--curve-{at}:{value};" for at, value in enumerate(ON_LIGHT))
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {drawing.width} {height}" width="{drawing.width}" '
            f'height="{height}" role="img" {_TEXT} font-size="11" class="{kind}">'
            f"<title>{text_of(drawing.title)}</title>"
            f"<style>svg.drawing:not(.themed){{--ink:#1c2530;--soft:#5b6875;--grid:#e3e7ec;--paper:#fff;{variables}}}</style>"
            f'<rect width="{drawing.width}" height="{height}" style="fill:var(--paper,#fff)"/>'
            f'<text x="{_LEFT}" y="18" font-size="13" font-weight="600" style="fill:var(--ink)">'
            f"{text_of(drawing.title)}</text>"
        )
        yield from self._axes()
        if not self._traces:
            yield (
                f'<text x="{(_LEFT + self._right) / 2:.1f}" y="{(_TOP + self._bottom) / 2:.1f}" text-anchor="middle" '
                'style="fill:var(--soft)">nothing recorded</text>'
            )
        for trace in self._traces:
            yield from self._point(trace) if drawing.points else self._area(trace)
        if not drawing.points:
            for trace in self._traces:
                yield from self._curve(trace)
        for number, trace in enumerate(legend):
            yield self._legend(trace, drawing.height + 8 + _LEGEND_LINE * number)
        yield "</svg>"

    def _axes(self) -> Iterable[str]:
        drawing = self._drawing
        soft = 'style="fill:var(--soft)"'
        ticks = axis.log_ticks(*self._ys, 6) if self._log else axis.linear_ticks(*self._ys, 6)
        for tick in ticks if self._traces else ():
            y = self._y(tick)
            value = 10.0**tick if self._log else tick
            yield (
                f'<line x1="{_LEFT}" x2="{self._right}" y1="{y:.1f}" y2="{y:.1f}" style="stroke:var(--grid)"/>'
                f'<text x="{_LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end" {soft}>'
                f"{text_of(_tick(value, drawing.y_percent))}</text>"
            )
        for tick in axis.linear_ticks(*self._xs, 8) if self._traces else ():
            x = self._x(tick)
            yield (
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{self._bottom}" y2="{self._bottom + 4}" '
                f'style="stroke:var(--soft)"/><text x="{x:.1f}" y="{self._bottom + 16}" text-anchor="middle" {soft}>'
                f"{text_of(_tick(tick, drawing.x_percent))}</text>"
            )
        middle = (_TOP + self._bottom) / 2
        yield (
            f'<path d="M{_LEFT} {_TOP}V{self._bottom}H{self._right}" style="fill:none;stroke:var(--soft)"/>'
            f'<text x="{(_LEFT + self._right) / 2:.1f}" y="{self._bottom + 34}" text-anchor="middle" '
            f'style="fill:var(--ink)">{text_of(drawing.x_label)}</text>'
            f'<text transform="translate(14 {middle:.1f}) rotate(-90)" text-anchor="middle" '
            f'style="fill:var(--ink)">{text_of(drawing.y_label)}</text>'
        )

    def _area(self, trace: Trace) -> Iterable[str]:
        band = self._band(trace)
        if not band:
            return
        low, high = band
        for part in _parts(np.isfinite(low) & np.isfinite(high)):
            x = trace.x[part]
            ring = [*zip(x, high[part], strict=True), *zip(x[::-1], low[part][::-1], strict=True)]
            yield f'<path d="{self._path(ring)}Z" style="fill:{_ink(trace)};opacity:.18;stroke:none"/>'

    def _curve(self, trace: Trace) -> Iterable[str]:
        values = self._scaled(trace.y, trace)
        dashes = f";stroke-dasharray:{dash(trace.position)}" if dash(trace.position) else ""
        last = None
        for part in _parts(np.isfinite(values)):
            points = list(zip(trace.x[part], values[part], strict=True))
            last = points[-1]
            if len(points) == 1:
                yield self._dot(points[0], trace, 2.0)
                continue
            yield (
                f'<path d="{self._path(points)}" style="fill:none;stroke:{_ink(trace)};stroke-width:1.4;'
                f'stroke-linejoin:round{dashes}"/>'
            )
            if len(trace.x) <= 40:
                yield from (self._dot(point, trace, 2.0) for point in points)
        if last is not None and trace.letter:
            yield (
                f'<text x="{self._x(last[0]) + 2:.1f}" y="{self._y(last[1]) - 3:.1f}" text-anchor="end" '
                f'font-weight="700" '
                f'style="fill:{_ink(trace)};stroke:var(--paper,#fff);stroke-width:3;paint-order:stroke">'
                f"{text_of(trace.letter)}</text>"
            )

    def _point(self, trace: Trace) -> Iterable[str]:
        x, y = self._x(float(trace.x[0])), self._y(float(trace.y[0]))
        if len(trace.spread) and trace.spread[0] > 0:
            low, high = (float(edge[0]) for edge in self._band(trace))
            yield (
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{self._y(low):.1f}" y2="{self._y(high):.1f}" '
                f'style="stroke:{_ink(trace)}"/>'
            )
        if trace.across:
            left, right = self._x(float(trace.x[0]) - trace.across), self._x(float(trace.x[0]) + trace.across)
            yield f'<line x1="{left:.1f}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}" style="stroke:{_ink(trace)}"/>'
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="8" style="fill:{_ink(trace)}"/>'
        yield (
            f'<text x="{x:.1f}" y="{y + 4:.1f}" text-anchor="middle" font-weight="700" '
            f'style="fill:var(--paper,#fff)">{text_of(trace.letter)}</text>'
        )

    def _legend(self, trace: Trace, y: float) -> str:
        dashes = f";stroke-dasharray:{dash(trace.position)}" if dash(trace.position) else ""
        name = trace.label if len(trace.label) <= 80 else f"{trace.label[:79]}…"
        return (
            f'<line x1="{_LEFT}" x2="{_LEFT + 22}" y1="{y:.1f}" y2="{y:.1f}" '
            f'style="stroke:{_ink(trace)};stroke-width:2{dashes}"/>'
            f'<text x="{_LEFT + 28}" y="{y + 4:.1f}" style="fill:var(--ink)"><tspan font-weight="700" '
            f'style="fill:{_ink(trace)}">{text_of(trace.letter)}</tspan> {text_of(name)}</text>'
        )

    def _dot(self, point: tuple[float, float], trace: Trace, radius: float) -> str:
        return (
            f'<circle cx="{self._x(float(point[0])):.1f}" cy="{self._y(float(point[1])):.1f}" r="{radius}" '
            f'style="fill:{_ink(trace)}"/>'
        )

    def _path(self, points: Sequence[tuple[float, float]]) -> str:
        return "M" + "L".join(f"{self._x(float(x)):.1f} {self._y(float(y)):.1f}" for x, y in points)


def _ink(trace: Trace) -> str:
    return f"var(--curve-{trace.position % len(ON_LIGHT)},{colour(trace.position, dark=False)})"


def _tick(value: float, percent: bool) -> str:
    return f"{axis.label(value * 100, 6)}%" if percent else axis.label(value, 7)


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
