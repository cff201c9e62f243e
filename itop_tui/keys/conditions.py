"""When an action can be done: each takes the run at the cursor and says why it cannot, or None where it can."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from itop_tui.keys.action import When

if TYPE_CHECKING:
    from db.records import RunRecord


def _of_a_run(condition: Callable[[RunRecord], str | None]) -> When:
    return lambda run: "There is no run here." if run is None else condition(run)


def _only(statuses: tuple[str, ...], why: str) -> When:
    return _of_a_run(lambda run: None if run.status in statuses else f"Run {run.id} is {run.status}: only {why}")


a_run = _of_a_run(lambda run: None)
may_pause = _only(("running", "paused"), "a running one can be paused.")
may_checkpoint = _only(("starting", "running", "paused"), "a running or paused one can write a checkpoint.")
may_wait = _only(("queued",), "a queued run has a place in the queue.")


def _unless_ended(run: RunRecord, verb: str) -> str | None:
    return f"Run {run.id} has ended ({run.status}): there is nothing to {verb}." if run.status.is_terminal else None


@_of_a_run
def may_stop(run: RunRecord) -> str | None:
    """For stopping: a run that has not ended."""
    return f"Run {run.id} is stopping already." if run.status == "stopping" else _unless_ended(run, "stop")


@_of_a_run
def may_kill(run: RunRecord) -> str | None:
    """For killing: a run that has a process."""
    waits = run.status == "queued"
    return f"Run {run.id} has no process yet: stop it instead." if waits else _unless_ended(run, "kill")


may_give_up = _only(("starting", "running", "paused", "stopping"), "a run that should be at work can be given up.")


@_of_a_run
def may_resume(run: RunRecord) -> str | None:
    """For resuming from a chosen checkpoint: a run that has ended."""
    if run.status == "queued":
        return f"Run {run.id} is queued already: it starts by itself."
    if not run.status.is_terminal:
        return f"Run {run.id} is {run.status}: only a run that has ended can be resumed."
    return None


@_of_a_run
def may_resume_last(run: RunRecord) -> str | None:
    """For resuming from the last checkpoint: one that has ended with steps left to do."""
    if run.status == "completed" and run.step >= run.total_steps > 0:
        return (
            f"Run {run.id} has done all its steps. Extend it to train it longer; fork it to train on with other "
            "settings."
        )
    return may_resume(run)


@_of_a_run
def may_delete(run: RunRecord) -> str | None:
    """For deleting: a run without a process."""
    return f"Run {run.id} is {run.status}: stop it first, then delete it." if run.status.is_active else None


def may_rank(run: RunRecord | None) -> str | None:
    """For priorities, or slots where the cursor is on a device and so on no run."""
    return None if run is None else may_wait(run)
