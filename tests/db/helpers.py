"""What the store's tests share: small runs and steps, real processes, and waiting for a condition."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from db.records import AttemptRecord, RunRecord, RunStatus, StepMetric
from db.runs import attempts, runs
from db.session import Database

CONFIG: dict[str, Any] = {
    "model": "vgg-c",
    "data": "cifar10",
    "sparse": True,
    "density": 0.05,
    "growth": "gradient",
    "death": "magnitude",
    "redistribution": "none",
    "seed": 18,
    "epochs": 2,
    "multiplier": 5,
}


def new_run(db: Database, **changes: Any) -> RunRecord:
    return runs.create(db, **({"config": CONFIG} | changes))


def start(
    db: Database, run: RunRecord, *, device: str = "cpu", host: str = "here", slots: int = 100_000
) -> AttemptRecord:
    """Reserve a run and report its worker as up."""
    attempt = runs.reserve(db, run.id, host=host, device=device, slots=slots)
    assert attempt is not None
    assert attempts.running(db, attempt.id, pid=4242, start_time=1.5, boot_id="boot")
    return attempts.get(db, attempt.id)


def started(db: Database, **changes: Any) -> tuple[RunRecord, AttemptRecord]:
    run = new_run(db, **changes)
    attempt = start(db, run)
    return runs.get(db, run.id), attempt


def end(db: Database, run: RunRecord, status: RunStatus = RunStatus.STOPPED) -> None:
    attempt = attempts.latest(db, run.id)
    assert attempt is not None
    assert attempts.finish(db, attempt.id, status=status, reason="test", exit_code=3)


def step(number: int, loss: float | None = 0.5, **changes: Any) -> StepMetric:
    values: dict[str, Any] = {
        "epoch": number // 100,
        "accuracy": 0.25,
        "learning_rate": 0.1,
        "death_rate": 0.5,
        "density": 0.05,
        "itop_rate": 0.06,
        "samples_per_second": 1000.0,
        "at": 1000.0 + number,
    }
    return StepMetric(step=number, loss=loss, **(values | changes))


def wait_for(condition: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain for {what}"
        time.sleep(0.005)


def fastest(call: Callable[[], object], times: int = 5) -> float:
    """The shortest of several durations, in seconds: the others measure what else the machine does."""
    durations = []
    for _ in range(times):
        before = time.perf_counter()
        call()
        durations.append(time.perf_counter() - before)
    return min(durations)


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a fresh interpreter on some code; its arguments are in sys.argv[1:]."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def output_of(process: subprocess.Popen[str], seconds: float = 120.0) -> str:
    """Wait for a process to end well; returns what it printed."""
    out, err = process.communicate(timeout=seconds)
    assert process.returncode == 0, err
    return out
