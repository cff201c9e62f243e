"""The one way to watch something: a thread of its own that looks, rests, and looks again until it is stopped.

asyncio's default pool has only a few threads (cores + 4), which the operations of a person need. What watches for as
long as a screen is open therefore never sits in that pool.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable

_SHARE = 20
"""A look is followed by a rest of this many times what it took, within bounds: watching costs 5% of a core at most."""


class Watcher:
    """Calls `look` in a thread of its own: at the start, when it is woken, and by the clock.

    Args:
        look: Reads something and posts what it read, as messages whose contents do not change. It runs in the thread,
            so it must not touch a widget. It may return the seconds until the next look by the clock.
        name: The name of the thread.
        every: Seconds between two looks by the clock; None to look only when woken.
        rest: Seconds between two looks at least, except where `wake` says that it is urgent.
        longest_rest: The most seconds that a rest grows to where looks take long.
        clock: A clock that only moves forward.
    """

    def __init__(
        self,
        look: Callable[[], float | None],
        *,
        name: str,
        every: float | None = None,
        rest: float = 0.0,
        longest_rest: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look = look
        self._name = name
        self._every = every
        self._rest, self._longest_rest = rest, longest_rest
        self._clock = clock
        self._woken, self._urgent = threading.Event(), threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread; it does not keep the process alive."""
        # Textual finds the app of a widget in the context, and a message is posted to a widget.
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._run,), name=self._name, daemon=True)
        self._thread.start()

    def wake(self, *, urgent: bool = False) -> None:
        """Have `look` called again after the rest, or at once where it is urgent."""
        if urgent:
            self._urgent.set()
        self._woken.set()

    def stop(self, timeout: float = 0.0) -> None:
        """End the thread after the look it is in, and wait so long for it: not at all on the event loop."""
        self._stopped.set()
        self.wake(urgent=True)
        if timeout > 0 and self._thread is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopped.is_set():
            # Cleared before the look: what is asked for during it is answered by the next one.
            self._woken.clear()
            self._urgent.clear()
            if self._stopped.is_set():
                return
            before = self._clock()
            pause = self._look()
            pause = self._every if pause is None else pause
            rest = max(self._rest, min(self._longest_rest, _SHARE * (self._clock() - before)))
            if not self._urgent.wait(rest):
                self._woken.wait(None if pause is None else max(0.0, pause - rest))
