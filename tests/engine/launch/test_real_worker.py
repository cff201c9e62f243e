"""The whole way with the true worker: scheduler, warden, training on the bundled digits."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from db import attempts, checkpoints, metrics, runs
from db.records import RunStatus
from engine.config import RunConfig
from engine.launch import submit
from tests.engine.launch.tools import Lab, wait_for


@pytest.fixture
def real(lab: Lab) -> Lab:
    lab.worker = ()  # the scheduler's own choice
    return lab


def config(epochs: int) -> dict[str, Any]:
    chosen = RunConfig.create(
        data="digits", model="lenet300-100", sparse=True, density=0.1, device="cpu", epochs=epochs
    )
    return chosen.as_dict()


@pytest.mark.timeout(400)
def test_a_real_run_is_killed_and_goes_on_to_its_end(real: Lab) -> None:
    run = runs.create(real.db, config=config(100_000))
    real.ensure_scheduler()
    wait_for(lambda: real.get(run).epoch > 2, "the run to train", seconds=120)
    assert real.attempt(run).pid == real.identity(run, "worker").pid
    os.kill(real.identity(run, "worker").pid, signal.SIGKILL)
    killed = real.wait_status(run, RunStatus.KILLED, seconds=5)
    assert (killed.reason, killed.signal) == ("killed by SIGKILL (signal 9)", 9)

    last = checkpoints.pick(real.db, run.id, "last")
    runs.requeue_resume(real.db, run.id, last.id, config(last.epoch + 2))
    submit.ensure_scheduler(real.db)
    ended = real.wait_status(run, RunStatus.COMPLETED, RunStatus.FAILED, seconds=120)
    assert (ended.status, ended.exit_code) == (RunStatus.COMPLETED, 0)
    first, second = attempts.for_run(real.db, run.id)
    assert (first.signal, second.start_step) == (9, last.step)
    epochs = [one.epoch for one in metrics.epochs(real.db, run.id)]
    assert epochs == list(range(1, last.epoch + 3))
    console = real.files(run).console.read_text()
    assert console.count("--- attempt ") == 2
