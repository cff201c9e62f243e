"""Runs that fail: each keeps its reason in words, its traceback, and a checkpoint from before."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from db.history import metrics
from db.records import RunStatus
from db.runs import attempts, checkpoints, runs
from db.session import Database
from engine import worker
from tests.engine.worker_runs import create, last_state

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

    def __init__(self, error: Exception) -> None:
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


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("fails", "KeyError: 'first line\\nlast line'"),
        ("out_of_gpu_memory", "out of GPU memory: CUDA out of memory. Tried to allocate 2.00 GiB"),
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
