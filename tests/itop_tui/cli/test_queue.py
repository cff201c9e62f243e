"""`itop queue`, `move`, `hold`, `release`, `priority` and `checkpoint`."""

from __future__ import annotations

import threading
import time

import pytest

from db import key_values
from db.records import RunRecord, RunStatus
from db.runs import attempts, commands, runs
from db.runs.runs import NewRun
from db.session import Database
from engine.launch import submit
from engine.launch.processes import host_name
from engine.launch.waiting import waiting_key
from tests.itop_tui.cli.conftest import Itop
from tests.itop_tui.cli.recorded import queued, running


@pytest.fixture
def three(database: Database) -> list[RunRecord]:
    return [queued(database) for _ in range(3)]


def order(itop: Itop) -> list[int]:
    return [run["id"] for run in itop("queue", "--json").json()["waiting"]]


def test_the_queue_shows_what_runs_where_and_why_the_others_wait(
    itop: Itop, database: Database, three: list[RunRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    active, waits, held = three
    running(database, active)
    runs.hold(database, held.id, "until [b]Monday")
    key_values.put(database, waiting_key(host_name()), {str(waits.id): "cpu is busy (1 of 1 slot taken)"})
    monkeypatch.setattr(submit, "scheduler_running", lambda db: True)
    shown = itop("queue").out
    assert "Running" in shown
    assert "● running" in shown
    place = next(line for line in shown.splitlines() if line.split()[:2] == ["1", str(waits.id)])
    assert place.rstrip().endswith("cpu is busy (1 of 1 slot taken)")
    assert "held: until [b]Monday" in shown
    told = itop("queue", "--json").json()
    assert (told["scheduler"], [run["id"] for run in told["running"]]) == (True, [active.id])
    assert [run["waits_because"] for run in told["waiting"]] == [
        "cpu is busy (1 of 1 slot taken)",
        "held: until [b]Monday",
    ]
    assert "cpu is busy" in itop("show", str(waits.id)).out


def test_of_a_long_queue_the_first_are_listed_and_all_are_counted(itop: Itop, database: Database) -> None:
    runs.create_many(database, [NewRun(config={}, name=f"r{number}") for number in range(230)])
    itop("hold", "230")
    listed = itop("queue")
    assert "200 of 230 waiting runs; --limit 0 lists all" in listed.err
    assert len(listed.out.splitlines()) < 210
    listed = itop("queue", "--json", "--limit", "5").json()
    assert [len(listed["waiting"]), listed["waiting_count"], listed["held_count"]] == [5, 230, 1]
    assert len(itop("queue", "--json", "--limit", "0").json()["waiting"]) == 230
    assert "place 229 of 230" in itop("priority", "229", "0").out


def test_an_empty_queue_says_so(itop: Itop) -> None:
    assert itop("queue").out == "Queue is empty.\n"


def test_without_a_scheduler_that_is_why(itop: Itop, database: Database, three: list[RunRecord]) -> None:
    assert {run["waits_because"] for run in itop("queue", "--json").json()["waiting"]} == {
        "no scheduler is running: any itop command starts one"
    }


def test_runs_are_moved_held_released_and_given_priorities(itop: Itop, three: list[RunRecord]) -> None:
    a, b, c = (run.id for run in three)
    assert "place 1 of 3, priority 0" in itop("move", str(c), "top").out
    assert order(itop) == [c, a, b]
    itop("move", str(a), "down")
    assert order(itop) == [c, b, a]
    assert "place 1 of 3, priority 7" in itop("priority", str(a), "7").out
    assert "priority -5" in itop("priority", str(c), "-5").out
    assert order(itop) == [a, b, c]
    assert "held: data is missing" in itop("hold", str(a), str(b), "--reason", "data is missing").out
    (released,) = itop("release", str(a), "--json").json()
    assert (released["held"], released["reason"]) == (False, None)


def test_what_cannot_be_moved_is_said(itop: Itop, database: Database, three: list[RunRecord]) -> None:
    running(database, three[0])
    for command in (("move", "1", "top"), ("hold", "1"), ("release", "1"), ("priority", "1", "3")):
        outcome = itop(*command)
        assert outcome.code == 1
        assert "is running; only a run that waits in the queue can be" in outcome.err
    assert itop("move", "2", "sideways").code == 2
    assert itop("priority", "2", "high").code == 2


def test_a_scheduler_is_asked_for_when_a_held_run_is_released(
    itop: Itop, database: Database, scheduler_calls: list[int]
) -> None:
    run = queued(database)
    runs.hold(database, run.id)
    scheduler_calls.clear()
    itop("release", str(run.id))
    assert scheduler_calls == [1]


def test_a_checkpoint_is_asked_for_and_its_answer_told(itop: Itop, database: Database) -> None:
    run = queued(database)
    running(database, run)

    def answer() -> None:
        while not (asked := commands.pending(database, run.id)):
            time.sleep(0.01)
        commands.acknowledge(database, asked[0].id, "checkpoint 4 at step 17")

    worker = threading.Thread(target=answer)
    worker.start()
    outcome = itop("checkpoint", str(run.id))
    worker.join()
    assert outcome.code == 0
    assert "checkpoint 4 at step 17" in outcome.out


def test_a_checkpoint_that_is_not_written_yet_is_pending_and_asked_for_once(
    itop: Itop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("itop_tui.cli.commands.control._ANSWER_SECONDS", 0.1)
    run = queued(database)
    assert "only a running or paused run can write a checkpoint" in itop("checkpoint", str(run.id)).err
    attempt = running(database, run)
    for _ in range(2):
        outcome = itop("checkpoint", str(run.id))
        assert (outcome.code, "checkpoint is pending" in outcome.out) == (0, True)
    (asked,) = itop("checkpoint", str(run.id), "--json").json()
    assert asked["answer"] is None
    assert len(commands.for_run(database, run.id)) == 1
    attempts.finish(database, attempt, status=RunStatus.KILLED, reason="killed by user")
    assert itop("checkpoint", str(run.id)).code == 1
