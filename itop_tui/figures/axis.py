"""Ticks of a chart's axes: where they stand and what they say.

Pure functions on numbers, so that they can be tested by hand.  A logarithmic axis is fed with log10 of the
data (the plot itself is linear); its ticks are therefore exponents, and only the label turns one back into
a value.
"""

from __future__ import annotations

import math

import numpy as np

from itop_tui.figures.braille import FloatArray
from itop_tui.figures.format import figure

_STEPS = (1.0, 2.0, 5.0, 10.0)
_THOUSANDS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_TIMES = ((24.0, "d"), (1.0, "h"), (1 / 60, "min"), (1 / 3600, "s"))
"""Units of time, each with its hours."""


def linear_ticks(low: float, high: float, most: int) -> list[float]:
    """Return at most `most` round numbers (1, 2 or 5 times a power of ten apart) within [low, high]."""
    span = high - low
    if most < 1 or not math.isfinite(span) or span <= 0:
        return []
    power = 10.0 ** math.floor(math.log10(span / most))
    for factor in (*_STEPS, 20.0, 50.0, 100.0):
        step = factor * power
        first = math.ceil(low / step - 1e-9)
        last = math.floor(high / step + 1e-9)
        if last - first + 1 <= most:
            return [index * step for index in range(first, last + 1)]
    return []


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Return exponents to label on an axis that shows 10**low to 10**high.

    Whole decades where the range holds at least two of them, thinned out to `most`; otherwise 1, 2 and 5
    times a power of ten; and linear ticks of the value itself where even those are too few.
    """
    span = high - low
    if most < 1 or not math.isfinite(span) or span <= 0:
        return []
    decades = [float(n) for n in range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)]
    if len(decades) >= 2:
        return decades[:: math.ceil(len(decades) / most)]
    fine = [
        math.log10(digit) + decade
        for decade in range(math.floor(low), math.ceil(high) + 1)
        for digit in (1, 2, 5)
        if low <= math.log10(digit) + decade <= high
    ]
    if 2 <= len(fine) <= most:
        return fine
    return [math.log10(value) for value in linear_ticks(10.0**low, 10.0**high, most) if value > 0]


def label(value: float, width: int = 6) -> str:
    """Format `value` in at most `width` characters, as exactly as they allow.

    >>> label(0.05), label(12000), label(3e-7), label(float("nan"))
    ('0.05', '12k', '3e-07', 'NaN')
    """
    if not math.isfinite(value):
        return figure(value)
    magnitude = abs(value)
    if magnitude < 1e-12:
        return "0"
    if magnitude >= 10_000:
        for size, unit in _THOUSANDS:
            if magnitude >= size:
                text = f"{value / size:.4g}{unit}"
                if len(text) <= width:
                    return text
    if magnitude >= 1e-3:
        for digits in (6, 5, 4, 3, 2, 1):
            text = f"{value:.{digits}g}"
            if len(text) <= width:
                return text
    for digits in (1, 0):
        text = f"{value:.{digits}e}".replace(".0e", "e")
        if len(text) <= width:
            return text
    return text


def tick_label(value: float, percent: bool, width: int = 6) -> str:
    """The label of a tick, in per cent where values are shares, in at most about `width` characters."""
    return f"{label(value * 100, width - 1)}%" if percent else label(value, width)


def x_ticks(low: float, high: float, most: int, unit: str) -> dict[float, str]:
    """The ticks of an x axis that counts `unit`, one of `x_axis.ACROSS`, at most `most`, with what each says.

    Hours are written in the unit that suits the range: "0.18 s", "3 min", "2.5 h", "1 d". No two labels are the same.
    """
    size, name = _time_unit(high) if unit == "hour" else (1.0, "")
    ticks = linear_ticks(low / size, high / size, most)
    if unit == "step":
        ticks = [tick for tick in ticks if abs(tick - round(tick)) <= 1e-6]
    texts = [label(tick, 7) for tick in ticks]
    if len(set(texts)) < len(texts):  # a narrow part of a long run: "1M" would stand at each
        decimals = max(0, -math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9))
        texts = [f"{tick:.{decimals}f}" for tick in ticks]
    return {tick * size: f"{text} {name}".rstrip() for tick, text in zip(ticks, texts, strict=True)}


def time_label(hours: float, longest: float) -> str:
    """A time as an axis that reaches to `longest` writes it, both in hours: "0.1823 s", "3.25 min"."""
    size, name = _time_unit(longest)
    return f"{figure(hours / size)} {name}"


def window_text(window: tuple[float, float], unit: str) -> str:
    """A part of an x axis in words: "steps 1,000 to 2,000", "0.5 min to 2.5 min"."""
    if unit == "hour":
        return " to ".join(time_label(edge, window[1]) for edge in window)
    if unit == "itop_rate":
        return "R_s " + " to ".join(f"{edge:.3f}" for edge in window)
    return f"{unit}s " + " to ".join(f"{edge:,.0f}" if unit == "step" else f"{edge:,.4g}" for edge in window)


def _time_unit(hours: float) -> tuple[float, str]:
    """The largest unit of which there are two or more in a time, seconds for a shorter one: its hours, and its name."""
    return next((unit for unit in _TIMES if hours >= 2 * unit[0]), _TIMES[-1])


def logarithms(values: FloatArray, curve: FloatArray) -> FloatArray:
    """Values of a curve, or of its band, on a logarithmic axis; what is not positive lies at the foot of the curve."""
    positive = curve[np.isfinite(curve) & (curve > 0)]
    foot = float(positive.min()) if len(positive) else 1.0
    logs: FloatArray = np.where(np.isfinite(values), np.log10(np.maximum(values, foot)), np.nan)
    return logs


def padded(low: float, high: float) -> tuple[float, float]:
    """Widen a range of values so that a line never lies on the frame and a flat one lies in the middle."""
    if high > low:
        margin = (high - low) * 0.04
        return low - margin, high + margin
    margin = abs(low) * 0.1 or 0.5
    return low - margin, high + margin
