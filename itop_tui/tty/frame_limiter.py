"""When what has changed on the screen is drawn: at once where a person caused it, else at most four times a second.

Runs commit, logs grow and clocks tick at moments of their own. Each change drawn by itself would make many small frames
a second, which a slow connection has to carry and a person cannot tell apart.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

__all__ = ["ANSWER", "GATHERED", "PERIOD", "FrameLimiter"]

PERIOD = 0.25
"""Seconds between two frames that no one caused, at least."""
GATHERED = 0.05
"""Seconds from a change to its frame, so that what changes together in several widgets is drawn together."""
ANSWER = 1.0
"""Seconds in which a change counts as the answer to what a person did: what a thread has to read first comes later."""


class Later(Protocol):
    """A call that is still to come."""

    def cancel(self) -> object:
        """Do not make it."""


def _on_the_loop(seconds: float, call: Callable[[], None]) -> Later:
    return asyncio.get_running_loop().call_later(seconds, call)


class FrameLimiter:
    """Decides when the next frame is drawn.

    Args:
        draw: Draws all that has changed.
        clock: A clock that only moves forward, in seconds.
        later: Makes a call so many seconds from now.
    """

    def __init__(
        self,
        draw: Callable[[], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        later: Callable[[float, Callable[[], None]], Later] = _on_the_loop,
    ) -> None:
        self._draw, self._clock, self._later = draw, clock, later
        self._next: Later | None = None
        self._drawn_at = self._answered_until = float("-inf")

    def answer(self) -> None:
        """A person did something, or what a person asked for is there: what changes now is drawn at once."""
        self._answered_until = self._clock() + ANSWER

    def changed(self, *, at_once: bool = False) -> None:
        """Something has changed: have it drawn.

        Args:
            at_once: Whether it is known to be an answer to a person, however long ago that was.
        """
        now = self._clock()
        if at_once or now < self._answered_until:
            self._frame()
        elif self._next is None:
            self._next = self._later(max(GATHERED, self._drawn_at + PERIOD - now), self._frame)

    def _frame(self) -> None:
        if self._next is not None:
            self._next.cancel()
            self._next = None
        self._drawn_at = self._clock()
        self._draw()
