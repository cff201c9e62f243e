"""`itop sweep`: comma lists make a grid of runs, queued as one group."""

from __future__ import annotations

import hashlib
import itertools
import json as jsonlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

from cyclopts import Parameter

from db import runs
from db.records import RunQuery, RunRecord, RunStatus
from db.session import Database
from engine.config import ConfigError, Problem, RunConfig
from itop_tui.cli.errors import UsageError
from itop_tui.cli.flags import Flags, resolve, takes_settings
from itop_tui.cli.output import print_json
from itop_tui.cli.parameters import GroupName, Json, Notes, PresetName, Priority, Tags, Wait
from itop_tui.cli.queueing import as_settings, queue, report, seeded
from itop_tui.cli.screen import Column, console, data, note, print_table
from itop_tui.cli.store import opened
from itop_tui.format import plural

_ONE_VALUE = frozenset({"data_dir", "weights", "save"})
"""Settings that are paths, in which a comma is a comma."""
_MOST = 1000
_GONE = (RunStatus.FAILED, RunStatus.KILLED, RunStatus.LOST)

DryRun = Annotated[
    bool, Parameter(name="--dry-run", negative=(), show_default=False, help="Show the grid and queue nothing.")
]


@takes_settings
def sweep(
    *,
    flags: Flags,
    preset: PresetName = None,
    group: GroupName = None,
    tag: Tags = (),
    notes: Notes = "",
    priority: Priority = 0,
    dry_run: DryRun = False,
    wait: Wait = False,
    json: Json = False,
) -> int:
    """Queue a grid of runs as one group.

    Takes the flags of itop train; a flag with a comma list (--density 0.05,0.1 --seed 1,2,3) is an axis of the grid.
    Run again, it queues only what is missing: what the group has not, or has only as failed, killed or lost.
    """
    axes, configs = grid(flags, preset=preset)
    note(*flags.remarks)
    if group is None:
        group = group_name(axes, configs)
    if dry_run:
        _show(axes, configs)
        return 0

    with opened(tend=False) as database:
        missing = _missing(database, group, configs)
        note(_told(len(configs), len(missing), group))
        if not missing:
            if json:
                print_json([])
            return 0
        queued = [queue(database, config, tags=tag, notes=notes, group=group, priority=priority) for config in missing]
        return report(database, queued, verb="Queued", wait=wait, json=json, as_list=True)


def grid(flags: Flags, *, preset: str | None) -> tuple[dict[str, tuple[str, ...]], list[RunConfig]]:
    """Make the configurations of a grid, axes in the order of the form, the last one varying fastest.

    Args:
        flags: What was given; `iters` adds consecutive seeds to each point.
        preset: A preset to start from.

    Returns:
        The axes (field → its values, as text), and a configuration for each point.

    Raises:
        ConfigError: With each problem of any point once.
        UsageError: If the grid is too large to be meant.
    """
    axes = {
        name: tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
        for name, value in flags.settings.items()
        if isinstance(value, str) and "," in value and name not in _ONE_VALUE
    }
    repetitions = flags.repetitions()
    points = repetitions
    for values in axes.values():
        points *= len(values)
    if points > _MOST:
        raise UsageError(f"this grid has {points:,} runs, more than the {_MOST:,} that one sweep may queue")
    configs: dict[str, RunConfig] = {}
    problems: dict[str, Problem] = {}
    for values in itertools.product(*axes.values()):
        point = replace(flags, settings={**flags.settings, **dict(zip(axes, values, strict=True))})
        try:
            config = resolve(point, preset=preset)
        except ConfigError as error:
            problems |= {str(problem): problem for problem in error.problems}
            continue
        for one in seeded(config, repetitions):
            configs.setdefault(_key(one.as_dict()), one)  # 0.1 and 0.10 are one point
    if problems:
        raise ConfigError(list(problems.values()))
    return axes, list(configs.values())


def group_name(axes: Mapping[str, Sequence[str]], configs: Sequence[RunConfig]) -> str:
    """Name a group by its axes and, shortly, by all its settings: the same grid gives the same name."""
    keys = "\n".join(sorted(_key(config.as_dict()) for config in configs))
    digest = hashlib.blake2b(keys.encode(), digest_size=3).hexdigest()
    return "-".join(["sweep", *axes, digest])


def _key(settings: Mapping[str, Any]) -> str:
    return jsonlib.dumps(settings, sort_keys=True)


def _missing(database: Database, group: str, configs: Sequence[RunConfig]) -> list[RunConfig]:
    """The configurations that no run of the group has, will have or is working on."""

    def key(run: RunRecord) -> str:
        try:
            return _key(RunConfig.create(as_settings(run.config)).as_dict())
        except ConfigError:  # of another version: no point of this grid
            return ""

    known = runs.list_runs(database, RunQuery(group=group, archived=None, limit=None))
    had = {key(run) for run in known if run.status not in _GONE}
    return [config for config in configs if _key(config.as_dict()) not in had]


def _told(points: int, missing: int, group: str) -> str:
    if missing == points:
        return f"{plural(points, 'run')} in group {group}"
    if missing:
        return f"{points - missing} of {plural(points, 'run')} in group {group} are there already"
    return f"nothing to queue: group {group} has all {plural(points, 'run')}"


def _show(axes: Mapping[str, Sequence[str]], configs: Sequence[RunConfig]) -> None:
    names = list(axes) or ["seed"]
    rows = [[data(str(config.as_dict()[name])) for name in names] for config in configs]
    out = console()
    print_table([Column(name.upper()) for name in names], rows, out=out)
    note(f"{plural(len(configs), 'run')}; nothing was queued")
