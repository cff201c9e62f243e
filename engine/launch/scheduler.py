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
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from db import key_values, paths, private_files, users
from db.errors import HomeGone, IllegalState, RunNotFound, StoreError
from db.records import AttemptRecord, RunQuery, RunRecord, RunStatus
from db.runs import attempts, behind, dependencies, removal, run_owners, runs
from db.session import Database
from engine.config.device_names import rank_count, wanted
from engine.launch.attempt_files import AttemptFiles
from engine.launch.devices import DeviceList, list_devices, visible_gpus
from engine.launch.lock import Lock, scheduler_lock
from engine.launch.machine import attempt_age, sees, this_host
from engine.launch.placement import Limits, place
from engine.launch.settle import processes, reconcile
from engine.launch.start_files import MissingStart, missing_start
from engine.launch.waiting import waiting_key
from engine.launch.warden import Task, default_worker

TICK_SECONDS = 0.25
IDLE_SECONDS = 5.0
_LOOKED_AT = 2_000  # queued runs that are looked at first, and whose reasons are published
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
        self._host = this_host()
        self._wardens: dict[int, tuple[subprocess.Popen[bytes], AttemptRecord, AttemptFiles]] = {}
        self._rests: dict[int, tuple[float, str]] = {}  # by attempt: until when, by the monotonic clock, and as shown
        self._waiting: dict[str, str] | None = None
        self._planned_for: tuple[object, ...] = ()
        self._plan_again_at = 0.0
        self._runnable = 0
        self._elsewhere: dict[int, str] = {}

    def tick(self) -> bool:
        """Settle what has ended and start what can start.

        Returns:
            Whether there is anything left to wait for: a queued run, or an active one of this host.
        """
        self._reap()
        reconcile(self._db)
        active = runs.active(self._db, self._host)
        mine = self._mine(active)
        self._adopt(active, mine)
        queued = runs.count(self._db, RunQuery(statuses=(RunStatus.QUEUED,), archived=None))
        if not queued:
            self._runnable = 0
            self._publish({})
            return bool(mine)
        # A long queue is not read again and again while nothing has changed that could let a run of it start.
        situation = (queued, tuple((run.id, run.device) for run in active))
        began = time.monotonic()
        if situation != self._planned_for or began > self._plan_again_at:
            self._planned_for = () if self._place(active) else situation
            cost = time.monotonic() - began
            self._plan_again_at = began + max(_REPLAN_SECONDS, 20 * cost)
        return bool(mine) or self._runnable > 0

    def has_work(self) -> bool:
        """Whether this user has a queued run that is not held, or an active one of this host, or if it is not known."""
        try:
            return run_owners.has_waiting(self._db) or bool(self._mine(runs.active(self._db, self._host)))
        except StoreError:
            return True

    # Starting

    def _mine(self, active: Sequence[RunRecord]) -> dict[int, AttemptRecord]:
        """The open attempts of this user's active runs whose processes can be looked up here, by run."""
        own = {run.id for run in run_owners.mine(self._db, active)}
        if not own:  # as most of the time: this is asked four times a second
            return {}
        here = attempts.open_attempts(self._db, self._host)
        return {one.run_id: one for one in here if one.run_id in own and sees(self._host, one)}

    def _adopt(self, active: Sequence[RunRecord], mine: Mapping[int, AttemptRecord]) -> None:
        """Give a process to what was reserved by a scheduler that died before it could start one.

        Each attempt is started once: where another scheduler has it in hand, nothing is done here.
        """
        ours = {attempt.run_id for _, attempt, _ in self._wardens.values()}
        for run in active:
            if run.status is not RunStatus.STARTING or run.id in ours:
                continue
            attempt = mine.get(run.id)
            if attempt is None or attempt.launched or attempt_age(attempt) < _ADOPT_SECONDS:
                continue
            files = AttemptFiles(paths.run_folder(run.uid), attempt.number)
            if not files.exit.exists() and not any(processes(attempt, files)):
                _log.info("run %d, attempt %d, has no process: starting one", run.id, attempt.number)
                self._launch(run, attempt, files)

    def _place(self, active: Sequence[RunRecord]) -> bool:
        """Start every queued run that has a device; returns whether to look again at once."""
        limits = Limits.of(
            slots=key_values.get(self._db, "slots"), free_fraction=key_values.get(self._db, "gpu_memory_free_fraction")
        )
        behind.settle(self._db)
        others = dependencies.who_wait(self._db)
        # To read all of a long queue for every run that starts would take longer than short runs train.
        for limit in (_LOOKED_AT, None):
            waiting = runs.queued(self._db, limit=limit)
            # Another user's run would be run as this user, with all that this user may do: it has its own scheduler.
            queue = run_owners.mine(self._db, waiting)
            self._elsewhere = {
                run.id: missing.reason for run in queue if run.id in self._elsewhere and (missing := self._missing(run))
            }
            resting = {run.id: again for run in queue if (again := self._rests_until(run)) is not None}
            put_off = {*resting, *others, *self._elsewhere, *(run.id for run in queue if run.damaged)}
            plan = place(
                [run for run in queue if run.id not in put_off],
                active,
                self._devices(),
                limits,
                our_pids={run.pid for run in active if run.pid is not None},
                only_host=not self._db.on_server,
            )
            if plan.starts or plan.refused or len(waiting) < _LOOKED_AT:
                break
        self._runnable = len(queue)  # with those that wait for other runs: their end may be seen only here
        for run, reason in plan.refused:
            asked = tuple(wanted(run.config).split(","))
            attempt = runs.reserve(self._db, run.id, host=this_host(), device=asked, slots=1_000_000, launched=True)
            if attempt is not None:
                self._fail(attempt, reason, retry_may_help=False)
        for run, devices in plan.starts:
            if not self._has_its_start(run):
                continue
            slots = {device.name: limits.slots_of(device.name) for device in devices}
            files = AttemptFiles(paths.run_folder(run.uid), run.attempt_count + 1)
            attempt = runs.reserve(
                self._db,
                run.id,
                host=this_host(),
                device=tuple(slots),
                slots=slots,
                prepare=partial(_clear, files.folder),
            )
            if attempt is None:
                continue  # stopped, or its slot taken, since we looked
            _log.info("starting run %d, attempt %d, on %s", run.id, attempt.number, attempt.device)
            self._launch(run, attempt, files._replace(number=attempt.number))
        # Of the others a reader says that they wait for their turn.
        reasons = {str(run.id): plan.waiting[run.id] for run in queue[:_LOOKED_AT] if run.id in plan.waiting}
        for run in queue[:_LOOKED_AT]:
            if run.damaged:  # it would train something else than what was asked for
                reasons[str(run.id)] = f"its row in the database is damaged ({', '.join(run.damaged)}): see itop doctor"
            if run.id in resting:
                reasons[str(run.id)] = f"{run.reason}; tried again at {resting[run.id]}"
        reasons |= {str(run_id): reason for run_id, reason in self._elsewhere.items()}
        self._publish(reasons)
        return bool(plan.starts or plan.refused)

    def _has_its_start(self, run: RunRecord) -> bool:
        """Whether the checkpoint that a run starts from is here. Else it is held, or left to the host that has it."""
        missing = self._missing(run)
        if missing is None:
            return True
        if missing.elsewhere:
            self._elsewhere[run.id] = missing.reason
        else:
            with contextlib.suppress(IllegalState, RunNotFound):  # stopped or deleted since we looked
                runs.hold(self._db, run.id, missing.reason)
            _log.warning("run %d is held: %s", run.id, missing.reason)
        return False

    def _missing(self, run: RunRecord) -> MissingStart | None:
        start = run.start_checkpoint_id
        return None if start is None else missing_start(self._db, run.id, start)

    def _rests_until(self, run: RunRecord) -> str | None:
        """At what time a run whose last start failed is tried again; None for every other, and once that has come.

        The clock is read once for each rest, and never makes it longer: it may be set back meanwhile, or be behind that
        of the host where the start failed.
        """
        if not run.start_failures or not self._retry_seconds:
            return None
        last = attempts.latest(self._db, run.id)
        if last is None or last.ended_at is None:
            return None
        rest = self._rests.get(last.id)
        if rest is None:
            pause = self._retry_seconds[min(run.start_failures, len(self._retry_seconds)) - 1]
            left = min(pause, max(0.0, last.ended_at + pause - time.time()))
            shown = time.strftime("%H:%M:%S", time.localtime(time.time() + left))
            rest = self._rests[last.id] = time.monotonic() + left, shown
        return rest[1] if time.monotonic() < rest[0] else None

    def _launch(self, run: RunRecord, attempt: AttemptRecord, files: AttemptFiles) -> None:
        """Start the warden of a reserved attempt, unless another has; the attempt fails where that cannot be done."""
        if not attempts.launch(self._db, attempt.id):
            return
        devices = self._devices() if attempt.device != "cpu" else None
        visible = visible_gpus(attempt.device, devices)
        limit = run.config.get("time_limit")
        limit = float(limit) if isinstance(limit, int | float) else None
        submission = runs.submission(self._db, run.id)
        ranks = rank_count(str(run.config.get("devices") or "1"))
        task = Task(
            *(run.id, attempt.id, files, attempt.device, visible, self._worker, limit),
            submission=submission,
            ranks=ranks,
        )
        try:
            private_files.make_run_folder(files.folder)
            warden = subprocess.Popen(
                [sys.executable, "-P", "-m", "engine.launch.warden", *task.arguments()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        except (OSError, HomeGone) as error:
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
        key = waiting_key(self._host.name)
        if self._waiting is None:  # what a scheduler that was killed has left
            self._waiting = key_values.get(self._db, key, {})
            if key_values.get(self._db, earlier := key.rpartition("/")[0]):  # and one of an earlier version
                key_values.put(self._db, earlier, {})
        if waiting != self._waiting:
            key_values.put(self._db, key, waiting)
            for run_id in waiting.keys() - self._waiting.keys():
                _log.info("run %s waits: %s", run_id, waiting[run_id])
            self._waiting = waiting


def _clear(folder: Path, number: int) -> None:
    """Remove what is left of an attempt of this number, which a restored backup has forgotten."""
    files = AttemptFiles(folder, number)
    removal.remove_files(folder, *(path.name for path in (files.claim, files.exit, files.said, files.kill)))


def serve(scheduler: Scheduler, lock: Lock, *, idle_seconds: float, log: LogFile | None) -> None:
    """Tick until there has been nothing to do for a while; the lock is held at the start and given up at the end."""
    busy_at = well_at = time.monotonic()
    failure = ""
    home = paths.home()
    while lock.intact():
        if not home.is_dir():  # with a server as the database, the lock is still ours
            _log.warning("the home %s is not there any more: leaving", home)
            return
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
    _log.warning("%s is no longer ours: leaving", lock)


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
        db = Database.open(make=False)
        db.check_writable()
        private_files.make_folder(home)  # a server's database may be served from a home that holds nothing yet
        lock = scheduler_lock(db)
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
    _log.info("serving %s on %s", db.url, this_host().name)
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
    name = "an unknown user" if owner is None else owner.name
    return (
        f"{path} cannot be opened: it is owned by {name}. Ask its owner to share the home (itop share), or set "
        "ITOP_HOME to a folder of your own"
    )


def _answer(word: str) -> None:
    """Report to the process that started the scheduler, and waits for this line."""
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
