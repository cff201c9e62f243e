"""Gives queued runs their devices: `python -m engine.launch.scheduler`, one per user, host and database.

It leaves when idle. It holds nothing that is not in the database or in the runs' folders: killed at any instant, it
ends no run, and the next one adopts them. Four times a second it settles what has ended, and starts what has a free
device. What it does, and what it could not do, is in `scheduler.log`.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from db import key_values, paths, private_files, users
from db.errors import IllegalState, StoreError
from db.records import AttemptRecord, RunQuery, RunRecord, RunStatus
from db.runs import attempts, behind, dependencies, run_owners, runs
from db.session import Database
from engine.launch.attempt_files import AttemptFiles
from engine.launch.devices import Device, DeviceList, list_devices
from engine.launch.lock import SchedulerLock, lock_path
from engine.launch.placement import Limits, place
from engine.launch.processes import host_name
from engine.launch.settle import processes, reconcile
from engine.launch.waiting import waiting_key
from engine.launch.warden import Task, default_worker

TICK_SECONDS = 0.25
IDLE_SECONDS = 5.0
_REPLAN_SECONDS = 2.0  # a GPU may become free, or a setting change, without anything happening to a run
_ADOPT_SECONDS = 1.0
_BACKOFF_SECONDS = 5.0
_GIVE_UP_SECONDS = 3600.0  # a database that does not come back must not be tried forever
_RETRY_SECONDS = (5.0, 20.0)  # pauses after a first and a second start that failed; after a third the run is held
_LOCK_PATIENCE = 0.5  # a process that only checks the lock holds it shortly too
_LOG_BYTES = 1_000_000

_log = logging.getLogger("itop.scheduler")


class Scheduler:
    """What one scheduler does; its caller ensures that it is the only one.

    Args:
        db: The database.
        worker: The command that trains; the run and the attempt are appended.
        devices: How to find out about this host's devices.
        retry_seconds: How long a run rests after its first failed start, its second, and so on.
    """

    def __init__(
        self,
        db: Database,
        *,
        worker: Sequence[str] = (),
        devices: Callable[[], DeviceList] = list_devices,
        retry_seconds: Sequence[float] = _RETRY_SECONDS,
    ) -> None:
        self._db = db
        self._worker = tuple(worker) or default_worker()
        self._devices = devices
        self._retry_seconds = tuple(retry_seconds)
        self._host = host_name()
        self._wardens: dict[int, tuple[subprocess.Popen[bytes], AttemptRecord, AttemptFiles]] = {}
        self._waiting: dict[str, str] | None = None
        self._planned_for: tuple[object, ...] = ()
        self._plan_again_at = 0.0
        self._runnable = 0

    def tick(self) -> bool:
        """Settle what has ended and start what can start.

        Returns:
            Whether there is anything left to wait for: a queued run, or an active one of this host.
        """
        self._reap()
        reconcile(self._db)
        active = runs.active(self._db, self._host)
        own = run_owners.mine(self._db, active)
        self._adopt(own)
        queued = runs.count(self._db, RunQuery(statuses=(RunStatus.QUEUED,), archived=None))
        if not queued:
            self._runnable = 0
            self._publish({})
            return bool(own)
        # A long queue is not read again and again while nothing has changed that could let a run of it start.
        situation = (queued, tuple((run.id, run.device) for run in active))
        began = time.monotonic()
        if situation != self._planned_for or began > self._plan_again_at:
            self._planned_for = () if self._place(active) else situation
            cost = time.monotonic() - began
            self._plan_again_at = began + max(_REPLAN_SECONDS, 20 * cost)
        return bool(own) or self._runnable > 0

    def has_work(self) -> bool:
        """Whether this user has a queued run that is not held, or an active one of this host, or if it is not known."""
        try:
            active = runs.active(self._db, self._host)
            return run_owners.has_waiting(self._db) or bool(run_owners.mine(self._db, active))
        except StoreError:
            return True

    # Starting

    def _adopt(self, active: Sequence[RunRecord]) -> None:
        """Give a process to what was reserved by a scheduler that died before it could start one.

        If its warden is starting after all, one of the two finds the attempt claimed and ends.
        """
        ours = {attempt.run_id for _, attempt, _ in self._wardens.values()}
        for run in active:
            if run.status is not RunStatus.STARTING or run.id in ours:
                continue
            attempt = attempts.latest(self._db, run.id)
            if attempt is None or time.time() - attempt.started_at < _ADOPT_SECONDS:
                continue
            files = AttemptFiles(paths.run_folder(run.uid), attempt.number)
            if not files.exit.exists() and not any(processes(attempt, files)):
                _log.info("run %d, attempt %d, has no process: starting one", run.id, attempt.number)
                self._launch(run, attempt, files, self._devices().named(attempt.device))

    def _place(self, active: Sequence[RunRecord]) -> bool:
        """Start every queued run that has a device; returns whether to look again at once."""
        limits = Limits.of(
            slots=key_values.get(self._db, "slots"), free_fraction=key_values.get(self._db, "gpu_memory_free_fraction")
        )
        behind.settle(self._db)
        # Another user's run would be run as this user, with all that this user may do: it waits for its own scheduler.
        queue = run_owners.mine(self._db, runs.queued(self._db))
        self._runnable = len(queue)  # with those that wait for other runs: their end may be seen only here
        others = dependencies.who_wait(self._db)
        resting = {run.id: until for run in queue if (until := self._rests_until(run)) > time.time()}
        plan = place(
            [run for run in queue if run.id not in resting and run.id not in others],
            active,
            self._devices(),
            limits,
            our_pids={run.pid for run in active if run.pid is not None},
            only_host=self._db.url.startswith("sqlite"),
        )
        for run, reason in plan.refused:
            wanted = str(run.config.get("device") or "auto")
            attempt = runs.reserve(self._db, run.id, host=self._host, device=wanted, slots=1_000_000)
            if attempt is not None:
                self._fail(attempt, reason, retry_may_help=False)
        for run, device in plan.starts:
            slots = limits.slots_of(device.name)
            files = AttemptFiles(paths.run_folder(run.uid), run.attempt_count + 1)
            # Of an attempt that a restored backup has forgotten.
            for stale in (files.claim, files.exit, files.said, files.kill):
                stale.unlink(missing_ok=True)
            attempt = runs.reserve(self._db, run.id, host=self._host, device=device.name, slots=slots)
            if attempt is None:
                continue  # stopped, or its slot taken, since we looked
            _log.info("starting run %d, attempt %d, on %s", run.id, attempt.number, device.name)
            self._launch(run, attempt, files._replace(number=attempt.number), device)
        reasons = {str(run_id): reason for run_id, reason in plan.waiting.items()}
        for run in queue:
            if run.id in resting:
                again = time.strftime("%H:%M:%S", time.localtime(resting[run.id]))
                reasons[str(run.id)] = f"{run.reason}; tried again at {again}"
        self._publish(reasons)
        return bool(plan.starts or plan.refused)

    def _rests_until(self, run: RunRecord) -> float:
        """When a run whose last start failed may be tried again, in unix seconds; 0 for every other."""
        if not run.start_failures or not self._retry_seconds:
            return 0.0
        last = attempts.latest(self._db, run.id)
        if last is None or last.ended_at is None:
            return 0.0
        return last.ended_at + self._retry_seconds[min(run.start_failures, len(self._retry_seconds)) - 1]

    def _launch(self, run: RunRecord, attempt: AttemptRecord, files: AttemptFiles, device: Device | None) -> None:
        """Start the warden of a reserved attempt; the attempt fails where that cannot be done."""
        visible = (device.uuid if device else None) or attempt.device.partition(":")[2]
        limit = run.config.get("time_limit")
        limit = float(limit) if isinstance(limit, int | float) else None
        submission = runs.submission(self._db, run.id)
        task = Task(run.id, attempt.id, files, attempt.device, visible, self._worker, limit, submission=submission)
        try:
            private_files.make_folder(files.folder)
            warden = subprocess.Popen(
                [sys.executable, "-P", "-m", "engine.launch.warden", *task.arguments()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            self._fail(attempt, f"could not be started: {error}")
            return
        self._wardens[warden.pid] = (warden, attempt, files)
        with contextlib.suppress(IllegalState):  # killed at once: it has ended before we could say that it began
            attempts.spawned(self._db, attempt.id, warden_pid=warden.pid)

    def _fail(self, attempt: AttemptRecord, reason: str, *, retry_may_help: bool = True) -> None:
        _log.warning("run %d, attempt %d: %s", attempt.run_id, attempt.number, reason)
        attempts.finish(self._db, attempt.id, status=RunStatus.FAILED, reason=reason, retry_may_help=retry_may_help)

    def _reap(self) -> None:
        """Forget wardens that have ended; the attempt of one that never claimed it fails."""
        for pid, (warden, attempt, files) in list(self._wardens.items()):
            code = warden.poll()
            if code is None:
                continue
            del self._wardens[pid]
            # One that ended well has settled its attempt; of any other, `reconcile` reads the rest from its files.
            if code != 0 and not files.claim.exists() and not files.exit.exists():
                how = f"exit code {code}" if code > 0 else f"signal {-code}"
                self._fail(attempt, f"could not be started: its warden ended with {how} (see scheduler.log)")

    def _publish(self, waiting: dict[str, str]) -> None:
        """Publish why queued runs wait, run id → reason; see `engine.launch.waiting`."""
        key = waiting_key(self._host)
        if self._waiting is None:  # what a scheduler that was killed has left
            self._waiting = key_values.get(self._db, key, {})
            if key_values.get(self._db, earlier := key.rpartition("/")[0]):  # and one of an earlier version
                key_values.put(self._db, earlier, {})
        if waiting != self._waiting:
            key_values.put(self._db, key, waiting)
            for run_id in waiting.keys() - self._waiting.keys():
                _log.info("run %s waits: %s", run_id, waiting[run_id])
            self._waiting = waiting


def serve(scheduler: Scheduler, lock: SchedulerLock, *, idle_seconds: float, log: LogFile | None) -> None:
    """Tick until there has been nothing to do for a while; the lock is held at the start and given up at the end."""
    busy_at = well_at = time.monotonic()
    failure = ""
    while lock.intact():
        try:
            if scheduler.tick():
                busy_at = time.monotonic()
            elif time.monotonic() - busy_at > idle_seconds:
                lock.release()
                # A process that queues a run looks at the lock afterwards; so this looks at the queue without the lock.
                if not scheduler.has_work() or not lock.acquire(patience=_LOCK_PATIENCE):
                    _log.info("nothing to do: leaving")
                    return
                busy_at = time.monotonic()
            failure, pause, well_at = "", TICK_SECONDS, time.monotonic()
        except Exception as error:  # one bad tick must not end it: the database may be back at the next
            if str(error) != failure:
                _log.exception("this round failed; trying again")
                failure = str(error)
            pause = _BACKOFF_SECONDS if not isinstance(error, StoreError) else 4 * TICK_SECONDS
            busy_at = time.monotonic()
            if busy_at - well_at > _GIVE_UP_SECONDS:
                _log.warning("nothing has worked for %.0f s: leaving", busy_at - well_at)
                return
        if log is not None:
            log.bound()
        time.sleep(pause)
    _log.warning("the lock file %s is no longer ours: leaving", lock.path)


class LogFile:
    """Standard output and error of a detached process, in a file that is put aside when it has grown.

    Args:
        path: The file; its predecessor is kept as `path` with `.1`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def take_over(self) -> None:
        """Point the standard streams at the file; where it is another user's, at one of this user beside it."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        try:
            descriptor = private_files.opener(self._path, flags)
        except PermissionError:
            self._path = self._path.with_name(f"{self._path.stem}-{os.geteuid()}{self._path.suffix}")
            descriptor = private_files.opener(self._path, flags)
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        os.close(descriptor)

    def bound(self) -> None:
        """Begin a new file if this one has become too long."""
        with contextlib.suppress(OSError):
            if self._path.stat().st_size > _LOG_BYTES:
                self._path.replace(self._path.with_name(self._path.name + ".1"))
                self.take_over()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a scheduler until it is idle; says "ready" on standard output once it serves, "held" if another does."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    split = words.index("--") if "--" in words else len(words)
    parser = argparse.ArgumentParser(
        prog="python -m engine.launch.scheduler", description="Start queued runs; everything after -- is the worker."
    )
    parser.add_argument("--foreground", action="store_true", help="stay attached, and log to standard error")
    parser.add_argument("--idle", type=float, default=IDLE_SECONDS, help="seconds without work before it leaves")
    options = parser.parse_args(words[:split])
    if not options.foreground:
        if os.fork():
            return 0
        os.setsid()
    return _main(words[split + 1 :], options.foreground, options.idle)


def _main(worker: Sequence[str], foreground: bool, idle_seconds: float) -> int:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s scheduler %(process)d: %(message)s")
    home = paths.home()
    try:
        private_files.make_folder(home)
        db = Database.open()
        db.check_writable()
        lock = SchedulerLock(lock_path(home, db.url))
        if not lock.acquire(patience=_LOCK_PATIENCE):
            _answer("held")
            return 0
    except PermissionError as error:
        _answer(_whose(error))
        return 1
    except (StoreError, OSError) as error:
        _answer(str(error))
        return 1
    _answer("ready")
    log = None
    if not foreground:
        os.chdir(home)  # no hold on the folder, or the disk, that the user happened to be in
        log = LogFile(home / "scheduler.log")
        log.bound()
        log.take_over()
    _log.info("serving %s on %s", db.url, host_name())
    try:
        serve(Scheduler(db, worker=worker), lock, idle_seconds=idle_seconds, log=log)
    except KeyboardInterrupt:
        _log.info("interrupted: leaving; runs continue")
    finally:
        db.close()
    return 0


def _whose(error: PermissionError) -> str:
    """What may not be opened, and whose it is."""
    path = Path(str(error.filename or paths.home()))
    owner = users.owner_of(path)
    return (
        f"{path} cannot be opened: it is owned by {'an unknown user' if owner is None else owner.name}. Ask its owner "
        "to share the home (itop share), or set ITOP_HOME to a folder of your own"
    )


def _answer(word: str) -> None:
    """Report to the process that started the scheduler, and waits for this line."""
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
