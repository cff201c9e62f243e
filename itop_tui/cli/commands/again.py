"""`itop resume` and `itop fork`: continue from a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping

from db.records import CheckpointRecord, RunRecord
from db.runs import attempts
from db.runs import runs as store
from db.session import Database
from engine.config.continuation import recomputed, refusal, resumable
from engine.config.run_config import RunConfig
from itop_tui.cli.errors import CommandError, UsageError
from itop_tui.cli.flags import Flags, Yes, resolve, takes_settings
from itop_tui.cli.parameters import (
    After,
    AfterOk,
    CheckpointName,
    GroupName,
    Json,
    NewName,
    Notes,
    Priority,
    RunName,
    Tags,
    Wait,
)
from itop_tui.cli.queueing import queue_seeded, report
from itop_tui.cli.store import opened
from itop_tui.cli.terminal import note
from itop_tui.figures.format import plain
from itop_tui.service import launching, lengthening
from itop_tui.service.code_review import changed_since
from itop_tui.service.starting_after import find_runs
from itop_tui.service.sweeps import as_settings

_RESUMES = "Run {run} is queued to resume from step {step:,}, the {kind} checkpoint {id}."
_FORKS = "The fork starts from step {step:,}, the {kind} checkpoint {id}."


@takes_settings
def resume(
    run: RunName,
    /,
    *,
    flags: Flags,
    checkpoint: CheckpointName = None,
    after: After = (),
    after_ok: AfterOk = (),
    wait: Wait = False,
    json: Json = False,
) -> int:
    """Resume a run that has ended, from its last checkpoint or another one.

    What it recorded after that checkpoint is replaced when it continues. A run that has no checkpoint starts again from
    the beginning. Settings may be given that change its length, how long it may take and what is kept of it: the
    schedules are then those of the new length from the checkpoint on. For others, fork it.
    """
    with opened() as database:
        found = store.find(database, run)
        before = RunConfig.create(as_settings(found.config))
        config, total = _changed(found, before, flags)
        chosen = launching.checkpoint_to_resume(database, found, checkpoint)
        refused = launching.no_step_left(found, chosen, total)
        if refused is not None:
            raise CommandError(
                refused,
                f"itop resume {found.id} --epochs N trains it longer; itop checkpoints {found.id} lists earlier ones",
            )
        changes = config.changes(before)
        short = lengthening.too_short(found, chosen, before, config)
        if short is not None:
            raise CommandError(short, f"itop checkpoints {found.id} lists earlier ones; or give it more steps")
        length = total if changes else None
        before_it = find_runs(database, after, after_ok)
        queued = launching.queue_again(database, found, chosen, config if changes else None, length, before_it)
        note(*flags.remarks)
        if chosen is None:
            note(f"Run {found.id} has no checkpoint: it starts again from the beginning.")
        else:
            note(_RESUMES.format(run=found.id, kind=chosen.kind, id=chosen.id, step=chosen.step))
        _tell_changes(changes)
        _tell_code(database, found)
        note(*(f"  recomputed: {sentence}" for sentence in recomputed(config, before)))
        return report(database, [queued], verb="Queued again:", wait=wait, json=json)


@takes_settings
def fork(
    run: RunName,
    /,
    *,
    flags: Flags,
    checkpoint: CheckpointName = None,
    name: NewName = None,
    tag: Tags = (),
    group: GroupName = None,
    notes: Notes = "",
    priority: Priority = 0,
    after: After = (),
    after_ok: AfterOk = (),
    wait: Wait = False,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Start a new run from a checkpoint of another, with the settings that are given here changed.

    The new run keeps its parent, the step it was forked at and what was changed.
    """
    with opened() as database:
        parent = store.find(database, run)
        chosen = launching.checkpoint_to_resume(database, parent, checkpoint)
        if chosen is None:
            raise CommandError(
                f"run {parent.id} has no checkpoint to fork from", "itop checkpoints lists what a run has kept"
            )
        base = as_settings(parent.config)
        config = resolve(flags, base=base)
        _check_goes_on(parent, chosen, config)
        starts_after = find_runs(database, after, after_ok)
        note(*flags.remarks, _FORKS.format(kind=chosen.kind, id=chosen.id, step=chosen.step))
        _tell_changes(config.changes(RunConfig.create(base)))
        _tell_code(database, parent)
        queued = queue_seeded(
            database,
            config,
            flags.repetitions(),
            name=name,
            group=group,
            group_of_one=parent.group,
            tags=tag,
            yes=yes,
            notes=notes,
            priority=priority,
            parent_id=parent.id,
            start_checkpoint_id=chosen.id,
            fork_step=chosen.step,
            starts_after=starts_after,
        )
        return report(database, queued, verb="Queued", wait=wait, json=json)


def _changed(run: RunRecord, before: RunConfig, flags: Flags) -> tuple[RunConfig, int]:
    """The settings to resume with, and the steps of the whole run under them; 0 where that is not known."""
    if flags.repetitions() > 1:
        raise UsageError("iters: a run is resumed once; itop fork makes several runs of it")
    config = resolve(flags, base=before.as_dict())
    changes = config.changes(before)
    refused = resumable(changes)
    if refused is not None:
        raise CommandError(plain(refused), f"itop fork {run.id} continues as a new run, with any settings")
    return config, lengthening.steps_in_all(run, before, config)


def _tell_changes(changes: Mapping[str, tuple[object, object]]) -> None:
    for field, (new, old) in changes.items():
        note(f"  {field}: {plain(str(old))} → {plain(str(new))}")


def _tell_code(database: Database, run: RunRecord) -> None:
    """Say which files of the user's code are not what they were when the run last started."""
    changed = changed_since(database, attempts.latest(database, run.id))
    if changed:
        note(f"  the code has changed since run {run.id} started: {plain(changed)} (itop show {run.id} --diff)")


def _check_goes_on(parent: RunRecord, chosen: CheckpointRecord, config: RunConfig) -> None:
    """Refuse what a checkpoint cannot continue with: another model, masks of another density, or no step left."""
    refused = refusal(config.as_dict(), parent.config)
    if refused is not None:
        raise CommandError(
            plain(refused), f"run {parent.id} is what the fork continues from; itop train starts a new one"
        )
    planned = config.planned_steps()
    if planned is not None and chosen.step >= planned:
        raise CommandError(
            f"the fork would have no step left to train after checkpoint {chosen.id} (step {chosen.step:,} of "
            f"{planned:,})",
            f"give it more with --epochs N, or choose an earlier one with --checkpoint: itop checkpoints {parent.id}",
        )
