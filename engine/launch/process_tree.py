"""What a process and all that it started use of the host: a run with the processes that load its data, say."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

__all__ = ["ProcessTree", "TreeUsage"]


@dataclass(frozen=True, slots=True)
class TreeUsage:
    """What some processes used; None is what could not be read.

    Attributes:
        pids: Their numbers; empty where the first one is gone.
        cores: How many cores they kept busy since the last reading; None at the first one.
        memory: Bytes of the host's memory that they hold; a page that several of them share counts in each.
    """

    pids: frozenset[int] = frozenset()
    cores: float | None = None
    memory: int | None = None


class ProcessTree:
    """A process and its descendants, whose load is measured since the last reading. Used by one thread at a time.

    Args:
        pid: The first process.
        clock: Monotonic seconds; passed in by tests.
    """

    def __init__(self, pid: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.pid = pid
        self._clock = clock
        self._process: psutil.Process | None = None
        self._last: tuple[float, float] | None = None

    def read(self) -> TreeUsage:
        """Read what they use now; never raises."""
        import psutil

        try:
            # Kept, so that another process that gets its number later is not taken for it.
            if self._process is None:
                self._process = psutil.Process(self.pid)
            family = [self._process, *self._process.children(recursive=True)]
        except psutil.Error:
            return TreeUsage()
        seconds, memory, pids = 0.0, 0, set()
        for one in family:
            try:
                with one.oneshot():
                    used, held = one.cpu_times(), one.memory_info().rss
            except psutil.Error:  # it has ended meanwhile
                continue
            pids.add(one.pid)
            # With what its ended children used, so that the sum does not fall when one of them ends.
            seconds += used.user + used.system + used.children_user + used.children_system
            memory += held
        now, before = self._clock(), self._last
        self._last = (now, seconds)
        if before is None or now <= before[0]:
            return TreeUsage(frozenset(pids), None, memory)
        return TreeUsage(frozenset(pids), max(0.0, seconds - before[1]) / (now - before[0]), memory)
