"""What is done to many runs: one transaction, in linear time, and the problem of one keeps no other from it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, get_args

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.errors import RunNotFound, StoreError
from db.models import RunRow
from db.records import BatchResult
from db.runs import commands, queue, runs, shelf
from db.runs.queue import Direction
from db.runs.runs import NewRun
from db.session import Database
from tests.db.helpers import CONFIG, end, new_run, start


def several(number: int, **values: Any) -> list[NewRun]:
    return [NewRun(config=CONFIG | {"seed": seed}, **values) for seed in range(number)]


def order(db: Database) -> list[int]:
    return [run.id for run in runs.waiting(db)]


@contextmanager
def transactions(db: Database) -> Iterator[list[tuple[int, int]]]:
    """After each commit, how many runs there are, and how many of them a scheduler may start."""
    seen: list[tuple[int, int]] = []

    def look(_connection: sa.Connection) -> None:
        with db._engine.connect() as other:
            free = sa.func.sum(sa.case((RunRow.held, 0), else_=1))
            number, startable = other.execute(sa.select(sa.func.count(), free)).one()
        seen.append((int(number), int(startable or 0)))

    commit = db._engine.dialect.do_commit

    def committed(connection: Any) -> None:
        commit(connection)
        if not looking:
            looking.append(True)
            look(connection)
            looking.clear()

    looking: list[bool] = []
    db._engine.dialect.do_commit = committed  # type: ignore[method-assign, assignment]
    try:
        yield seen
    finally:
        db._engine.dialect.do_commit = commit  # type: ignore[method-assign]


def test_many_runs_come_into_being_at_once_and_in_order(db: Database) -> None:
    old = new_run(db)
    with transactions(db) as seen:
        made = runs.create_many(db, several(5, tags=("paper",), group="seeds"))
    assert seen == [(6, 6)]
    assert [run.seed for run in made] == [0, 1, 2, 3, 4]
    assert {(run.tags, run.group) for run in made} == {(("paper",), "seeds")}
    assert order(db) == [old.id, *(run.id for run in made)]
    assert made == [runs.get(db, run.id) for run in made]
    assert runs.create_many(db, []) == []


def test_one_that_cannot_be_queued_leaves_none(db: Database) -> None:
    for bad in (NewRun(config=CONFIG, name=" "), NewRun(config=CONFIG, parent_id=99)):
        with pytest.raises(StoreError):
            runs.create_many(db, [*several(2), bad])
    assert runs.count(db) == 0


def test_held_runs_are_never_seen_unheld(db: Database) -> None:
    with transactions(db) as seen:
        made = runs.create_many(db, several(5), where="held")
    assert seen == [(5, 0)]
    assert {(run.held, run.reason) for run in made} == {(True, "held by user")}
    assert runs.queued(db) == []


def test_new_runs_at_the_front_start_before_all_others_in_their_order(db: Database) -> None:
    late, urgent, held = new_run(db), new_run(db, priority=7), new_run(db, priority=9)
    runs.hold(db, held.id)
    made = [run.id for run in runs.create_many(db, several(3), where="front")]
    assert [run.id for run in runs.queued(db)] == [*made, urgent.id, late.id]
    again = [run.id for run in runs.create_many(db, several(2), where="front")]
    assert [run.id for run in runs.queued(db)] == [*again, *made, urgent.id, late.id]


def test_a_front_of_nothing_has_no_negative_priority(db: Database) -> None:
    low = new_run(db, priority=-3)
    first = runs.create(db, config=CONFIG, where="front")
    assert (first.priority, order(db)) == (0, [first.id, low.id])


def test_many_are_read_in_the_order_asked_for(db: Database) -> None:
    a, b, c = (new_run(db).id for _ in range(3))
    shelf.trash(db, [b])
    assert [run.id for run in runs.get_many(db, [c, 99, b, a, c])] == [c, a, c]
    assert runs.get_many(db, []) == []


@pytest.mark.parametrize("front", [True, False])
def test_there_is_no_statement_for_a_run_but_the_one_that_makes_it(db: Database, front: bool) -> None:
    def counted(number: int) -> int:
        heard: list[str] = []

        def hear(_connection: Any, _cursor: Any, sql: str, *_: Any) -> None:
            heard.append(sql)

        sa.event.listen(db._engine, "before_cursor_execute", hear)
        made = runs.create_many(db, several(number), where="front" if front else "queue")
        runs.move_many(db, [run.id for run in made[1:]], "bottom")
        runs.hold_many(db, [run.id for run in made])
        sa.event.remove(db._engine, "before_cursor_execute", hear)
        return len(heard)

    assert counted(100) < 100 + 10, "one for each new row, and a few for all"


def test_holding_releasing_and_priorities_of_many(db: Database) -> None:
    a, b, c = (new_run(db).id for _ in range(3))
    gone = new_run(db)
    start(db, gone)
    result = runs.hold_many(db, [c, 99, gone.id, a, c], "waits for the new data")
    assert result.done == (c, a)
    assert [("no run 99" in one, "is running; only a run that waits" in one) for one in result.problems] == [
        (True, False),
        (False, True),
    ]
    assert [runs.get(db, run_id).reason for run_id in (a, b, c)] == [
        "waits for the new data",
        None,
        runs.get(db, a).reason,
    ]
    assert runs.release_many(db, [a, b]) == BatchResult((a, b))
    assert [run.id for run in runs.queued(db)] == [a, b]
    queue.set_priority(db, a, 2**31 - 1)
    raised = queue.add_priority(db, [a, b], 1)
    assert raised.done == (b,)
    assert "must be between" in raised.problems[0]
    assert runs.get(db, b).priority == 1


def test_fields_of_many(db: Database) -> None:
    a, b = new_run(db).id, new_run(db).id
    result = runs.update_many(db, {a: {"name": "one", "tags": ["x", "x"]}, b: {"name": " "}, 99: {"notes": ""}})
    assert result.done == (a,)
    assert len(result.problems) == 2
    assert (runs.get(db, a).name, runs.get(db, a).tags) == ("one", ("x",))


def test_commands_to_many(db: Database) -> None:
    running, waiting, ended = new_run(db), new_run(db), new_run(db)
    start(db, running)
    start(db, ended)
    end(db, ended)
    asked = commands.send_many(db, {running.id: "stop", waiting.id: "stop", ended.id: "stop", 99: "stop"})
    assert asked.done == (running.id, waiting.id)
    assert ["is stopped; only" in one for one in asked.problems] == [True, False]
    assert runs.get(db, waiting.id).reason == "stopped by user before it started"
    assert [one.kind for one in commands.pending(db, running.id)] == ["stop"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_moving_a_block_is_moving_each_of_its_runs(db: Database, data: st.DataObject) -> None:
    """For runs of two priorities, some queued at one instant, as one after the other would be moved by hand."""
    runs_there = order(db)
    commands.send_many(db, dict.fromkeys(runs_there, "stop"))
    made = [run.id for run in runs.create_many(db, several(3))]
    made += [new_run(db, priority=data.draw(st.sampled_from([0, 0, 1]))).id for _ in range(3)]
    before = order(db)
    chosen = data.draw(st.lists(st.sampled_from(made), unique=True, min_size=2, max_size=6))
    to: Direction = data.draw(st.sampled_from(get_args(Direction)))
    priority = {run.id: run.priority for run in runs.waiting(db)}

    expected: list[int] = []
    for level in (1, 0):
        block = [run_id for run_id in before if priority[run_id] == level]
        inside = [run_id for run_id in block if run_id in chosen]
        outside = [run_id for run_id in block if run_id not in chosen]
        if to == "top":
            block = inside + outside
        elif to == "bottom":
            block = outside + inside
        else:
            block = block if to == "up" else block[::-1]
            for here in range(1, len(block)):
                if block[here] in chosen and block[here - 1] not in chosen:
                    block[here - 1], block[here] = block[here], block[here - 1]
            block = block if to == "up" else block[::-1]
        expected += block
    assert runs.move_many(db, chosen, to).problems == ()
    assert order(db) == expected


def test_a_single_run_at_the_end_is_refused_only_where_it_would_pass_another_priority(db: Database) -> None:
    first, second, low = new_run(db), new_run(db), new_run(db, priority=-1)
    assert runs.move_many(db, [first.id], "up") == BatchResult((first.id,))
    refused = runs.move_many(db, [second.id], "down")
    assert (refused.done, "needs another priority" in refused.problems[0]) == ((), True)
    assert runs.move_many(db, [first.id, second.id], "down") == BatchResult(())
    assert order(db) == [first.id, second.id, low.id]


def test_only_a_run_that_is_there_and_waits_is_moved(db: Database) -> None:
    first, second, active = new_run(db), new_run(db), new_run(db)
    start(db, active)
    result = runs.move_many(db, [second.id, active.id, 99], "top")
    assert (result.done, len(result.problems)) == ((second.id,), 2)
    assert order(db) == [second.id, first.id]
    with pytest.raises(StoreError, match="'sideways'; allowed are"):
        runs.move_many(db, [first.id], "sideways")  # type: ignore[arg-type]


def test_the_submission_is_written_with_the_row(db: Database) -> None:
    folder = b"/home/\xff naive".decode("utf-8", "surrogateescape")
    where = {"folder": folder, "environment": {"OMP_NUM_THREADS": "2"}}
    (run,) = runs.create_many(db, several(1), submission=where)
    assert runs.submission(db, run.id) == where
    plain = new_run(db)
    assert runs.submission(db, plain.id) is None
    with pytest.raises(RunNotFound):
        runs.submission(db, 99)


def test_a_run_that_is_queued_again_keeps_where_it_was_first_submitted(db: Database) -> None:
    first, second = {"folder": "/first", "environment": {}}, {"folder": "/second", "environment": {}}
    run = runs.create(db, config=CONFIG, submission=first)
    earlier = new_run(db)
    for each in (run, earlier):
        start(db, each)
        end(db, each)
        runs.requeue_resume(db, each.id, None, submission=second)
    assert runs.submission(db, run.id) == first
    assert runs.submission(db, earlier.id) == second
