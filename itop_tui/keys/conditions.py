"""When an action can be done: each takes the run at the cursor and says why it cannot, or None where it can."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from db.records import RunRecord


def a_run(run: RunRecord | None) -> str | None:
    """For what needs a run at the cursor."""
    return "There is no run here." if run is None else None


def may_stop(run: RunRecord | None) -> str | None:
    """For stopping: a run that has not ended."""
    if run is None:
        return a_run(run)
    if run.status == "stopping":
        return f"Run {run.id} is stopping already."
    return f"Run {run.id} has ended ({run.status}): there is nothing to stop." if run.status.is_terminal else None


def may_kill(run: RunRecord | None) -> str | None:
    """For killing: a run that has a process."""
    if run is None:
        return a_run(run)
    if run.status == "queued":
        return f"Run {run.id} has no process yet: stop it instead."
    return f"Run {run.id} has ended ({run.status}): there is nothing to kill." if run.status.is_terminal else None


def may_resume(run: RunRecord | None) -> str | None:
    """For resuming from a chosen checkpoint: a run that has ended."""
    if run is None:
        return a_run(run)
    if run.status == "queued":
        return f"Run {run.id} is queued already: it starts by itself."
    if not run.status.is_terminal:
        return f"Run {run.id} is {run.status}: only a run that has ended can be resumed."
    return None


def may_resume_last(run: RunRecord | None) -> str | None:
    """For resuming from the last checkpoint: one that has ended with steps left to do."""
    if run is not None and run.status == "completed" and run.step >= run.total_steps > 0:
        return (
            f"Run {run.id} has done all its steps. itop resume {run.id} --epochs N makes it longer; fork it (f) to "
            "train on with other settings."
        )
    return may_resume(run)


def may_delete(run: RunRecord | None) -> str | None:
    """For deleting: a run without a process."""
    if run is None:
        return a_run(run)
    return f"Run {run.id} is {run.status}: stop it first, then delete it." if run.status.is_active else None


def may_pause(run: RunRecord | None) -> str | None:
    """For pausing and continuing: a run that is running or paused."""
    if run is None:
        return a_run(run)
    if run.status not in ("running", "paused"):
        return f"Run {run.id} is {run.status}: only a running one can be paused."
    return None


def may_checkpoint(run: RunRecord | None) -> str | None:
    """For writing a checkpoint: a run that is set up, or soon will be."""
    if run is None:
        return a_run(run)
    if run.status not in ("starting", "running", "paused"):
        return f"Run {run.id} is {run.status}: only a running or paused one can write a checkpoint."
    return None


def may_wait(run: RunRecord | None) -> str | None:
    """For places in the queue: a queued run."""
    if run is None:
        return a_run(run)
    if run.status != "queued":
        return f"Run {run.id} is {run.status}: only a queued run has a place in the queue."
    return None


def may_rank(run: RunRecord | None) -> str | None:
    """For priorities, or slots where the cursor is on a device and so on no run."""
    return None if run is None else may_wait(run)
