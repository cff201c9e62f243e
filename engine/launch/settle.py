"""Recording the end of an attempt that its worker did not record itself.

The warden does it as soon as the worker is dead. `reconcile` does it for attempts whose warden could not: it looks at
the files the warden left and at whether the processes still live. The database keeps the first report, so any number
of reconcilers and the warden may report at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from db import paths, private_files
from db.errors import IllegalState, RunNotFound
from db.records import AttemptRecord, RunStatus
from db.runs import attempts, commands, removal, runs
from db.session import Database
from engine.launch.attempt_files import AttemptFiles, read_json, write_json
from engine.launch.exit_reasons import (
    KILLED_BY_USER,
    NEVER_STARTED,
    REBOOTED,
    VANISHED,
    Ending,
    before_first_step,
    own_modules,
    verdict,
)
from engine.launch.machine import attempt_age, sees, this_host
from engine.launch.processes import ProcessIdentity, boot_id
from engine.launch.signs_of_life import heard_lately

START_PATIENCE = 30.0  # seconds in which a reserved attempt must have got a process


def reconcile(db: Database) -> int:
    """Settle the attempts of this host that have ended without a record of it.

    Of an earlier boot of this machine only those that give no sign of life: another machine may look the same.

    Cheap where nothing is active: one query. Safe to call from any process, at any time, as often as wanted.

    Returns:
        How many attempts were settled by this call.

    Raises:
        StoreError: The database cannot be read or written.
    """
    settled = 0
    host = this_host()
    for attempt in attempts.open_attempts(db, host):
        if not sees(host, attempt):
            continue
        if attempt.machine_id is not None and attempt.boot_id != host.boot_id and heard_lately(db, attempt):
            continue
        try:
            files = attempt_files(db, attempt)
        except RunNotFound:  # deleted since the query
            continue
        try:
            ending = look(attempt, files)
        except PermissionError:  # of another user, whose files are private: that user's own processes settle it
            continue
        if ending is None:
            continue
        if ending.status is RunStatus.LOST:  # no process saw the end; the last sign of life is the nearest to it
            ending = ending._replace(ended_at=_last_sign(db, attempt))
        settled += settle(db, attempt.id, files, ending)
    return settled


def _last_sign(db: Database, attempt: AttemptRecord) -> float | None:
    with contextlib.suppress(RunNotFound):
        heartbeat = runs.get(db, attempt.run_id).heartbeat_at
        return None if heartbeat is None else max(heartbeat, attempt.started_at)
    return None


def attempt_files(db: Database, attempt: AttemptRecord) -> AttemptFiles:
    """Where the files of an attempt are.

    Raises:
        RunNotFound: The run is no longer there.
    """
    return attempt_files_of(runs.get(db, attempt.run_id).uid, attempt)


def attempt_files_of(uid: str, attempt: AttemptRecord) -> AttemptFiles:
    """Where the files of an attempt of the run with this uid are: in this home, or in the one it was started from.

    Two homes may share a database. A home that was moved or copied has the files itself.
    """
    files = AttemptFiles(paths.run_folder(uid), attempt.number)
    if attempt.home is None or attempt.home == str(paths.home()) or files.claim.exists() or files.exit.exists():
        return files
    there = AttemptFiles(Path(attempt.home) / "runs" / uid, attempt.number)
    return there if there.claim.exists() or there.exit.exists() else files


def claim_by_hand(db: Database, attempt: AttemptRecord) -> None:
    """Make the calling process known as the worker of an attempt that it reserved itself, without a warden.

    Else a scheduler would take the attempt for one that has no process, and start one.
    """
    files = attempt_files(db, attempt)
    private_files.make_run_folder(files.folder)
    write_json(files.claim, {"warden": None, "worker": ProcessIdentity.current().as_dict()})


def look(attempt: AttemptRecord, files: AttemptFiles) -> Ending | None:
    """How an attempt of this host ended, by its files and processes; None while it is alive or may still start."""
    record = read_json(files.exit)
    if record is not None:
        return verdict(record, kill_asked=files.kill.exists())
    known = [one for one in processes(attempt, files) if one is not None]
    if any(process.alive() for process in known):
        return None
    record = read_json(files.exit)  # the warden may have written it while we looked for its process
    if record is not None:
        return verdict(record, kill_asked=files.kill.exists())
    if not known:
        earlier_boot = attempt.machine_id is not None and attempt.boot_id != boot_id()
        if not earlier_boot and attempt_age(attempt) < START_PATIENCE:
            return None
        if files.kill.exists():
            return Ending(RunStatus.KILLED, KILLED_BY_USER)
        if earlier_boot:
            return Ending(RunStatus.LOST, REBOOTED, retry_may_help=True)
        return Ending(RunStatus.FAILED, NEVER_STARTED, retry_may_help=True)
    if files.kill.exists():
        return Ending(RunStatus.KILLED, KILLED_BY_USER)
    if (said := Ending.from_dict(read_json(files.said))) is not None:
        return said
    if all(process.boot_id != boot_id() for process in known):
        return Ending(RunStatus.LOST, REBOOTED, retry_may_help=True)
    return Ending(RunStatus.LOST, VANISHED, retry_may_help=True)


def processes(attempt: AttemptRecord, files: AttemptFiles) -> tuple[ProcessIdentity | None, ProcessIdentity | None]:
    """The warden and the worker of an attempt, each None where it is not known (yet).

    The worker is known from its warden's claim, or, if it was started by hand, from what it recorded itself.
    """
    claim = read_json(files.claim) or {}
    worker = ProcessIdentity.from_dict(claim.get("worker"))
    if worker is None and attempt.pid is not None and attempt.start_time is not None and attempt.boot_id is not None:
        worker = ProcessIdentity(attempt.pid, attempt.start_time, attempt.boot_id)
    return ProcessIdentity.from_dict(claim.get("warden")), worker


def settle(db: Database, attempt_id: int, files: AttemptFiles, ending: Ending) -> bool:
    """Record an ending and remove the claim; False if the attempt had already ended, or was deleted.

    Raises:
        StoreError: The database cannot be written.
    """
    written = False
    with contextlib.suppress(IllegalState, RunNotFound):  # deleted, with its run
        if ending.unexplained:
            attempt = attempts.get(db, attempt_id)
            run = runs.get(db, attempt.run_id)
            asked = run.status is RunStatus.STOPPING or any(one.kind == "stop" for one in commands.pending(db, run.id))
            if run.step <= attempt.start_step and not asked:
                ending = before_first_step(ending, own_modules(run.config))
        written = attempts.finish(
            db,
            attempt_id,
            status=ending.status,
            reason=ending.reason or None,
            exit_code=ending.exit_code,
            signal=ending.signal,
            traceback=ending.traceback,
            ended_at=ending.ended_at,
            retry_may_help=ending.retry_may_help,
        )
    removal.remove_files(files.folder, files.claim.name)
    return written


def settle_from_files(attempt_id: int, files: AttemptFiles, record: Mapping[str, Any]) -> bool:
    """The warden's last act: open the database that the environment names and settle its attempt.

    Raises:
        StoreError: The database cannot be reached; `DatabaseGone` if its file is missing (no new one is made).
    """
    db = Database.open(make=False)
    try:
        return settle(db, attempt_id, files, verdict(record, kill_asked=files.kill.exists()))
    finally:
        db.close()
