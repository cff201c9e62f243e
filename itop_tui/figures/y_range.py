"""The values a y axis reaches from and to: a few outliers do not squeeze the rest of the curves.

An outlier is far from the middle half of its curve, and few of a curve's values are outliers. Those that lie outside of
the axis are marked at the edge of the plot, so that none is lost. Smoothed curves count as a whole, the recorded values
behind them with their bulk.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from itop_tui.figures import axis
from itop_tui.figures.braille import FloatArray, Range
from itop_tui.figures.chart_data import FEW, ChartData, Line

Bounds = Literal["robust", "all", "percent"]
BOUNDS: tuple[Bounds, ...] = ("robust", "all", "percent")
"""What a y axis can reach: all but outliers, all values, or 0 to 100 % where values are in per cent (else all values).
In the order a key goes through them."""
BOUNDS_NOTE: dict[Bounds, str] = {"robust": "", "all": "all values", "percent": "0–100 %"}
"""How a screen names them; the first one needs no name."""

_REACH = 3.0
"""How many times the height of the middle half a value must lie beyond it to be an outlier."""
_NEAR = 0.5
"""A limit moves out to the furthest value where that makes the axis longer by this share at most."""
_BULK = (0.05, 0.95)
"""The quantiles of the values behind a smoothed curve that are always visible."""

Scaled = tuple[Line, FloatArray]
"""A line and its values as they are drawn: on a logarithmic axis, their logarithms."""


@dataclass(frozen=True, slots=True, eq=False)
class YScales:
    """The y axes of a chart: what is drawn on the left and on the right one, and from where to where they reach."""

    log: bool
    left: tuple[Scaled, ...]
    right: tuple[Scaled, ...]
    ys: Range
    right_ys: Range

    def is_cut(self, xs: Range) -> bool:
        """Whether a value that is recorded within a range of positions lies outside of its axis."""
        both = ((self.left, self.ys), (self.right, self.right_ys))
        return any(
            bool((seen[0] < low) or (seen[-1] > high))
            for curves, (low, high) in both
            for line, values in curves
            if len(seen := _seen(line, values, xs))
        )


def y_scales(data: ChartData, xs: Range, bounds: Bounds, *, log_scale: bool, percent: bool) -> YScales:
    """The y axes of a chart that shows a range of positions.

    Args:
        data: What it shows.
        xs: The positions at its left and right edge.
        bounds: What its axes reach.
        log_scale: Whether the left axis is logarithmic where there is anything positive.
        percent: Whether the left axis is in per cent.
    """
    lines = [line for line in data.lines if len(line.x)]
    log = log_scale and any(bool((line.y > 0).any()) for line in lines)
    left = tuple((line, axis.logarithms(line.y, line.y) if log else line.y) for line in lines if not line.right)
    right = tuple((line, line.y) for line in lines if line.right)
    return YScales(
        log,
        left,
        right,
        _y_range(left or right, xs, bounds, percent=percent and not log and bool(left), log=log and bool(left)),
        _y_range(right, xs, bounds, percent=data.right_percent),
    )


def _y_range(curves: Sequence[Scaled], xs: Range, bounds: Bounds, *, percent: bool, log: bool = False) -> Range:
    if bounds == "percent" and percent:
        return axis.padded(0.0, 1.0)
    edges = [(line, edge) for line, values in curves for edge in band_edges(line, values) or ()]
    seen = [(line, values) for line, each in (*curves, *edges) if len(values := _seen(line, each, xs))]
    if not seen:
        seen = [(line, values) for line, each in (*curves, *edges) if len(values := np.sort(each[np.isfinite(each)]))]
    if not seen:
        return 0.0, 1.0
    whole = _around((float(values[0]), float(values[-1])) for _, values in seen)
    if bounds != "robust":
        return axis.padded(*whole)
    # A logarithmic axis has room for what is many times larger: there, few values are outliers of any curve.
    low, high = _around(_core(line, values, FEW if log else line.outliers) for line, values in seen)
    if high <= low:
        return axis.padded(*whole)
    near = _NEAR * (high - low)
    return axis.padded(whole[0] if low - whole[0] <= near else low, whole[1] if whole[1] - high <= near else high)


def _around(ranges: Iterable[Range]) -> Range:
    lows, highs = zip(*ranges, strict=True)
    return min(lows), max(highs)


def _seen(line: Line, values: FloatArray, xs: Range) -> FloatArray:
    """The finite values within a range of positions, ascending."""
    return np.sort(values[(line.x >= xs[0]) & (line.x <= xs[1]) & np.isfinite(values)])


def _core(line: Line, values: FloatArray, share: float) -> Range:
    """From where to where a line's values, ascending, are no outliers: at most a share of them are."""
    if line.is_raw:
        low, high = np.quantile(values, _BULK).tolist()
        return low, high
    most = int(share * len(values))
    first, third = np.quantile(values, (0.25, 0.75)).tolist()
    reach = _REACH * (third - first)
    return (
        min(float(values[most]), max(float(values[0]), first - reach)),
        max(float(values[-1 - most]), min(float(values[-1]), third + reach)),
    )


def band_edges(line: Line, values: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    """The lower and upper edge of a line's band as they are drawn; None where it has none."""
    if not len(line.std) or not np.isfinite(line.std).any():
        return None
    if values is line.y:
        return line.y - line.std, line.y + line.std
    low = line.y - line.std  # on a logarithmic axis, a band that reaches 0 reaches the foot of the curve
    foot = float(np.nanmin(values))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(low > 0, np.log10(low), np.where(np.isnan(low), np.nan, foot)), np.log10(line.y + line.std)
