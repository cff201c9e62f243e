from __future__ import annotations

import time

import pytest

from db.errors import IllegalState, RunNotFound
from db.records import RunQuery, RunStatus
from db.runs import attempts, checkpoints, runs, shelf
from db.runs.removal import Remains
from db.session import Database
from tests.db.helpers import end, new_run, started


def ids(db: Database, text: str = "") -> list[int]:
    return [run.id for run in runs.list_runs(db, RunQuery(text=text, archived=None, descending=False))]


def test_stars_keep_the_time_they_were_given(db: Database) -> None:
    first, second = new_run(db), new_run(db)
    before = time.time()
    shelf.star(db, [first.id])
    given = runs.get(db, first.id).starred_at
    assert given is not None
    assert before <= given <= time.time()
    shelf.star(db, [second.id, first.id, first.id])
    assert runs.get(db, first.id).starred_at == given
    assert ids(db, "is:starred") == [first.id, second.id]
    shelf.star(db, [first.id], on=False)
    assert ids(db, "is:starred") == [second.id]


def test_one_missing_run_leaves_all_as_they_were(db: Database) -> None:
    run = new_run(db)
    for change in (shelf.star, shelf.archive):
        with pytest.raises(RunNotFound, match="no run 99"):
            change(db, [run.id, 99])
    assert runs.get(db, run.id).starred_at is None
    assert runs.get(db, run.id).archived_at is None
    shelf.star(db, [])


def test_an_archived_run_is_put_away_and_brought_back(db: Database) -> None:
    run = new_run(db)
    shelf.archive(db, [run.id])
    assert runs.list_runs(db) == []
    assert runs.find(db, run.id).archived_at is not None
    shelf.archive(db, [run.id], on=False)
    assert [one.id for one in runs.list_runs(db)] == [run.id]


def test_what_is_in_the_trash_is_nowhere_else(db: Database) -> None:
    kept, gone = new_run(db, name="kept"), new_run(db, name="gone", group="sweep")
    assert shelf.trash(db, [gone.id]) == [shelf.Trashed(gone.id)]
    for query in (RunQuery(), RunQuery(archived=None), RunQuery(text=f"id:{gone.id}"), RunQuery(group="sweep")):
        assert gone.id not in [run.id for run in runs.list_runs(db, query)]
    assert runs.count(db) == 1
    assert runs.count(db, RunQuery(archived=None, statuses=tuple(RunStatus))) == 1
    assert [run.id for run in runs.queued(db)] == [kept.id]
    assert runs.reserve(db, gone.id, host="here", device="cpu", slots=9) is None
    for token in (gone.id, gone.uid):
        with pytest.raises(RunNotFound, match=rf"Run {gone.id} \(gone\) was deleted; it is in the trash"):
            runs.find(db, token)
    with pytest.raises(RunNotFound, match="There is no run 'gone'"):
        runs.find(db, "gone")
    assert [run.id for run in shelf.trashed(db)] == [gone.id]


def test_a_deletion_is_taken_back_whole(db: Database) -> None:
    run = new_run(db)
    shelf.star(db, [run.id])
    before = runs.get(db, run.id)
    shelf.trash(db, [run.id])
    shelf.restore(db, [run.id])
    assert runs.get(db, run.id) == before
    assert shelf.trashed(db) == []
    shelf.restore(db, [run.id])
    with pytest.raises(RunNotFound):
        shelf.restore(db, [99])


def test_refusals_name_their_reason_and_the_others_go(db: Database) -> None:
    active, _ = started(db, name="active")
    parent, attempt = started(db, name="parent")
    checkpoint = checkpoints.add(
        db, run_id=parent.id, attempt_id=attempt.id, step=1, epoch=1, kind="last", path="/c", bytes=1, sha256="0" * 64
    )
    attempts.finish(db, attempt.id, status=RunStatus.COMPLETED, reason=None)
    fork = new_run(db, name="fork", parent_id=parent.id, start_checkpoint_id=checkpoint.id)
    free = new_run(db, name="free")
    told = shelf.trash(db, [active.id, parent.id, free.id, 99])
    assert [one.run_id for one in told] == [active.id, parent.id, free.id, 99]
    problems = [one.problem or "" for one in told]
    assert "is running; stop or kill it" in problems[0]
    assert f"run {fork.id} (fork) will start from it" in problems[1]
    assert problems[2] == ""
    assert "no run 99" in problems[3]
    assert [run.id for run in shelf.trashed(db)] == [free.id]
    assert shelf.trash(db, [parent.id], force=True)[0].problem, "what waits for it would be lost"


def test_a_family_goes_together(db: Database) -> None:
    parent = new_run(db)
    child = new_run(db, parent_id=parent.id)
    (alone,) = shelf.trash(db, [parent.id])
    assert "without force" in str(alone.problem)
    assert [one.problem for one in shelf.trash(db, [parent.id, child.id])] == [None, None]
    shelf.restore(db, [parent.id, child.id])
    assert [one.problem for one in shelf.trash(db, [child.id])] == [None]
    assert [one.problem for one in shelf.trash(db, [parent.id])] == [None], "its fork is in the trash already"


def test_a_fork_that_stays_keeps_its_whole_line(db: Database) -> None:
    parent = new_run(db)
    middle = new_run(db, parent_id=parent.id)
    new_run(db, parent_id=middle.id)
    told = shelf.trash(db, [parent.id, middle.id])
    assert all("without force" in str(one.problem) for one in told)
    assert shelf.trashed(db) == []


def test_purging_forgets_for_good_and_tells_what_is_nobodys(db: Database) -> None:
    parent = new_run(db)
    child = new_run(db, parent_id=parent.id)
    other = new_run(db)
    kept = new_run(db)
    shelf.trash(db, [parent.id, child.id, other.id])
    assert list(shelf.purge(db, [other.id, kept.id])) == [Remains(other.uid, folder=True)]
    assert runs.get(db, kept.id) == kept
    assert len(list(shelf.purge(db))) == 2
    assert shelf.trashed(db) == []
    assert list(shelf.purge(db)) == []
    with pytest.raises(RunNotFound):
        runs.get(db, parent.id)


def test_purging_leaves_what_is_restored_meanwhile(db: Database) -> None:
    first, second = new_run(db), new_run(db)
    shelf.trash(db, [first.id, second.id])
    purging = shelf.purge(db)
    assert next(purging) == Remains(second.uid, folder=True)
    shelf.restore(db, [first.id])  # another program, after the trash was looked through
    assert list(purging) == []
    assert runs.get(db, first.id).name == first.name


def test_a_run_that_another_will_start_from_does_not_keep_the_rest_in_the_trash(db: Database) -> None:
    older = new_run(db)
    parent, attempt = started(db)
    written = checkpoints.add(
        db, run_id=parent.id, attempt_id=attempt.id, step=1, epoch=1, kind="last", path="/c", bytes=1, sha256="0" * 64
    )
    end(db, parent)
    shelf.trash(db, [older.id, parent.id])
    new_run(db, parent_id=parent.id, start_checkpoint_id=written.id)
    assert list(shelf.purge(db)) == [Remains(older.uid, folder=True)]
    assert [run.id for run in shelf.trashed(db)] == [parent.id]


def test_a_run_in_the_trash_is_not_resumed_into_nowhere(db: Database) -> None:
    """It would wait in no list, and go when the app that deleted it is left."""
    run, _ = started(db)
    end(db, run)
    shelf.trash(db, [run.id])
    with pytest.raises(IllegalState, match="was deleted; restore it first"):
        runs.requeue_resume(db, run.id, None)
    shelf.restore(db, [run.id])
    assert runs.requeue_resume(db, run.id, None).status is RunStatus.QUEUED
