"""Changes of the queue: the order of the waiting runs, which of them are held, and how many a device takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from db.records import BatchResult
    from db.runs.queue import Direction
    from db.session import Database

_MOST_SLOTS = 64


def move(db: Database, run_ids: Iterable[int], to: Direction) -> BatchResult:
    """Move waiting runs in the queue, several as one block that keeps its order.

    Args:
        db: The database.
        run_ids: The runs.
        to: "top" or "bottom" of the runs of their priority, or one place "up" or "down".
    """
    from db.runs import queue

    return queue.move_many(db, run_ids, to)


def hold(db: Database, run_ids: Iterable[int], reason: str | None = None) -> BatchResult:
    """Keep waiting runs from starting."""
    from db.runs import queue

    return queue.hold_many(db, run_ids, reason)


def release(db: Database, run_ids: Iterable[int]) -> BatchResult:
    """Let held runs start when their turn comes, and make sure that a scheduler starts them."""
    from db.runs import queue
    from engine.launch import submit

    result = queue.release_many(db, run_ids)
    if result.done:
        submit.ensure_scheduler(db)
    return result


def add_priority(db: Database, run_ids: Iterable[int], by: int) -> BatchResult:
    """Raise the priority of waiting runs by a number, from what it is now."""
    from db.runs import queue

    return queue.add_priority(db, run_ids, by)


def set_priority(db: Database, run_ids: Iterable[int], priority: int) -> BatchResult:
    """Give waiting runs this priority."""
    from db.runs import queue

    return queue.set_priorities(db, run_ids, priority)


def set_slots(db: Database, changes: Mapping[str, int]) -> dict[str, int]:
    """Let devices take so many runs at a time.

    Args:
        db: The database.
        changes: The numbers by device; 0 closes one.

    Returns:
        What is set now, by device.
    """
    from db import key_values

    chosen = {**key_values.get(db, "slots", {}), **changes}
    if changes:
        key_values.put(db, "slots", chosen)
    return chosen


def add_slots(db: Database, device: str, by: int) -> int:
    """Let a device take more runs at a time, or fewer, but at least none; returns how many it takes now."""
    from db import key_values
    from engine.launch.placement import Limits

    now = Limits.of(key_values.get(db, "slots"), None).slots_of(device)
    wanted = max(0, min(_MOST_SLOTS, now + by))
    if wanted != now:
        set_slots(db, {device: wanted})
    return wanted
