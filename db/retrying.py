"""Trying something again for some time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

__all__ = ["tries"]


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
