"""Text that no database can hold: bytes that are no UTF-8 in a name or a message, and NUL."""

from __future__ import annotations

import pytest

from db import key_values
from db.errors import RunNotFound, StoreError
from db.records import RunQuery, RunStatus
from db.runs import attempts, commands, runs
from db.session import Database
from tests.db.helpers import CONFIG, new_run, started

# As Python reads a file name or an argument that is no UTF-8; and what PostgreSQL has no place for.
STRANGE = "a\udcffb\x00c"
HELD = "a?b�c"


def test_a_run_ends_with_its_reason_whatever_is_in_it(db: Database) -> None:
    run, attempt = started(db)
    commands.send(db, run.id, "stop")
    assert attempts.finish(
        db, attempt.id, status=RunStatus.FAILED, reason=f"no file {STRANGE}", traceback=f"in {STRANGE}\nhere"
    )
    ended = attempts.get(db, attempt.id)
    assert (ended.reason, ended.traceback) == (f"no file {HELD}", f"in {HELD}\nhere")
    assert commands.for_run(db, run.id)[0].outcome == f"the run ended: failed (no file {HELD})"


def test_a_worker_comes_up_whatever_its_surroundings_hold(db: Database) -> None:
    attempt = runs.reserve(db, new_run(db).id, host="here", device="cpu", slots=1)
    assert attempt is not None
    assert attempts.running(
        db,
        attempt.id,
        pid=1,
        start_time=None,
        boot_id=None,
        command_line=STRANGE,
        diff=STRANGE,
        environment={"LANG": STRANGE},
    )
    kept = attempts.get(db, attempt.id)
    assert (kept.command_line, kept.diff, kept.environment) == (HELD, HELD, {"LANG": HELD})


def test_what_a_person_writes_is_kept_and_found(db: Database) -> None:
    run = new_run(db, name=STRANGE, notes=STRANGE, group=STRANGE, tags=[STRANGE], config=CONFIG | {"data_dir": STRANGE})
    kept = runs.find(db, STRANGE)
    assert kept == runs.get(db, run.id)
    assert (kept.name, kept.notes, kept.group, kept.tags) == (HELD, HELD, HELD, (HELD,))
    assert kept.config["data_dir"] == HELD
    assert runs.list_runs(db, RunQuery(group=STRANGE)) == [kept]
    assert runs.list_runs(db, RunQuery(text="data_dir~b")) == [kept]
    assert runs.requeue_resume(db, _stopped(db, run.id), None, CONFIG | {"data_dir": STRANGE}).config == kept.config
    key_values.put(db, STRANGE, {STRANGE: [STRANGE, 1]})
    assert key_values.get(db, STRANGE) == {HELD: [HELD, 1]}


def _stopped(db: Database, run_id: int) -> int:
    commands.send(db, run_id, "stop")
    return run_id


@pytest.mark.parametrize("word", ["", " ", STRANGE, "9" * 400, "99999999999", "-1", "0", "'; DROP TABLE runs; --"])
def test_a_run_that_is_not_there_is_not_found(db: Database, word: str) -> None:
    new_run(db)
    with pytest.raises(RunNotFound):
        runs.find(db, word)


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30])
def test_a_number_that_fits_no_column_is_refused_in_words(db: Database, number: int) -> None:
    run = new_run(db)
    with pytest.raises(StoreError):
        runs.update_fields(db, run.id, total_steps=number)
    assert runs.get(db, run.id) == run
