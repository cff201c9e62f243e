"""Queueing runs: what `train`, `fork` and `demo` have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from db.records import RunQuery, RunRecord, RunStatus
from db.runs import runs
from db.runs.facets import shown_name
from db.session import Database
from engine.config.run_config import RunConfig
from engine.launch import submit
from itop_tui.cli.errors import CommandError, Exit
from itop_tui.cli.follow import follow
from itop_tui.cli.questions_asked import confirm
from itop_tui.cli.terminal import console, data, next_steps
from itop_tui.figures.format import plural
from itop_tui.service import launching
from itop_tui.service.json_shape import print_json
from itop_tui.service.starting_after import with_others
from itop_tui.service.sweeps import many, seeded


def queue_seeded(
    database: Database,
    config: RunConfig,
    repetitions: int,
    *,
    name: str | None,
    group: str | None,
    group_of_one: str | None = None,
    tags: Sequence[str] = (),
    yes: bool = False,
    **about: Any,
) -> list[RunRecord]:
    """Queue runs with consecutive seeds; several are one group, each with its seed in its name.

    Without a group several runs get a new one, and a single run has `group_of_one`. Asks where they are many, unless
    `yes`.
    """
    if not yes:
        confirm_many(repetitions)
    several = repetitions > 1
    if group is None:
        group = group_of(config, database) if several else group_of_one
    configs = seeded(config, repetitions)
    names = [f"{name}-seed{one.seed}" if name is not None and several else name for one in configs]
    return launching.queue_runs(database, configs, names=names, tags=[tags] * repetitions, group=group, **about)


def confirm_many(number: int) -> None:
    """Ask before many runs are queued; ends the command unless the answer is yes."""
    said = many(number)
    if said is not None:
        confirm(said, "Queue them?", refused="nothing was queued", hint="--yes queues them")


def start_scheduler(database: Database, queued: Sequence[RunRecord]) -> None:
    """Make sure that queued runs are started.

    Raises:
        CommandError: If the scheduler does not start; the runs stay queued, and the message says so.
    """
    try:
        launching.start_scheduler(database)
    except submit.SchedulerError as error:
        ids = ", ".join(str(run.id) for run in queued)
        raise CommandError(str(error), f"queued for now: {ids}; itop runs tries to start the scheduler again") from None


def report(
    database: Database, queued: Sequence[RunRecord], *, verb: str, wait: bool, json: bool, as_list: bool = False
) -> int:
    """Start the scheduler, say what was queued, and follow it where that is asked for.

    Returns:
        0 where all is well; with `wait`, only where every run completed.
    """
    start_scheduler(database, queued)
    out = console(stderr=json)
    if not json:
        announce(queued, verb=verb, out=out, hints=not wait)
    code, ended = Exit.OK, None
    if wait:
        ended = follow(database, [run.id for run in queued], out=out)
        if ended is None:
            code = Exit.INTERRUPTED
        elif any(run.status is not RunStatus.COMPLETED for run in ended):
            code = Exit.FAILED
    if json:
        shown = [runs.get(database, run.id) for run in queued] if ended is None else ended
        documents = with_others(database, shown)
        print_json(documents[0] if len(documents) == 1 and not as_list else documents)
    return code


def announce(queued: Sequence[RunRecord], *, verb: str, out: Console, hints: bool) -> None:
    """Say which runs were queued, and what to type next."""
    first = queued[0]
    if len(queued) == 1:
        out.print(Text.assemble(f"{verb} run ", (str(first.id), "bold"), "  ", data(first.name)), soft_wrap=True)
    else:
        ids = f"{first.id}–{queued[-1].id}"
        line = Text.assemble(f"{verb} {plural(len(queued), 'run')} ", (ids, "bold"))
        if first.group:
            line += Text.assemble(" in group ", data(first.group))
        out.print(line, soft_wrap=True)
    if hints:
        next_steps(
            [
                (f"itop show {first.id}", "what it is doing"),
                (f"itop logs {first.id} -f", "follow its log"),
                ("itop", "open the app"),
            ],
            out=out,
        )


def group_of(config: RunConfig, database: Database) -> str:
    """Make a name for a group of runs that differ in their seeds only, which no group has yet."""
    base = f"{shown_name(config.model)}-{shown_name(config.data)}-{config.method}"
    name, number = base, 1
    while runs.count(database, RunQuery(group=name, archived=None)):
        number += 1
        name = f"{base}-{number}"
    return name
