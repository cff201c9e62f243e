"""Ending runs whose machine is gone: as lost, from anywhere, by a person's decision.

Nothing is sent to the worker, which cannot be reached. Should it live after all, it finds that its attempt has ended
at its next commit, records nothing more and ends itself.
"""

from __future__ import annotations

import time

from db import users
from db.errors import IllegalState
from db.records import RunRecord, RunStatus
from db.runs import attempts, runs
from db.runs.silence import advice, no_sign, silence
from db.session import Database
from engine.launch.machine import sees, this_host
from engine.launch.settle import attempt_files, processes, reconcile
from engine.launch.signs_of_life import is_heard

__all__ = ["give_up", "unreachable"]


def give_up(db: Database, run_id: int) -> RunRecord:
    """End a run that gives no sign of life, as lost. Takes up to 15 s where its last sign is recent.

    Returns:
        The run as it is then; as lost, unless it turned out how it had ended.

    Raises:
        RunNotFound: There is no such run.
        IllegalState: It is not active, or lives.
    """
    reconcile(db)
    run = runs.get(db, run_id)
    attempt = attempts.latest(db, run_id)
    if attempt is None or not run.status.is_active:
        raise IllegalState(
            f"Run {run_id} ({run.name}) is {run.status}: only a run that should be at work can be given up."
        )
    host = this_host()
    if sees(host, attempt):
        found = processes(attempt, attempt_files(db, attempt))
        if any(process is not None and process.alive() for process in found):
            raise IllegalState(
                f"Run {run_id} ({run.name}) is alive: its process runs on this machine. itop kill {run_id} ends it."
            )
    elif is_heard(db, run):
        raise IllegalState(
            f"Run {run_id} ({run.name}) gives signs of life, from {attempt.host}: stop it (itop stop {run_id}), or "
            "kill it there."
        )
    run = runs.get(db, run_id)
    quiet = time.time() - run.heartbeat_at if run.heartbeat_at is not None else 0.0
    attempts.finish(
        db,
        attempt.id,
        status=RunStatus.LOST,
        reason=f"given up by {users.current().name}: {no_sign(quiet)} from {attempt.host}",
        ended_at=_last_sign(run, attempt.started_at),
    )
    return runs.get(db, run_id)


def _last_sign(run: RunRecord, started_at: float) -> float | None:
    """The moment nearest to the end that is known; None for now, where that would lie in the future."""
    last = max(run.heartbeat_at or started_at, started_at)
    return last if last <= time.time() else None


def unreachable(db: Database, run: RunRecord) -> str | None:
    """Why nothing can be asked of an active run: it gives no sign of life from a place that cannot be looked at.

    Returns:
        The message, which says what can be done; None where the run may answer.
    """
    now = time.time()
    if silence(run, now) is None:
        return None
    attempt = attempts.latest(db, run.id)
    if attempt is None or sees(this_host(), attempt):
        return None
    return f"Run {run.id} ({run.name}) runs on {attempt.host}, which does not answer.{advice(run, now)}"
