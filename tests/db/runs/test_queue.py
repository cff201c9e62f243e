from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.errors import IllegalState, RunNotFound, StoreError
from db.models import RunRow
from db.records import RunRecord, RunStatus
from db.runs import attempts, commands, queue, runs
from db.runs.queue import Direction
from db.session import Database
from tests.db.helpers import end, new_run, start


def order(db: Database) -> list[int]:
    return [run.id for run in runs.queued(db)]


def at_one_moment(db: Database, rows: list[RunRecord]) -> None:
    """Let runs have been queued at the same instant, as far as the clock can tell."""
    with db.write() as session:
        for run in rows:
            row = session.get(RunRow, run.id)
            assert row is not None
            row.queued_at = 1000.0


def test_the_queue_is_in_the_order_of_priority_then_place_then_age(db: Database) -> None:
    low = new_run(db, priority=-1)
    first, second = new_run(db), new_run(db)
    urgent, held = new_run(db, priority=5), new_run(db, priority=9)
    runs.hold(db, held.id)
    start(db, new_run(db))
    assert order(db) == [urgent.id, first.id, second.id, low.id]
    assert [run.id for run in runs.waiting(db)] == [held.id, urgent.id, first.id, second.id, low.id]


def test_moving_a_run(db: Database) -> None:
    a, b, c, d = (new_run(db).id for _ in range(4))
    runs.move(db, c, "top")
    assert order(db) == [c, a, b, d]
    runs.move(db, c, "down")
    assert order(db) == [a, c, b, d]
    runs.move(db, d, "up")
    assert order(db) == [a, c, d, b]
    runs.move(db, a, "bottom")
    assert order(db) == [c, d, b, a]
    runs.move(db, a, "bottom")
    runs.move(db, c, "top")
    assert order(db) == [c, d, b, a]
    later = new_run(db)
    assert order(db) == [c, d, b, a, later.id]


def test_runs_of_one_instant_are_moved_too(db: Database) -> None:
    made = [new_run(db) for _ in range(4)]
    at_one_moment(db, made)
    a, b, c, d = (run.id for run in made)
    runs.move(db, d, "up")
    assert order(db) == [a, b, d, c]
    runs.move(db, a, "down")
    assert order(db) == [b, a, d, c]
    later = new_run(db)
    assert order(db) == [b, a, d, c, later.id]


@settings(max_examples=10, deadline=None)
@given(moves=st.lists(st.tuples(st.integers(0, 4), st.sampled_from(get_args(Direction))), max_size=25))
def test_any_moves_give_the_order_that_a_list_would_have(
    tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[int, Direction]]
) -> None:
    db = Database.open(str(tmp_path_factory.mktemp("moves") / "itop.db"))
    made = [new_run(db) for _ in range(5)]
    at_one_moment(db, made)
    expected = [run.id for run in made]
    for which, to in moves:
        moved = made[which].id
        here = expected.index(moved)
        there = {"top": 0, "bottom": 4, "up": max(0, here - 1), "down": min(4, here + 1)}[to]
        expected.insert(there, expected.pop(here))
        runs.move(db, moved, to)
        assert order(db) == expected
    db.close()


def test_a_step_past_another_priority_is_refused(db: Database) -> None:
    urgent, run, late = new_run(db, priority=3), new_run(db), new_run(db, priority=-2)
    with pytest.raises(IllegalState, match=r"is the first of priority 0; to start before those of priority 3 it needs"):
        runs.move(db, run.id, "up")
    with pytest.raises(IllegalState, match=r"is the last of priority 0; to start after those of priority -2 it needs"):
        runs.move(db, run.id, "down")
    runs.move(db, urgent.id, "up")  # nothing stands before it
    runs.move(db, late.id, "down")
    assert order(db) == [urgent.id, run.id, late.id]
    runs.set_priority(db, late.id, 3)
    assert order(db) == [urgent.id, late.id, run.id]
    runs.set_priority(db, late.id, 4)
    assert order(db) == [late.id, urgent.id, run.id]


def test_a_held_run_keeps_its_place_and_its_reason(db: Database) -> None:
    first, second = new_run(db), new_run(db)
    held = runs.hold(db, first.id, "waits for the new data")
    assert (held.held, held.reason, held.status) == (True, "waits for the new data", RunStatus.QUEUED)
    assert runs.hold(db, first.id).reason == "waits for the new data"
    assert runs.hold(db, second.id).reason == "held by user"
    assert runs.queued(db) == []
    for run in (first, second, first):
        released = runs.release(db, run.id)
        assert (released.held, released.reason) == (False, None)
    assert order(db) == [first.id, second.id]


@pytest.mark.parametrize("what", ["move", "hold", "release", "priority"])
def test_only_what_waits_can_be_changed(db: Database, what: str) -> None:
    def do(run_id: int) -> None:
        {
            "move": lambda: runs.move(db, run_id, "top"),
            "hold": lambda: runs.hold(db, run_id),
            "release": lambda: runs.release(db, run_id),
            "priority": lambda: runs.set_priority(db, run_id, 1),
        }[what]()

    run = new_run(db, name="mine")
    start(db, run)
    with pytest.raises(IllegalState, match=r"Run 1 \(mine\) is running; only a run that waits in the queue can be "):
        do(run.id)
    with pytest.raises(RunNotFound):
        do(99)
    trashed = new_run(db)
    with db.write() as session:
        row = session.get(RunRow, trashed.id)
        assert row is not None
        row.trashed_at = 1.0
    with pytest.raises(IllegalState, match="is deleted; only"):
        do(trashed.id)
    assert runs.waiting(db) == []
    assert runs.reserve(db, trashed.id, host="h", device="cpu", slots=1) is None


def test_what_makes_no_sense_is_said(db: Database) -> None:
    run = new_run(db)
    with pytest.raises(StoreError, match="'sideways'; allowed are top, bottom, up, down"):
        runs.move(db, run.id, "sideways")  # type: ignore[arg-type]
    with pytest.raises(StoreError, match="must be between"):
        runs.set_priority(db, run.id, 2**40)


def test_a_run_that_is_resumed_joins_the_end_and_is_not_held(db: Database) -> None:
    first, second = new_run(db), new_run(db)
    runs.move(db, first.id, "top")
    start(db, first)
    end(db, first)
    again = runs.requeue_resume(db, first.id, None)
    assert (again.position, again.held) == (None, False)
    assert order(db) == [second.id, first.id]
    runs.hold(db, second.id)
    commands.send(db, second.id, "stop")
    assert not runs.requeue_resume(db, second.id, None).held


class TestFailedStarts:
    def fail(self, db: Database, run: RunRecord, *, status: RunStatus = RunStatus.KILLED) -> RunRecord:
        attempt = runs.reserve(db, run.id, host="h", device="cpu", slots=1)
        assert attempt is not None
        attempts.finish(
            db, attempt.id, status=status, reason="killed by SIGKILL (signal 9)", signal=9, retry_may_help=True
        )
        ended = attempts.get(db, attempt.id)
        assert (ended.status, ended.signal) == (status, 9)
        return runs.get(db, run.id)

    def test_it_is_queued_again_in_its_place_and_held_after_the_third(self, db: Database) -> None:
        run, later = new_run(db), new_run(db)
        for number in (1, 2):
            waits = self.fail(db, run)
            assert (waits.status, waits.held, waits.start_failures) == ("queued", False, number)
            assert waits.reason == f"start {number} of 3 failed: killed by SIGKILL (signal 9)"
            assert (waits.exit_code, waits.signal, waits.ended_at, waits.pid) == (None, None, None, None)
            assert order(db) == [run.id, later.id]
        held = self.fail(db, run)
        assert (held.status, held.held) == ("queued", True)
        assert held.reason == "held: 3 starts in a row failed, the last one with: killed by SIGKILL (signal 9)"
        assert order(db) == [later.id]
        freed = runs.release(db, run.id)
        assert (freed.start_failures, freed.reason, freed.held) == (0, None, False)
        assert self.fail(db, run).start_failures == 1

    def test_a_step_makes_the_count_begin_anew_and_its_end_an_end(self, db: Database) -> None:
        run = new_run(db)
        self.fail(db, run)
        self.fail(db, run)
        attempt = start(db, run)
        assert runs.get(db, run.id).reason is None
        with db.write() as session:
            row = session.get(RunRow, run.id)
            assert row is not None
            row.step = 1
        attempts.finish(db, attempt.id, status=RunStatus.KILLED, reason="r", retry_may_help=True)
        ended = runs.get(db, run.id)
        assert (ended.status, ended.start_failures) == ("killed", 0)

    def test_what_a_person_ended_is_not_tried_again(self, db: Database) -> None:
        for asked in ("pending", "under way"):
            run = new_run(db)
            attempt = start(db, run)
            command = commands.send(db, run.id, "stop")
            if asked == "under way":
                commands.acknowledge(db, command.id, "stopping")
                attempts.set_status(db, attempt.id, RunStatus.STOPPING)
            attempts.finish(db, attempt.id, status=RunStatus.FAILED, reason="r", retry_may_help=True)
            assert runs.get(db, run.id).status is RunStatus.FAILED

    def test_what_trying_again_cannot_mend_ends(self, db: Database) -> None:
        run = new_run(db)
        attempts.finish(db, start(db, run).id, status=RunStatus.FAILED, reason="there is no such file")
        assert (runs.get(db, run.id).status, runs.get(db, run.id).start_failures) == ("failed", 0)

    def test_a_late_word_about_a_failed_start_does_not_touch_the_waiting_run(self, db: Database) -> None:
        run = new_run(db)
        waits = self.fail(db, run)
        attempt = attempts.latest(db, run.id)
        assert attempt is not None
        assert not attempts.finish(
            db, attempt.id, status=RunStatus.FAILED, reason="late", exit_code=1, retry_may_help=True
        )
        assert runs.get(db, run.id) == waits


def test_the_stores_face_and_its_part_are_one() -> None:
    assert all(getattr(runs, name) is getattr(queue, name) for name in ("move", "hold", "release", "waiting", "queued"))


def test_a_long_queue_is_read_in_part_and_counted_whole(db: Database) -> None:
    assert runs.how_many_wait(db) == (0, 0)
    first, second, third = (new_run(db) for _ in range(3))
    runs.hold(db, second.id)
    start(db, new_run(db))
    assert [run.id for run in runs.waiting(db, limit=2)] == [first.id, second.id]
    assert runs.how_many_wait(db) == (3, 1)
    commands.send(db, third.id, "stop")
    assert runs.how_many_wait(db) == (2, 1)
