"""Resumed and forked runs, made by the real worker: one curve, whatever checkpoint they started from and how often."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from db import paths
from db.history import metrics
from db.records import CheckpointRecord, RunRecord, RunStatus
from db.runs import attempts, checkpoints, runs
from db.session import Database
from engine import worker
from engine.training import checkpoint
from tests.engine.worker_runs import assert_one_run, create, step_rows, trained, update_rows

pytestmark = pytest.mark.usefixtures("signals")

SETTINGS: dict[str, Any] = {"sparse": True, "growth": "gradient", "epochs": 4, "checkpoint_every": 1}
"""28 steps, seven an epoch."""


def go_on(db: Database, run: RunRecord, which: str | int, **changes: Any) -> RunRecord:
    at = checkpoints.pick(db, run.id, which)
    changed = {**runs.get(db, run.id).config, **changes}
    runs.requeue_resume(db, run.id, at.id, config=changed)
    assert worker.main([str(run.id)]) == 0
    return runs.get(db, run.id)


def fork(db: Database, parent: RunRecord, at: CheckpointRecord, **changes: Any) -> RunRecord:
    made = runs.create(
        db,
        config={**parent.config, **changes},
        parent_id=parent.id,
        start_checkpoint_id=at.id,
        fork_step=at.step,
    )
    assert worker.main([str(made.id)]) == 0
    return runs.get(db, made.id)


def test_three_resumes_in_a_row_and_back_to_earlier_checkpoints(db: Database) -> None:
    whole = trained(db, **SETTINGS)
    run = trained(db, **SETTINGS, max_steps=7)
    for end in (14, 21, None):
        run = go_on(db, run, "last", max_steps=end)
    assert_one_run(db, run, whole)
    assert [one.start_step for one in attempts.for_run(db, run.id)] == [0, 7, 14, 21]
    epoch = next(one for one in checkpoints.for_run(db, run.id) if one.kind == "epoch" and one.step == 14)
    assert_one_run(db, go_on(db, run, epoch.id), whole)
    assert_one_run(db, go_on(db, run, "best"), whole)
    first = next(one for one in checkpoints.for_run(db, run.id) if one.kind == "epoch" and one.step == 7)
    assert_one_run(db, go_on(db, run, first.id), whole)


def test_resume_of_a_fork_and_fork_of_a_fork(db: Database) -> None:
    parent = trained(db, **SETTINGS)
    at = next(one for one in checkpoints.for_run(db, parent.id) if one.kind == "epoch" and one.step == 14)
    whole = fork(db, parent, at, lr=0.01, epochs=5)
    cut = fork(db, parent, at, lr=0.01, epochs=5, max_steps=21)
    cut = go_on(db, cut, "last", max_steps=None)
    assert [row[0] for row in step_rows(db, cut)] == list(range(15, 36))
    assert step_rows(db, cut) == step_rows(db, whole)
    assert update_rows(db, cut) == update_rows(db, whole)
    again = fork(db, cut, checkpoints.pick(db, cut.id, "last"), epochs=6)
    assert (again.parent_id, again.fork_step) == (cut.id, 35)
    assert [row[0] for row in step_rows(db, again)] == list(range(36, 43))
    best = fork(db, cut, checkpoints.pick(db, cut.id, "best"), epochs=6, max_steps=42)
    assert step_rows(db, best)[-1][0] == 42


@pytest.mark.parametrize("kind", [{"growth": "gradient"}, {"sparse_init": "GMP", "update_frequency": 2}])
def test_a_completed_run_is_made_longer_with_the_schedules_of_the_new_length(
    db: Database, kind: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    """Of 2 epochs the rate drops at 7 and 10, of 8 at 28 and 42."""
    run = trained(db, sparse=True, epochs=2, **kind)
    capfd.readouterr()
    run = go_on(db, run, "last", epochs=8)
    said = capfd.readouterr().out
    assert "epochs: 2 → 8" in said
    assert "recomputed: the learning rate drops after step 28 and step 42 (it was step 7 and step 10)" in said
    assert (run.status, run.step, run.total_steps) == (RunStatus.COMPLETED, 56, 56)
    rows = metrics.steps(db, run.id)
    assert [row.step for row in rows] == list(range(1, 57))
    rates = [row.learning_rate for row in rows]
    assert rates[14:28] == pytest.approx([0.05] * 14)
    assert rates[28:42] == pytest.approx([0.005] * 14)
    maskable = 64 * 300 + 300 * 100 + 100 * 10
    assert run.nonzeros == round(0.1 * maskable)
    nonzeros = [row.nonzeros for row in metrics.mask_updates(db, run.id)]
    assert nonzeros == sorted(nonzeros, reverse=True)  # also where a longer GMP would be denser by now


def missing(path: Path) -> None:
    path.unlink()


def truncated(path: Path) -> None:
    content = path.read_bytes()
    path.unlink()  # other names share the bytes
    path.write_bytes(content[: len(content) // 2])


def empty(path: Path) -> None:
    path.unlink()
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [missing, truncated, empty])
def test_with_the_usual_settings_a_damaged_last_one_has_one_before(db: Database, damage: Any) -> None:
    run = trained(db, sparse=True, epochs=3, max_steps=14, keep_best=0)
    before, last = checkpoints.for_run(db, run.id)
    assert (before.kind, before.step, last.step) == ("last", 7, 14)
    damage(Path(last.path))
    runs.requeue_resume(db, run.id, last.id, config={**run.config, "max_steps": None})
    assert worker.main([str(run.id)]) == worker.EXIT_FAILED
    waiting = runs.get(db, run.id)
    assert (waiting.status, waiting.start_checkpoint_id) == (RunStatus.QUEUED, before.id)
    wrong = f"of run {run.id} is not in this home: {last.path} is missing" if damage is missing else "is damaged"
    assert f"checkpoint {last.id} of step 14 {wrong}" in str(waiting.reason)
    assert worker.main([str(run.id)]) == 0
    assert step_rows(db, run) == step_rows(db, trained(db, sparse=True, epochs=3))


class FillsTheDisk(torch.nn.Module):
    """After nine steps the next checkpoint of the first epoch's end finds a device that is always full."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(64, 10)
        self.steps = 0

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        if self.training and inputs.shape[0] > 2:
            self.steps += 1
            if self.steps == 9:
                (folder,) = (paths.home() / "runs").glob("*/checkpoints")
                (folder / f"{checkpoint.file_name(14, 'last')}.{os.getpid()}.part").symlink_to("/dev/full")
        out: torch.Tensor = self.layer(inputs.flatten(1))
        return out


def fills_the_disk() -> torch.nn.Module:
    return FillsTheDisk()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_full_disk_keeps_the_old_checkpoints_and_ends_the_run_with_the_reason(db: Database) -> None:
    run = create(db, epochs=3, model="tests.engine.test_worker_again:fills_the_disk")
    assert worker.main([str(run.id)]) == worker.EXIT_FAILED
    ended = runs.get(db, run.id)
    assert ended.status is RunStatus.FAILED
    assert str(ended.reason).startswith("disk full while writing ")
    kept = checkpoints.for_run(db, run.id)
    assert {one.step for one in kept} == {0, 7}
    folder = paths.run_folder(run.uid) / "checkpoints"
    assert {Path(one.path).name for one in kept} == {one.name for one in folder.iterdir()}
    for one in kept:
        assert checkpoint.checksum(Path(one.path)) == one.sha256
    assert go_on(db, run, "last").step == 21  # its ninth step is past the one that the disk was full at


def test_what_a_killed_writer_left_is_removed_at_the_next_start_and_nothing_else(
    db: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    run = trained(db, epochs=2, max_steps=7)
    folder = paths.run_folder(run.uid) / "checkpoints"
    known = {one.name for one in folder.iterdir()}
    for name in ("step-000000099-last.pt", "step-000000099-last.pt.77.part", "notes.txt"):
        (folder / name).write_bytes(b"half")
    go_on(db, run, "last", max_steps=None, keep_last=9)
    names = {one.name for one in folder.iterdir()}
    assert "removed step-000000099-last.pt, which a killed writer left behind" in capfd.readouterr().out
    assert {name for name in names if "099" in name} == set()
    assert "notes.txt" in names
    assert {name for name in known if "last" in name} <= names
