"""What is compared and how it is shown: the state of a comparison's screen, without a widget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from db.records import RunRecord
from itop_tui.compare import sheets
from itop_tui.compare.reading import ComparisonRead, Left, MasksRead, choice, left_before, view_before
from itop_tui.figures import paper_table
from itop_tui.figures.comparison import RESULTS, Entry, entries, fitting, result_of
from itop_tui.figures.comparison_scatter import ACCURACIES
from itop_tui.figures.format import plural
from itop_tui.figures.paper_table import PaperTable
from itop_tui.widgets.sheet import Sheet

TABS = ("curves", "results", "settings", "scatter", "layers", "masks", "table")
"""The tabs in order; each one's number is its key."""


_RESULTS = {result.name: result for result in RESULTS}


class Compared:
    """The runs in order, how they are joined to entries, and what of them is shown.

    Args:
        run_ids: The runs, in order.
        grouped: Whether runs that differ only by their seed are joined at first, where that leaves several groups.
    """

    def __init__(self, run_ids: Sequence[int], *, grouped: bool = False) -> None:
        self.ids = tuple(dict.fromkeys(run_ids))
        self.grouped = grouped
        self.runs: tuple[RunRecord, ...] = ()
        """What was read of them; those that were not read yet are missing."""
        self.entries: tuple[Entry, ...] = ()
        self.cursor = 0
        """The place of the entry that keys act on."""
        self.hidden: frozenset[int] = frozenset()
        """The entries that are left out of charts and plots, each by its `key`."""
        self.tab = TABS[0]
        self.legend = True
        self.accuracy = next(iter(ACCURACIES))
        self.layer_measure = sheets.LAYER_MEASURES[0]
        self.overlap_measure = sheets.OVERLAP_MEASURES[0]
        self.sorting = sheets.Sorting()
        """In which order the results are."""
        self.paper_result = ""
        """What the table is of, a name of `RESULTS`; empty for the main one."""
        self.paper_across = paper_table.DENSITY
        """The setting that has the columns of the table."""
        self.baseline: int | None = None
        """A run of the entry to which curves show the difference, by its id; None for the curves themselves."""
        self.mask_layer: str | None = None
        """The layer whose masks are compared; None for all."""

    # -------------------------------------------------------------------------------------------------- the entries

    @property
    def current(self) -> Entry | None:
        """The entry at the cursor."""
        return self.entries[self.cursor] if self.entries else None

    @property
    def entry_runs(self) -> tuple[RunRecord, ...]:
        """The runs of all entries, in order."""
        return tuple(run for entry in self.entries for run in entry.runs)

    @property
    def heading(self) -> str:
        """What is compared, in a few words."""
        if not self.entries:
            return "compare"
        counted = plural(len(self.entries), "group") if self.grouped else plural(len(self.ids), "run")
        parts = ["compare", counted + (f" of {plural(len(self.ids), 'run')}" if self.grouped else "")]
        if self.baseline_entry is not None and self.tab == "curves":
            parts.append(f"difference to {self.baseline_entry.letter}")
        return " · ".join(parts)

    def arrange(self, *, grouped: bool | None = None) -> None:
        """Make the entries of the runs, those that differ only by their seed joined or not.

        Raises:
            ValueError: They make more entries than are compared; everything stays as it was.
        """
        grouped, known = self.grouped if grouped is None else grouped, {run.id: run for run in self.runs}
        self.entries = entries([known[run_id] for run_id in self.ids if run_id in known], grouped=grouped)
        self.grouped = grouped
        self.point_at(self.cursor)

    def limit(self) -> int:
        """Join seeds where there are too many runs, or else take the first ones; returns how many there are."""
        self.grouped, most = fitting(self.runs, grouped=self.grouped)
        if most < len(self.runs):
            self.ids = self.ids[:most]
        return most

    def without_missing(self, wanted: Sequence[int]) -> int:
        """Leave out the runs that were wanted and are not there; returns how many those are."""
        missing = set(wanted) - {run.id for run in self.runs}
        self.ids = tuple(run_id for run_id in self.ids if run_id not in missing)
        return len(missing)

    def point_at(self, place: int) -> None:
        """Put the cursor on an entry, the nearest there is."""
        self.cursor = min(max(0, place), max(0, len(self.entries) - 1))

    def hide(self) -> None:
        """Leave the entry at the cursor out of charts and plots, or show it again."""
        if self.current is not None:
            self.hidden ^= {self.current.key}

    def move(self, by: int) -> bool:
        """Move the entry at the cursor; False where there is no place."""
        return self.place(self.cursor, self.cursor + by)

    def place(self, here: int, there: int) -> bool:
        """Move an entry to the place of another one; False where that changes nothing."""
        order = list(self.entries)
        if here == there or not (0 <= here < len(order) and 0 <= there < len(order)):
            return False
        order.insert(there, order.pop(here))
        self.ids = tuple(run.id for entry in order for run in entry.runs)
        self.cursor = there
        self.arrange()
        return True

    def remove(self) -> bool:
        """Remove the entry at the cursor; False for the last one."""
        if self.current is None or len(self.entries) == 1:
            return False
        out = {run.id for run in self.current.runs}
        self.ids = tuple(run_id for run_id in self.ids if run_id not in out)
        self.arrange()
        return True

    def add(self, more: Sequence[RunRecord]) -> None:
        """Compare other runs too.

        Raises:
            ValueError: There would be more entries than are compared; everything stays as it was.
        """
        new = [run for run in more if run.id not in self.ids]
        entries([*self.runs, *new], grouped=self.grouped)
        self.ids = (*self.ids, *(run.id for run in new))

    def set_baseline(self) -> None:
        """Show differences to the entry at the cursor, or no longer."""
        here, known = self.current, self.baseline_entry
        self.baseline = None if here is None or here is known else here.key

    @property
    def baseline_entry(self) -> Entry | None:
        """The entry to which curves show the difference; None where it is gone, or none was chosen."""
        return next((entry for entry in self.entries if any(run.id == self.baseline for run in entry.runs)), None)

    # ------------------------------------------------------------------------------------------------ what is shown

    def next_measure(self) -> None:
        """Take the next measure of the open tab."""
        if self.tab == "scatter":
            self.accuracy = _after(tuple(ACCURACIES), self.accuracy)
        elif self.tab == "layers":
            self.layer_measure = _after(sheets.LAYER_MEASURES, self.layer_measure)
        elif self.tab == "table":
            runs = self.entry_runs
            names = tuple(name for name in _RESULTS if any(result_of(run, name, {}) is not None for run in runs))
            self.paper_result = _after(names, self.paper_result or paper_table.main_result(runs).name)
        elif self.tab == "masks":
            self.overlap_measure = _after(sheets.OVERLAP_MEASURES, self.overlap_measure)

    def choose_layer(self, by: int, layers: Sequence[str]) -> None:
        """Compare the masks of another of these layers, `by` places further, or of all."""
        choices: tuple[str | None, ...] = (None, *layers)
        here = choices.index(self.mask_layer) if self.mask_layer in choices else 0
        self.mask_layer = choices[(here + by) % len(choices)]

    def sheet(self, found: ComparisonRead, masks: MasksRead | None, problem: str | None) -> Sheet:
        """The table of the open tab, with the masks or why they could not be read where it is of them."""
        if self.tab == "settings":
            return sheets.settings_sheet(self.entries)
        if self.tab == "layers":
            return sheets.layers_sheet(self.entries, found.layers or {}, self.layer_measure)
        if self.tab == "masks":
            return sheets.overlap_sheet(self.entries, masks, problem, self.mask_layer, self.overlap_measure)
        if self.tab == "table":
            return sheets.paper_sheet(self.paper(found))
        return sheets.results_sheet(self.entries, found.seconds, named=not self.legend, sorting=self.sorting)

    def paper(self, found: ComparisonRead) -> PaperTable:
        """The table of results as a paper prints it."""
        result, across = _RESULTS.get(self.paper_result), self.paper_across
        return paper_table.paper_table(self.entry_runs, across=across, result=result, seconds=found.seconds)

    # --------------------------------------------------------------------------------------- what is kept of the view

    @property
    def left(self) -> Left:
        """How the comparison of these runs is left."""
        return Left(self.ids, self.hidden & set(self.ids), self.grouped)

    @property
    def view(self) -> dict[str, Any]:
        """How the view is left, for any comparison, as JSON."""
        return {
            "tab": self.tab,
            "accuracy": self.accuracy,
            "layers": self.layer_measure,
            "masks": self.overlap_measure,
            "result": self.paper_result,
            "across_table": self.paper_across,
            "sorted": [self.sorting.by, self.sorting.descending],
            "legend": self.legend,
        }

    def restore(self, kept: object) -> Mapping[str, Any]:
        """Show the order, and everything else, as it was left the last time; returns the view, with the charts' part.

        What the settings hold and makes no sense is ignored.
        """
        left, view = left_before(kept, self.ids), view_before(kept)
        if left is not None:
            self.ids, self.hidden, self.grouped = left.ids, left.hidden, self.grouped or left.grouped
        self.accuracy = choice(view.get("accuracy"), tuple(ACCURACIES))
        self.layer_measure = choice(view.get("layers"), sheets.LAYER_MEASURES)
        self.overlap_measure = choice(view.get("masks"), sheets.OVERLAP_MEASURES)
        self.paper_result = choice(view.get("result"), ("", *_RESULTS))
        across = view.get("across_table")
        self.paper_across = across if across in paper_table.choices(self.runs) else paper_table.DENSITY
        match view.get("sorted"):
            case [str(by), bool(descending)]:
                self.sorting = sheets.Sorting(by, descending)
        self.legend = view.get("legend") is not False
        self.tab = choice(view.get("tab"), TABS)
        return view


def _after(choices: tuple[str, ...], present: str) -> str:
    here = choices.index(present) if present in choices else -1
    return choices[(here + 1) % len(choices)] if choices else present
