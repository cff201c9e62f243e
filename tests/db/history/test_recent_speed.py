"""The speed of recent steps: steady where single steps are not, so that the time left does not jump."""

from __future__ import annotations

import math
import random

import pytest

from db.history.recent_speed import RecentSpeed
from db.history.writer import MetricWriter
from db.records import StepMetric
from db.runs import runs
from db.session import Database
from tests.db.helpers import started


def _recorded(steps: int) -> list[float]:
    """Seconds of each step: noisy, every 100th with a mask update, every 43rd with what an epoch's end leaves."""
    chance = random.Random(0)
    return [
        chance.uniform(0.008, 0.014) + (0.3 if step % 100 == 99 else 0.0) + (0.05 if step % 43 == 42 else 0.0)
        for step in range(steps)
    ]


def test_the_time_left_falls_steadily_over_recorded_steps() -> None:
    seconds, batch = _recorded(3_000), 32
    speed = RecentSpeed()
    left, raw = [], []
    for done, took in enumerate(seconds, 1):
        speed.add(batch / took)
        assert speed.value is not None
        left.append((len(seconds) - done) * batch / speed.value)
        raw.append((len(seconds) - done) * took)
    truth = [sum(seconds[done:]) for done in range(1, len(seconds) + 1)]
    settled = range(200, len(seconds) - 100)
    assert max(abs(left[at] / truth[at] - 1) for at in settled) < 0.25
    # From step to step it jumps by no more than a hundredth of what it is; by the latest step alone, by many times.
    assert max(abs(left[at + 1] - left[at]) / left[at] for at in settled) < 0.15
    assert max(abs(raw[at + 1] - raw[at]) / raw[at] for at in settled) > 10
    # Looked at every five seconds or so, it falls.
    looks = left[200:2_900:400]
    assert looks == sorted(looks, reverse=True)


def test_it_is_the_harmonic_mean_of_steps_whose_speed_is_known() -> None:
    speed = RecentSpeed()
    assert speed.value is None
    for one in (100.0, None, math.nan, math.inf, 0.0, -1.0, 300.0):
        speed.add(one)
    assert speed.value == pytest.approx(150.0)
    other = speed.copy()
    other.add(1.0)
    assert speed.value == pytest.approx(150.0)


def test_the_run_has_the_recent_speed_and_each_step_its_own(db: Database) -> None:
    from db.history import metrics

    run, attempt = started(db)
    with MetricWriter(db, run.id, attempt.id) as writer:
        writer.step(StepMetric(1, 1, 0.5, samples_per_second=100.0))
        writer.flush()
        writer.step(StepMetric(2, 1, 0.5, samples_per_second=300.0))
    assert runs.get(db, run.id).samples_per_second == pytest.approx(150.0)
    assert [row.samples_per_second for row in metrics.steps(db, run.id)] == [100.0, 300.0]
