"""Runs made by the real worker, in this process or another, and what it recorded of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from db.history import metrics
from db.records import RunRecord, RunStatus
from db.runs import checkpoints, runs
from db.session import Database
from engine import worker
from engine.config.experiments import as_stored
from engine.launch.processes import host_name
from engine.training import checkpoint
from tests.engine.training.helpers import config, same, without_times
from tests.patience import PATIENCE
from tests.patience import wait_for as wait_for


def create(db: Database, **settings: Any) -> RunRecord:
    return runs.create(db, **as_stored(config(device="cpu", **settings)))


@contextmanager
def started(db: Database, run: RunRecord) -> Iterator[subprocess.Popen[str]]:
    """A worker process for a run, reserved as the scheduler does it."""
    attempt = runs.reserve(db, run.id, host=host_name(), device="cpu", slots=1)
    assert attempt is not None
    process = subprocess.Popen(
        [sys.executable, "-m", "engine.worker", str(run.id), "--attempt", str(attempt.id)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def finished(process: subprocess.Popen[str]) -> tuple[int, str]:
    output, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, output


def step_rows(db: Database, run: RunRecord) -> list[tuple[Any, ...]]:
    return [
        (row.step, row.epoch, row.loss, row.accuracy, row.learning_rate, row.death_rate, row.density, row.itop_rate)
        for row in metrics.steps(db, run.id)
    ]


def epoch_rows(db: Database, run: RunRecord) -> list[tuple[Any, ...]]:
    return [
        (row.epoch, row.step, row.train_loss, row.train_accuracy, row.val_loss, row.val_accuracy, row.learning_rate)
        for row in metrics.epochs(db, run.id)
    ]


def update_rows(db: Database, run: RunRecord) -> list[Any]:
    rows: list[Any] = []
    for row in metrics.mask_updates(db, run.id):
        fields = {name: getattr(row, name) for name in row.__dataclass_fields__ if name != "at"}
        rows.append((fields, metrics.layer_stats(db, run.id, row.update)))
    return rows


def last_state(db: Database, run: RunRecord) -> dict[str, Any]:
    record = checkpoints.pick(db, run.id, "last")
    state = checkpoint.read(Path(record.path), sha256=record.sha256)
    del state["format"]
    return state


def assert_one_run(db: Database, run: RunRecord, whole: RunRecord) -> None:
    """Two runs recorded the same and ended in the same state, wall-clock times aside."""
    assert step_rows(db, run) == step_rows(db, whole)
    assert epoch_rows(db, run) == epoch_rows(db, whole)
    assert update_rows(db, run) == update_rows(db, whole)
    mine, theirs = without_times(last_state(db, run)), without_times(last_state(db, whole))
    for part in theirs:
        assert same(mine[part], theirs[part]), part


def trained(db: Database, **settings: Any) -> RunRecord:
    """A run that the worker has trained to its end, in this process; give the signal handlers back afterwards."""
    run = create(db, **settings)
    code = worker.main([str(run.id)])
    ended = runs.get(db, run.id)
    assert code == 0, ended.reason
    assert ended.status is RunStatus.COMPLETED
    return ended


def failed(db: Database, **settings: Any) -> RunRecord:
    """A run that the worker could not train to its end."""
    run = create(db, **settings)
    assert worker.main([str(run.id)]) == worker.EXIT_FAILED
    ended = runs.get(db, run.id)
    assert ended.status is RunStatus.FAILED
    assert ended.reason is not None
    assert "\n" not in ended.reason
    return ended
