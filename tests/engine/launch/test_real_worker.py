"""The whole way with the true worker: scheduler, warden, training on the bundled digits."""

from __future__ import annotations

import os
import signal

import pytest

from db import checkpoints, metrics, runs
from db.records import RunRecord, RunStatus
from engine.config import RunConfig
from engine.launch import submit
from tests.engine.launch.tools import Lab, wait_for


@pytest.fixture
def real(lab: Lab) -> Lab:
    lab.worker = ()  # the scheduler's own choice
    return lab


def train(lab: Lab, **settings: object) -> RunRecord:
    config = RunConfig.create(data="digits", model="lenet300-100", sparse=True, density=0.1, device="cpu", **settings)
    return runs.create(lab.db, config=config.as_dict())


@pytest.mark.timeout(400)
def test_real_runs_complete_stop_die_and_go_on(real: Lab) -> None:
    short, long = train(real, epochs=2), train(real, epochs=100_000)
    real.ensure_scheduler()

    ended = real.wait_status(short, RunStatus.COMPLETED, RunStatus.FAILED, seconds=120)
    assert (ended.status, ended.exit_code) == (RunStatus.COMPLETED, 0)
    assert len(metrics.epochs(real.db, short.id)) == 2

    wait_for(lambda: real.get(long).step > 50, "the long run to train", seconds=120)
    assert real.attempt(long).pid == real.identity(long, "worker").pid
    submit.stop(real.db, long.id)
    stopped = real.wait_status(long, RunStatus.STOPPED)
    assert (stopped.reason, stopped.exit_code) == ("stopped by user", 3)

    runs.requeue_resume(real.db, long.id, checkpoints.pick(real.db, long.id, "last").id)
    submit.ensure_scheduler(real.db)
    wait_for(lambda: real.get(long).step > stopped.step, "the resumed run to be further", seconds=120)
    second = real.attempt(long)
    assert second.number == 2
    assert second.pid is not None
    os.kill(second.pid, signal.SIGKILL)
    killed = real.wait_status(long, RunStatus.KILLED, seconds=5)
    assert (killed.reason, killed.signal) == ("killed by SIGKILL (signal 9)", 9)
