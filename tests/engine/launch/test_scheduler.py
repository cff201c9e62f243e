"""Real schedulers, wardens and workers: what runs when, and what survives whose death."""

from __future__ import annotations

import fcntl
import itertools
import os
import pty
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from db import attempts, runs, settings
from db.errors import IllegalState, RunNotFound
from db.records import RunStatus
from engine.launch import scheduler as scheduler_module
from engine.launch import submit
from engine.launch.devices import Device, DeviceList
from engine.launch.lock import SchedulerLock, is_locked
from engine.launch.processes import ProcessIdentity, host_name
from engine.launch.scheduler import LogFile, Scheduler
from engine.launch.settle import claim_by_hand
from tests.engine.launch.tools import Lab, wait_for

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
    settings.put(lab.db, "slots", {"cpu": 2})
    three = [lab.queue("wait") for _ in range(3)]
    lab.ensure_scheduler()
    wait_for(lambda: sum(lab.get(run).status in LIVE for run in three) == 2, "two to run")
    key = f"waiting:{host_name()}"
    reason = wait_for(lambda: settings.get(lab.db, key, {}).get(str(three[2].id)), "the third's reason")
    assert reason == "cpu is busy (2 of 2 slots taken)"
    submit.stop(lab.db, three[0].id)
    lab.wait_status(three[2], *LIVE)
    assert lab.get(three[1]).status in LIVE
    wait_for(lambda: settings.get(lab.db, key) == {}, "nobody to wait")


def test_of_two_schedulers_started_at_once_one_leaves(lab: Lab) -> None:
    lab.queue("wait")
    pair = [lab.start_scheduler(), lab.start_scheduler()]
    wait_for(lambda: any(one.poll() is not None for one in pair), "one of them to leave")
    gone, stays = pair if pair[0].poll() is not None else pair[::-1]
    assert gone.returncode == 0
    assert gone.stdout is not None
    assert gone.stdout.read() == b"held\n"
    assert stays.poll() is None
    assert is_locked(lab.lock_file)


def test_an_idle_scheduler_leaves_and_the_next_run_starts_another(lab: Lab) -> None:
    first = lab.start_scheduler("--idle", "0.2")
    assert first.wait(120) == 0
    assert not submit.scheduler_running(lab.db)
    run = lab.queue("finish 0")
    lab.ensure_scheduler()
    assert submit.scheduler_running(lab.db)
    lab.ensure_scheduler()  # nothing to do
    lab.wait_status(run, RunStatus.COMPLETED)


def test_a_run_queued_in_the_instant_the_scheduler_lets_go_is_seen(lab: Lab) -> None:
    run = lab.queue("finish 0")
    scheduler = Scheduler(lab.db, worker=lab.worker)
    lock = SchedulerLock(lab.lock_file)
    assert lock.acquire()
    blind = iter([False])  # as if the run had been queued just after the last look at the queue
    tick = scheduler.tick
    scheduler.tick = lambda: next(blind, None) is None and tick()  # type: ignore[method-assign]
    scheduler_module.serve(scheduler, lock, idle_seconds=-1.0, log=None)
    assert lab.get(run).status is not RunStatus.QUEUED


def test_somebody_who_only_asks_for_the_lock_does_not_send_the_scheduler_away(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run was queued in that instant by one who had seen the lock held, and so relies on this scheduler."""
    run = lab.queue("finish 0")
    scheduler = Scheduler(lab.db, worker=lab.worker)
    lock = SchedulerLock(lab.lock_file)
    assert lock.acquire()
    has_work, asker = scheduler.has_work, lab.lock_file.open("rb")

    def look() -> bool:
        if not asker.closed:
            fcntl.flock(asker, fcntl.LOCK_SH)
            threading.Timer(0.1, asker.close).start()
        return has_work()

    monkeypatch.setattr(scheduler, "has_work", look)
    blind = iter([False])
    tick = scheduler.tick
    scheduler.tick = lambda: next(blind, None) is None and tick()  # type: ignore[method-assign]
    scheduler_module.serve(scheduler, lock, idle_seconds=-1.0, log=None)
    assert lab.get(run).status is not RunStatus.QUEUED


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
    settings.put(lab.db, "slots", {"cpu": 2})
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
        "import sys, time\n"
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
    assert submitter.wait(120) == -signal.SIGHUP
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


def test_one_bad_round_does_not_end_the_scheduler(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(scheduler_module, "_BACKOFF_SECONDS", 0.01)
    scheduler = Scheduler(lab.db, worker=lab.worker)
    lock = SchedulerLock(lab.lock_file)
    assert lock.acquire()
    rounds = iter(["bad", "bad"])

    def tick() -> bool:
        if next(rounds, None) is not None:
            raise ZeroDivisionError("nobody thought of that")
        return False

    scheduler.tick = tick  # type: ignore[method-assign]
    scheduler_module.serve(scheduler, lock, idle_seconds=-1.0, log=None)
    assert [record.message for record in caplog.records if record.exc_info] == ["this round failed; trying again"]


def test_a_scheduler_for_which_nothing_works_any_more_leaves(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler_module, "TICK_SECONDS", 0.001)
    monkeypatch.setattr(scheduler_module, "_GIVE_UP_SECONDS", 0.05)
    lock = SchedulerLock(lab.lock_file)
    assert lock.acquire()
    scheduler = Scheduler(lab.db, worker=lab.worker)
    for name in ("itop.db", "itop.db-wal", "itop.db-shm"):
        (lab.home / name).unlink(missing_ok=True)
    scheduler_module.serve(scheduler, lock, idle_seconds=1000.0, log=None)
    assert not (lab.home / "itop.db").exists()
    lock.release()


def test_a_scheduler_whose_home_was_taken_away_leaves(lab: Lab) -> None:
    lab.queue("wait")
    scheduler = lab.start_scheduler()
    wait_for(lambda: is_locked(lab.lock_file), "the scheduler to serve")
    lab.lock_file.unlink()
    assert scheduler.wait(120) == 0


def test_what_keeps_the_scheduler_from_starting_is_said(lab: Lab) -> None:
    lab.lock_file.mkdir()
    with pytest.raises(submit.SchedulerError, match=r"did not start: .*Is a directory"):
        submit.ensure_scheduler(lab.db)


def test_a_scheduler_that_says_nothing_is_not_waited_for_for_ever(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mute = tmp_path / "mute"
    mute.write_text("#!/bin/sh\nsleep 1000\n")
    mute.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(mute))
    monkeypatch.setattr(submit, "_START_SECONDS", 0.2)
    with pytest.raises(submit.SchedulerError, match="did not start: it did not answer in time"):
        submit.ensure_scheduler(lab.db)


def test_a_run_submitted_from_a_folder_that_is_gone_is_still_submitted(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    run = lab.queue("finish 0")
    lab.ensure_scheduler()
    lab.wait_status(run, RunStatus.COMPLETED)


def test_the_scheduler_stands_in_nobodys_folder_and_its_log_is_bounded(lab: Lab, tmp_path: Path) -> None:
    run = lab.queue("wait")
    log = lab.home / "scheduler.log"
    log.write_text("x" * 2_000_000)
    lab.ensure_scheduler()
    lab.wait_status(run, *LIVE)
    scheduler = lab.scheduler()
    assert scheduler is not None
    assert scheduler.cwd() == str(lab.home)
    assert scheduler.ppid() == 1 or scheduler.ppid() != os.getpid()
    assert log.stat().st_size < 10_000
    assert "starting run" in log.read_text()
    assert (lab.home / "scheduler.log.1").stat().st_size == 2_000_000


def test_a_log_that_has_grown_is_put_aside_and_the_streams_go_to_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "scheduler.log"
    code = (
        "import sys, pathlib; from engine.launch.scheduler import LogFile\n"
        "log = LogFile(pathlib.Path(sys.argv[1])); log.take_over()\n"
        "print('a' * 1_000_001, flush=True); log.bound(); print('b', file=sys.stderr, flush=True); log.bound()\n"
    )
    subprocess.run([sys.executable, "-P", "-c", code, str(path)], check=True)
    assert path.read_text() == "b\n"
    assert path.with_name("scheduler.log.1").stat().st_size == 1_000_002


def test_what_a_dead_scheduler_had_said_about_the_queue_is_taken_back(lab: Lab) -> None:
    key = f"waiting:{host_name()}"
    settings.put(lab.db, key, {"7": "cpu is busy (1 of 1 slot taken)"})
    Scheduler(lab.db, worker=lab.worker).tick()
    assert settings.get(lab.db, key) == {}


def test_held_runs_are_not_waited_for(lab: Lab) -> None:
    run = lab.queue("wait")
    runs.update_fields(lab.db, run.id, held=True)
    scheduler = Scheduler(lab.db, worker=lab.worker)
    assert not scheduler.tick()
    assert not scheduler.has_work()
    runs.update_fields(lab.db, run.id, held=False)
    assert scheduler.has_work()


def test_a_lock_goes_with_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    assert not is_locked(path)
    lock, other = SchedulerLock(path), SchedulerLock(path)
    assert lock.acquire()
    assert lock.intact()
    assert is_locked(path)
    assert not other.acquire(patience=0.05)
    assert not other.intact()
    lock.release()
    assert not lock.intact()
    assert other.acquire()
    other.release()
    assert not is_locked(path)


def test_log_files_of_nothing_are_no_error(tmp_path: Path) -> None:
    LogFile(tmp_path / "absent").bound()
    assert not (tmp_path / "absent").exists()
