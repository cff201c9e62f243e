"""How long a run is, or was, in its state: waiting, at work, paused. Pure functions of records and the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from db.records import AttemptRecord, CommandRecord, RunRecord, RunStatus


@dataclass(frozen=True, slots=True)
class Pause:
    """A time in which training was paused; `ended` is None while it is, or where the process ended in it."""

    began: float
    ended: float | None = None


def pauses(commands: Sequence[CommandRecord]) -> tuple[Pause, ...]:
    """The pauses of a run, the first one first, from what it was asked and answered, in order."""
    found: list[Pause] = []
    for command in sorted((one for one in commands if one.done_at is not None), key=lambda one: one.done_at or 0.0):
        paused = bool(found) and found[-1].ended is None
        if command.kind == "pause" and (command.outcome or "").startswith("paused") and not paused:
            found.append(Pause(command.done_at or 0.0))
        elif paused and (command.kind == "stop" or (command.kind == "unpause" and command.outcome == "resumed")):
            found[-1] = Pause(found[-1].began, command.done_at)
    return tuple(found)


def at_work(began: float, ended: float, paused: Sequence[Pause]) -> float:
    """The seconds of an attempt, between two moments, in which it was not paused."""
    # A pause that began earlier is one of an earlier attempt, whose process may have ended in it.
    breaks = (min(each.ended or ended, ended) - each.began for each in paused if each.began >= began)
    return max(0.0, ended - began - sum(max(0.0, seconds) for seconds in breaks))


def in_state(
    run: RunRecord, attempt: AttemptRecord | None, paused: Sequence[Pause], now: float
) -> tuple[str, float] | None:
    """How long a run is in its state, with the word before it; None where that is not known.

    Queued, starting and paused count from when that began. Of a run that trains it is the time at work of its latest
    attempt, without pauses: "for" while it trains, "after" once it stops or has ended.
    """
    if run.status is RunStatus.QUEUED:
        return "for", max(0.0, now - (run.queued_at or run.created_at))
    if run.status is RunStatus.PAUSED:
        here = paused[-1] if paused and paused[-1].ended is None else None
        began = attempt.started_at if attempt is not None else run.started_at
        if here is None or (began is not None and here.began < began):
            return None
        return "for", max(0.0, now - here.began)
    started = attempt.started_at if attempt is not None else run.started_at
    if run.started_at is None or started is None:
        return None
    goes_on = run.status in (RunStatus.STARTING, RunStatus.RUNNING)
    return "for" if goes_on else "after", at_work(started, run.ended_at or now, paused)
