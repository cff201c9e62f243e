"""Workers are killed with -9 at random times, most of them while they write a checkpoint: none is damaged or lost.

Everything is real: each trial is a worker in a process of its own that trains a network and writes checkpoints to this
disk, and a database that knows of them. After each kill every checkpoint that is registered is verified byte by byte,
the run has one to resume from, and the next worker resumes from it. `pytest -m slow -s` on this file kills a thousand
times and prints the counts.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from db import paths
from db.history import metrics
from db.records import RunRecord, RunStatus
from db.runs import attempts, checkpoints, commands, runs
from db.session import Database
from db.sqlite.health import examine
from engine import worker
from engine.launch import submit
from engine.training import checkpoint
from tests.engine.worker_runs import create, trained
from tests.patience import PATIENCE

SETTINGS = {
    "sparse": True,
    "batch_size": 2000,  # one step an epoch, so that most of the time goes into checkpoints
    "test_batch_size": 2000,
    "epochs": 1_000_000,
    "update_frequency": 5,
    "lr": 1e-3,
    "keep_last": 3,
    "keep_best": 2,
    "log_interval": 1_000_000,
}


class Nursery:
    """Starts workers quickly, one at a time; see `tests.engine.training.nursery`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert self._answer() == "ready"

    def start(self, run: RunRecord) -> int:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{run.id}\n")
        self._process.stdin.flush()
        return int(self._answer())

    def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        assert os.WTERMSIG(int(self._answer())) == signal.SIGKILL

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextmanager
def nursery(db: Database, console: Path) -> Iterator[Nursery]:
    done = trained(db, **{**SETTINGS, "max_steps": 1})
    at = checkpoints.pick(db, done.id, "last")
    first = runs.create(db, config=done.config, parent_id=done.id, start_checkpoint_id=at.id, fork_step=at.step)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.engine.training.nursery", str(console), str(first.id)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    try:
        yield Nursery(process)
    finally:
        process.kill()
        process.communicate()


def left_behind(db: Database, run: RunRecord) -> dict[tuple[str, int], str]:
    """What a kill left in the run's folder: each file, with what it is."""
    named = {Path(one.path).name for one in checkpoints.for_run(db, run.id)}
    found = checkpoint.leftovers(paths.run_folder(run.uid) / "checkpoints", named)
    return {(one.name, one.stat().st_mtime_ns): one.suffix for one in found}


def storm(db: Database, run: RunRecord, home: Path, trials: int, seed: int) -> Counter[str]:
    """Kill the workers of one run again and again; returns what the kills met."""
    draw = random.Random(seed)
    counts: Counter[str] = Counter()
    folder = paths.run_folder(run.uid) / "checkpoints"
    before: dict[tuple[str, int], str] = {}
    furthest = 0
    with nursery(db, home / "console.txt") as workers:
        for _ in range(trials):
            since = time.time_ns()
            pid = workers.start(run)
            how = draw.choice(["start", "any", "write", "write"])
            if how == "start":
                pause(draw.uniform(0, 0.3))
            else:
                wait_closely(partial(written, folder, since, ".pt"))
                if how == "write":
                    wait_closely(partial(written, folder, since, ".part"))
                pause(draw.expovariate(1 / 0.05 if how == "any" else 1 / 0.003))
            workers.kill(pid)

            left = left_behind(db, run)
            counts["kills"] += 1
            counts["in the middle of a file"] += ".part" in left.values()
            counts["between file and row, or row and removal"] += ".pt" in left.values()
            if how != "start":  # the worker came so far as to clear away what its predecessor left
                assert not before.keys() & left.keys()
            before = left
            furthest = max(furthest, verify(db, run, counts))
            resume(db, run)
    counts["steps"] = furthest
    return counts


def wait_closely(condition: Callable[[], bool]) -> None:
    """Wait for what lasts some milliseconds only."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.0002)


def written(folder: Path, since: int, suffix: str) -> bool:
    try:
        return any(one.suffix == suffix and one.stat().st_mtime_ns >= since for one in folder.iterdir())
    except FileNotFoundError:  # it was renamed, or the folder is not there yet
        return False


def pause(seconds: float) -> None:
    """Wait for the instant of the kill, which is the test's own choice."""
    time.sleep(seconds)


def verify(db: Database, run: RunRecord, counts: Counter[str]) -> int:
    """Every registered checkpoint is complete and can be resumed from; returns the run's step."""
    kept = checkpoints.for_run(db, run.id)
    for one in kept:
        path = Path(one.path)
        assert path.stat().st_size == one.bytes, one
        assert checkpoint.checksum(path) == one.sha256, one
        counts["files verified"] += 1
    steps = [row.step for row in metrics.steps(db, run.id)]
    if kept:
        last = checkpoints.pick(db, run.id, "last")
        assert checkpoint.read(Path(last.path), sha256=last.sha256)["step"] == last.step
        assert last.step <= (steps[-1] if steps else 0)
        assert sum(one.kind == "last" for one in kept) <= 3
        assert sum(one.kind == "best" for one in kept) <= 2
    assert steps == list(range(1, len(steps) + 1))
    return len(steps)


def resume(db: Database, run: RunRecord) -> None:
    """Settle the dead worker as any command of itop does, and queue its run from the last checkpoint."""
    submit.reconcile(db)
    latest = attempts.latest(db, run.id)
    if runs.get(db, run.id).status is RunStatus.STARTING:  # dead before it said who it is, which a warden would know
        assert latest is not None
        attempts.finish(
            db, latest.id, status=RunStatus.KILLED, reason="killed by SIGKILL", signal=9, retry_may_help=True
        )
    now = runs.get(db, run.id)
    if now.status is RunStatus.QUEUED:  # killed before it had reserved the run, or before its first step
        if now.held:
            runs.release(db, run.id)
        return
    assert now.status.is_terminal
    kept = checkpoints.for_run(db, run.id)
    runs.requeue_resume(db, run.id, checkpoints.pick(db, run.id, "last").id if kept else None)


def rage(db: Database, home: Path, trials: int, seed: int) -> None:
    run = create(db, **SETTINGS)
    started = time.monotonic()
    counts = storm(db, run, home, trials, seed)
    sys.stdout.write(f"\n{dict(counts)}, in {time.monotonic() - started:.0f} s\n")
    assert counts["kills"] == trials
    assert counts["in the middle of a file"] >= trials // 20
    assert examine(db).problems == ()

    # One that is left alone clears the rest away.
    whole = {**runs.get(db, run.id).config, "max_steps": counts["steps"] + 3}
    runs_again(db, run, whole)
    folder = paths.run_folder(run.uid) / "checkpoints"
    assert {Path(one.path).name for one in checkpoints.for_run(db, run.id)} == {one.name for one in folder.iterdir()}
    assert [row.step for row in metrics.steps(db, run.id)] == list(range(1, counts["steps"] + 4))


def runs_again(db: Database, run: RunRecord, config: dict[str, object]) -> None:
    if runs.get(db, run.id).status is RunStatus.QUEUED:
        commands.send(db, run.id, "stop")
    runs.requeue_resume(db, run.id, checkpoints.pick(db, run.id, "last").id, config=config)
    assert worker.main([str(run.id)]) == worker.EXIT_COMPLETED


@pytest.mark.usefixtures("signals")
def test_no_kill_tears_or_loses_a_checkpoint(db: Database, tmp_path: Path) -> None:
    rage(db, tmp_path, trials=10, seed=20)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.usefixtures("signals")
def test_no_kill_of_a_thousand_tears_or_loses_a_checkpoint(db: Database, tmp_path: Path) -> None:
    rage(db, tmp_path, trials=1000, seed=1000)
