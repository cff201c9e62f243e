"""Mean and standard deviation of metrics, as groups of runs and comparisons show them."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["mean_and_spread"]

_HUGE = 1e100
_ROUNDING = 1e-12
"""A spread that is less than this part of the largest value is what is left of adding many numbers up."""


def mean_and_spread(values: Sequence[float]) -> tuple[float | None, float | None]:
    """Mean and sample standard deviation (n - 1) of finite numbers.

    Returns:
        Both; None for the mean where there is no value, and for the deviation where there are fewer than two.
    """
    if not values:
        return None, None
    # The square of a huge number is none, and that of a tiny one 0. Dividing by a power of two loses nothing.
    largest = max(abs(value) for value in values)
    usual = largest == 0 or 1 / _HUGE < largest < _HUGE
    scale = 1.0 if usual else math.ldexp(1.0, math.frexp(largest)[1] - 1)
    scaled = values if scale == 1.0 else [value / scale for value in values]
    # Equal values have no spread; a sum that is rounded must not invent one.
    average = scaled[0] if min(scaled) == max(scaled) else math.fsum(scaled) / len(scaled)
    if len(scaled) < 2:
        return average * scale, None
    squares = math.fsum((value - average) ** 2 for value in scaled)
    spread = math.sqrt(squares / (len(scaled) - 1))
    return average * scale, spread * scale if spread > _ROUNDING * largest / scale else 0.0
