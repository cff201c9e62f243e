"""How long a test waits for something that must happen, and the one way to wait.

A ceiling only says when a test gives up; it measures nothing, so it is far above what a busy machine needs. Set
`ITOP_TEST_PATIENCE` to a factor (`2`, `0.1`) to scale all ceilings at once. Where a time is itself the promise, it is
asserted with its own figure, or measured in tests/benchmarks.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 240.0 * float(os.environ.get("ITOP_TEST_PATIENCE", "1"))
"""Seconds after which waiting for one event, one process or one thread fails."""


def wait_for(condition: Callable[[], T | None], what: str, seconds: float = PATIENCE, *, every: float = 0.01) -> T:
    """Wait for a condition without running anything else.

    Args:
        condition: Asked again and again.
        what: What is waited for, for the failure's message.
        seconds: When to give up.
        every: Seconds between two questions.

    Returns:
        The condition's first true value.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}"
        time.sleep(every)
    return value
