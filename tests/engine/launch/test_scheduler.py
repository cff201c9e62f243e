"""Real schedulers, wardens and workers: what runs when, and what survives whose death."""

from __future__ import annotations

import itertools
import os
import pty
import shutil
import signal
import subprocess
import sys

import psutil
import pytest

from db import key_values
from db.errors import IllegalState, RunNotFound
from db.records import RunStatus, StartsAfter
from db.runs import attempts, runs
from engine.launch import scheduler as scheduler_module
from engine.launch import submit
from engine.launch.devices import Device, DeviceList
from engine.launch.processes import ProcessIdentity, host_name
from engine.launch.scheduler import Scheduler
from engine.launch.settle import claim_by_hand
from engine.launch.waiting import waiting_key
from tests.engine.launch.tools import Lab, wait_for
from tests.patience import PATIENCE

LIVE = (RunStatus.RUNNING,)


def test_three_runs_on_one_slot_run_one_after_another_by_priority_then_age(lab: Lab) -> None:
    low, first, second = lab.queue("finish 0.1", priority=-1), lab.queue("finish 0.1"), lab.queue("finish 0.1")
    lab.ensure_scheduler()
    for run in (low, first, second):
        lab.wait_status(run, RunStatus.COMPLETED)
    spans = [(lab.attempt(run).started_at, lab.attempt(run).ended_at) for run in (first, second, low)]
    for (_, ended), (started, _) in itertools.pairwise(spans):
        assert ended is not None
        assert ended <= started


def test_two_slots_run_two_at_a_time(lab: Lab) -> None:
    key_values.put(lab.db, "slots", {"cpu": 2})
    three = [lab.queue("wait") for _ in range(3)]
    lab.ensure_scheduler()
    wait_for(lambda: sum(lab.get(run).status in LIVE for run in three) == 2, "two to run")
    key = waiting_key(host_name())
    reason = wait_for(lambda: key_values.get(lab.db, key, {}).get(str(three[2].id)), "the third's reason")
    assert reason == "cpu is busy (2 of 2 slots taken)"
    submit.stop(lab.db, three[0].id)
    lab.wait_status(three[2], *LIVE)
    assert lab.get(three[1]).status in LIVE
    wait_for(lambda: key_values.get(lab.db, key) == {}, "the queue to have no run that waits")


def test_killing_the_scheduler_kills_no_run_and_the_next_one_adopts_it(lab: Lab) -> None:
    run, next_one = lab.queue("wait"), lab.queue("finish 0")
    lab.ensure_scheduler()
    lab.wait_status(run, *LIVE)
    worker = lab.identity(run, "worker")
    lab.kill_scheduler()
    lab.ensure_scheduler()
    assert worker.alive()
    assert lab.get(run).status is RunStatus.RUNNING
    submit.stop(lab.db, run.id)
    assert lab.wait_status(run, RunStatus.STOPPED).exit_code == 3
    lab.wait_status(next_one, RunStatus.COMPLETED)
    assert lab.attempt(run).number == 1


def test_how_runs_ended_while_there_was_no_scheduler_is_known(lab: Lab) -> None:
    key_values.put(lab.db, "slots", {"cpu": 2})
    run, other = lab.queue("deaf"), lab.queue("finish 1")
    lab.ensure_scheduler()
    lab.identity(other, "worker")
    lab.wait_status(run, *LIVE)
    lab.kill_scheduler()
    os.kill(lab.identity(run, "worker").pid, signal.SIGKILL)
    assert lab.wait_status(run, RunStatus.KILLED).reason == "killed by SIGKILL (signal 9)"
    assert lab.wait_status(other, RunStatus.COMPLETED).exit_code == 0


def test_when_scheduler_warden_and_worker_are_all_killed_the_next_scheduler_tells(lab: Lab) -> None:
    run = lab.queue("deaf")
    lab.ensure_scheduler()
    lab.wait_status(run, *LIVE)
    warden, worker = lab.identity(run, "warden"), lab.identity(run, "worker")
    lab.kill_scheduler()
    for one in (warden, worker):
        os.kill(one.pid, signal.SIGKILL)
    next_one = lab.queue("finish 0")
    lab.ensure_scheduler()
    assert lab.wait_status(run, RunStatus.LOST).reason == "the process vanished without a word"
    lab.wait_status(next_one, RunStatus.COMPLETED)  # its slot is free again


def test_what_a_dead_scheduler_had_reserved_and_not_started_is_started(lab: Lab) -> None:
    run = lab.queue("finish 0")
    runs.reserve(lab.db, run.id, host=host_name(), device="cpu", slots=1)
    lab.ensure_scheduler()
    lab.wait_status(run, RunStatus.COMPLETED)
    assert lab.attempt(run).number == 1
    assert lab.files(run).console.read_text().count("--- attempt") == 1


def test_a_run_that_a_worker_reserved_for_itself_is_not_started_again(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler_module, "_ADOPT_SECONDS", 0.0)
    run = lab.queue("finish 0")
    attempt = runs.reserve(lab.db, run.id, host=host_name(), device="cpu", slots=1)
    assert attempt is not None
    claim_by_hand(lab.db, attempt)
    scheduler = Scheduler(lab.db, worker=lab.worker)
    assert scheduler.tick()
    assert lab.attempt(run).warden_pid is None
    lab.files(run).claim.unlink()
    assert scheduler.tick()  # and without the claim it would have been
    assert lab.attempt(run).warden_pid is not None
    lab.wait_status(run, RunStatus.COMPLETED)


def test_a_run_outlives_the_process_that_submitted_it_and_its_terminal(lab: Lab) -> None:
    run = lab.queue("wait")
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # the tests themselves may run under nohup
        "from db.session import Database\n"
        "from engine.launch import submit\n"
        "submit.ensure_scheduler(Database.open(), worker=sys.argv[1:])\n"
        "print('submitted', flush=True)\n"
        "time.sleep(1000)\n"
    )
    main_end, terminal = pty.openpty()
    submitter = subprocess.Popen(
        # `script`-like: a shell's place, leading a session whose controlling terminal is the pseudo one.
        [sys.executable, "-P", "-c", code, *lab.worker],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),
    )
    lab.children.append(submitter)
    os.close(terminal)
    assert b"submitted" in os.read(main_end, 4096)
    lab.wait_status(run, *LIVE)
    worker, scheduler = lab.identity(run, "worker"), lab.scheduler()
    assert scheduler is not None
    os.close(main_end)  # the terminal is closed: the kernel hangs up on its session
    assert submitter.wait(PATIENCE) == -signal.SIGHUP
    assert worker.alive()
    assert scheduler.is_running()
    assert scheduler.terminal() is None
    for process in (scheduler, psutil.Process(worker.pid), psutil.Process(lab.identity(run, "warden").pid)):
        assert os.getsid(process.pid) != submitter.pid
    submit.stop(lab.db, run.id)
    assert lab.wait_status(run, RunStatus.STOPPED).exit_code == 3


def test_stopping_a_queued_run_takes_it_from_the_queue(lab: Lab) -> None:
    running, waiting = lab.queue("wait"), lab.queue("wait")
    lab.ensure_scheduler()
    lab.wait_status(running, *LIVE)
    submit.stop(lab.db, waiting.id)
    assert lab.get(waiting).status is RunStatus.STOPPED
    submit.stop(lab.db, running.id)
    submit.stop(lab.db, running.id)
    lab.wait_status(running, RunStatus.STOPPED)
    assert attempts.latest(lab.db, waiting.id) is None


def test_killing_a_run_that_listens_to_nobody(lab: Lab) -> None:
    run, next_one = lab.queue("children"), lab.queue("finish 0")
    lab.ensure_scheduler()
    lab.wait_status(run, *LIVE)
    worker = psutil.Process(lab.identity(run, "worker").pid)
    child = ProcessIdentity.of(wait_for(worker.children, "the worker's child")[0].pid)
    assert child is not None
    submit.kill(lab.db, run.id)
    ended = lab.wait_status(run, RunStatus.KILLED)
    assert (ended.reason, ended.signal) == ("killed by user", 9)
    wait_for(lambda: not child.alive(), "the worker's child to be gone")
    with pytest.raises(IllegalState, match="has already ended: killed"):
        submit.kill(lab.db, run.id)
    lab.wait_status(next_one, RunStatus.COMPLETED)


def test_killing_a_run_whose_warden_is_dead_settles_it_at_once(lab: Lab) -> None:
    run = lab.queue("deaf")
    lab.start_warden(run)
    lab.wait_status(run, *LIVE)
    warden = lab.identity(run, "warden")
    os.kill(warden.pid, signal.SIGKILL)
    wait_for(lambda: not warden.alive(), "the warden to be dead")
    submit.kill(lab.db, run.id)
    assert (lab.get(run).status, lab.get(run).reason) == (RunStatus.KILLED, "killed by user")


def test_killing_is_refused_where_there_is_nothing_to_kill(lab: Lab) -> None:
    run = lab.queue("wait")
    with pytest.raises(IllegalState, match="is queued and has no process; stop it"):
        submit.kill(lab.db, run.id)
    runs.reserve(lab.db, run.id, host="elsewhere", device="cpu", slots=1)
    with pytest.raises(IllegalState, match="runs on elsewhere: kill it there"):
        submit.kill(lab.db, run.id)
    with pytest.raises(RunNotFound):
        submit.kill(lab.db, 99)


def test_a_run_for_a_device_this_host_lacks_fails_with_that_reason(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # also where there are GPUs
    run, other = lab.queue("finish 0", device="cuda:7"), lab.queue("finish 0", device="auto")
    lab.ensure_scheduler()
    reason = lab.wait_status(run, RunStatus.FAILED).reason
    assert reason is not None
    assert reason.startswith("this host has no device cuda:7 (")
    assert lab.wait_status(other, RunStatus.COMPLETED).device == "cpu"


def test_a_gpu_is_shown_to_the_worker_by_its_uuid(lab: Lab) -> None:
    gpu = Device("cuda:1", "toy", memory_total=10, memory_used=0, uuid="GPU-1234")
    scheduler = Scheduler(lab.db, worker=lab.worker, devices=lambda: DeviceList((Device("cpu", "toy"), gpu)))
    run = lab.queue("wait", device="auto")
    assert scheduler.tick()
    worker = lab.identity(run, "worker")
    assert psutil.Process(worker.pid).environ()["CUDA_VISIBLE_DEVICES"] == "GPU-1234"
    assert lab.get(run).device == "cuda:1"
    submit.kill(lab.db, run.id)
    lab.wait_status(run, RunStatus.KILLED)
    wait_for(lambda: not scheduler.tick(), "the scheduler to have nothing left")


def test_a_run_whose_warden_cannot_be_started_fails_with_the_reason(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    scheduler = Scheduler(lab.db, worker=lab.worker)
    run, other = lab.queue("wait"), lab.queue("wait")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/nowhere/python")
        scheduler.tick()
    assert lab.attempt(run).status is RunStatus.FAILED
    assert "could not be started: [Errno 2]" in (lab.attempt(run).reason or "")
    assert lab.get(run).start_failures == 1
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", shutil.which("false"))

        def failed() -> bool:
            scheduler.tick()
            return lab.get(other).start_failures > 0

        wait_for(failed, "the other to fail")
    assert lab.attempt(other).reason == "could not be started: its warden ended with exit code 1 (see scheduler.log)"


def test_what_a_dead_scheduler_had_said_about_the_queue_is_taken_back(lab: Lab) -> None:
    key = waiting_key(host_name())
    key_values.put(lab.db, key, {"7": "cpu is busy (1 of 1 slot taken)"})
    Scheduler(lab.db, worker=lab.worker).tick()
    assert key_values.get(lab.db, key) == {}


def test_held_runs_are_not_waited_for(lab: Lab) -> None:
    run = lab.queue("wait")
    runs.update_fields(lab.db, run.id, held=True)
    scheduler = Scheduler(lab.db, worker=lab.worker)
    assert not scheduler.tick()
    assert not scheduler.has_work()
    runs.update_fields(lab.db, run.id, held=False)
    assert scheduler.has_work()


def test_a_run_starts_after_another_and_is_skipped_until_then(lab: Lab) -> None:
    key_values.put(lab.db, "slots", {"cpu": 2})
    first = lab.queue("wait")
    second, third = lab.queue("finish 0", starts_after=StartsAfter((first.id,))), lab.queue("finish 0")
    fourth = lab.queue("finish 0", starts_after=StartsAfter(after_ok=(first.id,)))
    lab.ensure_scheduler()
    lab.wait_status(third, RunStatus.COMPLETED)  # though the second stands before it, and a slot is free
    lab.wait_status(first, *LIVE)
    assert (lab.get(second).status, lab.get(second).attempt_count) == (RunStatus.QUEUED, 0)
    assert submit.why_waiting(lab.db) == {
        second.id: f"after run {first.id} (running)",
        fourth.id: f"after run {first.id} (running), if it completes",
    }
    submit.stop(lab.db, first.id)
    lab.wait_status(second, RunStatus.COMPLETED)
    assert (lab.attempt(second).started_at) >= (lab.attempt(first).ended_at or 0)
    wait_for(lambda: lab.get(fourth).held, "the fourth to be held")
    assert lab.get(fourth).reason == f"after run {first.id}, which was stopped"
