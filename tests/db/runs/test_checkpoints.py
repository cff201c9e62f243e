from __future__ import annotations

from typing import Any

import pytest

from db.errors import IllegalState, RunNotFound, StoreError
from db.history.writer import MetricWriter
from db.paths import run_folder
from db.records import CheckpointRecord, RunRecord, RunStatus
from db.runs import attempts, checkpoints, runs
from db.runs.removal import Remains
from db.session import Database
from tests.db import helpers
from tests.db.helpers import new_run, start, started


def add(db: Database, run: RunRecord, step: int, kind: str = "last", **changes: Any) -> CheckpointRecord:
    latest = attempts.latest(db, run.id)
    values: dict[str, Any] = {
        "run_id": run.id,
        "attempt_id": latest and latest.id,
        "step": step,
        "epoch": 0,
        "kind": kind,
        "path": f"/runs/{run.id}/{step}-{kind}.pt",
        "bytes": 10,
        "sha256": "f" * 64,
        "val_accuracy": 0.5,
    }
    return checkpoints.add(db, **(values | changes))


def end_and_resume(db: Database, run: RunRecord, from_id: int | None) -> None:
    latest = attempts.latest(db, run.id)
    assert latest is not None
    attempts.finish(db, latest.id, status=RunStatus.STOPPED, reason=None)
    runs.requeue_resume(db, run.id, from_id)
    start(db, run)


def test_a_checkpoint_is_kept_as_given(db: Database) -> None:
    run, attempt = started(db)
    record = add(db, run, 7, "epoch", created_at=5.0)
    assert (record.run_id, record.attempt_id, record.step, record.kind) == (run.id, attempt.id, 7, "epoch")
    assert (record.bytes, record.sha256, record.val_accuracy, record.created_at) == (10, "f" * 64, 0.5, 5.0)
    assert checkpoints.get(db, record.id) == record
    assert checkpoints.for_run(db, run.id) == [record]


def test_there_is_one_last_and_one_best(db: Database) -> None:
    run, other = started(db)[0], started(db)[0]
    kept = add(db, other, 1)
    for step in (1, 2, 3):
        add(db, run, step, "last")
        add(db, run, step, "epoch")
    add(db, run, 2, "best")
    add(db, run, 3, "best")
    assert [(each.step, each.kind) for each in checkpoints.for_run(db, run.id)] == [
        (1, "epoch"),
        (2, "epoch"),
        (3, "last"),
        (3, "epoch"),
        (3, "best"),
    ]
    assert checkpoints.for_run(db, other.id) == [kept]


def test_so_many_are_kept_as_are_asked_for(db: Database) -> None:
    run, _ = started(db)
    for step in range(1, 6):
        add(db, run, step, "last", keep={"last": 3, "best": 2})
        add(db, run, step, "best", keep={"last": 3, "best": 2})
    kept = {
        kind: [one.step for one in checkpoints.for_run(db, run.id) if one.kind == kind] for kind in ("last", "best")
    }
    assert kept == {"last": [3, 4, 5], "best": [4, 5]}
    add(db, run, 6, "last")
    assert [one.step for one in checkpoints.for_run(db, run.id) if one.kind == "last"] == [6]


def test_what_the_run_went_back_behind_goes_first(db: Database) -> None:
    """After going back from 40 to 20, the one before the newest must be one that the run can resume from."""
    run, _ = started(db)
    first = [add(db, run, step, keep={"last": 3}) for step in (20, 30, 40)]
    end_and_resume(db, run, first[0].id)
    add(db, run, 25, keep={"last": 2})
    assert [one.step for one in checkpoints.for_run(db, run.id)] == [20, 25]


def test_all_kinds_of_one_file_come_in_one_transaction(db: Database) -> None:
    run, _ = started(db)
    early = add(db, run, 1, "last", also={"best": "/1-best.pt"})
    late = add(db, run, 2, "last", also={"best": "/2-best.pt", "epoch": "/2-epoch.pt"}, keep={"last": 2})
    found = [(one.step, one.kind, one.path, one.sha256) for one in checkpoints.for_run(db, run.id)]
    assert found == [
        (1, "last", early.path, early.sha256),
        (2, "last", late.path, late.sha256),
        (2, "best", "/2-best.pt", late.sha256),
        (2, "epoch", "/2-epoch.pt", late.sha256),
    ]
    with pytest.raises(StoreError, match="'bset' is not a kind"):
        add(db, run, 3, "last", also={"bset": "/3.pt"})
    assert [one.step for one in checkpoints.for_run(db, run.id)] == [1, 2, 2, 2]


def test_a_worker_that_was_given_up_for_dead_adds_nothing(db: Database) -> None:
    run, old = started(db)
    at = add(db, run, 5)
    end_and_resume(db, run, at.id)
    with pytest.raises(IllegalState, match=f"Attempt {old.id} is not the latest"):
        add(db, run, 9, attempt_id=old.id)
    assert checkpoints.for_run(db, run.id) == [at]


def test_a_last_that_another_run_was_forked_from_stays(db: Database) -> None:
    run, _ = started(db)
    first = add(db, run, 1)
    fork = new_run(db, parent_id=run.id, start_checkpoint_id=first.id, fork_step=1)
    twin = add(db, run, 1, "best")
    second = add(db, run, 2, also={"best": "/2-best.pt"})
    add(db, run, 3)
    kinds = {each.id: each.kind for each in checkpoints.for_run(db, run.id)}
    assert kinds[first.id] == "manual"
    assert second.id not in kinds
    assert twin.id not in kinds  # of the same step, and no run came from it
    assert runs.get(db, fork.id).start_checkpoint_id == first.id


@pytest.mark.parametrize("kind", ["last", "epoch"])
def test_a_file_that_is_written_again_keeps_its_id_and_never_an_old_checksum(db: Database, kind: str) -> None:
    run, _ = started(db)
    first = add(db, run, 5, kind, path="/same.pt")
    early = add(db, run, 1, "manual")
    end_and_resume(db, run, early.id)
    attempt = attempts.latest(db, run.id)
    assert attempt is not None
    again = add(db, run, 5, kind, path="/same.pt", sha256="a" * 64, bytes=11, val_accuracy=None)
    assert (again.id, again.attempt_id, again.sha256, again.bytes) == (first.id, attempt.id, "a" * 64, 11)
    assert checkpoints.pick(db, run.id, "last") == again


def test_a_kept_last_whose_file_is_written_again_has_the_new_checksum(db: Database) -> None:
    run, _ = started(db)
    first = add(db, run, 5, path="/same.pt")
    new_run(db, parent_id=run.id, start_checkpoint_id=first.id, fork_step=5)
    add(db, run, 6)
    add(db, run, 5, path="/same.pt", sha256="a" * 64)
    kept = checkpoints.get(db, first.id)
    assert (kept.kind, kept.sha256) == ("manual", "a" * 64)


def test_picking(db: Database) -> None:
    run, _ = started(db, name="mine")
    with pytest.raises(StoreError, match=r"\(mine\) has no checkpoint yet"):
        checkpoints.pick(db, run.id, "last")
    epoch, last = add(db, run, 10, "epoch"), add(db, run, 20)
    stop, diverged = add(db, run, 25, "stop"), add(db, run, 30, "nan")
    assert checkpoints.pick(db, run.id, "last") == stop
    assert checkpoints.pick(db, run.id, str(last.id)) == last
    assert checkpoints.pick(db, run.id, diverged.id) == diverged
    with pytest.raises(StoreError, match=rf"no checkpoint 'best'. It has: {epoch.id} \(epoch, step 10\)"):
        checkpoints.pick(db, run.id, "best")
    best = add(db, run, 10, "best")
    assert checkpoints.pick(db, run.id, "best") == checkpoints.pick(db, run.id, " BEST ") == best
    with pytest.raises(StoreError, match="Did you mean 'last'"):
        checkpoints.pick(db, run.id, "lsat")


def test_the_checkpoint_of_another_run_is_not_picked(db: Database) -> None:
    run, other = started(db)[0], started(db)[0]
    add(db, run, 1)
    at = add(db, other, 1)
    with pytest.raises(StoreError):
        checkpoints.pick(db, run.id, at.id)


def test_last_and_best_are_not_on_a_branch_that_was_given_up(db: Database) -> None:
    run, _ = started(db)
    early = add(db, run, 10, "epoch")
    late = add(db, run, 50, "epoch")
    add(db, run, 50, "best")
    end_and_resume(db, run, early.id)
    assert checkpoints.pick(db, run.id, "last") == early
    with pytest.raises(StoreError):
        checkpoints.pick(db, run.id, "best")
    assert checkpoints.pick(db, run.id, late.id) == late
    middle = add(db, run, 30)
    assert checkpoints.pick(db, run.id, "last") == middle
    end_and_resume(db, run, middle.id)
    assert checkpoints.pick(db, run.id, "last") == middle
    end_and_resume(db, run, None)
    with pytest.raises(StoreError):
        checkpoints.pick(db, run.id, "last")


def test_removing_gives_the_file_back_once_nothing_is_in_it(db: Database) -> None:
    run, _ = started(db)
    other, _ = started(db)
    add(db, other, 5, path="y.pt")  # in its own folder
    last, best = add(db, run, 5, path="x.pt"), add(db, run, 5, "best", path=str(run_folder(run.uid) / "x.pt"))
    assert last.path == best.path == str(run_folder(run.uid) / "x.pt")
    assert checkpoints.unreferenced(db, run.id, [last.path, "y.pt"]) == Remains(run.uid, ("y.pt",))
    assert checkpoints.remove(db, last.id) == Remains(run.uid)
    assert checkpoints.remove(db, best.id) == Remains(run.uid, ("x.pt",))
    assert checkpoints.for_run(db, run.id) == []
    with pytest.raises(StoreError, match="no checkpoint"):
        checkpoints.remove(db, best.id)
    with pytest.raises(StoreError, match="no checkpoint"):
        checkpoints.get(db, best.id)


def test_what_another_run_was_forked_from_is_not_taken_away_silently(db: Database) -> None:
    run, _ = started(db)
    at = add(db, run, 5, "epoch")
    fork = new_run(db, name="child", parent_id=run.id, start_checkpoint_id=at.id, fork_step=5)
    with pytest.raises(IllegalState, match=rf"run {fork.id} \(child\) will start from it"):
        checkpoints.remove(db, at.id, force=True)
    start(db, fork)
    own = add(db, fork, 9)
    end_and_resume(db, fork, own.id)  # it has gone on since, and still came from there
    with pytest.raises(IllegalState, match=rf"without force: run {fork.id} \(child\) was forked from it"):
        checkpoints.remove(db, at.id)
    assert checkpoints.remove(db, at.id, force=True).files == (at.path,)


def test_a_run_that_waits_to_go_on_keeps_its_checkpoint(db: Database) -> None:
    """Without it, the run would begin again and delete all it had recorded."""
    run, attempt = started(db)
    at = add(db, run, 5, "epoch")
    attempts.finish(db, attempt.id, status=RunStatus.STOPPED, reason=None)
    runs.requeue_resume(db, run.id, at.id)
    with pytest.raises(IllegalState, match="will start from it"):
        checkpoints.remove(db, at.id, force=True)


def test_what_does_not_exist_is_said(db: Database) -> None:
    with pytest.raises(RunNotFound):
        checkpoints.for_run(db, 5)
    with pytest.raises(RunNotFound):
        checkpoints.pick(db, 5, "last")
    run, _ = started(db)
    with pytest.raises(StoreError, match="'lats' is not a kind of checkpoint; allowed are last, best"):
        add(db, run, 1, "lats")


def test_what_a_fork_is_being_loaded_from_is_not_taken_away(db: Database) -> None:
    """A worker that is up reads the file before its first step; only then does nothing depend on it any more."""
    parent = started(db)[0]
    record = add(db, parent, 40)
    latest = attempts.latest(db, parent.id)
    assert latest is not None
    attempts.finish(db, latest.id, status=RunStatus.STOPPED, reason=None)
    fork = new_run(db, parent_id=parent.id, start_checkpoint_id=record.id, fork_step=40)
    attempt = runs.reserve(db, fork.id, host="here", device="cpu", slots=1)
    assert attempt is not None
    for state in ("starting", "running"):
        with pytest.raises(IllegalState, match=f"run {fork.id} .* will start from it"):
            checkpoints.remove(db, record.id, force=True)
        with pytest.raises(IllegalState, match=f"run {fork.id} .* will start from it"):
            runs.delete(db, parent.id, force=True)
        if state == "starting":
            assert attempts.running(db, attempt.id, pid=1, start_time=None, boot_id=None)
    with MetricWriter(db, fork.id, attempt.id) as writer:
        writer.step(helpers.step(41))
    assert checkpoints.remove(db, record.id, force=True).files == (record.path,)
    runs.delete(db, parent.id, force=True)
