from __future__ import annotations

from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.records import RunQuery, RunRecord, RunStatus
from db.runs import attempts, commands, endings, runs, shelf
from db.session import Database
from tests.db.helpers import end, new_run, start, started


def ids(found: tuple[endings.Mark, tuple[RunRecord, ...]]) -> list[int]:
    return [run.id for run in found[1]]


def test_an_ending_is_told_once_and_none_before_the_first_look(db: Database) -> None:
    before, _ = started(db)
    end(db, before)
    run, _ = started(db)
    mark, told = endings.since(db, None)
    assert told == ()
    end(db, run, RunStatus.FAILED)
    mark, told = endings.since(db, mark)
    assert [(one.id, one.status, one.exit_code) for one in told] == [(run.id, "failed", 3)]
    assert endings.since(db, mark) == (mark, ())


def test_archived_runs_are_told_and_those_in_the_trash_are_not(db: Database) -> None:
    away, gone = started(db)[0], started(db)[0]
    shelf.archive(db, [away.id])
    mark, _ = endings.since(db, None)
    end(db, away)
    end(db, gone)
    shelf.trash(db, [gone.id])
    assert ids(endings.since(db, mark)) == [away.id]


def test_what_begins_and_ends_between_two_looks_is_told(db: Database) -> None:
    mark, _ = endings.since(db, None)
    quick, _ = started(db)
    end(db, quick, RunStatus.COMPLETED)
    assert ids(endings.since(db, mark)) == [quick.id]


def test_a_run_that_is_stopped_before_it_starts_is_told(db: Database) -> None:
    waiting = new_run(db)
    mark, _ = endings.since(db, None)
    commands.send(db, waiting.id, "stop")
    mark, told = endings.since(db, mark)
    assert [(run.id, run.status) for run in told] == [(waiting.id, "stopped")]
    assert ids(endings.since(db, mark)) == []


def test_asking_a_run_to_stop_is_not_its_end(db: Database) -> None:
    run, _ = started(db)
    mark, _ = endings.since(db, None)
    commands.send(db, run.id, "stop")
    mark, told = endings.since(db, mark)
    assert told == ()
    end(db, run)
    assert ids(endings.since(db, mark)) == [run.id]


def test_an_attempt_after_which_the_run_waits_again_is_no_end_of_it(db: Database) -> None:
    run, attempt = started(db)
    mark, _ = endings.since(db, None)
    assert attempts.finish(db, attempt.id, status=RunStatus.FAILED, reason="a full disk", retry_may_help=True)
    assert runs.get(db, run.id).status == "queued"
    mark, told = endings.since(db, mark)
    assert told == ()
    start(db, run)
    end(db, run, RunStatus.COMPLETED)
    assert ids(endings.since(db, mark)) == [run.id]


def test_each_end_of_a_run_that_goes_on_is_told(db: Database) -> None:
    run, _ = started(db)
    mark, _ = endings.since(db, None)
    for _ in range(2):
        end(db, run)
        mark, told = endings.since(db, mark)
        assert [one.id for one in told] == [run.id]
        runs.requeue_resume(db, run.id, None)
        start(db, run)


def end_first(db: Database) -> None:
    for run in runs.active(db)[:1]:
        end(db, run, RunStatus.COMPLETED)


STEPS: dict[str, Callable[[Database], object]] = {
    "create": new_run,
    "start": lambda db: [start(db, run) for run in runs.queued(db)[:1]],
    "end": end_first,
    "cancel": lambda db: [commands.send(db, run.id, "stop") for run in runs.queued(db)[-1:]],
    "ask": lambda db: [commands.send(db, run.id, "stop") for run in runs.active(db) if run.status == "running"],
}


def terminal(db: Database) -> list[int]:
    return sorted(run.id for run in runs.list_runs(db, RunQuery(limit=None)) if run.status.is_terminal)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(looks=st.lists(st.lists(st.sampled_from(sorted(STEPS)), max_size=5), max_size=8))
def test_over_any_history_each_ended_run_is_told_just_once(db: Database, looks: list[list[str]]) -> None:
    ended_before = terminal(db)
    mark, told = endings.since(db, None)
    for steps in looks:
        for step in steps:
            STEPS[step](db)
        mark, ended = endings.since(db, mark)
        told += ended
    assert sorted([*ended_before, *(run.id for run in told)]) == terminal(db)
