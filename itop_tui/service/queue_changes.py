"""Changes of the queue: the order of the waiting runs, which of them are held, and how many a device takes.

The screen of the queue and the commands import this when they are opened, so it imports the store at once; the first
four functions are the store's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from db import key_values
from db.records import BatchResult, StartsAfter
from db.runs import queue
from db.runs.queue import add_priority
from db.runs.queue import hold_many as hold
from db.runs.queue import move_many as move
from db.runs.queue import set_priorities as set_priority
from db.session import Database
from engine.launch import submit
from engine.launch.placement import Limits

__all__ = ["add_priority", "add_slots", "hold", "move", "release", "set_priority", "set_slots", "start_after"]

_MOST_SLOTS = 64


def release(db: Database, run_ids: Iterable[int]) -> BatchResult:
    """Let held runs start when their turn comes, and make sure that a scheduler starts them."""
    result = queue.release_many(db, run_ids)
    if result.done:
        submit.ensure_scheduler(db)
    return result


def start_after(db: Database, run_ids: Iterable[int], starts_after: StartsAfter) -> BatchResult:
    """Let queued runs start after others, or after none, and make sure that a scheduler starts them."""
    result = queue.start_after(db, run_ids, starts_after)
    if result.done:
        submit.ensure_scheduler(db)
    return result


def set_slots(db: Database, changes: Mapping[str, int]) -> dict[str, int]:
    """Let devices take so many runs at a time, none of them where it is 0; gives what is set now, by device."""
    chosen = {**key_values.get(db, "slots", {}), **changes}
    if changes:
        key_values.put(db, "slots", chosen)
    return chosen


def add_slots(db: Database, device: str, by: int) -> int:
    """Let a device take more runs at a time, or fewer, but at least none; returns how many it takes now."""
    now = Limits.of(key_values.get(db, "slots"), None).slots_of(device)
    wanted = max(0, min(_MOST_SLOTS, now + by))
    if wanted != now:
        set_slots(db, {device: wanted})
    return wanted
