"""What recording the machine costs a training: the time of a step with and without it.

Readings every ten seconds are too few to measure. So there are very many, and what each of them costs the training is
divided by ten seconds. Run with ``pytest tests/benchmarks/test_usage_cost.py -m benchmark --benchmark-enable -s``.
"""

from __future__ import annotations

import statistics
import time

import pytest

from engine.launch.machine_usage import MachineUsage, UsageReader
from engine.training import usage_recorder
from engine.training.callbacks import Callback
from engine.training.training import Training
from engine.training.usage_recorder import UsageRecorder
from tests.engine.training.helpers import config, trainer

pytestmark = pytest.mark.benchmark

STEPS, ROUNDS = 400, 7
EVERY = 0.02
"""Five hundred times as often as runs are read."""


class Clock(Callback):
    """Times the steps alone."""

    def on_start(self, trainer: Training) -> None:
        self.seconds = time.perf_counter()

    def on_step_end(self, trainer: Training) -> None:
        if trainer.step == STEPS:
            self.seconds = time.perf_counter() - self.seconds


def train(*, read: bool) -> tuple[float, int]:
    """Seconds of the steps, and how many readings there were."""
    count = [0]
    reader = UsageReader(["cpu"])

    def counted() -> MachineUsage:
        count[0] += 1
        return reader()

    recorder = UsageRecorder(counted, lambda **latest: None, every=EVERY)
    clock = Clock()
    made = trainer(config(batch_size=100, epochs=60, max_steps=STEPS), [clock, *([recorder] if read else [])])
    if read:
        recorder.start()
    made.fit()
    if read:
        recorder.close()
    return clock.seconds, count[0]


def test_a_step_takes_no_longer_while_the_machine_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_recorder, "_SOON_SECONDS", EVERY)
    monkeypatch.setattr(usage_recorder, "_LARGEST_SHARE", 1.0)
    train(read=True)
    without, within, per_reading = [], [], []
    for _ in range(ROUNDS):  # in turns, so that both see the same machine
        plain, _ = train(read=False)
        with_it, readings = train(read=True)
        without.append(plain)
        within.append(with_it)
        per_reading.append((with_it - plain) / readings)
    cost = max(0.0, statistics.median(per_reading))
    ratio = 1 + cost / usage_recorder._EVERY_SECONDS
    print(
        f"\n{STEPS} steps: {1e3 * min(without):.0f} ms, with a reading every {1e3 * EVERY:.0f} ms "
        f"{1e3 * min(within):.0f} ms; a reading costs the training {1e3 * cost:.2f} ms, "
        f"with one every ten seconds a step takes {ratio:.5f} times as long"
    )
    assert ratio <= 1.01
