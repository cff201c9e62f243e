"""The difference of curves to that of a baseline, at the same places on the x-axis: pure functions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from itop_tui.figures.braille import FloatArray
from itop_tui.figures.comparison import NO_STAT, Stat
from itop_tui.figures.comparison_curves import EntryCurve


def zero(baseline: EntryCurve) -> EntryCurve:
    """The baseline's difference to itself: 0 from its first place to its last one."""
    known = np.isfinite(baseline.y)
    x = baseline.x[known]
    return EntryCurve(x, np.zeros(len(x)), last=Stat(0.0, None, baseline.last.n))


def difference(curve: EntryCurve, baseline: EntryCurve) -> EntryCurve:
    """A curve minus the baseline, where both have data.

    Between its own points the baseline is a straight line, as seeds are joined; before its first and after its last
    one, and beside a value that is not finite, it has none. What was recorded behind a smoothed curve is left out: the
    difference of two noisy curves hides the one that is meant.

    Returns:
        The difference at the places of `curve`. Its deviation is that of the difference of two independent means of
        seeds, √(std² + std²); a curve of one run has none, and adds none.
    """
    x = curve.x
    y = np.where(np.isfinite(curve.y), curve.y, np.nan) - at_places(baseline.x, baseline.y, x)
    own = np.isfinite(y)
    mean_x, mean_y = curve.mean_x, curve.mean_y
    if len(mean_x):
        level = at_places(baseline.mean_x, baseline.mean_y, mean_x) if len(baseline.mean_x) else at_places(
            baseline.x, baseline.y, mean_x
        )  # fmt: skip
        mean_y = mean_y - level
        mean_x, mean_y = mean_x[np.isfinite(mean_y)], mean_y[np.isfinite(mean_y)]
    std = _deviation(curve, baseline)[own] if len(curve.std) or len(baseline.std) else np.empty(0)
    values = y[own]
    return EntryCurve(
        x[own],
        values,
        std,
        _count(curve)[own] if len(std) else np.empty(0, dtype=np.intp),
        broken=(),
        last=Stat(float(values[-1]), float(std[-1]) if len(std) and np.isfinite(std[-1]) else None, curve.last.n)
        if len(values)
        else NO_STAT,
        averaged=curve.averaged or baseline.averaged,
        mean_x=mean_x,
        mean_y=mean_y,
    )


def at_places(x: FloatArray, y: FloatArray, places: FloatArray) -> FloatArray:
    """A curve's values at other places; nan where it has none."""
    if not len(x):
        return np.full(len(places), np.nan)
    found: FloatArray = np.interp(places, x, np.where(np.isfinite(y), y, np.nan), left=np.nan, right=np.nan)
    return found


def _deviation(curve: EntryCurve, baseline: EntryCurve) -> FloatArray:
    own = curve.std if len(curve.std) else np.zeros(len(curve.x))
    under = at_places(baseline.x, baseline.std, curve.x) if len(baseline.std) else np.zeros(len(curve.x))
    found: FloatArray = np.sqrt(own**2 + under**2)
    return found


def _count(curve: EntryCurve) -> NDArray[np.intp]:
    return curve.n if len(curve.n) else np.ones(len(curve.x), dtype=np.intp)
