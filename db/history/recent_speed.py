"""The speed of a run over its recent steps, so that what is worked out from it does not jump with each step."""

from __future__ import annotations

import math
from collections import deque

__all__ = ["RecentSpeed"]

_STEPS = 200
"""So many recent steps count: a mask update, which makes one step slow, is in the window most of the time."""


class RecentSpeed:
    """Samples a second over the last steps, by the time they took together (a harmonic mean)."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=_STEPS)

    def add(self, speed: float | None) -> None:
        """Count one more step; one whose speed is not known, or no number above 0, tells nothing."""
        if speed is not None and math.isfinite(speed) and speed > 0:
            self._seconds.append(1 / speed)

    @property
    def value(self) -> float | None:
        """Samples a second; None before the first step."""
        return len(self._seconds) / math.fsum(self._seconds) if self._seconds else None

    def copy(self) -> RecentSpeed:
        """Return the same window, which then changes by itself."""
        other = RecentSpeed()
        other._seconds.extend(self._seconds)
        return other
