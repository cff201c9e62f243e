"""`itop sweep`: comma lists make a grid of runs, queued as one group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

from cyclopts import Parameter

from itop_tui.cli.errors import UsageError
from itop_tui.cli.flags import Flags, Yes, resolve, takes_settings
from itop_tui.cli.parameters import After, AfterOk, GroupName, Json, Notes, PresetName, Priority, Tags, Wait
from itop_tui.cli.queueing import confirm_many, report
from itop_tui.cli.store import opened
from itop_tui.cli.terminal import Cell, Column, data, note, print_table
from itop_tui.figures.format import plural
from itop_tui.service import launching, sweeps
from itop_tui.service.json_shape import print_json
from itop_tui.service.starting_after import find_runs
from itop_tui.service.sweeps import Grid, GridTooLargeError

DryRun = Annotated[
    bool, Parameter(name="--dry-run", negative=(), show_default=False, help="Show the grid and queue nothing.")
]

SweepName = Annotated[
    str | None,
    Parameter(
        help="What the runs' names begin with; their values follow, as in paper-density0.05-seed1. {seed} or another "
        "setting in braces is replaced by a run's value.",
        metavar="TEXT",
    ),
]


@takes_settings
def sweep(
    *,
    flags: Flags,
    preset: PresetName = None,
    name: SweepName = None,
    group: GroupName = None,
    tag: Tags = (),
    notes: Notes = "",
    priority: Priority = 0,
    after: After = (),
    after_ok: AfterOk = (),
    dry_run: DryRun = False,
    wait: Wait = False,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Queue a grid of runs as one group.

    Takes the flags of itop train; a flag with a list (--density 0.05,0.1 --seed 1..3) is an axis of the grid.
    Run again, it queues only what is missing: what the group has not, or has only as failed, killed or lost.
    """
    made = grid(flags, preset=preset)
    note(*flags.remarks)
    if group is None:
        group = sweeps.group_name(made)
    differing = sweeps.differing(made.configs, made.axes)
    names = [None] * len(made.configs) if name is None else sweeps.run_names(name, made.configs, differing)
    if dry_run:
        _show(made, names)
        return 0

    with opened(tend=False) as database:
        about: dict[str, Any] = {"notes": notes, "priority": priority}
        about["starts_after"] = find_runs(database, after, after_ok)
        missing = sweeps.missing(database, group, made.configs)
        note(_told(len(made.configs), len(missing), group))
        if not missing:
            if json:
                print_json([])
            return 0
        if not yes:
            confirm_many(len(missing))
        tags = [tag] * len(missing)
        named = dict(zip(map(id, made.configs), names, strict=True))
        wanted = [named[id(config)] for config in missing]
        queued = launching.queue_runs(database, missing, names=wanted, tags=tags, group=group, **about)
        return report(database, queued, verb="Queued", wait=wait, json=json, as_list=True)


def grid(flags: Flags, *, preset: str | None) -> Grid:
    """Make the configurations of a grid, axes in the order of the form, the last one varying fastest.

    Raises:
        ConfigError: With each problem of any point once.
        UsageError: If the grid is too large to be meant.
    """
    try:
        return sweeps.expand(
            flags.settings,
            lambda settings: resolve(replace(flags, settings=settings), preset=preset),
            repetitions=flags.repetitions(),
        )
    except GridTooLargeError as error:
        raise UsageError(str(error)) from None


def _told(points: int, missing: int, group: str) -> str:
    if missing == points:
        return f"{plural(points, 'run')} in group {group}"
    if missing:
        return f"{points - missing} of {plural(points, 'run')} in group {group} are there already"
    return f"nothing to queue: group {group} has all {plural(points, 'run')}"


def _show(made: Grid, names: Sequence[str | None]) -> None:
    settings = sweeps.differing(made.configs, made.axes) or ["seed"]
    rows: list[list[Cell]] = [[data(config.as_dict()[name]) for name in settings] for config in made.configs]
    columns = [Column(name.upper()) for name in settings]
    if all(name is not None for name in names):
        columns.insert(0, Column("NAME", shrink=True))
        rows = [[data(name), *row] for name, row in zip(names, rows, strict=True)]
    print_table(columns, rows)
    note(f"{plural(len(made.configs), 'run')}; nothing was queued")
