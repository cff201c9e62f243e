"""What the app and the commands do to runs in the background: start, stop and kill them.

Nothing here waits for a worker; what was asked becomes visible in the database when it has happened.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from db import paths, private_files, users
from db.errors import DatabaseFull, IllegalState, StoreError
from db.records import CommandRecord, RunRecord
from db.retrying import tries
from db.runs import attempts, behind, commands, dependencies, removal, run_owners, runs
from db.runs.silence import advice
from db.session import Database
from engine.launch import settle as settling
from engine.launch import submitted
from engine.launch.attempt_files import AttemptFiles, write_json
from engine.launch.lock import Holder, is_served, other_holders
from engine.launch.machine import sees, this_host
from engine.launch.other_home import other_database
from engine.launch.settle import attempt_files, look, processes, settle
from engine.launch.waiting import WAITS_FOR_ITS_TURN, published
from engine.launch.warden import outer_environment

__all__ = [
    "SchedulerError",
    "ensure_scheduler",
    "kill",
    "other_schedulers",
    "reconcile",
    "scheduler_running",
    "stop",
    "submission",
    "why_waiting",
]

_START_SECONDS = 30.0
_DEATH_SECONDS = 2.0


class SchedulerError(StoreError):
    """The background scheduler could not be started; the message says why."""


def reconcile(db: Database) -> int:
    """Settle what has ended without a record of it, as `settle.reconcile` does, and hold what will not start for it.

    Returns:
        How many attempts were settled by this call.

    Raises:
        StoreError: The database cannot be read or written.
    """
    settled = settling.reconcile(db)
    behind.settle(db)
    return settled


def scheduler_running(db: Database) -> bool:
    """Whether this user's scheduler of this host serves this database now."""
    return is_served(db)


def other_schedulers(db: Database) -> list[Holder]:
    """The other users whose schedulers serve this database from this home now; each starts its own user's runs."""
    return other_holders(db)


def ensure_scheduler(db: Database, *, worker: Sequence[str] = ()) -> None:
    """Make sure that a scheduler serves this database: start one, detached from this process, if none does.

    Call it after a run was queued, not before: a scheduler that is about to end looks at the queue once more after it
    has released its lock, so that either it or a new one finds the run.

    Args:
        db: The database; for a server, `ITOP_DATABASE_URL` must name it.
        worker: The worker's command, for tests; the run and the attempt are appended.

    Raises:
        SchedulerError: It did not start; the message is its own last line.
        ReadOnlyDatabase: Nothing may be changed here.
    """
    db.check_writable()
    if scheduler_running(db):
        return
    environment = outer_environment(os.environ)
    if db.path is not None:
        environment["ITOP_DATABASE_URL"] = str(db.path)  # its URL would have to quote what the path holds
    environment["ITOP_HOME"] = str(paths.home())
    arguments = ["--", *worker] if worker else []
    launcher = subprocess.Popen(
        [sys.executable, "-P", "-m", "engine.launch.scheduler", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,
    )
    said = _listen(launcher, time.monotonic() + _START_SECONDS)
    if not {"ready", "held"} & set(said[-1:]):
        words = said[-1] if said else "it said nothing"
        raise SchedulerError(f"The background scheduler did not start: {words} (log: {paths.home() / 'scheduler.log'})")


def why_waiting(db: Database, waiting: Iterable[RunRecord] | None = None) -> dict[int, str]:
    """Say of every run in the queue why it does not run yet, in the queue's order.

    A few queries, whatever the queue's length; made for a thread, not for an event loop.

    Args:
        db: The database.
        waiting: The runs to say it of, where they have been read already; None for the whole queue.

    Raises:
        StoreError: The database cannot be read.
    """
    said = published(db)
    # On a server other hosts may serve the queue; who they are is seen only by what they say.
    served = scheduler_running(db) or (bool(said) and db.on_server)
    schedulers = other_schedulers(db)
    reasons: dict[int, str] = {}
    listed = runs.waiting(db) if waiting is None else list(waiting)
    owners = run_owners.owners(db, (run.id for run in listed))
    others = dependencies.waits_for(db, (run.id for run in listed))
    for run in listed:
        if run.held:
            why = run.reason or ""
            reasons[run.id] = why if why.startswith("held") else f"held: {why}" if why else "held"
        elif run.id in others:
            reasons[run.id] = others[run.id]
        elif not run_owners.is_mine(db, owner := owners.get(run.id)) and owner is not None:
            ready = any(other.user.uid == owner.uid for other in schedulers)
            reasons[run.id] = (said.get(run.id) if ready else None) or f"waits for {owner.name}'s scheduler"
        elif not served:
            reasons[run.id] = "no scheduler is running: any itop command starts one"
        else:
            reasons[run.id] = said.get(run.id) or run.reason or WAITS_FOR_ITS_TURN
    return reasons


def submission(run: RunRecord | None = None) -> dict[str, Any]:
    """Where this process submits a run, for its row: the current folder, and the variables that affect a training.

    A scheduler may have been started in another folder and with other variables; the worker gets those of the person
    who submitted the run.

    Args:
        run: A run that is queued again: one of an earlier version of itop keeps its first submission in a file.
    """
    now = submitted.here()
    if run is not None and (earlier := submitted.own_origin(AttemptFiles(paths.run_folder(run.uid), 1).origin)):
        return {**now, "folder": earlier.get("folder"), "environment": submitted.allowed_environment(earlier)}
    return now


def _listen(launcher: subprocess.Popen[bytes], deadline: float) -> list[str]:
    """What a starting scheduler says, until it says that it serves, or closes its output, or the deadline."""
    stream = launcher.stdout
    assert stream is not None
    heard = b""
    with stream:
        while not heard.endswith((b"ready\n", b"held\n")):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([stream], [], [], left)[0]:
                heard += b"\nit did not answer in time"
                break
            part = os.read(stream.fileno(), 4096)
            if not part:
                break
            heard += part
    # The launcher itself has only forked; the fork is not a child of this process.
    with contextlib.suppress(subprocess.TimeoutExpired):
        launcher.wait(max(0.1, deadline - time.monotonic()))
    return [line for line in heard.decode("utf-8", errors="replace").splitlines() if line.strip()]


def stop(db: Database, run_id: int) -> CommandRecord:
    """Ask a run to write a checkpoint and end; one that is still queued ends at once. Safe to repeat.

    Raises:
        RunNotFound: There is no such run.
        IllegalState: It has already ended.
    """
    return commands.send(db, run_id, "stop")


def kill(db: Database, run_id: int) -> None:
    """End a run's processes now, without a checkpoint. Safe to repeat.

    Returns when the signal is sent; the end is recorded a moment later, as killed by user.

    Raises:
        RunNotFound: There is no such run.
        IllegalState: It has no process to kill, or has it on another host, in another home or under another user.
    """
    db.check_writable()
    run = runs.get(db, run_id)
    attempt = attempts.latest(db, run_id)
    if attempt is None or not run.status.is_active:
        raise IllegalState(_nothing_to_kill(run))
    if not sees(host := this_host(), attempt):
        where = attempt.host if attempt.host != host.name else f"another machine or container called {attempt.host}"
        hint = advice(run, time.time())
        raise IllegalState(f"Run {run_id} ({run.name}) runs on {where}: kill it there (this is {host.name}).{hint}")
    owner = run_owners.owners(db, [run_id]).get(run_id)
    if owner is not None and not run_owners.is_mine(db, owner) and os.geteuid() != 0:
        raise IllegalState(
            f"Run {run_id} ({run.name}) belongs to {owner.name}, who alone can kill it; itop stop asks it to end."
        )
    files = attempt_files(db, attempt)
    for process in processes(attempt, files):
        if (other := other_database(db, process)) is not None:
            raise IllegalState(
                f"Run {run_id} ({run.name}) runs in another home, of which this one is a copy ({other}): kill it there."
            )
    # The request first, then the signal: a warden that starts the worker in between reads it and kills that.
    _note_kill(files)
    warden, worker = processes(attempt, files)
    try:
        if worker is not None:
            worker.send_to_group(signal.SIGKILL)
    except PermissionError as error:
        removal.remove_files(files.folder, files.kill.name)
        raise IllegalState(f"Run {run_id} ({run.name}) belongs to another user of this machine.") from error
    if warden is not None and warden.alive():
        return
    for _ in tries(_DEATH_SECONDS, 0.01):  # no warden waits for this worker: record its end here
        if worker is None or not worker.alive():
            break
    ending = look(attempt, files)
    if ending is not None:
        with contextlib.suppress(DatabaseFull):  # it is dead, and the next command that finds room records it
            settle(db, attempt.id, files, ending)


def _note_kill(files: AttemptFiles) -> None:
    """Leave the file that says that a person asked for the kill; on a full disk, an empty one or none."""
    try:
        private_files.make_run_folder(files.folder)
        write_json(files.kill, {"by": users.current().name, "at": time.time()})
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        with contextlib.suppress(OSError):
            files.kill.touch()


def _nothing_to_kill(run: RunRecord) -> str:
    if run.status.is_terminal:
        return f"Run {run.id} ({run.name}) has already ended: {run.status}."
    return f"Run {run.id} ({run.name}) is {run.status} and has no process; stop it to take it from the queue."


def log_path() -> Path:
    """Where the schedulers of this home write what they do."""
    return paths.home() / "scheduler.log"
