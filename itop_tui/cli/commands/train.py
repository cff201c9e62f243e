"""`itop train`: queue a run and start it in the background."""

from __future__ import annotations

from itop_tui.cli.flags import Flags, Yes, resolve, takes_settings
from itop_tui.cli.parameters import After, AfterOk, GroupName, Json, NewName, Notes, PresetName, Priority, Tags, Wait
from itop_tui.cli.terminal import note


@takes_settings
def train(
    *,
    flags: Flags,
    preset: PresetName = None,
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
    """Queue a run and start it in the background.

    The run continues when the terminal is closed. Settings that are not given take the published defaults; every flag
    may be written with dashes or underscores.
    """
    config = resolve(flags, preset=preset)
    repetitions = flags.repetitions()
    note(*flags.remarks)

    from itop_tui.cli.queueing import queue_seeded, report
    from itop_tui.cli.store import opened
    from itop_tui.service.starting_after import find_runs

    with opened(tend=False) as database:
        queued = queue_seeded(
            database,
            config,
            repetitions,
            name=name,
            group=group,
            tags=tag,
            yes=yes,
            notes=notes,
            priority=priority,
            starts_after=find_runs(database, after, after_ok),
        )
        return report(database, queued, verb="Queued", wait=wait, json=json)
