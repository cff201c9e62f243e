"""Runs to compare: three seeds of RigL, two of SET, a dense one; recorded in an instant, always the same."""

from __future__ import annotations

import random
from dataclasses import replace

from db.history.writer import MetricWriter
from db.records import RunRecord, RunStatus, StepMetric
from db.runs import attempts, runs
from db.session import Database
from tests.itop_tui.run.fabricate import record_run, settings

METHODS = ("rigl", "rigl", "rigl", "set", "set", "dense")
SEEDS = (1, 2, 3, 1, 2, 1)
TEST = (0.9510, 0.9534, 0.9522, 0.9467, 0.9475, 0.9600)
EXPLORED = (0.41, 0.43, 0.42, 0.66, 0.68, None)
FEWER = (0.91, 0.92, 0.93, None, None)
"""Test accuracies of `five`."""
FLOPS = {"rigl": 0.09, "set": 0.05, "dense": 1.0}


def compared(db: Database, count: int = 6, steps: int = 300) -> list[RunRecord]:
    """Record the first `count` of the runs."""
    return [_recorded(db, number, steps) for number in range(count)]


def _recorded(db: Database, number: int, steps: int) -> RunRecord:
    method, seed = METHODS[number], SEEDS[number]
    noise = random.Random(number)
    slower = {"rigl": 1.0, "set": 1.3, "dense": 0.8}[method]

    def alter(metric: StepMetric) -> StepMetric:
        assert metric.loss is not None
        assert metric.accuracy is not None
        return replace(
            metric,
            loss=metric.loss * slower + abs(noise.gauss(0, 0.03)),
            accuracy=min(1.0, metric.accuracy / slower + noise.gauss(0, 0.01)),
        )

    config = settings(sparse=False, seed=seed) if method == "dense" else settings(
        growth="gradient" if method == "rigl" else "random", seed=seed, lr=0.1 if method == "rigl" else 0.05
    )  # fmt: skip
    name = f"{method}-d0.05-s{seed}-lenet300-100"
    run = record_run(db, name=name, steps=steps, total_steps=steps, config=config, alter=alter, kinds=())
    attempt = attempts.latest(db, run.id)
    assert attempt is not None
    with MetricWriter(db, run.id, attempt.id) as writer:
        writer.progress(
            step=steps,
            epoch=steps // 100,
            best_val_accuracy=TEST[number] + 0.01,
            test_accuracy=TEST[number],
            density=1.0 if method == "dense" else 0.05,
            nonzeros=266_200 if method == "dense" else 13_310,
            itop_rate=EXPLORED[number],
            training_flops=1e12 * FLOPS[method],
            flops_ratio=FLOPS[method],
            samples_per_second=9_000.0 + 100 * number,
        )
    attempts.finish(db, attempt.id, status=RunStatus.COMPLETED, reason="finished")
    return runs.get(db, run.id)


def five(db: Database, steps: int = 40) -> list[RunRecord]:
    """Five seeds of one recipe, of which three have a test accuracy."""
    made = []
    for seed, accuracy in enumerate(FEWER, 1):
        run = record_run(db, name=f"five-s{seed}", steps=steps, total_steps=steps, kinds=(),
                         config=settings(seed=seed, lr=0.3))  # fmt: skip
        attempt = attempts.latest(db, run.id)
        assert attempt is not None
        with MetricWriter(db, run.id, attempt.id) as writer:
            writer.progress(step=steps, test_accuracy=accuracy, itop_rate=0.4, flops_ratio=0.1)
        attempts.finish(db, attempt.id, status=RunStatus.COMPLETED, reason=None)
        made.append(runs.get(db, run.id))
    return made
