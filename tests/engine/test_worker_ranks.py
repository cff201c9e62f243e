"""Runs on several devices by the real worker: two ranks on the processor, really killed."""

from __future__ import annotations

import signal
import time

import psutil
import pytest

from db.records import RunRecord, RunStatus
from db.runs import attempts, checkpoints, commands, runs
from db.session import Database
from engine import worker
from engine.launch.processes import host_name
from engine.launch.settle import reconcile
from tests.engine.worker_runs import assert_one_run, create, failed, finished, started, trained, wait_for

EPOCHS = 8
NOISY = {
    "model": "tests.engine.training.models:noisy",
    "sparse": True,
    "growth": "gradient",
    "batch_size": 40,
    "epochs": EPOCHS,
    "devices": "2",
}


def rank_of(process: psutil.Process) -> psutil.Process | None:
    """The second rank of a worker."""
    return next((one for one in process.children() if "engine.rank" in one.cmdline()), None)


def begun(db: Database, run: RunRecord, step: int) -> None:
    wait_for(lambda: runs.get(db, run.id).step > step, f"run {run.id} to be past step {step}")


def resumed(db: Database, run: RunRecord) -> RunRecord:
    """The run, queued again from its last checkpoint."""
    return runs.requeue_resume(db, run.id, checkpoints.pick(db, run.id, "last").id)


@pytest.mark.usefixtures("signals")
def test_ranks_that_are_killed_leave_a_reason_and_a_run_that_resumes_bit_identical(db: Database) -> None:
    whole = trained(db, **NOISY)
    run = create(db, **NOISY)
    per_epoch = whole.step // EPOCHS

    with started(db, run) as process:
        begun(db, run, per_epoch)
        rank = wait_for(lambda: rank_of(psutil.Process(process.pid)), "the second rank")
        commands.send(db, run.id, "pause")
        wait_for(lambda: runs.get(db, run.id).status is RunStatus.PAUSED, "the run to pause")
        commands.send(db, run.id, "checkpoint")
        wait_for(lambda: not commands.pending(db, run.id), "a checkpoint while it is paused")
        commands.send(db, run.id, "unpause")
        begun(db, run, runs.get(db, run.id).step)
        killed_at = time.time()
        rank.kill()
        code, _ = finished(process)
    ended = runs.get(db, run.id)
    assert (code, ended.status, ended.signal) == (worker.EXIT_FAILED, RunStatus.KILLED, signal.SIGKILL)
    assert ended.reason == f"rank 1 of 2 on {host_name()} was killed by SIGKILL (signal 9)"
    assert ended.ended_at is not None
    assert ended.ended_at - killed_at < 5

    resumed(db, run)
    with started(db, run) as process:
        begun(db, run, runs.get(db, run.id).step + 2)
        rank = wait_for(lambda: rank_of(psutil.Process(process.pid)), "the second rank")
        process.kill()
        rank.wait(5)
    wait_for(lambda: reconcile(db) or runs.get(db, run.id).status.is_terminal, "the end to be recorded")

    resumed(db, run)
    assert worker.main([str(run.id)]) == worker.EXIT_COMPLETED
    assert_one_run(db, run, whole)


@pytest.mark.usefixtures("signals")
def test_an_error_of_one_rank_ends_the_run_with_its_reason_and_its_rank(db: Database) -> None:
    ended = failed(db, model="tests.engine.training.models:fails_on_rank_1", devices="2")
    assert ended.reason == f"rank 1 of 2 on {host_name()}: ValueError: no place for this part of the batch"
    traceback = attempts.for_run(db, ended.id)[0].traceback
    assert traceback is not None
    assert "raise ValueError" in traceback


@pytest.mark.usefixtures("signals")
def test_torchrun_is_refused_with_what_to_do_instead(
    db: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    run = create(db)
    assert worker.main([str(run.id)]) == worker.EXIT_FAILED
    assert "devices" in capsys.readouterr().out
    assert runs.get(db, run.id).status is RunStatus.QUEUED
