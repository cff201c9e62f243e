from __future__ import annotations

import time

import pytest

from db import retrying
from db.retrying import lengthening, tries


class Clock:
    """Time that only sleeping passes."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(retrying, "time", made)
    return made


def test_the_last_try_is_made_when_the_time_is_over(clock: Clock) -> None:
    assert list(tries(1.0, 0.4)) == [False, False, False, True]
    assert clock.slept == [0.4, 0.4, 0.4]


def test_without_time_there_is_one_try(clock: Clock) -> None:
    assert list(tries(0.0, 5.0)) == [True]
    assert clock.slept == []


def test_pauses_may_grow(clock: Clock) -> None:
    pauses = iter([0.1, 0.2, 5.0])
    assert list(tries(1.0, lambda: next(pauses))) == [False, False, False, True]
    assert clock.slept == [0.1, 0.2, 5.0]


def test_who_leaves_the_loop_waits_for_nothing() -> None:
    began = time.monotonic()
    for _ in tries(60.0, 60.0):
        break
    assert time.monotonic() - began < 30.0


def test_pauses_double_up_to_the_longest(clock: Clock) -> None:
    assert list(tries(1.0, lengthening(0.1, 0.4))) == [False] * 4 + [True]
    assert clock.slept == pytest.approx([0.1, 0.2, 0.4, 0.4])
