"""The worker on a real database, in real processes: what it records is what it did, whatever ends it."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from db import paths
from db.history import metrics
from db.records import CheckpointRecord, RunRecord, RunStatus
from db.runs import attempts, checkpoints, commands, runs, saved_files
from db.session import Database
from engine import worker
from engine.config.experiments import as_stored
from engine.launch.processes import host_name
from engine.training import checkpoint
from engine.training.checkpointer import Checkpointer
from engine.training.mask_history import HISTORY_FILE, read_blocks, replayed
from tests.engine.training.helpers import Rows, config, same, trainer, without_times
from tests.engine.worker_runs import (
    assert_one_run,
    create,
    epoch_rows,
    finished,
    last_state,
    started,
    step_rows,
    trained,
    wait_for,
)

LONG = {"epochs": 4000, "sparse": True, "log_interval": 1_000_000}
"""More than any test waits for."""


@pytest.mark.usefixtures("signals")
@pytest.mark.parametrize(
    "settings",
    [
        {"sparse": True, "growth": "gradient"},
        {"sparse": True, "growth": "random", "accumulate": 2, "checkpoint_every": 2},
        {"sparse": True, "fix": True},
        {},
        {"sparse": True, "valid_split": 0.0, "max_steps": 17},
    ],
    ids=["rigl", "set-accumulate", "static", "dense", "no-validation-max-steps"],
)
def test_rows_are_what_the_trainer_did(db: Database, settings: dict[str, Any]) -> None:
    rows = Rows()
    one = trainer(config(device="cpu", **settings), [rows])
    first = one.layer_stats()
    one.fit()
    state = one.state_dict()  # now: the generators are this process's, and the worker below will use them too

    run = create(db, **settings)
    assert worker.main([str(run.id)]) == 0
    run = runs.get(db, run.id)

    expected = [(*row[:2], *row[3:]) for row in rows.steps]
    if not settings.get("sparse"):  # a dense run has no R_s
        expected = [(*row[:-1], None) for row in expected]
    assert step_rows(db, run) == expected
    complete = [row[:-1] for row in rows.epochs if row[1] % one.steps_per_epoch == 0]
    assert epoch_rows(db, run) == complete
    recorded = metrics.mask_updates(db, run.id)
    assert [row.update for row in recorded] == list(range(len(rows.updates) + 1))
    assert (recorded[0].step, recorded[0].pruned, recorded[0].grown) == (0, 0, 0)
    assert [row.nonzeros for row in metrics.layer_stats(db, run.id, 0)] == [layer.nonzeros for layer in first]
    for row, update in zip(recorded[1:], rows.updates, strict=True):
        for name in ("step", "death_rate", "pruned", "grown", "nonzeros", "itop_rate", "survival", "churn"):
            assert getattr(row, name) == getattr(update, name), name
        layers = metrics.layer_stats(db, run.id, row.update)
        assert [(one.layer, one.explored) for one in layers] == [(one.layer, one.explored) for one in update.layers]

    assert run.status is RunStatus.COMPLETED
    assert (run.step, run.total_steps) == (one.step, one.last_step)
    assert (run.density, run.nonzeros) == (one.density, sum(layer.nonzeros for layer in one.layer_stats()))
    assert rows.outcome is not None
    assert rows.outcome.test is not None
    assert run.test_accuracy == rows.outcome.test.best.accuracy
    assert run.test_accuracy_last == rows.outcome.test.last.accuracy
    assert run.best_val_accuracy == (None if one.best is None else one.best.accuracy)
    assert run.training_flops == one.flops.total
    assert run.flops_ratio == one.flops.ratio
    assert run.flops_ratio is not None
    assert run.flops_ratio == pytest.approx(1.0) if not run.config["sparse"] else run.flops_ratio < 0.5
    saved = without_times(last_state(db, run))
    for part, value in without_times(state).items():
        assert same(saved[part], value), part


@pytest.mark.usefixtures("signals")
def test_checkpoints_rotate_and_their_files_are_the_rows(db: Database) -> None:
    run = create(db, sparse=True, epochs=5, checkpoint_every=2)
    assert worker.main([str(run.id)]) == 0
    records = checkpoints.for_run(db, run.id)
    assert [(one.step, one.epoch) for one in records if one.kind == "epoch"] == [(14, 2), (28, 4)]
    assert [(one.step, one.epoch) for one in records if one.kind == "last"] == [(28, 4), (35, 5)]
    (best,) = [one for one in records if one.kind == "best"]
    epochs = metrics.epochs(db, run.id)
    assert best.val_accuracy == max(row.val_accuracy for row in epochs if row.val_accuracy is not None)
    assert best.step == next(row.step for row in epochs if row.val_accuracy == best.val_accuracy)
    folder = paths.run_folder(run.uid) / "checkpoints"
    assert {Path(one.path) for one in records} == set(folder.iterdir())
    for one in records:
        assert checkpoint.checksum(Path(one.path)) == one.sha256
        assert Path(one.path).stat().st_size == one.bytes


@pytest.mark.usefixtures("signals")
def test_stopped_by_sigterm_and_resumed_is_one_run(db: Database) -> None:
    settings = {"sparse": True, "growth": "gradient", "epochs": 40, "lr": 0.01}
    run = create(db, **settings)
    with started(db, run) as process:
        wait_for(lambda: runs.get(db, run.id).step > 0, "the first step")
        process.send_signal(signal.SIGTERM)
        code, output = finished(process)
    assert code == worker.EXIT_STOPPED, output
    stopped = runs.get(db, run.id)
    assert (stopped.status, stopped.reason) == (RunStatus.STOPPED, "stopped by SIGTERM")
    last = checkpoints.pick(db, run.id, "last")
    assert (last.kind, last.step) == ("stop", stopped.step)
    assert metrics.steps(db, run.id)[-1].step == last.step
    assert 0 < last.step < 280
    resume_and_compare(db, run, settings)
    assert [one.start_step for one in attempts.for_run(db, run.id)] == [0, last.step]


@pytest.mark.usefixtures("signals")
def test_killed_with_9_goes_on_from_its_last_checkpoint(db: Database) -> None:
    settings = {"sparse": True, "growth": "random", "epochs": 20, "lr": 0.01}
    run = create(db, **settings)
    with started(db, run) as process:
        wait_for(lambda: runs.get(db, run.id).epoch > 3, "the fourth epoch")
        process.kill()
        process.wait()
    attempt = attempts.latest(db, run.id)
    assert attempt is not None
    attempts.finish(db, attempt.id, status=RunStatus.KILLED, reason="killed by SIGKILL", signal=9)  # as the warden does
    assert checkpoints.pick(db, run.id, "last").step <= metrics.steps(db, run.id)[-1].step
    resume_and_compare(db, run, settings)


def resume_and_compare(db: Database, run: RunRecord, settings: dict[str, Any]) -> None:
    """Let a run that was cut go on for some epochs, and hold it to one that never was."""
    last = checkpoints.pick(db, run.id, "last")
    settings = {**settings, "max_steps": last.step + 30}
    runs.requeue_resume(db, run.id, last.id, **as_stored(config(device="cpu", **settings)))
    assert worker.main([str(run.id)]) == 0
    whole = create(db, **settings)
    assert worker.main([str(whole.id)]) == 0
    assert metrics.steps(db, run.id)[-1].step == last.step + 30
    assert_one_run(db, run, whole)
    for name in ("test_accuracy", "test_accuracy_last", "best_val_accuracy", "itop_rate", "training_flops", "step"):
        assert getattr(runs.get(db, run.id), name) == getattr(runs.get(db, whole.id), name), name
    assert_one_history(db, run, whole)


def assert_one_history(db: Database, run: RunRecord, whole: RunRecord) -> None:
    """The masks of a run that was cut are, at every update, those of one that was not; the last ones as saved."""
    cut, uncut = (list(read_blocks(paths.run_folder(each.uid) / HISTORY_FILE)) for each in (run, whole))
    updates = [row.update for row in metrics.mask_updates(db, run.id)]
    assert [block.update for block in cut] == [block.update for block in uncut] == updates
    assert len(updates) > 1
    for update in updates:
        made, expected = replayed(cut, update), replayed(uncut, update)
        assert made is not None
        assert expected is not None
        assert all((made.active[name] == mask).all() for name, mask in expected.active.items()), update
    made = replayed(cut, updates[-1])
    assert made is not None
    last = checkpoint.read(Path(checkpoints.pick(db, run.id, "last").path))["masking"]
    for kind, found in (("masks", made.active), ("explored", made.explored)):
        assert all((last[kind][name].numpy().reshape(-1) == mask).all() for name, mask in found.items()), kind


def test_commands_pause_checkpoint_unpause_stop(db: Database) -> None:
    run = create(db, **LONG)

    def answer(kind: Any) -> str:
        command = commands.send(db, run.id, kind)
        (done,) = wait_for(
            lambda: [one for one in commands.for_run(db, run.id) if one.id == command.id and one.done_at], kind
        )
        return str(done.outcome)

    with started(db, run) as process:
        wait_for(lambda: runs.get(db, run.id).step > 0, "the first step")
        outcome = answer("pause")
        assert outcome.startswith("paused after step ")
        paused = runs.get(db, run.id)
        assert paused.status is RunStatus.PAUSED
        held = int(outcome.rpartition(" ")[2])
        assert answer("checkpoint").endswith(f"at step {held}")
        (manual,) = [one for one in checkpoints.for_run(db, run.id) if one.kind == "manual"]
        assert manual.step == held
        beat = runs.get(db, run.id).heartbeat_at
        wait_for(lambda: runs.get(db, run.id).heartbeat_at != beat, "a heartbeat while paused")
        assert runs.get(db, run.id).step == held
        assert answer("unpause") == "resumed"
        wait_for(lambda: runs.get(db, run.id).step > held, "the next step")
        assert runs.get(db, run.id).status is RunStatus.RUNNING
        assert answer("pause").startswith("paused")
        assert answer("stop").startswith("stopping")
        assert finished(process)[0] == worker.EXIT_STOPPED
    stopped = runs.get(db, run.id)
    assert (stopped.status, stopped.reason) == (RunStatus.STOPPED, "stopped by user")
    steps = [row.step for row in metrics.steps(db, run.id)]
    assert steps == list(range(1, len(steps) + 1))


@pytest.mark.usefixtures("signals")
def test_damaged_checkpoint_falls_back_to_the_one_before(db: Database, capfd: pytest.CaptureFixture[str]) -> None:
    run = create(db, sparse=True, epochs=3, checkpoint_every=1, max_steps=14)
    assert worker.main([str(run.id)]) == 0
    records = checkpoints.for_run(db, run.id)
    good = next(one for one in records if one.step == 7 and one.kind == "epoch")
    # All files of the last step share their bytes where the file system knows links; damage each of them.
    bad = [one for one in records if one.step == 14]
    for one in bad:
        content = bytearray(Path(one.path).read_bytes())
        content[len(content) // 2] ^= 1
        Path(one.path).unlink()
        Path(one.path).write_bytes(content)
    whole = config(sparse=True, epochs=3, checkpoint_every=1, device="cpu").as_dict()
    runs.requeue_resume(db, run.id, checkpoints.pick(db, run.id, "last").id, config=whole)
    assert worker.main([str(run.id)]) == 1
    again = runs.get(db, run.id)
    assert again.status is RunStatus.QUEUED
    assert again.start_checkpoint_id == good.id
    attempt = attempts.latest(db, run.id)
    assert attempt is not None
    assert attempt.reason is not None
    assert "is damaged" in attempt.reason
    assert f"the run resumes from checkpoint {good.id} of step 7" in attempt.reason
    assert again.reason == attempt.reason
    assert attempt.reason in capfd.readouterr().out
    assert worker.main([str(run.id)]) == 0
    assert [row.step for row in metrics.steps(db, run.id)] == list(range(1, 22))

    other = create(db, sparse=True, epochs=3, checkpoint_every=1)
    assert worker.main([str(other.id)]) == 0
    assert step_rows(db, run) == step_rows(db, other)


@pytest.mark.usefixtures("signals")
def test_fork_records_its_layers_and_goes_on_counting(db: Database) -> None:
    parent = create(db, sparse=True, epochs=2)
    assert worker.main([str(parent.id)]) == 0
    start = checkpoints.pick(db, parent.id, "last")
    fork = runs.create(
        db,
        **as_stored(config(sparse=True, epochs=3, growth="gradient", lr=0.01, device="cpu")),
        parent_id=parent.id,
        start_checkpoint_id=start.id,
        fork_step=start.step,
    )
    assert worker.main([str(fork.id)]) == 0
    assert [row.step for row in metrics.steps(db, fork.id)] == list(range(15, 22))
    first = metrics.mask_updates(db, fork.id)[0]
    assert (first.update, first.step) == (0, 14)
    parents_last = metrics.mask_updates(db, parent.id)[-1]
    assert first.nonzeros == parents_last.nonzeros
    assert first.itop_rate == parents_last.itop_rate
    assert [row.epoch for row in metrics.epochs(db, fork.id)] == [3]


@pytest.mark.usefixtures("signals")
@pytest.mark.parametrize("changes", [{"density": 0.2}, {"sparse_init": "uniform"}, {"dense_first_layer": True}])
def test_fork_with_other_masks_is_refused_before_it_trains(db: Database, changes: dict[str, Any]) -> None:
    settings = {"sparse": True, "density": 0.5, "epochs": 1}
    parent = create(db, **settings)
    assert worker.main([str(parent.id)]) == 0
    start = checkpoints.pick(db, parent.id, "last")
    both = config(**{**settings, "epochs": 2, **changes}, device="cpu").as_dict()
    fork = runs.create(db, config=both, parent_id=parent.id, start_checkpoint_id=start.id, fork_step=start.step)
    assert worker.main([str(fork.id)]) == 1
    refused = runs.get(db, fork.id)
    assert refused.status is RunStatus.FAILED
    assert refused.reason is not None
    name, value = next(iter(changes.items()))
    assert refused.reason.startswith(f"{name} = {value!r}: cannot be changed where a run resumes from a checkpoint")
    assert metrics.steps(db, fork.id) == []
    assert metrics.mask_updates(db, fork.id) == []


@pytest.mark.usefixtures("signals")
def test_best_weights_are_saved_and_can_be_started_from(db: Database, tmp_path: Path) -> None:
    target = tmp_path / "out" / "best.pt"
    target.parent.mkdir()
    run = create(db, sparse=True, save=str(target))
    assert worker.main([str(run.id)]) == 0
    best: CheckpointRecord = checkpoints.pick(db, run.id, "best")
    saved = checkpoint.read(target)["model"]
    assert same(saved, checkpoint.read(Path(best.path))["model"])
    again = create(db, sparse=True, sparse_init="resume", weights=str(target), epochs=1)
    assert worker.main([str(again.id)]) == 0
    nonzeros = sum(int((weight != 0).sum()) for name, weight in saved.items() if weight.ndim > 1)
    assert metrics.mask_updates(db, again.id)[0].nonzeros == nonzeros


@pytest.mark.usefixtures("signals")
def test_best_weights_are_never_written_over_another_file(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one is there at the start, nothing is trained; one that comes meanwhile stays beside the weights."""
    path = tmp_path / "best.pt"
    path.write_text("precious")
    refused = create(db, save=str(path), epochs=1)
    assert worker.main([str(refused.id)]) == 1
    assert "save = " in (runs.get(db, refused.id).reason or "")
    assert metrics.steps(db, refused.id) == []
    path.unlink()

    run = create(db, save=str(path), epochs=1)
    end_epoch = Checkpointer.on_epoch_end

    def meanwhile(*arguments: Any) -> None:
        end_epoch(*arguments)
        path.write_text("precious")

    with monkeypatch.context() as patch:
        patch.setattr(Checkpointer, "on_epoch_end", meanwhile)
        assert worker.main([str(run.id)]) == 0
    assert path.read_text() == "precious"
    beside = tmp_path / f"best-run-{run.id}.pt"
    assert set(checkpoint.read(beside)["model"]) == set(last_state(db, run)["model"])
    assert saved_files.find(db, run.id) == saved_files.SavedFile(beside, checkpoint.checksum(beside))


@pytest.mark.usefixtures("signals")
def test_a_resumed_run_writes_its_best_weights_to_the_same_file(db: Database, tmp_path: Path) -> None:
    path = tmp_path / "best.pt"
    run = trained(db, save=str(path), epochs=1)
    first = path.read_bytes()
    longer = {**run.config, "epochs": 2}
    runs.requeue_resume(db, run.id, checkpoints.pick(db, run.id, "last").id, longer)
    assert worker.main([str(run.id)]) == 0
    assert path.read_bytes() != first
    assert sorted(one.name for one in tmp_path.glob("best*")) == ["best.pt"]


@pytest.mark.usefixtures("signals")
def test_provenance_is_kept(db: Database) -> None:
    run = create(db, epochs=1)
    assert worker.main([str(run.id)]) == 0
    attempt = attempts.latest(db, run.id)
    assert attempt is not None
    assert attempt.versions["torch"] == str(torch.__version__)
    assert attempt.versions["python"] == sys.version.split()[0]
    assert attempt.pid == os.getpid()
    assert attempt.host == host_name()
    assert attempt.command_line is not None
    assert Path(sys.executable).name in attempt.command_line
