"""Trying something again for some time."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator

__all__ = ["lengthening", "tries"]


def tries(seconds: float, pause: Callable[[], float] | float = 0.0) -> Iterator[bool]:
    """Count tries, at least one, until the caller leaves the loop or the time is over.

    Args:
        seconds: For how long; a try that begins in this time is not interrupted.
        pause: The seconds between two tries, or what gives them.

    Yields:
        Whether this try is the last one.
    """
    deadline = time.monotonic() + seconds
    while True:
        last = time.monotonic() >= deadline
        yield last
        if last:
            return
        time.sleep(pause() if callable(pause) else pause)


def lengthening(first: float, longest: float) -> Callable[[], float]:
    """Pauses for `tries`, each twice as long as the one before it.

    Args:
        first: Seconds of the first pause.
        longest: Seconds that no pause exceeds.
    """
    pauses = (min(first * 2.0**number, longest) for number in itertools.count())
    return lambda: next(pauses)
