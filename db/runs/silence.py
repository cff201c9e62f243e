"""For how long nothing was heard of a run that should be at work, and what a person can do then.

A worker that trains, or is paused, gives a sign of life each second. One that starts gives none before its imports are
done, which takes long on a slow disk.
"""

from __future__ import annotations

from typing import Protocol

from db.records import RunStatus

__all__ = ["SILENT_AFTER", "STARTS_SILENT_AFTER", "advice", "no_sign", "silence", "span"]

SILENT_AFTER = 15.0
"""Seconds without a sign of life after which it is said that a run gives none."""

STARTS_SILENT_AFTER = 60.0
"""The same for a run that starts."""

_UNITS = ((86_400, "day", "days"), (3_600, "h", "h"), (60, "min", "min"))


class _Run(Protocol):
    @property
    def id(self) -> int: ...
    @property
    def status(self) -> RunStatus: ...
    @property
    def heartbeat_at(self) -> float | None: ...


def silence(run: _Run, now: float) -> float | None:
    """For how many seconds nothing was heard of a run that should be at work, where that is too long; else None.

    A sign of life from the future, where a clock was set back, is as good as one of now.
    """
    if not run.status.is_active or run.heartbeat_at is None:
        return None
    quiet = now - run.heartbeat_at
    return quiet if quiet > limit(run.status) else None


def limit(status: RunStatus) -> float:
    """After how many seconds a run of this state counts as silent."""
    return STARTS_SILENT_AFTER if status is RunStatus.STARTING else SILENT_AFTER


def span(seconds: float) -> str:
    """Write a length of time in its largest unit.

    >>> span(40), span(60 * 40), span(3 * 3600 + 5), span(86400), span(-5)
    ('40 s', '40 min', '3 h', '24 h', '0 s')
    """
    whole = max(0, int(seconds))
    for length, one, many in _UNITS:
        if whole >= (2 if one == "day" else 1) * length:
            number = whole // length
            return f"{number} {one if number == 1 else many}"
    return f"{whole} s"


def no_sign(seconds: float) -> str:
    """Say that nothing was heard for so long."""
    return f"no sign of life for {span(seconds)}"


def advice(run: _Run, now: float) -> str:
    """What to do about a run that gives no sign of life, for the end of a message; empty where it gives one."""
    quiet = silence(run, now)
    if quiet is None:
        return ""
    return f" There is {no_sign(quiet)}: if its machine is gone, itop give-up {run.id} ends it as lost."
