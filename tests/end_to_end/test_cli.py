"""The command line as a user runs it: `itop` as a process, a real scheduler, real workers, real data.

One run is trained to its end once for the module; the tests check it through every command, and resume and fork it.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from db.history import metrics
from db.records import RunRecord, RunStatus
from db.runs import attempts, checkpoints, commands, runs
from db.session import Database
from engine.config.catalogue import DATASETS, validation_size
from engine.launch import submit
from tests.patience import PATIENCE, wait_for

DENSITY, UPDATE_FREQUENCY, BATCH, EPOCHS = 0.1, 10, 50, 3
SETTINGS = (
    f"--data digits --model lenet300-100 --sparse --growth gradient --density {DENSITY} --epochs {EPOCHS} --lr 0.05 "
    f"--update_frequency {UPDATE_FREQUENCY} --batch-size {BATCH} --no-cuda"
).split()
MASKABLE = 64 * 300 + 300 * 100 + 100 * 10
TRAINED_IMAGES = DATASETS["digits"].train_size - validation_size(DATASETS["digits"].train_size, 0.1)
STEPS_AN_EPOCH = math.ceil(TRAINED_IMAGES / BATCH)
STEPS = EPOCHS * STEPS_AN_EPOCH


@dataclass(frozen=True)
class Home:
    """An ITOP_HOME, and `itop` in it."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ITOP_")}
        return {**kept, "ITOP_HOME": str(self.folder), "OMP_NUM_THREADS": "1"}

    def itop(self, *line: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "itop_tui", *line],
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == code, f"itop {' '.join(line)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def json(self, *line: str) -> Any:
        return json.loads(self.itop(*line, "--json"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("itop"))


@pytest.fixture(scope="module")
def database(home: Home) -> Iterator[Database]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ITOP_HOME", str(home.folder))
        patch.delenv("ITOP_DATABASE_URL", raising=False)
        opened = Database.open()
        yield opened
        for run in runs.active(opened):
            submit.kill(opened, run.id)
        wait_for(lambda: not runs.active(opened), "the last runs to end")
        opened.close()


@pytest.fixture(scope="module")
def trained(home: Home, database: Database) -> RunRecord:
    """The run that `itop train … --wait` trained."""
    text = home.itop("train", *SETTINGS, "--name", "first", "--tag", "paper", "--wait")
    assert "Queued run 1  first" in text
    assert "completed" in text
    return runs.find(database, "first")


def is_in(database: Database, run_id: int, *statuses: RunStatus) -> Callable[[], bool]:
    return lambda: runs.get(database, run_id).status in statuses


def long_run(home: Home, name: str) -> int:
    """Queue a run that would train for many minutes; returns its id."""
    queued = home.json("train", *SETTINGS, "--name", name, "--multiplier", "1000")
    return int(queued["id"])


def test_the_run_completed_with_its_settings(trained: RunRecord) -> None:
    assert trained.status is RunStatus.COMPLETED
    assert (trained.exit_code, trained.signal) == (0, None)
    assert trained.tags == ("paper",)
    assert (trained.step, trained.total_steps) == (STEPS, STEPS)
    assert (trained.epoch, trained.total_epochs) == (EPOCHS, EPOCHS)
    assert trained.method == "RigL-ITOP"
    assert trained.test_accuracy is not None
    assert 0.3 < trained.test_accuracy <= 1.0


def test_every_step_is_one_row(database: Database, trained: RunRecord) -> None:
    steps = metrics.steps(database, trained.id)
    assert [row.step for row in steps] == list(range(1, STEPS + 1))
    assert [row.epoch for row in steps] == [1 + index // STEPS_AN_EPOCH for index in range(STEPS)]
    assert all(row.loss is not None and math.isfinite(row.loss) for row in steps)
    assert steps[-1].loss is not None
    assert steps[0].loss is not None
    assert steps[-1].loss < steps[0].loss
    assert trained.loss == steps[-1].loss


def test_the_density_is_exact_at_every_step(database: Database, trained: RunRecord) -> None:
    exact = round(DENSITY * MASKABLE)
    assert trained.nonzeros == exact
    assert {row.density for row in metrics.steps(database, trained.id)} == {exact / MASKABLE}
    for update in metrics.mask_updates(database, trained.id):
        assert update.nonzeros == exact
        layers = metrics.layer_stats(database, trained.id, update.update)
        assert sum(layer.nonzeros for layer in layers) == exact
        assert sum(layer.size for layer in layers) == MASKABLE


def test_masks_were_updated_when_they_were_due(database: Database, trained: RunRecord) -> None:
    first, *updates = metrics.mask_updates(database, trained.id)
    assert (first.update, first.pruned, first.grown) == (0, 0, 0)
    assert [update.update for update in updates] == list(range(1, STEPS // UPDATE_FREQUENCY + 1))
    assert [update.step for update in updates] == list(range(UPDATE_FREQUENCY, STEPS + 1, UPDATE_FREQUENCY))
    assert all(update.pruned == update.grown > 0 for update in updates)


def test_explored_weights_only_grow(database: Database, trained: RunRecord) -> None:
    rates = [row.itop_rate for row in metrics.steps(database, trained.id)]
    assert all(rate is not None for rate in rates)
    assert rates == sorted(rates)  # type: ignore[type-var]
    assert rates[0] == pytest.approx(DENSITY, abs=1e-4)
    assert trained.itop_rate == rates[-1]
    assert rates[-1] is not None
    assert rates[-1] > DENSITY
    latest = metrics.layer_stats(database, trained.id)
    assert sum(layer.explored for layer in latest) / MASKABLE == pytest.approx(rates[-1])


def test_every_epoch_was_validated_and_the_best_kept(database: Database, trained: RunRecord) -> None:
    epochs = metrics.epochs(database, trained.id)
    assert [row.epoch for row in epochs] == list(range(1, EPOCHS + 1))
    assert [row.step for row in epochs] == [STEPS_AN_EPOCH * epoch for epoch in range(1, EPOCHS + 1)]
    accuracies = [row.val_accuracy for row in epochs if row.val_accuracy is not None]
    assert len(accuracies) == EPOCHS
    assert trained.best_val_accuracy == max(accuracies)


def test_checkpoints_are_on_disk_and_complete(database: Database, trained: RunRecord) -> None:
    kept = checkpoints.for_run(database, trained.id)
    assert {"last", "best"} <= {checkpoint.kind for checkpoint in kept}
    for checkpoint in kept:
        content = Path(checkpoint.path).read_bytes()
        assert len(content) == checkpoint.bytes
        assert hashlib.sha256(content).hexdigest() == checkpoint.sha256
    last = checkpoints.pick(database, trained.id, "last")
    assert last.step == STEPS


def test_the_attempt_records_where_and_with_what_it_ran(database: Database, trained: RunRecord) -> None:
    (attempt,) = attempts.for_run(database, trained.id)
    assert attempt.status is RunStatus.COMPLETED
    assert attempt.device == "cpu"
    assert attempt.pid is not None
    assert attempt.pid != os.getpid()
    assert "torch" in attempt.versions
    assert attempt.ended_at is not None


def test_the_commands_report_what_the_store_holds(home: Home, database: Database, trained: RunRecord) -> None:
    run = str(trained.id)
    shown = home.json("show", run)
    assert (shown["status"], shown["step"], shown["uid"]) == ("completed", STEPS, trained.uid)
    assert len(shown["checkpoints"]) == len(checkpoints.for_run(database, trained.id))
    assert [attempt["exit_code"] for attempt in shown["attempts"]] == [0]
    rows = home.json("metrics", run)
    assert [row["loss"] for row in rows] == [row.loss for row in metrics.steps(database, trained.id)]
    layers = home.json("layers", run)
    assert sum(layer["nonzeros"] for layer in layers) == round(DENSITY * MASKABLE)
    assert [one["id"] for one in home.json("checkpoints", run)] == [one["id"] for one in shown["checkpoints"]]
    assert "completed" in home.itop("logs", run)
    assert home.json("runs", "paper")[0]["id"] == trained.id
    planned = home.json("plan", *SETTINGS)
    assert (planned["steps"], planned["maskable"]) == (STEPS, MASKABLE)
    assert planned["nonzeros"] == trained.nonzeros
    assert planned["mask_updates"] == STEPS // UPDATE_FREQUENCY
    assert planned["training_flops"] == pytest.approx(trained.training_flops, rel=0.05)


def test_fork_starts_from_the_best_checkpoint_of_its_parent(home: Home, database: Database, trained: RunRecord) -> None:
    start = checkpoints.pick(database, trained.id, "best")
    line = ("fork", str(trained.id), "--checkpoint", "best", "--epochs", "5", "--lr", "0.02", "--name", "child")
    home.itop(*line, "--wait")
    child = runs.find(database, "child")
    assert child.status is RunStatus.COMPLETED
    assert (child.parent_id, child.fork_step, child.start_checkpoint_id) == (trained.id, start.step, start.id)
    recorded = [row.step for row in metrics.steps(database, child.id)]
    assert recorded == list(range(start.step + 1, 5 * STEPS_AN_EPOCH + 1))
    assert child.itop_rate is not None
    assert trained.itop_rate is not None
    assert child.nonzeros == trained.nonzeros


def test_a_run_is_paused_stopped_resumed_and_killed(home: Home, database: Database, trained: RunRecord) -> None:
    """One test for all, because every start of a worker takes seconds."""
    run_id = long_run(home, "interrupted")
    wait_for(lambda: runs.get(database, run_id).step > 5, "the run to train")

    home.itop("pause", str(run_id))
    wait_for(is_in(database, run_id, RunStatus.PAUSED), "the run to pause")
    home.itop("unpause", str(run_id))
    wait_for(is_in(database, run_id, RunStatus.RUNNING), "the run to continue")
    held = runs.get(database, run_id).step
    wait_for(lambda: runs.get(database, run_id).step > held, "another step")

    (stopped,) = home.json("stop", str(run_id))
    assert stopped["id"] == run_id
    wait_for(is_in(database, run_id, RunStatus.STOPPED), "the run to stop")
    assert commands.pending(database, run_id) == []
    # A checkpoint was written first, and nothing was recorded beyond it.
    start = checkpoints.pick(database, run_id, "last")
    assert runs.get(database, run_id).step == start.step
    assert [row.step for row in metrics.steps(database, run_id)] == list(range(1, start.step + 1))

    home.itop("resume", str(run_id))
    wait_for(lambda: runs.get(database, run_id).step > start.step + 5, "the resumed run to train")
    home.itop("kill", str(run_id))
    wait_for(is_in(database, run_id, RunStatus.KILLED), "the end to be known")
    shown = home.json("show", str(run_id))
    assert (shown["status"], shown["signal"]) == ("killed", signal.SIGKILL)
    assert "user" in shown["reason"]
    # The curve has no gap and no step twice, although two attempts recorded it.
    steps = [row.step for row in metrics.steps(database, run_id)]
    assert steps == list(range(1, len(steps) + 1))
    assert len(steps) > start.step
    assert [attempt.start_step for attempt in attempts.for_run(database, run_id)] == [0, start.step]


def test_wait_ends_with_one_where_the_run_does_not_complete(home: Home, trained: RunRecord) -> None:
    settings = [word if word != "0.05" else "1e30" for word in SETTINGS]
    ended = json.loads(home.itop("train", *settings, "--name", "diverges", "--wait", "--json", code=1))
    assert (ended["name"], ended["status"]) == ("diverges", "failed")
    assert ended["reason"]


def test_delete_gives_the_space_back(home: Home, database: Database, trained: RunRecord) -> None:
    run = runs.find(database, "interrupted")
    folder = home.folder / "runs" / run.uid
    assert folder.is_dir()
    home.itop("delete", str(run.id), "--yes")
    assert not folder.exists()
    assert all(one["id"] != run.id for one in home.json("runs", "--limit", "0"))


@pytest.mark.slow
def test_the_demo_trains_three_methods_in_two_minutes_and_again(tmp_path: Path) -> None:
    mine = Home(tmp_path / "demo")
    for round_number in (1, 2):
        began = time.monotonic()
        text = mine.itop("demo")
        assert time.monotonic() - began < 120
        table = text[text.index("METHOD") :]
        assert [method in table for method in ("dense", "SET-ITOP", "RigL-ITOP")] == [True] * 3
        assert "itop resume" in table
        finished = mine.json("runs", "--group", "demo", "--limit", "0")
        assert len(finished) == 3 * round_number
        assert {run["status"] for run in finished} == {"completed"}
    dense, at_random, by_gradient = sorted(finished, key=lambda run: run["id"])[:3]
    assert dense["test_accuracy"] > 0.9
    for sparse in (at_random, by_gradient):
        assert sparse["density"] == pytest.approx(0.05, abs=1e-3)
        assert sparse["test_accuracy"] > 0.85
        assert sparse["itop_rate"] > 2 * sparse["density"]
        assert sparse["flops_ratio"] < 0.2
