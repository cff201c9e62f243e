"""Runs with a history, written through the store's own interface."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from db import paths
from db.history.writer import MetricWriter
from db.records import EpochMetric, LayerMaskStat, MaskUpdate, RunRecord, RunStatus, StepMetric
from db.runs import attempts, checkpoints, runs
from db.session import Database
from engine.config.experiments import as_stored
from engine.config.run_config import RunConfig
from engine.launch.processes import host_name

STEPS = 40
LAYERS = (("fc1.weight", (300, 64), 19_200), ("fc2.weight", (10, 300), 3_000))


def queued(database: Database, name: str = "sparse digits", **settings: Any) -> RunRecord:
    """Queue a sparse run on digits."""
    chosen: dict[str, Any] = {"data": "digits", "sparse": True, "density": 0.1, "epochs": 2, "update_frequency": 10}
    config = RunConfig.create({**chosen, **settings})
    return runs.create(database, **as_stored(config), name=name, total_steps=STEPS)


def running(database: Database, run: RunRecord) -> int:
    """Give a queued run an attempt whose process is alive for sure: this one. Returns the attempt's id."""
    from engine.launch.processes import ProcessIdentity

    attempt = runs.reserve(database, run.id, host=host_name(), device="cpu", slots=100)
    assert attempt is not None
    me = ProcessIdentity.current()
    attempts.running(
        database,
        attempt.id,
        pid=me.pid,
        start_time=me.start_time,
        boot_id=me.boot_id,
        versions={"torch": "2.7.0"},
        commit="abc",
        dirty=False,
        command_line="train",
    )
    return attempt.id


def trained(
    database: Database, name: str = "sparse digits", *, status: RunStatus = RunStatus.COMPLETED, **settings: Any
) -> RunRecord:
    """Make a run with forty steps, a first mask and four updates, two epochs and a last and a best checkpoint."""
    run = queued(database, name, **settings)
    attempt_id = running(database, run)
    writer = MetricWriter(database, run.id, attempt_id)
    writer.mask_update(*_update(0))
    for step in range(1, STEPS + 1):
        loss = math.nan if step == STEPS else 2.0 / step
        writer.step(
            StepMetric(
                step=step,
                epoch=1 + (step - 1) // 20,
                loss=loss,
                accuracy=step / STEPS,
                learning_rate=0.1,
                death_rate=0.5,
                density=0.1,
                itop_rate=0.1 + step / 1000,
                samples_per_second=12_345.0,
            )
        )
        if step % 10 == 0:
            writer.mask_update(*_update(step))
    writer.epoch(EpochMetric(1, 20, 0.5, 0.9, 0.6, 0.85, 0.1, 1.25))
    writer.epoch(EpochMetric(2, 40, 0.3, 0.95, 0.4, 0.91, 0.01, 1.5))
    writer.progress(
        step=STEPS,
        epoch=2,
        loss=math.nan,
        val_accuracy=0.91,
        best_val_accuracy=0.91,
        test_accuracy=0.9021,
        density=0.1,
        nonzeros=2_220,
        itop_rate=0.14,
        training_flops=1.5e9,
        flops_ratio=0.123,
    )
    writer.close()
    for kind, step in (("best", 20), ("last", STEPS)):
        path = paths.run_folder(run.uid) / "checkpoints" / f"step-{step:09d}-{kind}.pt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 1_000)
        checkpoints.add(
            database,
            run_id=run.id,
            attempt_id=attempt_id,
            step=step,
            epoch=step // 20,
            kind=kind,  # type: ignore[arg-type]
            path=str(path),
            bytes=1_000,
            sha256="0" * 64,
            val_accuracy=0.91,
        )
    attempts.finish(database, attempt_id, status=status, reason=None, exit_code=0)
    return runs.get(database, run.id)


def log_of(run: RunRecord) -> Path:
    """The console log of a run, in a folder that exists."""
    path = paths.run_folder(run.uid) / "console.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _update(step: int) -> tuple[MaskUpdate, list[LayerMaskStat]]:
    number = step // 10
    changed = 50 if number else 0
    layers = [
        LayerMaskStat(
            layer=name,
            position=position,
            shape=shape,
            size=size,
            nonzeros=size // 10,
            pruned=changed,
            grown=changed,
            explored=size // 10 + 50 * number,
            overlap_previous=0.97,
            overlap_first=0.9,
            survival=0.5 if number else None,
            dead_inputs=1,
            dead_outputs=0,
        )
        for position, (name, shape, size) in enumerate(LAYERS)
    ]
    update = MaskUpdate(
        update=number,
        step=step,
        death_rate=0.5,
        pruned=2 * changed,
        grown=2 * changed,
        nonzeros=2_220,
        density=0.1,
        itop_rate=0.1 + number / 100,
        overlap_previous=0.97,
        overlap_first=0.9,
        survival=0.5 if number else None,
        churn=0.045,
    )
    return update, layers
