"""Runs recorded through the store's own functions, as a worker would record them, but in an instant."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Any

from db.history.writer import MetricWriter
from db.paths import run_folder
from db.records import (
    AttemptRecord,
    CheckpointKind,
    EpochMetric,
    LayerMaskStat,
    MaskUpdate,
    RunRecord,
    RunStatus,
    StepMetric,
)
from db.runs import attempts, checkpoints, runs
from db.session import Database
from engine.config.run_config import RunConfig
from tests.described import described

LAYERS: tuple[tuple[str, tuple[int, ...], float], ...] = (
    ("fc1", (300, 64), 0.10),
    ("fc2", (100, 300), 0.05),
    ("fc3", (10, 100), 0.60),
)
STEPS_AN_EPOCH = 100


def settings(**changes: Any) -> dict[str, Any]:
    """A valid configuration of a sparse run on the bundled data."""
    return RunConfig.create(
        **{"data": "digits", "sparse": True, "density": 0.05, "growth": "gradient", "epochs": 10, **changes}
    ).as_dict()


def layer_stats(update: int, layers: Sequence[tuple[str, tuple[int, ...], float]] = LAYERS) -> list[LayerMaskStat]:
    """What mask update `update` did to the layers."""
    rows = []
    for position, (name, shape, density) in enumerate(layers):
        size = math.prod(shape)
        active = max(1, round(size * density))
        moved = active // (4 + update) if update else 0
        rows.append(
            LayerMaskStat(
                layer=name,
                position=position,
                shape=shape,
                size=size,
                nonzeros=active,
                pruned=moved,
                grown=moved,
                explored=min(size, active + update * active // 5),
                overlap_previous=0.8 if update else None,
                overlap_first=max(0.1, 1 - 0.05 * update) if update else None,
                survival=0.6 if update > 1 else None,
                dead_inputs=position,
                dead_outputs=2 * position,
                alive=max(0, shape[0] - 3 * position),
                percolated=max(0, shape[0] - 4 * position),
            )
        )
    return rows


def step_metric(step: int, *, sparse: bool = True) -> StepMetric:
    """The metrics of one step of a run that converges."""
    return StepMetric(
        step=step,
        epoch=(step - 1) // STEPS_AN_EPOCH + 1,
        loss=2.3 * math.exp(-step / 300) + 0.05 + 0.02 * math.sin(step),
        accuracy=1 - 0.9 * math.exp(-step / 200),
        learning_rate=0.1 if step < 500 else 0.01,
        death_rate=0.5 / (1 + step / 500) if sparse else None,
        density=0.05 if sparse else 1.0,
        itop_rate=1 - 0.95 * math.exp(-step / 800) if sparse else None,
        samples_per_second=12_000.0 + step % 7,
        at=1_000_000.0 + step,
    )


def start(db: Database, run_id: int, device: str = "cpu") -> AttemptRecord:
    """Reserve and start a run as the scheduler and the worker do."""
    attempt = runs.reserve(db, run_id, host="atlas", device=device, slots=1_000)
    assert attempt is not None
    attempts.running(
        db,
        attempt.id,
        pid=4242,
        start_time=1.0,
        boot_id="boot",
        versions={"python": "3.12.1", "torch": "2.8.0"},
        commit="0123456789abcdef0123",
        dirty=True,
        command_line="itop train --data digits --sparse",
    )
    return attempt


def record_run(
    db: Database,
    *,
    name: str = "a run",
    steps: int = 300,
    total_steps: int = 1_000,
    config: dict[str, Any] | None = None,
    layers: Sequence[tuple[str, tuple[int, ...], float]] = LAYERS,
    alter: Callable[[StepMetric], StepMetric] = lambda metric: metric,
    kinds: Sequence[CheckpointKind] = ("last", "best"),
    log: str | None = None,
    parent: RunRecord | None = None,
    ended: RunStatus | None = None,
    reason: str = "",
    signal: int | None = None,
) -> RunRecord:
    """Record a run with its steps, epochs, mask updates, checkpoints and log.

    Args:
        db: The database.
        name: The run's name.
        steps: How many steps it has taken.
        total_steps: How many it is to take.
        config: Its settings.
        layers: Name, shape and density of its masked layers; used for a sparse run.
        alter: Changes the metrics of a step before it is recorded.
        kinds: Its checkpoints.
        log: What stands in its console log; None for no file.
        parent: The run it was forked from.
        ended: How it ended; None for a running one.
        reason: Why it ended.
        signal: The signal that ended it.
    """
    config = config if config is not None else settings()
    sparse = bool(config["sparse"])
    run = runs.create(
        db,
        **described(config),
        name=name,
        total_steps=total_steps,
        parent_id=parent.id if parent else None,
        fork_step=100 if parent else None,
    )
    attempt = start(db, run.id)
    updates = 0
    with MetricWriter(db, run.id, attempt.id) as writer:
        if sparse:
            writer.mask_update(MaskUpdate(0, 0, 0.5, 0, 0, 4_000, 0.05, 0.05, at=1e6), layer_stats(0, layers))
        for step in range(1, steps + 1):
            metric = alter(step_metric(step, sparse=sparse))
            writer.step(metric)
            if sparse and step % STEPS_AN_EPOCH == 0 and updates < 100:
                updates += 1
                rate = metric.itop_rate
                writer.mask_update(
                    MaskUpdate(updates, step, 0.4, 50, 50, 4_000, 0.05, rate, 0.8, 0.6, 0.7, 0.1, at=1e6 + step),
                    layer_stats(updates, layers),
                )
            if step % STEPS_AN_EPOCH == 0:
                writer.epoch(
                    EpochMetric(metric.epoch, step, metric.loss, metric.accuracy, 0.4, 0.9, 0.1, 1.5, at=1e6 + step)
                )
        writer.flush()
    folder = run_folder(run.uid)
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    for kind in kinds:
        at = steps if kind == "last" else max(1, steps - 100)
        path = folder / "checkpoints" / f"step-{at:09d}-{kind}.pt"
        path.write_bytes(b"weights")
        checkpoints.add(
            db,
            run_id=run.id,
            attempt_id=attempt.id,
            step=at,
            epoch=max(1, at // STEPS_AN_EPOCH),
            kind=kind,
            path=str(path),
            bytes=len(b"weights"),
            sha256=hashlib.sha256(b"weights").hexdigest(),
            val_accuracy=0.9,
        )
    if log is not None:
        (folder / "console.log").write_text(log, encoding="utf-8")
    if ended is not None:
        attempts.finish(db, attempt.id, status=ended, reason=reason, signal=signal)
    return runs.get(db, run.id)
