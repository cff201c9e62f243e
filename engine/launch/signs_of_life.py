"""Whether a run's worker still gives signs of life, for processes that cannot be looked up here.

The record holds when the last sign was written, by the clock of the machine that wrote it. Two clocks may differ, and
each may be set; so a change of that value is what counts, seen by the monotonic clock of the one who looks.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from db.errors import RunNotFound
from db.records import AttemptRecord, RunRecord
from db.retrying import tries
from db.runs import runs
from db.runs.silence import SILENT_AFTER, limit
from db.session import Database

__all__ = ["heard_lately", "is_heard"]

_LOOK_SECONDS = 0.25


class _Seen(NamedTuple):
    beat: float | None
    at: float


_SEEN: dict[tuple[str, int], _Seen] = {}
"""The last sign of each attempt, and when this process first saw it, by its monotonic clock."""


def heard_lately(db: Database, attempt: AttemptRecord) -> bool:
    """Whether an attempt may still be alive, by its signs of life; for one who asks again and again.

    It may, until by the clock the last sign is too old, or this process has seen no new one for that long.
    """
    try:
        run = runs.get(db, attempt.run_id)
    except RunNotFound:
        return False
    allowed = limit(run.status)
    if not _recent(run, allowed):
        return False
    key, now = (db.url, attempt.id), time.monotonic()
    seen = _SEEN.get(key)
    if seen is None or seen.beat != run.heartbeat_at:
        seen = _SEEN[key] = _Seen(run.heartbeat_at, now)
    return now - seen.at < allowed


def is_heard(db: Database, run: RunRecord) -> bool:
    """Whether a run gives a sign of life; where the record's last one is recent, this waits for the next one.

    Takes no time where the last sign is old by the clock, else up to `SILENT_AFTER` seconds.

    Raises:
        RunNotFound: It was deleted meanwhile.
    """
    if not _recent(run, SILENT_AFTER):
        return False
    assert run.heartbeat_at is not None
    left = min(SILENT_AFTER, SILENT_AFTER - (time.time() - run.heartbeat_at))
    for _ in tries(left, _LOOK_SECONDS):
        now = runs.get(db, run.id)
        if now.heartbeat_at != run.heartbeat_at or not now.status.is_active:
            return True
    return False


def _recent(run: RunRecord, allowed: float) -> bool:
    return run.heartbeat_at is not None and time.time() - run.heartbeat_at < allowed
