"""One thread that looks at the start, when woken and by the clock, and ends when it is stopped."""

from __future__ import annotations

import contextvars
import queue
import threading
import time

from itop_tui.service.watcher import Watcher

PATIENCE = 30.0
"""Seconds to wait for something that takes milliseconds on a machine at rest."""


def counting(**settings: float) -> tuple[Watcher, queue.Queue[float]]:
    looks: queue.Queue[float] = queue.Queue()
    watcher = Watcher(lambda: looks.put(time.monotonic()), name="itop-test", **settings)  # type: ignore[arg-type]
    watcher.start()
    return watcher, looks


def alive() -> bool:
    return any(thread.name == "itop-test" and thread.is_alive() for thread in threading.enumerate())


def test_it_looks_at_the_start_and_when_woken_and_ends_when_stopped() -> None:
    watcher, looks = counting()
    looks.get(timeout=PATIENCE)
    time.sleep(0.05)
    assert looks.empty()
    watcher.wake()
    looks.get(timeout=PATIENCE)
    assert alive()
    watcher.stop(PATIENCE)
    assert not alive()
    assert looks.empty()


def test_it_looks_by_the_clock_and_a_look_may_set_the_next_time() -> None:
    watcher, looks = counting(every=0.01)
    for _ in range(3):
        looks.get(timeout=PATIENCE)
    watcher.stop(PATIENCE)

    times: queue.Queue[float] = queue.Queue()

    def look() -> float:
        times.put(time.monotonic())
        return 0.01 if times.qsize() < 3 else 3600.0

    watcher = Watcher(look, name="itop-test", every=3600.0)
    watcher.start()
    deadline = time.monotonic() + PATIENCE
    while times.qsize() < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert times.qsize() == 3
    watcher.stop(PATIENCE)


def test_a_change_waits_for_the_rest_and_a_person_does_not() -> None:
    watcher, looks = counting(rest=0.5)
    first = looks.get(timeout=PATIENCE)
    watcher.wake()
    assert looks.get(timeout=PATIENCE) - first >= 0.5
    before = time.monotonic()
    watcher.stop(PATIENCE)
    assert time.monotonic() - before < PATIENCE

    watcher, looks = counting(rest=3600.0)
    looks.get(timeout=PATIENCE)
    watcher.wake()
    time.sleep(0.05)
    assert looks.empty()
    watcher.wake(urgent=True)
    looks.get(timeout=PATIENCE)
    watcher.stop(PATIENCE)


def test_a_long_look_is_followed_by_a_rest_that_grows_within_bounds() -> None:
    began: list[float] = []
    ended: list[float] = []
    enough = threading.Event()

    def look() -> None:
        began.append(time.monotonic())
        time.sleep(0.02)
        ended.append(time.monotonic())
        if len(began) == 3:
            enough.set()

    watcher = Watcher(look, name="itop-test", every=0.001, longest_rest=0.1)
    watcher.start()
    assert enough.wait(PATIENCE)
    watcher.stop(PATIENCE)
    assert all(next_one - end >= 0.1 for end, next_one in zip(ended, began[1:], strict=False))


def test_what_is_asked_for_during_a_look_is_answered_by_the_next_one() -> None:
    inside, go = threading.Event(), threading.Event()
    looks: queue.Queue[int] = queue.Queue()

    def look() -> None:
        inside.set()
        assert go.wait(PATIENCE)
        looks.put(1)

    watcher = Watcher(look, name="itop-test")
    watcher.start()
    assert inside.wait(PATIENCE)
    watcher.wake()
    go.set()
    assert [looks.get(timeout=PATIENCE) for _ in range(2)] == [1, 1]
    watcher.stop(PATIENCE)


def test_a_look_sees_the_context_in_which_the_watcher_was_started() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("here")
    seen: queue.Queue[str] = queue.Queue()
    watcher = Watcher(lambda: seen.put(variable.get("nowhere")), name="itop-test")
    watcher.start()
    assert seen.get(timeout=PATIENCE) == "here"
    watcher.stop(PATIENCE)
