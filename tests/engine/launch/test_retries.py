"""Runs that end before their first step: what can pass is tried again with growing pauses, what cannot is not."""

from __future__ import annotations

import contextlib
import os
import signal

import pytest

from db import key_values
from db.records import RunRecord, RunStatus
from db.runs import attempts, runs
from db.session import Database
from engine.launch import submit
from engine.launch.exit_reasons import EXIT_NO_DATABASE
from engine.launch.lock import SchedulerLock
from engine.launch.processes import host_name
from engine.launch.scheduler import Scheduler
from engine.launch.waiting import waiting_key
from tests.engine.launch.tools import Lab, wait_for
from tests.patience import PATIENCE


def scheduler(lab: Lab, *retry_seconds: float) -> Scheduler:
    return Scheduler(lab.db, worker=lab.worker, retry_seconds=retry_seconds)


def ticking_until(lab: Lab, serving: Scheduler, run: RunRecord, failures: int) -> RunRecord:
    def failed() -> RunRecord | None:
        serving.tick()
        now = lab.get(run)
        return now if now.start_failures == failures else None

    return wait_for(failed, f"{failures} failed starts")


def test_a_worker_that_is_gone_at_once_is_tried_three_times_with_growing_pauses(lab: Lab) -> None:
    run, other = lab.queue("gone -9"), lab.queue("finish 0")
    serving = scheduler(lab, 0.3, 0.9)
    held = ticking_until(lab, serving, run, 3)
    assert (held.status, held.held) == (RunStatus.QUEUED, True)
    assert held.reason == "held: 3 starts in a row failed, the last one with: killed by SIGKILL (signal 9)"
    first, second, third = attempts.for_run(lab.db, run.id)
    assert {one.status for one in (first, second, third)} == {RunStatus.KILLED}
    assert second.started_at - (first.ended_at or 0) >= 0.3
    assert third.started_at - (second.ended_at or 0) >= 0.9
    wait_for(lambda: not serving.tick(), "the scheduler to have nothing left")
    assert lab.get(other).status is RunStatus.COMPLETED  # which did not wait for the pauses
    assert submit.why_waiting(lab.db) == {run.id: held.reason}

    runs.release(lab.db, run.id)
    assert ticking_until(lab, serving, run, 1).attempt_count == 4


def test_what_a_run_waits_for_after_a_failed_start_is_published(lab: Lab) -> None:
    run = lab.queue("gone -9")
    serving = scheduler(lab, 1000.0)
    ticking_until(lab, serving, run, 1)

    def told() -> str | None:
        serving.tick()
        reasons: dict[str, str] = key_values.get(lab.db, waiting_key(host_name()), {})
        return reasons.get(str(run.id))

    again = wait_for(told, "the reason")
    reason = "start 1 of 3 failed: killed by SIGKILL (signal 9); tried again at "
    assert again.startswith(reason)
    assert serving.has_work()
    assert lab.get(run).attempt_count == 1


@pytest.mark.parametrize("how", ["killed", "warden killed too"])
def test_a_worker_that_dies_before_its_first_step_is_tried_again(lab: Lab, how: str) -> None:
    run = lab.queue("early deaf")
    lab.start_warden(run)
    lab.wait_status(run, RunStatus.RUNNING)
    worker, warden = lab.identity(run, "worker"), lab.identity(run, "warden")
    if how == "warden killed too":
        os.kill(warden.pid, signal.SIGKILL)
        wait_for(lambda: not warden.alive(), "the warden to be dead")
    os.kill(worker.pid, signal.SIGKILL)
    wait_for(lambda: not worker.alive(), "the worker to be dead")

    def settled() -> bool:
        submit.reconcile(lab.db)
        return lab.get(run).status is RunStatus.QUEUED

    wait_for(settled, "the run to be queued again")
    ended = lab.attempt(run)
    expected = {
        "killed": (RunStatus.KILLED, "killed by SIGKILL (signal 9)"),
        "warden killed too": (RunStatus.LOST, "the process vanished without a word"),
    }
    assert (ended.status, ended.reason) == expected[how]
    assert lab.get(run).reason == f"start 1 of 3 failed: {ended.reason}"


def test_a_worker_that_found_no_database_is_tried_again(lab: Lab) -> None:
    run = lab.queue(f"gone {EXIT_NO_DATABASE}")
    lab.start_warden(run)
    again = lab.wait_status(run, RunStatus.QUEUED)
    assert again.reason == "start 1 of 3 failed: the database did not answer"


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("early crash", "ValueError: the loss is made of cheese"),
        ("gone 7", "the worker ended with exit code 7 before its first step: does own.net call os._exit()?"),
        (
            "gone 0",
            "the worker ended with exit code 0 before its first step: does own.net call sys.exit() or os._exit()?",
        ),
        ("early exit 3", "the worker ended with exit code 3 before its first step: does own.net call os._exit()?"),
        (
            "early exit 0",
            "the worker ended with exit code 0 before its first step: does own.net call sys.exit() or os._exit()?",
        ),
        ("exit 0", "exited with code 0 before it had recorded a result"),
        ("exit 7", "exited with code 7 and printed nothing"),
    ],
)
def test_a_worker_that_ends_by_itself_is_not_tried_again(lab: Lab, behaviour: str, reason: str) -> None:
    run = lab.queue(behaviour, settings={"model": "own.net:build"})
    lab.start_warden(run)
    ended = lab.wait_status(run, RunStatus.FAILED)
    assert (ended.reason, ended.start_failures, ended.held) == (reason, 0, False)


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_what_a_person_ends_is_not_tried_again(lab: Lab, how: str) -> None:
    run = lab.queue("early deaf" if how == "kill" else "early wait")
    lab.start_warden(run)
    lab.wait_status(run, RunStatus.RUNNING)
    if how == "kill":
        submit.kill(lab.db, run.id)
    else:
        submit.stop(lab.db, run.id)
    ended = lab.wait_status(run, RunStatus.KILLED, RunStatus.STOPPED)
    assert ended.reason == ("killed by user" if how == "kill" else "stopped by user")
    assert ended.start_failures == 0


def test_a_worker_that_does_not_see_its_time_limit_is_ended_by_its_warden(lab: Lab) -> None:
    """It ignores SIGTERM too, from before its start: it must not matter how long a busy machine takes to start it."""
    lab.worker = ("/bin/sh", "-c", 'trap "" TERM; exec "$0" "$@"', *lab.worker)
    run = lab.queue("deaf")
    attempt = runs.reserve(lab.db, run.id, host=host_name(), device="cpu", slots=1)
    assert attempt is not None
    lab.spawn_warden(attempt, run, time_limit=1.0, grace=0.5)
    ended = lab.wait_status(run, RunStatus.STOPPED)
    assert ended.reason == "time limit of 1 s reached; it did not answer and was ended by SIGKILL"
    assert (ended.signal, ended.start_failures) == (9, 0)


def test_a_worker_that_answers_the_warden_at_its_time_limit_stops_as_it_says(lab: Lab) -> None:
    """It has four seconds to start (limit and grace together) and much more to answer, on a busy machine too."""
    run = lab.queue("wait")
    attempt = runs.reserve(lab.db, run.id, host=host_name(), device="cpu", slots=1)
    assert attempt is not None
    lab.spawn_warden(attempt, run, time_limit=4.0 - PATIENCE, grace=PATIENCE)
    assert lab.wait_status(run, RunStatus.STOPPED).exit_code == 3


def test_why_each_run_waits(lab: Lab) -> None:
    key_values.put(lab.db, waiting_key(host_name()), {"1": "cpu is busy", "x": "nonsense"})
    first, second, held, third = (lab.queue("wait") for _ in range(4))
    runs.hold(lab.db, held.id)
    runs.hold(lab.db, second.id, "until Monday")
    nobody = "no scheduler is running: any itop command starts one"
    assert submit.why_waiting(lab.db) == {
        first.id: nobody,
        second.id: "held: until Monday",
        held.id: "held by user",
        third.id: nobody,
    }
    lock = SchedulerLock(lab.lock_file)
    assert lock.acquire()
    with contextlib.closing(Database.open()) as other:  # as another process would see it
        told = submit.why_waiting(other)
    lock.release()
    assert told == {
        first.id: "cpu is busy",
        second.id: "held: until Monday",
        held.id: "held by user",
        third.id: "about to be looked at by the scheduler",
    }
