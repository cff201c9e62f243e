"""Schedulers as processes: one at a time, gone when idle, not ended by a bad round; their lock and their log."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from db.records import RunStatus
from engine.launch import scheduler as scheduler_module
from engine.launch import submit
from engine.launch.lock import SchedulerLock, is_locked
from engine.launch.scheduler import LogFile, Scheduler
from tests.engine.launch.tools import Lab, wait_for

LIVE = (RunStatus.RUNNING,)


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
