from __future__ import annotations

import math
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from db import models, paths
from db.errors import AmbiguousRun, IllegalState, RunNotFound, StoreError
from db.history import declared, metrics
from db.history.declared import Metric
from db.history.writer import MetricWriter
from db.records import (
    Alarm,
    CheckpointRecord,
    CodeFile,
    EpochMetric,
    LayerMaskStat,
    MaskUpdate,
    RunRecord,
    RunStatus,
    StartsAfter,
)
from db.runs import attempts, checkpoints, commands, runs
from db.runs.facets import Experiment
from db.runs.removal import Remains
from db.session import Database
from tests.db.helpers import CONFIG, end, new_run, start, started, step
from tests.described import described


def checkpoint(db: Database, run: RunRecord, at: int, **changes: Any) -> CheckpointRecord:
    attempt = attempts.latest(db, run.id)
    values: dict[str, Any] = {
        "run_id": run.id,
        "attempt_id": attempt and attempt.id,
        "step": at,
        "epoch": at // 100,
        "kind": "last",
        "path": str(paths.run_folder(run.uid) / f"step-{at:09d}.pt"),
        "bytes": 1000,
        "sha256": "0" * 64,
    }
    return checkpoints.add(db, **(values | changes))


def test_a_new_run_is_queued_with_what_people_filter_by(db: Database) -> None:
    run = new_run(db, tags=[" paper ", "paper", "", "seed\nsweep"], notes="[b]note\x1b[0m", group="g", priority=3)
    assert run.status is RunStatus.QUEUED
    assert (run.model, run.data, run.method, run.seed) == ("vgg-c", "cifar10", "RigL-ITOP", 18)
    assert (run.target_density, run.total_epochs, run.priority, run.group) == (0.05, 10, 3, "g")
    assert run.tags == ("paper", "seed sweep")
    assert run.notes == "[b]note\x1b[0m"
    assert run.config == CONFIG
    assert len(run.uid) == 12
    assert set(run.uid) <= set("0123456789abcdef")
    assert run.name == "rigl-itop-d0.05-s18-vgg-c-cifar10"
    assert run.created_at == run.queued_at
    assert (run.step, run.loss, run.attempt_count, run.held) == (0, None, 0, False)
    assert runs.get(db, run.id) == run


def test_ids_are_never_given_out_again(db: Database) -> None:
    first = new_run(db)
    runs.delete(db, first.id)
    assert new_run(db).id > first.id


def test_a_dense_run_has_density_one(db: Database) -> None:
    run = new_run(db, config={"model": "lenet5", "data": "mnist", "sparse": False, "density": 0.33})
    assert (run.method, run.target_density, run.seed) == ("dense", 1.0, None)
    assert run.name == "dense-lenet5-mnist"


def test_method_and_recipe_are_those_the_engine_gives(db: Database) -> None:
    run = runs.create(db, config=CONFIG, experiment=Experiment("RigL-ITOP", "0123456789abcdef"))
    assert (run.method, run.recipe) == ("RigL-ITOP", "0123456789abcdef")
    assert run.name.startswith("rigl-itop-")


def test_without_the_engine_runs_that_differ_by_the_seed_are_repetitions(db: Database) -> None:
    first, second, other = (runs.create(db, config=CONFIG | more) for more in ({}, {"seed": 5}, {"density": 0.1}))
    assert first.recipe == second.recipe != other.recipe
    assert first.method == ""
    assert first.name == "d0.05-s18-vgg-c-cifar10"


def test_a_blank_name_and_a_missing_parent_are_refused(db: Database) -> None:
    with pytest.raises(StoreError, match="blank"):
        new_run(db, name=" \n")
    with pytest.raises(RunNotFound, match="no run 99"):
        new_run(db, parent_id=99)
    with pytest.raises(StoreError, match="no checkpoint 99"):
        new_run(db, start_checkpoint_id=99)
    assert runs.count(db) == 0


def test_a_configuration_that_json_cannot_hold_is_refused(db: Database) -> None:
    for value in (math.nan, object()):
        with pytest.raises(StoreError, match="JSON"):
            new_run(db, config={"threshold": value})
    run = started(db)[0]
    end(db, run)
    with pytest.raises(StoreError, match="JSON"):
        runs.requeue_resume(db, run.id, None, config={"threshold": math.inf})


class TestFind:
    def test_by_id_uid_and_name(self, db: Database) -> None:
        run = new_run(db, name="my run")
        for token in (run.id, str(run.id), f" {run.id} ", run.uid, "my run", " my\t run\n"):
            assert runs.find(db, token) == run

    def test_an_id_wins_over_a_name_of_digits(self, db: Database) -> None:
        first = new_run(db, name="one")
        named = new_run(db, name=str(first.id))
        huge = new_run(db, name="9" * 30)
        assert runs.find(db, str(first.id)) == first
        assert runs.find(db, named.uid) == named
        assert runs.find(db, "9" * 30) == huge

    def test_several_of_a_name(self, db: Database) -> None:
        ids = [new_run(db, name="twin").id for _ in range(3)]
        with pytest.raises(AmbiguousRun, match="1, 2, 3") as caught:
            runs.find(db, "twin")
        assert caught.value.ids == tuple(ids)

    def test_the_nearest_is_named(self, db: Database) -> None:
        with pytest.raises(RunNotFound, match="no runs yet"):
            runs.find(db, "vgg")
        new_run(db, name="vgg-rigl")
        new_run(db, name="lenet")
        with pytest.raises(RunNotFound, match="Did you mean 'vgg-rigl'"):
            runs.find(db, "vgg-rgil")
        with pytest.raises(RunNotFound, match="latest is run 2"):
            runs.find(db, "77")
        with pytest.raises(RunNotFound):
            runs.get(db, 77)


class TestEdit:
    def test_what_people_may_change(self, db: Database) -> None:
        run = new_run(db)
        changed = runs.update_fields(
            db, run.id, name="new", tags=("a", "b"), notes="n", group=None, total_steps=7, priority=2, held=True
        )
        assert (changed.name, changed.tags, changed.notes) == ("new", ("a", "b"), "n")
        assert (changed.total_steps, changed.priority, changed.held) == (7, 2, True)
        assert runs.get(db, run.id) == changed

    def test_what_they_may_not(self, db: Database) -> None:
        run = new_run(db)
        with pytest.raises(StoreError, match=r"'status'.*Allowed"):
            runs.update_fields(db, run.id, status=RunStatus.COMPLETED)
        with pytest.raises(StoreError, match="blank"):
            runs.update_fields(db, run.id, name="")
        with pytest.raises(RunNotFound):
            runs.update_fields(db, 99, name="x")


def record(db: Database, run: RunRecord, attempt_id: int, first: int, last: int) -> None:
    """A step each, an epoch each 10 steps, a mask update each 5."""
    with MetricWriter(db, run.id, attempt_id) as writer:
        for number in range(first, last + 1):
            writer.step(step(number, loss=1 / number, epoch=(number - 1) // 10))
            if number % 5 == 0:
                update = MaskUpdate(number // 5, number, 0.5, 1, 1, 1000 + number, 0.05, 0.06)
                writer.mask_update(update, [LayerMaskStat("fc", 0, (4, 5), 20, number, 1, 1, 9)])
            if number % 10 == 0:
                writer.epoch(EpochMetric(number // 10, number, val_loss=0.1, val_accuracy=number / 100))
        writer.progress(training_flops=1e9, test_accuracy=0.9)


class TestResume:
    def test_history_after_the_checkpoint_is_gone_and_the_figures_are_those_of_what_is_left(self, db: Database) -> None:
        run, attempt = started(db)
        record(db, run, attempt.id, 1, 40)
        at = checkpoint(db, run, 23)
        end(db, run)
        queued = runs.requeue_resume(db, run.id, at.id)
        assert (queued.status, queued.reason, queued.exit_code, queued.ended_at) == ("queued", None, None, None)
        assert queued.start_checkpoint_id == at.id
        assert len(metrics.steps(db, run.id)) == 40  # still there: nothing has started

        again = runs.reserve(db, run.id, host="h", device="cpu", slots=1)
        assert again is not None
        assert (again.number, again.start_step) == (2, 23)
        assert [metric.step for metric in metrics.steps(db, run.id)] == list(range(1, 24))
        assert [metric.epoch for metric in metrics.epochs(db, run.id)] == [1, 2]
        assert [update.update for update in metrics.mask_updates(db, run.id)] == [1, 2, 3, 4]
        assert [at for at, _ in metrics.layer_history(db, run.id, "fc")] == [5, 10, 15, 20]
        run = runs.get(db, run.id)
        assert (run.step, run.loss, run.nonzeros, run.epoch) == (23, 1 / 23, 1020, at.epoch)
        assert (run.val_accuracy, run.best_val_accuracy) == (0.2, 0.2)
        assert (run.training_flops, run.test_accuracy) == (1e9, 0.9)  # until they are measured again
        record(db, run, again.id, 24, 30)
        assert [metric.step for metric in metrics.steps(db, run.id)] == list(range(1, 31))

    def test_from_scratch_nothing_is_left_but_the_result(self, db: Database) -> None:
        run, attempt = started(db)
        record(db, run, attempt.id, 1, 20)
        end(db, run)
        runs.requeue_resume(db, run.id, None)
        again = runs.reserve(db, run.id, host="h", device="cpu", slots=1)
        assert again is not None
        assert again.start_step == 0
        assert metrics.steps(db, run.id) == []
        assert metrics.mask_updates(db, run.id) == []
        assert metrics.layer_stats(db, run.id) == []
        run = runs.get(db, run.id)
        assert (run.step, run.loss, run.val_accuracy, run.nonzeros) == (0, None, None, None)
        assert (run.best_val_accuracy, run.test_accuracy) == (0.2, 0.9)

    def test_figures_that_diverged_are_still_so_after_a_resume(self, db: Database) -> None:
        run, attempt = started(db)
        with MetricWriter(db, run.id, attempt.id) as writer:
            writer.step(step(1, loss=math.nan))
            writer.step(step(2, loss=0.5))
        at = checkpoint(db, run, 1)
        end(db, run)
        runs.requeue_resume(db, run.id, at.id)
        runs.reserve(db, run.id, host="h", device="cpu", slots=1)
        loss = runs.get(db, run.id).loss
        assert loss is not None
        assert math.isnan(loss)

    def test_a_fork_starts_at_its_parents_step_with_a_history_of_its_own(self, db: Database) -> None:
        parent, attempt = started(db)
        record(db, parent, attempt.id, 1, 20)
        at = checkpoint(db, parent, 10)
        fork = new_run(db, parent_id=parent.id, start_checkpoint_id=at.id, fork_step=at.step)
        begun = start(db, fork)
        assert begun.start_step == 10
        assert runs.get(db, fork.id).step == 10
        record(db, fork, begun.id, 11, 15)
        end(db, fork)
        runs.requeue_resume(db, fork.id, at.id)  # once more from the parent's
        start(db, fork)
        assert metrics.steps(db, fork.id) == []
        assert len(metrics.steps(db, parent.id)) == 20

    def test_only_what_has_ended_can_be_resumed(self, db: Database) -> None:
        run = new_run(db)
        with pytest.raises(IllegalState, match="queued; only a run that has ended"):
            runs.requeue_resume(db, run.id, None)
        start(db, run)
        with pytest.raises(IllegalState, match="running"):
            runs.requeue_resume(db, run.id, None)
        end(db, run)
        runs.requeue_resume(db, run.id, None)
        with pytest.raises(IllegalState):
            runs.requeue_resume(db, run.id, None)

    def test_strange_checkpoints_are_refused(self, db: Database) -> None:
        run, other = started(db)[0], started(db)[0]
        at = checkpoint(db, other, 5)
        end(db, run)
        with pytest.raises(StoreError, match="no checkpoint 99"):
            runs.requeue_resume(db, run.id, 99)
        with pytest.raises(StoreError, match=f"belongs to run {other.id}"):
            runs.requeue_resume(db, run.id, at.id)

    def test_the_configuration_may_change(self, db: Database) -> None:
        run, _ = started(db)
        end(db, run)
        run = runs.requeue_resume(db, run.id, None, **described(CONFIG | {"growth": "random", "epochs": 9}))
        assert (run.method, run.total_epochs, run.config["epochs"]) == ("SET-ITOP", 45, 9)


class TestDelete:
    def test_everything_recorded_goes(self, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(declared._by_name, "power", Metric("power", "power", "power", "W"))
        before = new_run(db)
        own = CodeFile("/p/net.py", "a" * 64, 5, "x = 1")
        run, kept = (new_run(db, starts_after=StartsAfter((before.id,)), code=[own]) for _ in range(2))
        runs.delete(db, before.id)
        attempt, other = start(db, run), start(db, kept)
        for each, of in ((run, attempt), (kept, other)):
            record(db, each, of.id, 1, 300)
            with MetricWriter(db, each.id, of.id) as writer:  # a metric without a column
                writer.step(step(301, metrics={"power": 100.0}))
                writer.alarm(Alarm("collapse", "fc1", 300, "0 of 1,000 weights are active"))
            checkpoint(db, each, 10)
            commands.send(db, each.id, "pause")
        checkpoint(db, run, 5, kind="manual", path="/elsewhere/a.pt")
        end(db, run)
        assert runs.delete(db, run.id) == Remains(run.uid, ("/elsewhere/a.pt",), folder=True)
        with db.read() as session:
            for table in models.Base.metadata.sorted_tables:
                if "run_id" in table.c:
                    owners = set(session.scalars(sa.select(table.c.run_id)))
                    assert owners == {kept.id}, table.name
        with pytest.raises(RunNotFound):
            runs.get(db, run.id)

    def test_an_active_run_stays(self, db: Database) -> None:
        run, _ = started(db)
        with pytest.raises(IllegalState, match="stop or kill it"):
            runs.delete(db, run.id)
        assert runs.get(db, run.id).status is RunStatus.RUNNING

    def test_a_queued_run_can_go(self, db: Database) -> None:
        run = new_run(db)
        assert runs.delete(db, run.id) == Remains(run.uid, folder=True)

    def test_a_run_with_forks_stays_unless_forced(self, db: Database) -> None:
        parent, _ = started(db)
        at = checkpoint(db, parent, 10)
        end(db, parent)
        fork = new_run(db, name="child", parent_id=parent.id, start_checkpoint_id=at.id, fork_step=10)
        with pytest.raises(IllegalState, match=r"child.*will start from it"):
            runs.delete(db, parent.id, force=True)
        with MetricWriter(db, fork.id, start(db, fork).id) as writer:
            writer.step(step(11))
        with pytest.raises(IllegalState, match=rf"run {fork.id} \(child\) came from it"):
            runs.delete(db, parent.id)
        runs.delete(db, parent.id, force=True)
        orphan = runs.get(db, fork.id)
        assert (orphan.parent_id, orphan.start_checkpoint_id, orphan.fork_step) == (None, None, 10)


def test_active_runs_by_host(db: Database) -> None:
    here, there, _ = new_run(db), new_run(db), new_run(db)
    start(db, here, host="a")
    start(db, there, host="b")
    assert [run.id for run in runs.active(db)] == [here.id, there.id]
    assert [run.id for run in runs.active(db, "b")] == [there.id]
    end(db, there)
    assert runs.active(db, "b") == []


def test_another_process_sees_the_same(db: Database, home: Path) -> None:
    run = new_run(db)
    with closing(Database.open()) as other:
        assert runs.get(other, run.id) == run
