"""Resuming a run with another length: what it then trains, and why it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itop_tui.service import launching

if TYPE_CHECKING:
    from db.records import CheckpointRecord, RunRecord
    from db.session import Database
    from engine.config.run_config import RunConfig

_LENGTH = frozenset({"epochs", "multiplier", "max_steps"})


def steps_in_all(run: RunRecord, before: RunConfig, config: RunConfig) -> int:
    """The steps of a whole run if it is resumed with other settings; 0 where that is not known.

    Args:
        run: The run.
        before: Its settings.
        config: Those to resume with.
    """
    return (config.planned_steps() or 0) if _LENGTH & config.changes(before).keys() else run.total_steps


def too_short(run: RunRecord, checkpoint: CheckpointRecord | None, before: RunConfig, config: RunConfig) -> str | None:
    """Why a run would end before the checkpoint that it resumes from; None where it would not."""
    total = steps_in_all(run, before, config)
    if checkpoint is None or not _LENGTH & config.changes(before).keys() or not checkpoint.step > total > 0:
        return None
    return f"run {run.id} would end at step {total:,}, before checkpoint {checkpoint.id} (step {checkpoint.step:,})"


def extend(db: Database, run_id: int, epochs: int | str) -> tuple[RunRecord, int | None]:
    """Queue a run that has ended to resume from its last checkpoint, to so many epochs in all.

    Returns:
        The queued run, and the step it resumes from; None where it has no checkpoint.

    Raises:
        ConfigError: `epochs` is no number of epochs.
        IllegalState: It has no step left to do with that many.
    """
    from db.errors import IllegalState
    from db.runs import runs
    from engine.config.run_config import RunConfig
    from itop_tui.service import sweeps

    run = runs.get(db, run_id)
    before = RunConfig.create(sweeps.as_settings(run.config))
    config = RunConfig.create({**before.as_dict(), "epochs": epochs})
    checkpoint = launching.checkpoint_to_resume(db, run)
    total = steps_in_all(run, before, config)
    refused = too_short(run, checkpoint, before, config) or launching.no_step_left(run, checkpoint, total)
    if refused is not None:
        raise IllegalState(f"{refused[0].upper()}{refused[1:]}. Give it more epochs.")
    changed = bool(config.changes(before))
    queued = launching.queue_again(db, run, checkpoint, config if changed else None, total if changed else None)
    launching.start_scheduler(db)
    return queued, None if checkpoint is None else checkpoint.step
