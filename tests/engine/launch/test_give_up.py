"""Giving up a run whose machine is gone, and that its worker, should it live, records nothing more."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
from collections.abc import Iterator

import pytest

from db.errors import IllegalState, StoreError
from db.history import metrics
from db.records import RunRecord, RunStatus
from db.runs import attempts, checkpoints, runs
from db.runs.silence import span
from engine.launch import give_up as giving_up
from engine.launch import signs_of_life
from engine.launch.give_up import give_up
from engine.launch.machine import this_host
from itop_tui.service import run_requests
from tests.engine.launch.hosts import elsewhere, move_away, silent
from tests.engine.launch.test_real_worker import config
from tests.engine.launch.tools import Lab, wait_for


def started(lab: Lab, *, silent_for: float) -> RunRecord:
    """A run that another machine has."""
    run = lab.queue("wait")
    assert runs.reserve(lab.db, run.id, host=elsewhere(), device="cpu", slots=9) is not None
    silent(lab.db, run.id, silent_for)
    return lab.get(run)


def test_a_silent_run_of_another_machine_is_lost_when_a_person_says_so(lab: Lab) -> None:
    run = started(lab, silent_for=3 * 3600 + 60)
    given_up = give_up(lab.db, run.id)
    assert given_up.status is RunStatus.LOST
    assert re.fullmatch(r"given up by \S+: no sign of life for 3 h from atlas", given_up.reason or "")
    assert given_up.ended_at == pytest.approx(max(run.heartbeat_at or 0.0, lab.attempt(run).started_at))
    assert runs.requeue_resume(lab.db, run.id, None).status is RunStatus.QUEUED
    with pytest.raises(IllegalState, match="is queued: only a run that should be at work"):
        give_up(lab.db, run.id)


def test_what_else_is_asked_of_a_silent_run_names_the_way_out(lab: Lab) -> None:
    run = started(lab, silent_for=3 * 3600 + 60)
    way_out = f"no sign of life for 3 h: if its machine is gone, itop give-up {run.id} ends it as lost."
    stopped, paused, killed = (
        run_requests.stop(lab.db, [run.id]),
        run_requests.pause_all(lab.db, [run]),
        run_requests.kill(lab.db, [run.id]),
    )
    for asked in (stopped, paused, killed):
        assert asked.done == ()
        (problem,) = asked.problems
        assert problem.endswith(way_out)
    with pytest.raises(IllegalState, match=re.escape(way_out)):
        runs.requeue_resume(lab.db, run.id, None)


def test_a_run_of_another_machine_that_is_heard_can_be_asked_to_stop(lab: Lab) -> None:
    run = started(lab, silent_for=0)
    assert run_requests.stop(lab.db, [run.id]).done == (run.id,)


@pytest.fixture
def heart(lab: Lab) -> Iterator[list[int]]:
    """Gives signs of life for the runs in the list."""
    beating: list[int] = []
    done = threading.Event()

    def beat() -> None:
        while not done.wait(0.05):
            for run_id in beating:
                silent(lab.db, run_id, -7200)  # by a clock that is two hours ahead

    thread = threading.Thread(target=beat)
    thread.start()
    yield beating
    done.set()
    thread.join()


def test_a_run_that_gives_signs_of_life_is_not_given_up(lab: Lab, heart: list[int]) -> None:
    run = started(lab, silent_for=0)
    heart.append(run.id)
    with pytest.raises(IllegalState, match="gives signs of life, from atlas"):
        give_up(lab.db, run.id)
    assert lab.get(run).status is RunStatus.STARTING


def test_a_last_sign_from_the_future_keeps_no_run_alive(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signs_of_life, "SILENT_AFTER", 0.5)
    run = started(lab, silent_for=-31_536_000)
    given_up = give_up(lab.db, run.id)
    assert given_up.status is RunStatus.LOST
    assert "no sign of life for 0 s" in (given_up.reason or "")
    assert (given_up.ended_at or 0) < (run.heartbeat_at or 0)


def test_a_run_that_lives_on_this_machine_is_not_given_up(lab: Lab) -> None:
    run = lab.queue("deaf")
    lab.ensure_scheduler()
    lab.wait_status(run, RunStatus.RUNNING)
    silent(lab.db, run.id, 3600)
    with pytest.raises(IllegalState, match=f"is alive: .* itop kill {run.id} ends it"):
        give_up(lab.db, run.id)
    assert giving_up.unreachable(lab.db, lab.get(run)) is None
    submit_host = lab.attempt(run)
    assert (submit_host.machine_id, submit_host.boot_id) == (this_host().machine_id, this_host().boot_id)


@pytest.mark.parametrize("paused", [False, True], ids=["training", "paused"])
def test_a_true_worker_that_was_given_up_and_lives_records_nothing_more(lab: Lab, paused: bool) -> None:
    lab.worker = ()
    run = runs.create(lab.db, config=config(100_000))
    lab.ensure_scheduler()
    wait_for(lambda: lab.get(run).epoch > 1, "the run to train")
    if paused:
        run_requests.pause_all(lab.db, [lab.get(run)])
        lab.wait_status(run, RunStatus.PAUSED)
    worker = lab.identity(run, "worker")
    with lab.db.write():  # else it might hold the lock for as long as it is stopped
        os.kill(worker.pid, signal.SIGSTOP)
    move_away(lab.db, run.id)
    silent(lab.db, run.id, 3600)
    given_up = give_up(lab.db, run.id)
    assert given_up.status is RunStatus.LOST
    before = len(list(metrics.epochs(lab.db, run.id))), len(checkpoints.for_run(lab.db, run.id))
    os.kill(worker.pid, signal.SIGCONT)
    wait_for(lambda: not worker.alive(), "the worker to end itself")
    after = lab.get(run)
    assert (after.status, after.reason, after.step) == (RunStatus.LOST, given_up.reason, given_up.step)
    assert (len(list(metrics.epochs(lab.db, run.id))), len(checkpoints.for_run(lab.db, run.id))) == before
    said = lab.files(run).console.read_text()
    assert f"has ended as lost: {given_up.reason}" in said
    assert "This process records nothing more and ends." in said


def test_an_attempt_that_has_ended_takes_no_checkpoint_and_gives_no_process(lab: Lab) -> None:
    run = started(lab, silent_for=3600)
    attempt = lab.attempt(run)
    give_up(lab.db, run.id)
    assert not attempts.launch(lab.db, attempt.id)
    assert not attempts.running(lab.db, attempt.id, pid=1, start_time=1.0, boot_id="x")
    with pytest.raises(StoreError, match="has ended as lost"):
        checkpoints.add(
            lab.db, run_id=run.id, attempt_id=attempt.id, step=1, epoch=1, kind="last", path="/x", bytes=1, sha256="0"
        )


def test_a_length_of_time_is_written_in_one_unit() -> None:
    assert [span(seconds) for seconds in (-1, 59, 60, 3_599, 3 * 3600, 47 * 3600, 48 * 3600)] == [
        "0 s", "59 s", "1 min", "59 min", "3 h", "47 h", "2 days"
    ]  # fmt: skip
    with contextlib.suppress(OverflowError):
        assert span(1e9).endswith("days")
