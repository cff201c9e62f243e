"""How true workers ended, each end brought about for real: known within seconds, and distinguished from the others."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest

from db.history import metrics
from db.records import CheckpointRecord, RunRecord, RunStatus
from db.runs import checkpoints, runs
from engine.config.experiments import as_stored
from engine.config.run_config import RunConfig
from engine.launch import submit
from engine.launch.devices import list_devices
from tests.engine.launch.tools import Lab, wait_for

MODELS = "tests.engine.launch.models"
SECONDS = 5.0
"""The promise: so soon after an end it is known. Asserted here, where workers are true; no ceiling to be raised."""


@pytest.fixture
def real(lab: Lab) -> Lab:
    lab.worker = ()  # the scheduler's own choice
    return lab


def queue(lab: Lab, model: str = f"{MODELS}:slow", **settings: Any) -> RunRecord:
    chosen = {"data": "digits", "model": model, "device": "cpu", "batch_size": 100, "epochs": 1000, **settings}
    run = runs.create(lab.db, **as_stored(RunConfig.create(chosen)), submission=submit.submission())
    lab.ensure_scheduler()
    return run


def training(lab: Lab, run: RunRecord) -> None:
    wait_for(lambda: lab.get(run).step > 2, "the run to train")


def soon(lab: Lab, run: RunRecord, status: RunStatus) -> RunRecord:
    """The run's end, which must be known in a few seconds."""
    began = time.monotonic()
    ended = lab.wait_status(run, status)
    assert time.monotonic() - began < SECONDS
    return ended


def moved(lab: Lab, there: str, back: str) -> None:
    """Rename the database with its log, as somebody does who tidies up; the file itself goes last, and comes last."""
    lab.db.close()
    for name in ("-wal", "-shm", ""):
        if (lab.home / f"{there}{name}").exists():
            (lab.home / f"{there}{name}").rename(lab.home / f"{back}{name}")


@pytest.mark.slow
def test_finished_killed_by_a_signal_and_stopped(real: Lab) -> None:
    finished = queue(real, max_steps=5)
    assert real.wait_status(finished, RunStatus.COMPLETED).exit_code == 0
    for number, name in ((signal.SIGKILL, "SIGKILL"), (signal.SIGSEGV, "SIGSEGV")):
        run = queue(real)
        training(real, run)
        os.kill(real.identity(run, "worker").pid, number)
        ended = soon(real, run, RunStatus.KILLED)
        assert (ended.reason, ended.signal) == (f"killed by {name} (signal {int(number)})", int(number))
    stopped = queue(real)
    training(real, stopped)
    submit.stop(real.db, stopped.id)
    ended = soon(real, stopped, RunStatus.STOPPED)
    assert (ended.reason, ended.exit_code) == ("stopped by user", 3)
    assert checkpoints.pick(real.db, stopped.id, "last").step == ended.step


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "reason", "trace"),
    [
        ("broken", "ArithmeticError: is not a number", "in act"),
        ("hungry", "out of memory: an allocation failed", "MemoryError"),
        ("hungry_tensor", "out of memory: 4.0 GiB asked for", "can't allocate memory"),
    ],
)
def test_an_exception_and_memory_that_the_process_may_not_have(real: Lab, model: str, reason: str, trace: str) -> None:
    run = queue(real, f"{MODELS}:{model}")
    ended = real.wait_status(run, RunStatus.FAILED)
    assert (ended.reason or "").startswith(reason)
    assert (ended.exit_code, ended.signal) == (1, None)
    assert trace in (real.attempt(run).traceback or "")


@pytest.mark.gpu
@pytest.mark.skipif(not list_devices().gpus, reason=list_devices().problem or "there is no GPU here")
def test_memory_that_the_gpu_does_not_have(real: Lab) -> None:
    run = queue(real, f"{MODELS}:hungry_on_device", device="cuda:0")
    ended = real.wait_status(run, RunStatus.FAILED)
    assert (ended.reason or "").startswith("out of GPU memory: 4096.00 GiB asked for")
    assert "OutOfMemoryError" in (real.attempt(run).traceback or "")


def test_signals_pause_save_let_go_on_and_stop(real: Lab) -> None:
    run = queue(real)
    training(real, run)
    worker = real.identity(run, "worker")
    os.kill(worker.pid, signal.SIGTSTP)
    os.kill(worker.pid, signal.SIGTSTP)
    held = real.wait_status(run, RunStatus.PAUSED).step
    os.kill(worker.pid, signal.SIGUSR1)

    def saved() -> list[CheckpointRecord]:
        return [one for one in checkpoints.for_run(real.db, run.id) if one.kind == "manual"]

    (manual,) = wait_for(saved, "the checkpoint that was asked for")
    assert manual.step >= held > 0
    told = f"checkpoint {manual.id} at step {manual.step}"
    wait_for(lambda: told in real.files(run).console.read_text(), "the answer on the console")
    os.kill(worker.pid, signal.SIGCONT)
    real.wait_status(run, RunStatus.RUNNING)
    os.kill(worker.pid, signal.SIGTERM)
    ended = real.wait_status(run, RunStatus.STOPPED)
    assert ended.reason == "stopped by SIGTERM"
    assert checkpoints.pick(real.db, run.id, "last").step == ended.step >= manual.step
    assert [row.step for row in metrics.steps(real.db, run.id)] == list(range(1, ended.step + 1))


def test_a_run_whose_time_is_up_stops_with_a_checkpoint(real: Lab) -> None:
    run = queue(real, time_limit=10)
    ended = real.wait_status(run, RunStatus.STOPPED)
    assert (ended.reason, ended.exit_code) == ("time limit of 10 s reached", 3)
    assert (ended.ended_at or 0) - real.attempt(run).started_at >= 10
    assert checkpoints.pick(real.db, run.id, "last").step == ended.step


def test_a_database_that_is_away_for_a_while_and_at_the_very_end_costs_nothing(real: Lab) -> None:
    run = queue(real, batch_size=30, epochs=2)
    training(real, run)

    def complaints() -> int:
        return real.files(run).console.read_text(encoding="utf-8").count("the database does not answer")

    moved(real, "itop.db", "away.db")
    wait_for(complaints, "the worker to meet the absence")
    moved(real, "away.db", "itop.db")
    real.reopen()
    wait_for(lambda: real.get(run).epoch == 2, "the second epoch")
    assert real.get(run).status is RunStatus.RUNNING

    before = complaints()
    moved(real, "itop.db", "away.db")
    wait_for(lambda: complaints() > before + 5, "the training to be over, and its end unrecorded")  # one a second
    assert real.identity(run, "worker").alive()
    assert not (real.home / "itop.db").exists()  # no process made a new one
    moved(real, "away.db", "itop.db")
    real.reopen()
    ended = real.wait_status(run, RunStatus.COMPLETED, RunStatus.FAILED)
    assert (ended.status, ended.attempt_count) == (RunStatus.COMPLETED, 1)
    assert [row.step for row in metrics.steps(real.db, run.id)] == list(range(1, ended.total_steps + 1))


@pytest.mark.slow  # three processes that import torch
def test_a_mistake_in_the_code_of_a_model_is_not_tried_again(real: Lab) -> None:
    broken = queue(real, f"{MODELS}:broken_at_once")
    mistaken = queue(real, f"{MODELS}:there_is_no_such_thing")
    leaving = queue(real, f"{MODELS}:leaves_at_once")
    reasons = (
        (broken, "ArithmeticError: is not a number"),
        (mistaken, "there_is_no_such_thing"),
        (leaving, f"exit code 0 before its first step: does {MODELS} call sys.exit() or os._exit()?"),
    )
    for run, reason in reasons:
        ended = real.wait_status(run, RunStatus.FAILED)
        assert reason in (ended.reason or "")
        assert (ended.attempt_count, ended.start_failures, ended.held) == (1, 0, False)
    assert "in act" in (real.attempt(broken).traceback or "")
