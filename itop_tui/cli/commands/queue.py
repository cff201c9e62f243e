"""`itop queue`, `move`, `hold`, `release` and `priority`: what runs where, and what waits in which order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated

from cyclopts import Parameter, validators
from rich.text import Text

from db.records import BatchResult, RunRecord
from db.runs import dependencies, run_owners
from db.runs import runs as store
from db.runs.queue import Direction
from db.session import Database
from engine.config.device_names import wanted
from engine.launch import submit
from itop_tui.cli.errors import Exit
from itop_tui.cli.parameters import MOST, AtLeastZero, Json, RunName, RunNames
from itop_tui.cli.store import find_all, opened
from itop_tui.cli.terminal import Column, console, data, heading, note, print_table, state_of
from itop_tui.figures.format import UNKNOWN, duration, steps
from itop_tui.figures.run_view import seconds_left
from itop_tui.service import queue_changes
from itop_tui.service.json_shape import print_json
from itop_tui.service.starting_after import with_others

_RUNNING_COLUMNS = (
    Column("DEVICE", lambda run: data(run.device or UNKNOWN)),
    Column("HOST", lambda run: data(run.host or UNKNOWN), rank=2, shrink=True),
    Column("RUN", lambda run: str(run.id), right=True),
    Column("NAME", lambda run: data(run.name), shrink=True),
    Column("STATE", state_of),
    Column("STEP", lambda run: steps(run.step, run.total_steps), right=True, rank=1),
    Column("LEFT", lambda run: duration(seconds_left(run, time.time())), right=True, rank=1),
)


def queue(
    *,
    limit: Annotated[int, AtLeastZero, Parameter(help="The most waiting runs to list; 0 lists all.")] = 200,
    json: Json = False,
) -> int:
    """Show what runs on which device, and what waits: in the order in which it will start, with the reason."""
    with opened() as database:
        active = sorted(store.active(database), key=lambda run: (run.host or "", run.device or "", run.id))
        waiting = store.waiting(database, limit or None)
        number, held = store.how_many_wait(database)
        why = submit.why_waiting(database, waiting)
        served = submit.scheduler_running(database)
        others = with_others(database, waiting) if json else []
        foreign = submit.other_schedulers(database)
        owners = run_owners.owners(database, (run.id for run in (*active, *waiting)))
    if json:
        print_json(
            {
                "scheduler": served,
                "running": active,
                "waiting_count": number,
                "held_count": held,
                "waiting": [
                    {
                        **each,
                        "waits_because": why.get(run.id, ""),
                        "user": owner.name if (owner := owners.get(run.id)) is not None else None,
                    }
                    for run, each in zip(waiting, others, strict=True)
                ],
                "other_schedulers": [{"user": one.user.name, "pid": one.pid} for one in foreign],
            }
        )
        return 0
    out = console()
    if not active and not waiting:
        out.print("Queue is empty.", style="dim")
        return 0
    if active:
        heading("Running", out=out)
        print_table(_RUNNING_COLUMNS, active, out=out)
    if waiting:
        heading("Waiting", out=out)
        places = {run.id: place for place, run in enumerate(waiting, 1)}
        columns = (
            Column("PLACE", lambda run: str(places[run.id]), right=True),
            Column("RUN", lambda run: str(run.id), right=True),
            Column("NAME", lambda run: data(run.name), shrink=True),
            Column("PRIORITY", lambda run: str(run.priority), right=True, rank=1),
            Column("WANTS", lambda run: data(wanted(run.config)), rank=2),
            Column("WAITS BECAUSE", lambda run: data(why.get(run.id, "")), shrink=True),
        )
        print_table(columns, waiting, out=out)
        if number > len(waiting):
            note(f"{len(waiting):,} of {number:,} waiting runs; --limit 0 lists all")
    for other in foreign:
        out.print(data(f"{other}."), style="dim")
    return 0


def move(
    run: RunName,
    to: Annotated[Direction, Parameter(name="TO", help="top or bottom of its priority, or one place up or down.")],
    /,
    *,
    json: Json = False,
) -> int:
    """Move a waiting run among those of its priority."""
    return change_queue([run], lambda database, ids: queue_changes.move(database, ids, to), json=json)


def hold(
    *run: RunNames,
    reason: Annotated[str | None, Parameter(help="Why, for those who look at the queue.", metavar="TEXT")] = None,
    json: Json = False,
) -> int:
    """Keep waiting runs from starting until `itop release`; they keep their places."""
    return change_queue(run, lambda database, ids: queue_changes.hold(database, ids, reason), json=json)


def release(*run: RunNames, json: Json = False) -> int:
    """Let held runs start when their turn comes; failed starts are forgotten."""
    return change_queue(run, queue_changes.release, json=json)


def priority(
    run: RunName,
    number: Annotated[
        int,
        Parameter(name="N", help="Higher starts first.", validator=validators.Number(gte=-MOST, lte=MOST)),
    ],
    /,
    *,
    json: Json = False,
) -> int:
    """Give a waiting run another priority; among those of that priority its age decides."""
    return change_queue([run], lambda database, ids: queue_changes.set_priority(database, ids, number), json=json)


def change_queue(names: Iterable[str], change: Callable[[Database, Sequence[int]], BatchResult], *, json: bool) -> int:
    """Change the queue for some runs, and show where each stands then; 1 where any change was refused."""
    with opened() as database:
        result = change(database, [run.id for run in find_all(database, names)])
        note(*(f"itop: {problem}" for problem in result.problems))
        places = store.places(database, result.done)
        changed = store.get_many(database, places)
        number, _ = store.how_many_wait(database)
        others = dependencies.waits_for(database, result.done)
        if json:
            print_json(with_others(database, changed))
        else:
            _print_places(changed, places, number, others)
    return Exit.FAILED if result.problems else Exit.OK


def _print_places(
    changed: Sequence[RunRecord], places: Mapping[int, int], number: int, others: Mapping[int, str]
) -> None:
    out = console()
    for run in changed:
        held = f", held: {run.reason or 'by user'}" if run.held else ""
        why = held or (f", {others[run.id]}" if run.id in others else "")
        line = Text.assemble(f"run {run.id}  ", data(run.name), f"  place {places[run.id]} of {number}", data(why))
        out.print(line.append(f", priority {run.priority}"), soft_wrap=True)
