"""Runs that fail: each keeps its reason in words, its traceback, and a checkpoint from before."""

from __future__ import annotations

import errno
from typing import Any

import pytest
import torch

from db.errors import DatabaseUnavailable
from db.history import metrics
from db.records import RunStatus
from db.runs import attempts, checkpoints, runs
from db.session import Database
from engine import worker
from engine.data import DataError
from engine.models import ModelError
from engine.worker_failures import failure_of
from tests.engine.worker_runs import create, failed, last_state

pytestmark = pytest.mark.usefixtures("signals")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"data": "cifar10", "data_dir": "/nowhere", "model": "lenet5"}, "/nowhere"),
        ({"model": "tests.engine.test_worker_failures:broken"}, "tests.engine.test_worker_failures:broken"),
        ({"weights": "/nowhere.pt"}, "weights = '/nowhere.pt': there is no such file"),
        ({"sparse": True, "density": 0.1, "dense_first_layer": True}, "dense_first_layer"),
        (
            {"sparse": True, "sparse_init": "GMP", "update_frequency": 1000},
            "update_frequency: 1000 leaves gmp no update",
        ),
    ],
)
def test_expected_failures_are_one_clean_line(
    db: Database, settings: dict[str, Any], reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    run = create(db, **settings)
    assert worker.main([str(run.id)]) == 1
    failed = runs.get(db, run.id)
    assert failed.status is RunStatus.FAILED
    assert failed.reason is not None
    assert reason in failed.reason
    assert "\n" not in failed.reason
    output = "".join(capfd.readouterr())
    assert "Traceback" not in output
    assert f"failed: {failed.reason}" in output
    attempt = attempts.latest(db, run.id)
    assert attempt is not None
    assert attempt.traceback is not None
    assert attempt.traceback.startswith("Traceback")


def broken() -> torch.nn.Module:
    """A user's model that fails."""
    raise ZeroDivisionError("on purpose")


class Fails(torch.nn.Module):
    """Fails in training, as a user's own code may."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(64, 10)
        self.error = error

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        if self.training and inputs.shape[0] > 2:
            raise self.error
        out: torch.Tensor = self.layer(inputs.flatten(1))
        return out


def fails() -> torch.nn.Module:
    return Fails(KeyError("first line\nlast line"))


def out_of_gpu_memory() -> torch.nn.Module:
    return Fails(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total of 8 GiB."))


def leaves() -> torch.nn.Module:
    return Fails(SystemExit(3))


def interrupts() -> torch.nn.Module:
    return Fails(KeyboardInterrupt("of my own"))


def too_large() -> torch.nn.Module:
    return torch.nn.Linear(1 << 20, 1 << 22)


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    """An error as it arrives: raised, perhaps from another one."""
    error.__cause__ = cause
    return error


CPU = (
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate "
    "80000000000 bytes. Error code 12 (Cannot allocate memory)"
)
GPU = (
    "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 79.10 GiB of which 3.50 MiB is "
    "free. Process 7 has 79.09 GiB memory in use."
)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError(CPU), "out of memory: 74.5 GiB asked for"),
        (torch.OutOfMemoryError(GPU), "out of GPU memory: 20.00 MiB asked for, 3.50 MiB free"),
        (RuntimeError("CUDA error: out of memory"), "out of GPU memory: an allocation failed"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"), "out of GPU memory: an allocation failed"),
        (MemoryError(), "out of memory: an allocation failed"),
        (
            MemoryError("Unable to allocate 7.28 TiB for an array with shape (9,)"),
            "out of memory: 7.28 TiB asked for",
        ),
        (RuntimeError("unable to mmap 4096 bytes: Cannot allocate memory (12)"), "out of memory: 4.0 KiB asked for"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "out of memory: an allocation failed"),
        (
            raised(ModelError("model 'own:build': calling it failed with RuntimeError: …"), RuntimeError(CPU)),
            "out of memory: 74.5 GiB asked for (model 'own:build')",
        ),
        (
            raised(DataError("data set 'own:read': calling it failed with MemoryError"), MemoryError()),
            "out of memory: an allocation failed (data set 'own:read')",
        ),
        (SystemExit(), "the code of the run exited: it called sys.exit(0)"),
        (SystemExit("bye\nbye"), "the code of the run exited: it called sys.exit('bye bye')"),
        (IndexError("a mistake"), "IndexError: a mistake"),
        (FileNotFoundError(2, "No such file or directory", "own.csv"), "FileNotFoundError: [Errno 2] No such file"),
        (OSError(errno.ENOSPC, "No space left on device", "last.pt"), "disk full while writing last.pt"),
        (ModelError("model 'own:build': module 'own' does not import"), "model 'own:build': module 'own' does not"),
        (GeneratorExit(), "GeneratorExit"),
    ],
)
def test_what_comes_again_at_every_try_is_not_tried_again(error: BaseException, reason: str) -> None:
    failure = failure_of(error)
    assert failure.reason.startswith(reason)
    assert not failure.retry_may_help


@pytest.mark.parametrize(
    "error",
    [
        DatabaseUnavailable("the database is locked"),
        RuntimeError("CUDA error: CUDA-capable device(s) is/are busy or unavailable"),
        raised(ModelError("model 'own:build': calling it failed"), RuntimeError("devices are busy or unavailable")),
        RuntimeError("DataLoader worker (pid 71) is killed by signal: Killed."),
        OSError(errno.EIO, "Input/output error"),
        OSError(errno.ESTALE, "Stale file handle"),
        ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
        TimeoutError("timed out"),
    ],
)
def test_trouble_of_the_host_or_a_busy_device_may_pass(error: BaseException) -> None:
    assert failure_of(error).retry_may_help


def test_an_allocation_that_is_refused_while_the_model_is_built_names_the_amount(db: Database) -> None:
    reason = failed(db, model="tests.engine.test_worker_failures:too_large").reason
    assert reason == "out of memory: 16.0 TiB asked for (model 'tests.engine.test_worker_failures:too_large')"


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("fails", "KeyError: 'first line\\nlast line'"),
        ("out_of_gpu_memory", "out of GPU memory: 2.00 GiB asked for"),
        ("leaves", "module 'tests.engine.test_worker_failures' exited: it called sys.exit(3)"),
        ("interrupts", "KeyboardInterrupt: of my own"),
    ],
)
def test_exceptions_keep_their_last_line_and_traceback(db: Database, model: str, reason: str) -> None:
    run = create(db, model=f"tests.engine.test_worker_failures:{model}")
    assert worker.main([str(run.id)]) == 1
    failed = runs.get(db, run.id)
    assert (failed.status, failed.reason, failed.exit_code) == (RunStatus.FAILED, reason, 1)
    attempt = attempts.latest(db, run.id)
    assert attempt is not None
    assert attempt.traceback is not None
    assert "in forward" in attempt.traceback


def test_diverged_run_fails_with_its_step_and_keeps_a_sound_checkpoint(db: Database) -> None:
    run = create(db, lr=1e30, epochs=2)
    assert worker.main([str(run.id)]) == 1
    failed = runs.get(db, run.id)
    rows = metrics.steps(db, run.id)
    assert failed.status is RunStatus.FAILED
    assert rows[-1].loss is not None
    assert not torch.tensor(rows[-1].loss).isfinite()
    word = "NaN" if rows[-1].loss != rows[-1].loss else "infinite"
    assert failed.reason == f"loss became {word} at step {rows[-1].step} (epoch {rows[-1].epoch})"
    state = last_state(db, run)
    assert state["step"] < rows[-1].step
    assert all(bool(tensor.isfinite().all()) for tensor in state["model"].values())
    assert {one.kind for one in checkpoints.for_run(db, run.id)} <= {"last", "best"}


def test_diverged_run_goes_on_where_the_user_wants_it(db: Database) -> None:
    run = create(db, lr=1e30, epochs=2, stop_on_nonfinite=False)
    assert worker.main([str(run.id)]) == 0
    assert len(metrics.steps(db, run.id)) == 14


def test_what_cannot_be_started_is_said(db: Database, capfd: pytest.CaptureFixture[str]) -> None:
    run = create(db, epochs=1)
    assert worker.main([str(run.id)]) == 0
    capfd.readouterr()
    assert worker.main([str(run.id)]) == 1
    assert "is completed: only a queued run can be started" in capfd.readouterr().out
    assert worker.main(["999"]) == 1
    assert "no run 999" in capfd.readouterr().out
