"""The whole way with the true worker: scheduler, warden, training on the bundled digits."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from db.history import metrics
from db.records import RunStatus
from db.runs import attempts, checkpoints, runs
from engine.config.run_config import RunConfig
from engine.launch import submit
from engine.launch.processes import host_name
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


@pytest.mark.slow  # the journey through the command line kills and resumes a true run too
def test_a_real_run_is_killed_and_goes_on_to_its_end(real: Lab) -> None:
    run = runs.create(real.db, config=config(100_000))
    real.ensure_scheduler()
    wait_for(lambda: real.get(run).epoch > 2, "the run to train")
    assert real.attempt(run).pid == real.identity(run, "worker").pid
    os.kill(real.identity(run, "worker").pid, signal.SIGKILL)
    killed = real.wait_status(run, RunStatus.KILLED)
    assert (killed.reason, killed.signal) == ("killed by SIGKILL (signal 9)", 9)

    last = checkpoints.pick(real.db, run.id, "last")
    runs.requeue_resume(real.db, run.id, last.id, config(last.epoch + 2))
    submit.ensure_scheduler(real.db)
    ended = real.wait_status(run, RunStatus.COMPLETED, RunStatus.FAILED)
    assert (ended.status, ended.exit_code) == (RunStatus.COMPLETED, 0)
    first, second = attempts.for_run(real.db, run.id)
    assert (first.signal, second.start_step) == (9, last.step)
    epochs = [one.epoch for one in metrics.epochs(real.db, run.id)]
    assert epochs == list(range(1, last.epoch + 3))
    console = real.files(run).console.read_text()
    assert console.count("--- attempt ") == 2


@pytest.mark.slow  # rank and worker are killed in test_worker_ranks; here it is whatever else stands above them
def test_no_rank_is_left_behind_whoever_is_killed(real: Lab) -> None:
    run = runs.create(real.db, config={**config(100_000), "devices": "2"})
    real.ensure_scheduler()

    def rank() -> psutil.Process | None:
        worker = psutil.Process(real.identity(run, "worker").pid)
        return next((one for one in worker.children() if "engine.rank" in one.cmdline()), None)

    wait_for(lambda: real.get(run).epoch > 1, "the run to train")
    first = wait_for(rank, "the second rank")
    os.kill(real.identity(run, "worker").pid, signal.SIGKILL)
    killed = real.wait_status(run, RunStatus.KILLED)
    assert killed.reason == f"rank 0 of 2 on {host_name()} was killed by SIGKILL (signal 9)"
    first.wait(5)

    last = checkpoints.pick(real.db, run.id, "last")
    runs.requeue_resume(real.db, run.id, last.id)
    submit.ensure_scheduler(real.db)
    wait_for(lambda: real.get(run).step > last.step + 5, "the resumed run to train")
    attempt = real.attempt(run)
    assert attempt.warden_pid is not None
    assert attempt.pid is not None
    worker = psutil.Process(attempt.pid)
    second = next(one for one in worker.children() if "engine.rank" in one.cmdline())
    real.kill_scheduler()
    os.kill(attempt.warden_pid, signal.SIGKILL)
    step = real.get(run).step
    wait_for(lambda: real.get(run).step > step, "the run to go on without them")
    worker.kill()
    second.wait(5)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that one checkpoint does not fit on, where we may make one."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("this user may not mount a file system")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.slow
def test_a_disk_that_is_full_when_a_checkpoint_is_written_ends_the_run_with_that_reason(
    real: Lab, small_disk: Path
) -> None:
    run = runs.create(real.db, config=config(1))
    folder = real.files(run).folder
    folder.mkdir(parents=True)
    (folder / "checkpoints").symlink_to(small_disk)
    real.ensure_scheduler()
    ended = real.wait_status(run, RunStatus.COMPLETED, RunStatus.FAILED)
    assert ended.status is RunStatus.FAILED
    assert (ended.reason or "").startswith(f"disk full while writing {folder / 'checkpoints'}")
    assert ended.exit_code == 1
    assert "No space left on device" in (real.attempt(run).traceback or "")
    assert list(small_disk.iterdir()) == []
    assert checkpoints.for_run(real.db, run.id) == []
