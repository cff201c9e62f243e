"""`itop compare`: runs side by side, the settings that differ and the results."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from db import attempts
from db.records import RunRecord
from engine.config import RunConfig, setting_text
from itop_tui.cli.errors import UsageError
from itop_tui.cli.follow import seconds_taken
from itop_tui.cli.output import print_json, run_document
from itop_tui.cli.parameters import Json, RunNames
from itop_tui.cli.screen import Cell, Column, data, print_table, state
from itop_tui.cli.store import find_all, opened
from itop_tui.format import UNKNOWN, count, duration, explored, figure, percent, share, short_count


@dataclass(frozen=True, slots=True)
class Result:
    """A figure in which runs are compared.

    Attributes:
        name: Its name in records and JSON.
        label: Its name in the table.
        write: How it is written.
        best: Whether the largest (1) or the smallest (-1) is the best; 0 where neither is.
    """

    name: str
    label: str
    write: Callable[[Any], str]
    best: int = 0


RESULTS = (
    Result("test_accuracy", "test accuracy", percent, 1),
    Result("best_val_accuracy", "best validation", percent, 1),
    Result("loss", "loss", figure, -1),
    Result("density", "density", share),
    Result("nonzeros", "active weights", count),
    Result("itop_rate", "R_s", percent),
    Result("training_flops", "training FLOPs", short_count),
    Result("flops_ratio", "share of dense", share),
    Result("step", "steps", count),
    Result("seconds", "time", duration),
)
"""The figures compared, in the table's order; `seconds` is worked out, the others are a run's own."""


def compare(*run: RunNames, json: Json = False) -> int:
    """Show in which settings runs differ, and their results side by side; the best of each is marked with a star."""
    with opened() as database:
        found = find_all(database, run)
        if len(found) < 2:
            raise UsageError("compare needs at least two runs")
        now = time.time()
        seconds = [seconds_taken(attempts.for_run(database, one.id), now) for one in found]
    settings = differing_settings(found)
    results = {
        result.name: seconds if result.name == "seconds" else [getattr(one, result.name) for one in found]
        for result in RESULTS
    }
    if json:
        print_json({"runs": [run_document(one) for one in found], "settings": settings, "results": results})
        return 0
    print_table(*_side_by_side(found, settings, results))
    return 0


def _side_by_side(
    found: Sequence[RunRecord], settings: Mapping[str, Sequence[Any]], results: Mapping[str, Sequence[Any]]
) -> tuple[list[Column], list[list[Cell]]]:
    """Lay out a column for each run: what differs above, the results below."""
    columns = [Column("RUN"), *(Column(str(one.id), right=True, shrink=True, at_least=9) for one in found)]
    rows: list[list[Cell]] = [["name", *(data(one.name) for one in found)]]
    rows.append(["state", *(state(one.status.value) for one in found)])
    if settings:
        rows += [_title("settings that differ", found)]
        rows += [[name, *(_setting(name, value) for value in values)] for name, values in settings.items()]
    rows += [_title("results", found)]
    shown = {**results, "itop_rate": [explored(one) for one in found]}
    rows += [_row(result, shown[result.name]) for result in RESULTS if _known(shown[result.name])]
    return columns, rows


def _title(text: str, found: Sequence[RunRecord]) -> list[Cell]:
    return [Text(f"\n{text}", style="bold"), *(Text("\n") for _ in found)]


def differing_settings(found: Sequence[RunRecord]) -> dict[str, list[Any]]:
    """Return the settings in which runs differ, each with the value of every run, in the runs' order.

    A setting that a run's stored configuration does not have is None there.
    """
    names = [*RunConfig.model_fields, *(name for one in found for name in one.config)]
    values = {name: [one.config.get(name) for one in found] for name in dict.fromkeys(names)}
    return {name: row for name, row in values.items() if any(value != row[0] for value in row)}


def _known(values: Sequence[Any]) -> bool:
    return any(value is not None for value in values)


def _setting(name: str, value: Any) -> Text:
    return Text(UNKNOWN, style="dim") if value is None else data(setting_text(name, value))


def _row(result: Result, values: Sequence[Any]) -> list[Cell]:
    """Write a result of every run, the best one marked."""
    finite = [value for value in values if value is not None and math.isfinite(value)]
    best = (max(finite) if result.best > 0 else min(finite)) if finite and result.best else None
    cells: list[Cell] = [result.label]
    for value in values:
        is_best = best is not None and value == best
        cells.append(Text(("★ " if is_best else "") + result.write(value), style="bold" if is_best else ""))
    return cells
