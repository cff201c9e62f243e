from __future__ import annotations

import threading

import pytest

from db.errors import IllegalState, RunNotFound
from db.records import TERMINAL, RunRecord, RunStatus, StartsAfter
from db.runs import attempts, behind, commands, dependencies, queue, runs, shelf
from db.session import Database
from tests.db.helpers import end, new_run, start

BAD = tuple(status for status in TERMINAL if status is not RunStatus.COMPLETED)


def after(*run: RunRecord) -> StartsAfter:
    return StartsAfter(after=tuple(one.id for one in run))


def after_ok(*run: RunRecord) -> StartsAfter:
    return StartsAfter(after_ok=tuple(one.id for one in run))


def behind_run(db: Database, starts_after: StartsAfter, **changes: object) -> RunRecord:
    return new_run(db, starts_after=starts_after, **changes)


def may_start(db: Database, run: RunRecord) -> bool:
    """Whether a scheduler would start a run, and could."""
    behind.settle(db)
    offered = {one.id for one in runs.queued(db)} - dependencies.who_wait(db)
    attempt = runs.reserve(db, run.id, host="here", device="cpu", slots=100_000)
    assert (attempt is not None) == (run.id in offered)
    return attempt is not None


def reason(db: Database, run: RunRecord) -> str:
    """Why a run waits: that it is held, or which runs it waits for."""
    behind.settle(db)
    now = runs.get(db, run.id)
    return f"held {now.reason}" if now.held else dependencies.waits_for(db, [run.id]).get(run.id, "")


@pytest.mark.parametrize("status", TERMINAL)
def test_any_end_of_a_run_lets_the_next_one_start(db: Database, status: RunStatus) -> None:
    first = new_run(db)
    second = behind_run(db, after(first))
    assert reason(db, second) == f"after run {first.id} (queued)"
    assert not may_start(db, second)
    start(db, first)
    assert reason(db, second) == f"after run {first.id} (running)"
    assert not may_start(db, second)
    end(db, first, status)
    assert reason(db, second) == ""
    assert may_start(db, second)
    assert dependencies.of(db, [second.id, first.id]) == {second.id: after(first)}


@pytest.mark.parametrize("status", TERMINAL)
def test_only_completion_lets_a_run_start_that_asks_for_it(db: Database, status: RunStatus) -> None:
    first = new_run(db)
    second = behind_run(db, after_ok(first))
    assert reason(db, second) == f"after run {first.id} (queued), if it completes"
    start(db, first)
    end(db, first, status)
    how = {"failed": "failed"}.get(status, f"was {status}")
    if status is RunStatus.COMPLETED:
        assert may_start(db, second)
    else:
        assert reason(db, second) == f"held after run {first.id}, which {how}"
        assert not may_start(db, second)
        assert behind.held_behind(db, [first.id, second.id]) == {second.id: f"after run {first.id}, which {how}"}
        assert behind.settle(db) == 0


def test_a_stop_before_the_start_is_an_end_too(db: Database) -> None:
    first = new_run(db)
    second, third = behind_run(db, after(first)), behind_run(db, after_ok(first))
    commands.send(db, first.id, "stop")
    assert reason(db, third) == f"held after run {first.id}, which was stopped"
    assert may_start(db, second)


def test_the_reason_names_several_runs(db: Database) -> None:
    made = [new_run(db) for _ in range(9)]
    ids = [run.id for run in made]
    waits = behind_run(db, StartsAfter((ids[0], ids[1]), (ids[2],)))
    assert reason(db, waits) == f"after runs {ids[0]}, {ids[1]}; after run {ids[2]} (queued), if it completes"
    runs.hold(db, ids[1])
    runs.hold(db, ids[2])
    assert reason(db, waits) == f"after runs {ids[0]}, {ids[1]} (held); after run {ids[2]} (held), if it completes"
    many = behind_run(db, after_ok(*made))
    assert reason(db, many).endswith(f"{ids[5]} and 3 more, if all complete")


def test_what_is_behind_a_held_run_is_held_as_well(db: Database) -> None:
    first = new_run(db)
    second = behind_run(db, after_ok(first))
    third = behind_run(db, after_ok(second))
    fourth, fifth = behind_run(db, after_ok(third)), behind_run(db, after(third))
    attempt = start(db, first)
    attempts.finish(db, attempt.id, status=RunStatus.FAILED, reason="no luck")
    root = f"run {first.id}, which failed"
    assert reason(db, second) == f"held after {root}"
    assert reason(db, third) == f"held after run {second.id}, which is held behind {root}"
    assert reason(db, fourth) == f"held after run {third.id}, which is held behind {root}"
    assert reason(db, fifth) == f"after run {third.id} (held)"
    runs.requeue_resume(db, first.id, None)
    assert reason(db, second) == f"after run {first.id} (queued), if it completes"
    assert reason(db, fourth) == f"after run {third.id} (queued), if it completes"
    for run in (first, second, third, fourth):
        assert may_start(db, run), run
        end(db, run, RunStatus.COMPLETED)


def test_a_run_whose_starts_fail_holds_what_waits_for_its_completion(db: Database) -> None:
    first = new_run(db)
    second, third = behind_run(db, after_ok(first)), behind_run(db, after(first))
    for number in range(attempts.START_TRIES):
        assert reason(db, second) == f"after run {first.id} (queued), if it completes", number
        attempt = runs.reserve(db, first.id, host="h", device="cpu", slots=9)
        assert attempt is not None
        attempts.finish(db, attempt.id, status=RunStatus.FAILED, reason="no device", retry_may_help=True)
    assert reason(db, second) == f"held after run {first.id}, which is held, as its starts failed"
    assert reason(db, third) == f"after run {first.id} (held)"
    runs.release(db, first.id)
    assert reason(db, second) == f"after run {first.id} (queued), if it completes"


class TestHolding:
    def failed(self, db: Database) -> tuple[RunRecord, RunRecord]:
        first = new_run(db, name="first")
        second = behind_run(db, after_ok(first), name="second")
        start(db, first)
        end(db, first, RunStatus.FAILED)
        behind.settle(db)
        return first, second

    def test_a_release_is_refused_while_it_would_not_help(self, db: Database) -> None:
        first, second = self.failed(db)
        with pytest.raises(IllegalState, match=rf"Run 2 \(second\) is held after run {first.id}, which failed. It is"):
            runs.release(db, second.id)
        assert runs.get(db, second.id).held
        runs.requeue_resume(db, first.id, None)
        assert not runs.release(db, second.id).held  # at once, though nothing has settled it yet
        assert not may_start(db, second)

    def test_what_a_person_holds_stays_held(self, db: Database) -> None:
        first = new_run(db)
        second = behind_run(db, after_ok(first))
        runs.hold(db, second.id, "later")
        start(db, first)
        end(db, first, RunStatus.FAILED)
        assert reason(db, second) == "held later"
        runs.release(db, second.id)
        assert reason(db, second) == f"held after run {first.id}, which failed"
        runs.hold(db, second.id)
        runs.requeue_resume(db, first.id, None)
        assert reason(db, second) == "held held by user"
        assert not runs.release(db, second.id).held

    def test_other_runs_can_be_named_instead(self, db: Database) -> None:
        first, second = self.failed(db)
        third = new_run(db)
        assert queue.start_after(db, [second.id], after(third)).done == (second.id,)
        assert reason(db, second) == f"after run {third.id} (queued)"
        assert queue.start_after(db, [second.id], StartsAfter()).done == (second.id,)
        assert dependencies.of(db, [second.id]) == {}
        assert may_start(db, second)
        assert queue.start_after(db, [first.id, third.id], after(second)).problems == (
            f"Run {first.id} (first) is failed; only a run that waits in the queue can be made to start after others.",
        )

    def test_another_cause_replaces_the_first_one(self, db: Database) -> None:
        first, second = new_run(db), new_run(db)
        third = behind_run(db, after_ok(first, second))
        start(db, first)
        end(db, first, RunStatus.FAILED)
        assert reason(db, third) == f"held after run {first.id}, which failed"
        start(db, second)
        end(db, second, RunStatus.KILLED)
        runs.requeue_resume(db, first.id, None)
        assert reason(db, third) == f"held after run {second.id}, which was killed"
        runs.requeue_resume(db, second.id, None)
        assert reason(db, third) == f"after runs {first.id}, {second.id}, if all complete"


class TestDeleted:
    def test_a_deleted_run_has_ended_and_did_not_complete(self, db: Database) -> None:
        first = new_run(db)
        second, third = behind_run(db, after(first)), behind_run(db, after_ok(first))
        shelf.trash(db, [first.id])
        assert reason(db, second) == ""
        assert reason(db, third) == f"held after run {first.id}, which was deleted"
        shelf.restore(db, [first.id])
        assert not may_start(db, second)
        assert reason(db, third) == f"after run {first.id} (queued), if it completes"
        shelf.trash(db, [first.id])
        list(shelf.purge(db))
        assert reason(db, third) == f"held after run {first.id}, which was deleted"
        assert dependencies.of(db, [third.id]) == {third.id: after_ok(first)}
        assert may_start(db, second)

    def test_a_completed_run_that_is_deleted_no_longer_counts_as_completed(self, db: Database) -> None:
        first = new_run(db)
        start(db, first)
        end(db, first, RunStatus.COMPLETED)
        second = behind_run(db, after_ok(first))
        runs.delete(db, first.id)
        assert reason(db, second) == f"held after run {first.id}, which was deleted"

    def test_what_it_started_after_goes_with_a_run(self, db: Database) -> None:
        first = new_run(db)
        second = behind_run(db, after(first))
        runs.delete(db, second.id)
        assert dependencies.of(db, [second.id]) == {}
        assert runs.get(db, first.id).status is RunStatus.QUEUED


class TestWhatMayBeNamed:
    def test_a_run_that_has_ended_is_waited_for_no_longer(self, db: Database) -> None:
        first = new_run(db)
        start(db, first)
        end(db, first, RunStatus.FAILED)
        assert may_start(db, behind_run(db, after(first)))
        runs.requeue_resume(db, first.id, None)
        start(db, first)
        end(db, first, RunStatus.COMPLETED)
        assert may_start(db, behind_run(db, after_ok(first)))

    @pytest.mark.parametrize("status", BAD)
    def test_completion_of_a_run_that_ended_otherwise_is_refused_at_once(self, db: Database, status: RunStatus) -> None:
        first = new_run(db, name="first")
        start(db, first)
        end(db, first, status)
        how = {"failed": "failed"}.get(status, f"was {status}")
        with pytest.raises(IllegalState, match=rf"^Run {first.id} \(first\) {how}: what is to start only after it has"):
            behind_run(db, after_ok(first))
        assert runs.count(db) == 1

    def test_unknown_and_deleted_runs_are_refused(self, db: Database) -> None:
        first = new_run(db, name="first")
        with pytest.raises(RunNotFound, match="There is no run 99"):
            behind_run(db, StartsAfter((99,)))
        shelf.trash(db, [first.id])
        for wanted in (after(first), after_ok(first)):
            with pytest.raises(RunNotFound, match=r"Run 1 \(first\) was deleted"):
                behind_run(db, wanted)
        assert runs.count(db) == 0

    def test_a_run_cannot_wait_for_itself_nor_in_a_circle(self, db: Database) -> None:
        first = new_run(db, name="first")
        second = behind_run(db, after(first), name="second")
        third = behind_run(db, after_ok(second), name="third")

        def refused(run: RunRecord, wanted: StartsAfter) -> str:
            result = queue.start_after(db, [run.id], wanted)
            assert result.done == ()
            return result.problems[0]

        assert refused(first, after(first)) == "Run 1 (first) cannot start after itself."
        assert refused(first, after(second)) == ("Run 1 (first) cannot start after run 2: that one starts after run 1.")
        assert refused(first, after(third)) == (
            "Run 1 (first) cannot start after run 3: that one starts after run 2, which starts after run 1."
        )
        start(db, first)
        end(db, first, RunStatus.FAILED)
        with pytest.raises(IllegalState, match=r"^Run 1 \(first\) cannot start after run 3: that one starts after run"):
            runs.requeue_resume(db, first.id, None, starts_after=after(third))
        assert runs.get(db, first.id).status is RunStatus.FAILED
        queue.start_after(db, [second.id], StartsAfter())
        assert runs.requeue_resume(db, first.id, None, starts_after=after(third)).status is RunStatus.QUEUED
        assert refused(second, after(first)).endswith("that one starts after run 3, which starts after run 2.")

    def test_what_has_started_once_makes_no_circle(self, db: Database) -> None:
        first = new_run(db)
        second = behind_run(db, after(first))
        start(db, first)
        end(db, first)
        attempt = start(db, second)
        runs.requeue_resume(db, first.id, None, starts_after=after(second))
        attempts.finish(db, attempt.id, status=RunStatus.LOST, reason="r", retry_may_help=True)
        assert not may_start(db, first)
        assert may_start(db, second)  # it is queued again, and has waited for the first one already

    def test_two_halves_of_a_circle_at_the_same_time(self, db: Database) -> None:
        for _ in range(4):
            one, two = new_run(db), new_run(db)
            gate = threading.Barrier(2)

            def link(run: RunRecord, other: RunRecord, gate: threading.Barrier = gate) -> None:
                gate.wait()
                queue.start_after(db, [run.id], after(other))

            threads = [threading.Thread(target=link, args=pair) for pair in ((one, two), (two, one))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(dependencies.of(db, [one.id, two.id])) == 1


def test_a_resumed_run_waits_only_for_what_is_named_then(db: Database) -> None:
    first = new_run(db)
    second = behind_run(db, after_ok(first))
    start(db, first)
    end(db, first, RunStatus.FAILED)
    behind.settle(db)
    commands.send(db, second.id, "stop")
    again = runs.requeue_resume(db, second.id, None)
    assert (again.held, again.reason) == (False, None)
    assert dependencies.of(db, [second.id]) == {}
    assert may_start(db, second)


def test_the_order_of_the_queue_is_its_own(db: Database) -> None:
    first = new_run(db)
    second = behind_run(db, after(first), priority=5)
    third = new_run(db)
    runs.move(db, second.id, "top")
    front = behind_run(db, after(second), where="front")
    assert [run.id for run in runs.queued(db)] == [front.id, second.id, first.id, third.id]
    assert dependencies.who_wait(db) == {second.id, front.id}
    start(db, third)
    start(db, first)
    end(db, first)
    assert dependencies.who_wait(db) == {front.id}
