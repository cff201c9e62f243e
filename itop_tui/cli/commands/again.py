"""`itop resume` and `itop fork`: go on from a checkpoint."""

from __future__ import annotations

from db import checkpoints as checkpoint_store
from db import runs as store
from db.records import CheckpointRecord, RunRecord, RunStatus
from db.session import Database
from engine.config import RunConfig
from engine.continuation import refusal
from itop_tui.cli.errors import CommandError
from itop_tui.cli.flags import Flags, resolve, takes_settings
from itop_tui.cli.parameters import CheckpointName, GroupName, Json, NewName, Notes, Priority, RunName, Tags, Wait
from itop_tui.cli.queueing import as_settings, queue_seeded, report
from itop_tui.cli.screen import note
from itop_tui.cli.store import opened
from itop_tui.format import plain

_FROM_CHECKPOINT = "Going on from the {kind} checkpoint {id}, at step {step:,}."


def resume(run: RunName, /, *, checkpoint: CheckpointName = None, wait: Wait = False, json: Json = False) -> int:
    """Go on with a run that has ended, from its last checkpoint or another one.

    What it recorded after that checkpoint is replaced as it goes on. A run that has no checkpoint starts again from
    the beginning.
    """
    with opened() as database:
        found = store.find(database, run)
        chosen = _choose(database, found, checkpoint)
        # One that was cut after its last step still has its test to come.
        if found.status is RunStatus.COMPLETED and chosen is not None and chosen.step >= found.total_steps > 0:
            raise CommandError(
                f"run {found.id} has no step left after checkpoint {chosen.id} (step {chosen.step:,} of "
                f"{found.total_steps:,})",
                f"itop checkpoints {found.id} lists earlier ones; itop fork {found.id} --epochs N trains longer",
            )
        queued = store.requeue_resume(database, found.id, None if chosen is None else chosen.id)
        if chosen is None:
            note(f"Run {found.id} has no checkpoint: it starts again from the beginning.")
        else:
            note(_FROM_CHECKPOINT.format(kind=chosen.kind, id=chosen.id, step=chosen.step))
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
    wait: Wait = False,
    json: Json = False,
) -> int:
    """Start a new run from a checkpoint of another, with the settings that are given here changed.

    The new run keeps its parent, the step it was forked at and what was changed.
    """
    with opened() as database:
        parent = store.find(database, run)
        chosen = _choose(database, parent, checkpoint)
        if chosen is None:
            raise CommandError(
                f"run {parent.id} has no checkpoint to fork from", "itop checkpoints lists what a run has kept"
            )
        base = as_settings(parent.config)
        config = resolve(flags, base=base)
        _check_goes_on(parent, chosen, config)
        note(*flags.remarks, _FROM_CHECKPOINT.format(kind=chosen.kind, id=chosen.id, step=chosen.step))
        for field, (new, old) in config.changes(RunConfig.create(base)).items():
            note(f"  {field}: {plain(str(old))} → {plain(str(new))}")
        queued = queue_seeded(
            database,
            config,
            flags.repetitions(),
            name=name,
            group=group,
            group_of_one=parent.group,
            tags=tag,
            notes=notes,
            priority=priority,
            parent_id=parent.id,
            start_checkpoint_id=chosen.id,
            fork_step=chosen.step,
        )
        return report(database, queued, verb="Queued", wait=wait, json=json)


def _choose(database: Database, run: RunRecord, which: str | None) -> CheckpointRecord | None:
    """Find the checkpoint that is asked for; without a word the last one, or None where there is none at all.

    A fork that has not written one yet goes on from its parent's.
    """
    if which is None and not checkpoint_store.for_run(database, run.id):
        return checkpoint_store.get(database, run.start_checkpoint_id) if run.start_checkpoint_id else None
    return checkpoint_store.pick(database, run.id, which or "last")


def _check_goes_on(parent: RunRecord, chosen: CheckpointRecord, config: RunConfig) -> None:
    """Refuse what a checkpoint cannot go on with: another model, masks of another density, or no step left to train."""
    refused = refusal(config.as_dict(), parent.config)
    if refused is not None:
        raise CommandError(plain(refused), f"run {parent.id} is what the fork goes on from; itop train starts afresh")
    planned = config.planned_steps()
    if planned is not None and chosen.step >= planned:
        raise CommandError(
            f"the fork would have no step left to train after checkpoint {chosen.id} (step {chosen.step:,} of "
            f"{planned:,})",
            f"give it more with --epochs N, or choose an earlier one with --checkpoint: itop checkpoints {parent.id}",
        )
