"""The user's code that is kept of runs: each text once, and nothing left of runs that are deleted."""

from __future__ import annotations

import sqlalchemy as sa

from db.models import CodeFileRow, CodeTextRow
from db.records import CodeFile, KeptCode, RunStatus
from db.runs import attempts, code, runs
from db.session import Database
from tests.db.helpers import new_run, start

_NET = CodeFile("/p/net.py", "a" * 64, 5, "x = 1", True)
_SECRET = CodeFile("/p/secret.py", "b" * 64, 7, None, False)
_CHANGED = CodeFile("/p/net.py", "c" * 64, 5, "x = 2")


def texts(db: Database) -> set[str]:
    with db.read() as session:
        return set(session.scalars(sa.select(CodeTextRow.text)))


def test_it_is_kept_for_each_attempt_at_queueing_and_at_start(db: Database) -> None:
    run = runs.create(db, config={}, name="one", code=[_NET, _SECRET])
    assert code.for_run(db, run.id) == [KeptCode(1, (_NET, _SECRET), ())]
    attempt = start(db, run)
    code.keep(db, run.id, attempt.number, [_CHANGED])
    code.keep(db, run.id, attempt.number, [_CHANGED, _SECRET])
    attempts.finish(db, attempt.id, status=RunStatus.FAILED, reason="no")
    runs.requeue_resume(db, run.id, None, files=[_CHANGED])
    assert code.for_run(db, run.id) == [
        KeptCode(1, (_NET, _SECRET), (_CHANGED, _SECRET)),
        KeptCode(2, (_CHANGED,), ()),
    ]
    assert code.for_run(db, new_run(db).id) == []


def test_each_text_is_stored_once_and_goes_with_the_last_run_that_has_it(db: Database) -> None:
    first = runs.create(db, config={}, name="one", code=[_NET])
    second = runs.create(db, config={}, name="two", code=[_NET, _CHANGED])
    assert texts(db) == {"x = 1", "x = 2"}
    runs.delete(db, second.id, force=True)
    assert texts(db) == {"x = 1"}
    runs.delete(db, first.id, force=True)
    assert texts(db) == set()
    with db.read() as session:
        assert session.scalars(sa.select(CodeFileRow.run_id)).all() == []


def test_text_that_a_database_cannot_hold_is_made_storable(db: Database) -> None:
    file = CodeFile("/p/\udcff.py", "d" * 64, 3, "'\udcff'")
    run = runs.create(db, config={}, name="one", code=[file])
    ((kept,),) = [one.queued for one in code.for_run(db, run.id)]
    assert kept.sha256 == file.sha256
    assert "\udcff" not in kept.path


def test_attempts_that_start_are_known_once_whenever_they_keep_their_code(db: Database) -> None:
    early = runs.create(db, config={}, name="early", code=[_NET])
    code.keep(db, early.id, start(db, early).number, [_NET])
    mark, found = code.started_since(db, None)
    assert found == (), "what had started before the first look is not new"
    late, builtin = runs.create(db, config={}, name="late", code=[_NET]), new_run(db)
    attempt = start(db, late)
    start(db, builtin)
    mark, found = code.started_since(db, mark)
    assert found == (), "it has kept nothing yet"
    code.keep(db, late.id, attempt.number, [_CHANGED])
    mark, found = code.started_since(db, mark)
    assert found == ((late.id, 1),)
    code.keep(db, late.id, attempt.number, [_CHANGED, _SECRET])
    short = runs.create(db, config={}, name="short", code=[_NET])
    whole = start(db, short)
    code.keep(db, short.id, whole.number, [_NET])
    attempts.finish(db, whole.id, status=RunStatus.FAILED, reason="no")
    mark, found = code.started_since(db, mark)
    assert found == ((short.id, 1),), "though it began and ended between two looks"
    assert code.started_since(db, mark) == (mark, ())
