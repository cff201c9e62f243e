"""`itop compare`: runs side by side, the settings that differ and the results."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.text import Text

from db.records import RunRecord
from db.runs import attempts
from db.session import Database
from engine.spelling import hint
from itop_tui.cli.errors import CommandError, UsageError
from itop_tui.cli.parameters import Json, RunNames
from itop_tui.cli.store import find_all, opened
from itop_tui.cli.terminal import Cell, Column, console, data, note, print_table, state
from itop_tui.export.written_files import ExportError, written
from itop_tui.figures.comparison import (
    RESULTS,
    Entry,
    Result,
    Stat,
    best,
    differing_settings,
    entries,
    entry_settings,
    results,
    seconds_taken,
    setting_of,
    write_result,
)
from itop_tui.figures.format import plain
from itop_tui.figures.paper_table import DIFFERING, Format, checked, paper_table
from itop_tui.service.json_shape import Document, print_json


def compare(
    *run: RunNames,
    group: Annotated[
        Literal["recipe", "seeds"] | None,
        Parameter(
            help="recipe joins runs that differ only by their seed: mean ± std.", metavar="recipe", show_choices=False
        ),
    ] = None,
    html: Annotated[
        Path | None, Parameter(help="Also write a page with plots, which needs no other file.", metavar="FILE")
    ] = None,
    table: Annotated[
        str | None,
        Parameter(
            help="Print one result as a paper does, mean ± std (n): the setting that has the columns, as density, or"
            " two for rows and columns, as method,density. Rows are else all that differs.",
            metavar="[ROWS,]COLUMNS",
        ),
    ] = None,
    metric: Annotated[
        str | None, Parameter(help="What the table is of, as loss. [default: test_accuracy]", metavar="NAME")
    ] = None,
    format: Annotated[Format, Parameter(help="How the table is written.")] = "text",  # noqa: A002 - the flag's name
    force: Annotated[bool, Parameter(negative=(), show_default=False, help="Replace the page if it is there.")] = False,
    json: Json = False,
) -> int:
    """Show in which settings runs differ, and their results side by side; the best of each is marked with a star."""
    with opened() as database:
        found = find_all(database, run)
        if len(found) < 2:
            raise UsageError("compare needs at least two runs")
        if table is not None:
            return _print_table(database, found, table, metric, format, json=json)
        if metric is not None or format != "text":
            raise UsageError("--metric and --format are of the table: name its columns, as in --table density")
        try:
            compared = entries(found, grouped=group is not None)
        except ValueError as error:
            raise UsageError(f"{error}; --group recipe joins those that differ only by their seed") from error
        seconds = _seconds(database, found)
        if html is not None:
            from itop_tui.export.report import write_report

            try:
                with written(html, force=force) as path:
                    write_report(database, found, path, grouped=group is not None)
            except ExportError as error:
                raise CommandError(str(error)) from error
            note(f"Written to {plain(str(html))}")
    if json:
        print_json(_document(found, compared if group is not None else None, seconds))
        return 0
    print_table(*_side_by_side(compared, seconds))
    return 0


def _print_table(
    database: Database, runs: Sequence[RunRecord], layout: str, metric: str | None, form: Format, *, json: bool
) -> int:
    """Print one result of runs as a paper does."""
    rows, _, across = layout.rpartition(",")
    try:
        checked(name for name in (rows.strip(), across.strip()) if name != DIFFERING)
    except ValueError as error:
        raise UsageError(f"table = {error}") from error
    if not across.strip() or rows.strip() == across.strip():
        raise UsageError(f"table = '{layout}': must be a setting, or two different ones, as in method,density")
    known = {result.name: result for result in RESULTS}
    if metric is not None and metric not in known:
        raise UsageError(f"metric = '{metric}': must be one of {', '.join(known)}{hint(metric, known)}")
    seconds = _seconds(database, runs)
    made = paper_table(
        runs, rows=rows.strip(), across=across.strip(), result=known[metric] if metric else None, seconds=seconds
    )
    if json:
        parts = ("across", "rows", "columns", "cells", "mixed")
        print_json({"metric": made.result.name, **{name: getattr(made, name) for name in parts}})
        return 0
    console().print(Text(made.written(form)), soft_wrap=True, end="")
    if form == "csv" and made.note:  # the other formats say it below the table
        note(made.note)
    return 0


def _seconds(database: Database, runs: Sequence[RunRecord]) -> dict[int, float | None]:
    now = time.time()
    return {one.id: seconds_taken(attempts.for_run(database, one.id), now) for one in runs}


def _document(
    found: Sequence[RunRecord], groups: Sequence[Entry] | None, seconds: Mapping[int, float | None]
) -> Document:
    """The comparison as JSON: of each run, in order; and of each group where seeds are joined."""
    own = {
        result.name: [seconds[one.id] if result.name == "seconds" else getattr(one, result.name) for one in found]
        for result in RESULTS
    }
    document: Document = {
        "runs": found,
        "settings": differing_settings(found),
        "results": own,
    }
    if groups is not None:
        joined = results(groups, seconds)
        document["groups"] = [
            {
                "name": entry.label,
                "runs": [one.id for one in entry.runs],
                "n": entry.n,
                "results": {name: stats[at] for name, stats in joined.items()},
            }
            for at, entry in enumerate(groups)
        ]
    return document


def _side_by_side(
    compared: Sequence[Entry], seconds: Mapping[int, float | None]
) -> tuple[list[Column], list[list[Cell]]]:
    """Lay out a column for each entry: what differs above, the results below."""
    heads = [", ".join(str(one.id) for one in entry.runs) for entry in compared]
    columns = [Column("RUN"), *(Column(head, right=True, shrink=True, at_least=9) for head in heads)]
    rows: list[list[Cell]] = [["name", *(data(entry.label) for entry in compared)]]
    rows.append(["state", *(state(entry.status) if entry.status else "mixed" for entry in compared)])
    if any(entry.n > 1 for entry in compared):
        rows.append(["runs", *(str(entry.n) for entry in compared)])
    settings = entry_settings(compared)
    if settings:
        rows += [_title("settings that differ", compared)]
        rows += [[name, *(data(setting_of(name, values)) for values in row)] for name, row in settings.items()]
    rows += [_title("results", compared)]
    found = results(compared, seconds)
    rows += [
        _row(result, found[result.name], compared) for result in RESULTS if any(stat.n for stat in found[result.name])
    ]
    return columns, rows


def _title(text: str, compared: Sequence[Entry]) -> list[Cell]:
    return [Text(f"\n{text}", style="bold"), *(Text("\n") for _ in compared)]


def _row(result: Result, stats: Sequence[Stat], compared: Sequence[Entry]) -> list[Cell]:
    """Write a result of every entry, the best one marked; of how many runs it is, where some have none."""
    marked = best(stats, result.best)
    cells: list[Cell] = [result.label]
    for at, (stat, entry) in enumerate(zip(stats, compared, strict=True)):
        text = write_result(result, stat, entry.n)
        cells.append(Text(f"★ {text}" if at in marked else text, style="bold" if at in marked else ""))
    return cells
