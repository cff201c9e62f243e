"""The tables of a comparison, made of what was read: pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from db.history.declared import METRICS
from db.records import LayerMaskStat, RunRecord
from itop_tui.compare.reading import MasksRead
from itop_tui.figures.comparison import (
    RESULTS,
    Entry,
    Stat,
    best,
    entry_settings,
    results,
    setting_of,
    statistic,
    write_result,
    write_stat,
)
from itop_tui.figures.format import UNKNOWN, percent, plural
from itop_tui.figures.metric_text import writer
from itop_tui.figures.paper_table import PaperTable
from itop_tui.widgets.sheet import Cell, Sheet

_MEASURED = {
    "density": METRICS["density"],
    "R_s": METRICS["itop_rate"],
    "churn": METRICS["churn"],
    "active weights": METRICS["nonzeros"],
}
LAYER_MEASURES = tuple(_MEASURED)
_ROW_NAME = 34
"""Cells for the name of a row of the table of a paper."""
OVERLAP_MEASURES = ("overlap", "overlap beyond chance", "share of the row's weights")


def heads(compared: Sequence[Entry], corner: str) -> tuple[Cell, ...]:
    """A head for each entry: its letter, and how many runs it joins."""
    return (
        Cell(corner, "muted"),
        *(
            Cell(entry.letter + (f" ×{entry.n}" if entry.n > 1 else ""), "title", bold=True, entry=at)
            for at, entry in enumerate(compared)
        ),
    )


ORDER, RUNS = "", "n"
"""What results are sorted by, beside their names: the order of the comparison, and how many runs an entry joins."""


@dataclass(frozen=True, slots=True)
class Sorting:
    """What the results are sorted by, a name of `sorted_columns`, and in which direction."""

    by: str = ORDER
    descending: bool = False

    def chosen(self, by: str) -> Sorting:
        """Sorted by a column: at first with the best at the top, and in the other direction where it was by it."""
        if by == self.by:
            return Sorting(by, not self.descending)
        smallest_first = {ORDER, *(result.name for result in RESULTS if result.best < 0)}
        return Sorting(by, by not in smallest_first)

    def order(self, compared: Sequence[Entry], found: Mapping[str, Sequence[Stat]]) -> list[int]:
        """The places of the entries in this order; those without a value are last."""
        places = range(len(compared))
        if self.by == ORDER or (self.by != RUNS and self.by not in found):
            return sorted(places, reverse=self.descending)
        values = [float(one.n) for one in compared] if self.by == RUNS else [one.mean for one in found[self.by]]
        known = [at for at in places if (value := values[at]) is not None and not math.isnan(value)]
        known.sort(key=lambda at: values[at] or 0.0, reverse=self.descending)
        return [*known, *(at for at in places if at not in known)]


def sorted_columns(found: Mapping[str, Sequence[Stat]]) -> list[str]:
    """The columns of the results, in order: what sets the runs up, then how they did; without those no run has."""
    shown = [result.name for result in RESULTS if any(stat.n for stat in found[result.name])]
    return [ORDER, *(["density"] if "density" in shown else []), RUNS, *(name for name in shown if name != "density")]


def results_sheet(
    compared: Sequence[Entry],
    seconds: Mapping[int, float | None],
    *,
    named: bool = True,
    sorting: Sorting = Sorting(),
    marked_order: bool = True,
) -> Sheet:
    """The results, a row for each entry; the best of each is starred and bold.

    Rows have names beside the letters where they are `named`; a legend may show them already. The head of the column
    that they are sorted by shows it where the order is `marked_order`.
    """
    found = results(compared, seconds)
    columns = sorted_columns(found)
    known = {result.name: result for result in RESULTS}
    marked = {name: best(found[name], known[name].best) for name in columns if name in known}

    def head(name: str) -> Cell:
        title = "run" if name == ORDER else known[name].short if name in known else name
        if not marked_order or name != sorting.by or (name == ORDER and not sorting.descending):
            return Cell(title, "muted")
        return Cell(f"{title} {'▼' if sorting.descending else '▲'}", "accent")

    def value(name: str, at: int) -> Cell:
        entry = compared[at]
        if name == RUNS:
            return Cell(str(entry.n), "muted")
        return cell(name, write_result(known[name], found[name][at], entry.n), at)

    def cell(name: str, text: str, at: int) -> Cell:
        is_best = at in marked[name]
        return Cell(("★ " if is_best else "") + text, "good" if is_best else "text", bold=is_best)

    rows = tuple(
        (
            Cell(
                f"{compared[at].letter} {compared[at].label}" if named else compared[at].letter,
                bold=not named,
                entry=at,
            ),
            *(value(name, at) for name in columns[1:]),
        )
        for at in sorting.order(compared, found)
    )
    notes = ["★ the best of the column"]
    if any(entry.n > 1 for entry in compared):
        notes.append("± one sample standard deviation over the runs of a group; of n: only n of its runs have it")
    short = [
        f"{entry.letter}: {known[name].label}, n = {found[name][at].n} of {plural(entry.n, 'run')}"
        for name in columns
        if name in known
        for at, entry in enumerate(compared)
        if entry.n > 1 and 0 < found[name][at].n < entry.n
    ]
    return Sheet(tuple(map(head, columns)), rows, (*notes, *short))


def paper_sheet(table: PaperTable) -> Sheet:
    """The table of results as a paper prints it; the best of each column is bold."""
    head = (Cell("", "muted"), *(Cell(f"{table.across} {column}", "title", bold=True) for column in table.columns))
    rows = tuple(
        (
            Cell(table.row_name(at, _ROW_NAME)),
            *(
                Cell(table.text(at, column), "good" if at in table.best[column] else "text", at in table.best[column])
                for column in range(len(table.columns))
            ),
        )
        for at in range(len(table.rows))
    )
    keys = (
        f"Bold: the best of its column. v: result. e: columns (now {table.across}). Y: copy as Markdown, LaTeX or CSV."
    )
    return Sheet(head, rows, tuple(filter(None, (table.note, keys))), f"table · {table.caption}")


def settings_sheet(compared: Sequence[Entry]) -> Sheet:
    """The settings that differ, a row each."""
    differing = entry_settings(compared)
    if not differing:
        return Sheet(notes=("These runs have the same settings.",))
    rows = tuple((Cell(name), *(Cell(setting_of(name, values)) for values in row)) for name, row in differing.items())
    return Sheet(heads(compared, "setting"), rows, ("Settings that are the same in all runs are left out.",))


def layers_sheet(compared: Sequence[Entry], layers: Mapping[int, Sequence[LayerMaskStat]], measure: str) -> Sheet:
    """A measure of each layer, side by side, shaded between its smallest and largest value."""
    runs = [run for entry in compared for run in entry.runs]
    names = list(dict.fromkeys(stat.layer for run in runs for stat in layers.get(run.id, ())))
    if not names:
        return Sheet(title=f"layers · {measure}", notes=("None of these runs has recorded a mask yet.",))
    by_name = {run: {stat.layer: stat for stat in stats} for run, stats in layers.items()}

    def stat(name: str, entry: Entry) -> Stat:
        known = (by_name.get(run.id, {}).get(name) for run in entry.runs)
        return statistic(_measured(one, measure) if one is not None else None for one in known)

    table = [[stat(name, entry) for entry in compared] for name in names]
    means = [one.mean for row in table for one in row if one.mean is not None]
    low, high = (0.0, max(means, default=1.0)) if measure != "active weights" else (min(means), max(means))
    write = writer(_MEASURED[measure])

    def cell(one: Stat, entry: Entry) -> Cell:
        if one.mean is None:
            return Cell(UNKNOWN, "faint")
        return Cell(write_stat(one, write, entry.n), shade=(one.mean - low) / (high - low) if high > low else 0.0)

    rows = tuple((Cell(name), *map(cell, row, compared)) for name, row in zip(names, table, strict=True))
    dense = [entry.letter for entry in compared if all(run.method == "dense" for run in entry.runs)]
    notes = [f"At the latest mask update of each run. v: {', '.join(LAYER_MEASURES)}."]
    notes += [f"{', '.join(dense)}: dense, without masks."] if dense else []
    return Sheet(heads(compared, "layer"), rows, tuple(notes), f"layers · {measure}")


def _measured(stat: LayerMaskStat, measure: str) -> float | None:
    if measure == "active weights":
        return float(stat.nonzeros)
    if measure == "churn":
        return stat.grown / stat.nonzeros if stat.nonzeros else None
    if not stat.size:
        return None
    return (stat.explored if measure == "R_s" else stat.nonzeros) / stat.size


def run_labels(compared: Sequence[Entry]) -> dict[int, tuple[str, int]]:
    """What each run of a comparison is called, and the place of its entry: "A", or "A2" within a group."""
    return {
        run.id: (entry.letter + (str(number) if entry.n > 1 else ""), at)
        for at, entry in enumerate(compared)
        for number, run in enumerate(entry.runs, 1)
    }


def overlap_sheet(
    compared: Sequence[Entry], masks: MasksRead | None, problem: str | None, layer: str | None, measure: str
) -> Sheet:
    """How far the final masks agree, a matrix of runs, of one layer or of all."""
    title = f"final masks · {measure} · {layer or 'all layers'}"
    if problem is not None:
        return Sheet(title=title, notes=(f"The masks cannot be read: {problem}",))
    if masks is None:
        return Sheet(title=title, notes=("Reading the masks from the checkpoints …",))
    labels = run_labels(compared)
    runs: list[RunRecord] = [run for entry in compared for run in entry.runs]
    reasons = [
        f"{labels[run.id][0]} (run {run.id}): {why}"
        for run, why in zip(runs, masks.problems, strict=True)
        if why is not None
    ]
    overlaps = masks.overlaps
    if overlaps is None or overlaps.problems.count(None) < 2:
        return Sheet(title=title, notes=("There are no two masks to compare.", *reasons))
    if not overlaps.layers:
        return Sheet(title=title, notes=("These runs have no layer in common: their models differ.", *reasons))
    if overlaps.left_out:
        reasons.append(f"{plural(len(overlaps.left_out), 'layer')} left out: not the same in all of these models.")
    places = [at for at, why in enumerate(overlaps.problems) if why is None]
    values = overlaps.shared_active(layer) if measure == OVERLAP_MEASURES[2] else overlaps.jaccard(layer)
    chance = overlaps.by_chance(layer)
    if measure == OVERLAP_MEASURES[1]:
        values = values - chance
    rows = []
    for row in places:
        label, entry = labels[masks.ids[row]]
        cells = [Cell(f"{label} step {overlaps.steps[row] or 0:,}", entry=entry)]
        for column in places:
            value = float(values[row, column])
            if row == column and measure != OVERLAP_MEASURES[2]:
                cells.append(Cell("·", "faint"))
            elif math.isnan(value):
                cells.append(Cell(UNKNOWN, "faint"))
            else:
                cells.append(Cell(percent(value, 1), shade=min(1.0, max(0.0, value))))
        rows.append(tuple(cells))
    head = (Cell("run", "muted"), *(Cell(labels[masks.ids[at]][0], entry=labels[masks.ids[at]][1]) for at in places))
    off = [float(chance[a, b]) for a in places for b in places if a < b and not math.isnan(chance[a, b])]
    explained = "|A ∩ B| / |A ∪ B|" if measure != OVERLAP_MEASURES[2] else "|A ∩ B| / |A|, A the row"
    by_chance = f" Random masks of these densities: {percent(sum(off) / len(off), 1)}." if off else ""
    notes = (f"{explained} of active weights.{by_chance} n, N: layer. v: measure.", *reasons)
    return Sheet(head, tuple(rows), notes, title)
