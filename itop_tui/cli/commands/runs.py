"""`itop runs`: list runs."""

from __future__ import annotations

import difflib
import time
from typing import Annotated

from cyclopts import Parameter

from db import runs as store
from db.records import RunQuery, RunRecord, RunStatus
from itop_tui.cli.errors import UsageError
from itop_tui.cli.output import print_json, run_document
from itop_tui.cli.parameters import AtLeastZero, GroupName, Json
from itop_tui.cli.screen import Cell, Column, console, data, note, print_table, state
from itop_tui.cli.store import opened
from itop_tui.format import UNKNOWN, age, explored, figure, percent, share

COLUMNS = (
    Column("ID", right=True),
    Column("NAME", shrink=True, at_least=16),
    Column("STATE"),
    Column("MODEL", rank=5, shrink=True),
    Column("DATA", rank=6),
    Column("METHOD", rank=3),
    Column("DENSITY", right=True, rank=4),
    Column("DONE", right=True, rank=2),
    Column("LOSS", right=True, rank=8),
    Column("BEST", right=True, rank=1),
    Column("TEST", right=True, rank=5),
    Column("R_S", right=True, rank=3),
    Column("GROUP", rank=9, shrink=True),
    Column("TAGS", rank=10, shrink=True),
    Column("AGE", right=True, rank=7),
)


def runs(
    *query: Annotated[
        str, Parameter(help="Words that must occur in name, model, data, method, state or tags.", show_default=False)
    ],
    status: Annotated[
        tuple[str, ...],
        Parameter(help="Only runs in this state; may be given several times.", negative=(), show_default=False),
    ] = (),
    group: GroupName = None,
    sort: Annotated[str, Parameter(help="What to sort by: id, name, status, best_val_accuracy and others.")] = "id",
    ascending: Annotated[bool, Parameter(negative=(), help="Smallest first.", show_default=False)] = False,
    limit: Annotated[int, AtLeastZero, Parameter(help="At most so many; 0 lists all.")] = 50,
    json: Json = False,
) -> int:
    """List runs, the newest first."""
    asked = RunQuery(
        text=" ".join(query),
        statuses=tuple(_status(word) for word in status),
        group=group,
        sort=_sort(sort),
        descending=not ascending,
        limit=limit or None,
    )
    with opened() as database:
        found = store.list_runs(database, asked)
        if json:
            print_json([run_document(run) for run in found])
            return 0
        total = store.count(database, asked)
    if not found:
        note("No run matches." if query or status or group else "No runs yet: itop demo trains three in two minutes.")
        return 0
    now = time.time()
    print_table(COLUMNS, [row(run, now) for run in found])
    if total > len(found):
        out = console(stderr=True)
        out.print(f"{len(found)} of {total:,} runs; --limit 0 lists all", style="dim")
    return 0


def row(run: RunRecord, now: float) -> list[Cell]:
    """Give a run as a row of the list.

    Args:
        run: The run.
        now: Unix seconds.
    """
    done = f"{100 * min(1.0, run.step / run.total_steps):.0f}%" if run.total_steps else UNKNOWN
    return [
        str(run.id),
        data(run.name),
        state(run.status.value),
        data(run.model),
        data(run.data),
        data(run.method),
        share(run.density if run.density is not None else run.target_density),
        done,
        figure(run.loss),
        percent(run.best_val_accuracy),
        percent(run.test_accuracy),
        percent(explored(run)),
        data(run.group or ""),
        data(", ".join(run.tags)),
        age(now - run.created_at),
    ]


def _status(word: str) -> RunStatus:
    try:
        return RunStatus(word.strip().lower())
    except ValueError:
        raise UsageError(_unknown("status", word, [status.value for status in RunStatus])) from None


def _sort(word: str) -> str:
    if word in store.SORTS:
        return word
    raise UsageError(_unknown("sort", word, list(store.SORTS)))


def _unknown(what: str, word: str, choices: list[str]) -> str:
    close = difflib.get_close_matches(word, choices, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"{what} = '{word}': must be one of {', '.join(choices)}{hint}"
