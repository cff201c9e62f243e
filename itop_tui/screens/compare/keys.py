"""What the keys of the comparison do; the registry in `itop_tui.actions` says which keys those are."""

from __future__ import annotations

from pathlib import Path

from textual.widget import Widget

from db import runs
from db.records import RunRecord
from db.session import Database
from itop_tui.comparison import MOST, Entry, entries
from itop_tui.comparison_scatter import ACCURACIES
from itop_tui.export.files import written
from itop_tui.format import plain, plural
from itop_tui.screens.base import ItopScreen
from itop_tui.screens.compare import sheets
from itop_tui.screens.compare.curves import CurvesPane
from itop_tui.screens.compare.reading import Read
from itop_tui.screens.dialogs import Ask
from itop_tui.widgets.entry_list import EntryList
from itop_tui.widgets.sheet import Sheet, SheetView

TABS = ("curves", "results", "settings", "scatter", "layers", "masks")
"""The tabs in order; each one's number is its key."""
_ZOOM = 1.5
_PAN = 0.25


class CompareKeys(ItopScreen):
    """The actions of the comparison."""

    ids: tuple[int, ...]
    tab: str
    entries: tuple[Entry, ...]
    read: Read | None
    grouped = False
    hidden: frozenset[int] = frozenset()
    accuracy = "test_accuracy"
    layer_measure = sheets.LAYER_MEASURES[0]
    overlap_measure = sheets.OVERLAP_MEASURES[0]
    mask_layer: str | None = None

    def open_tab(self, tab: str) -> None:
        """Open a tab."""
        raise NotImplementedError

    def ask(self) -> None:
        """Read what is on the screen."""
        raise NotImplementedError

    def make_entries(self) -> None:
        """Make the entries anew, and show them."""
        raise NotImplementedError

    def show(self) -> None:
        """Show what is known."""
        raise NotImplementedError

    def sheet(self) -> Sheet:
        """The table of the open tab."""
        raise NotImplementedError

    def focused_sheet(self) -> Widget | None:
        """The table of the open tab; None for charts and plots."""
        raise NotImplementedError

    @property
    def mask_layers(self) -> tuple[str, ...]:
        """The layers whose masks can be compared."""
        raise NotImplementedError

    @property
    def curves(self) -> CurvesPane:
        """The charts."""
        raise NotImplementedError

    @property
    def shown_entries(self) -> tuple[Entry, ...]:
        """The entries that are not hidden."""
        return tuple(entry for entry in self.entries if entry.key not in self.hidden)

    @property
    def legend(self) -> EntryList:
        """The legend."""
        return self.query_one(EntryList)

    @property
    def current(self) -> Entry | None:
        """The entry at the cursor."""
        return self.entries[self.legend.cursor] if self.is_mounted and self.entries else None

    # --------------------------------------------------------------------------------------------------------- tabs

    def action_tab_curves(self) -> None:
        """Show the charts."""
        self.open_tab("curves")

    def action_tab_results(self) -> None:
        """Show the results."""
        self.open_tab("results")

    def action_tab_settings(self) -> None:
        """Show the settings that differ."""
        self.open_tab("settings")

    def action_tab_scatter(self) -> None:
        """Show the scatter plots."""
        self.open_tab("scatter")

    def action_tab_layers(self) -> None:
        """Show the layers."""
        self.open_tab("layers")

    def action_tab_masks(self) -> None:
        """Show how far the masks agree."""
        self.open_tab("masks")

    def action_leave(self) -> None:
        """Leave the chart at full size, else the screen."""
        if self.tab == "curves" and self.curves.full:
            self.curves.toggle_full()
        else:
            self.dismiss(None)

    # ------------------------------------------------------------------------------------------------------ entries

    def action_next_entry(self) -> None:
        """Go to the next entry."""
        self.legend.cursor = min(self.legend.cursor + 1, max(0, len(self.entries) - 1))
        self.refresh_keys()

    def action_previous_entry(self) -> None:
        """Go to the entry before."""
        self.legend.cursor = max(0, self.legend.cursor - 1)
        self.refresh_keys()

    def action_hide_entry(self) -> None:
        """Leave an entry out of charts and plots, or show it again."""
        entry = self.current
        if entry is not None:
            self.hidden = self.hidden ^ {entry.key}
            self.show()

    def action_entry_up(self) -> None:
        """Move an entry up."""
        self._move(-1)

    def action_entry_down(self) -> None:
        """Move an entry down."""
        self._move(1)

    def _move(self, by: int) -> None:
        here = self.legend.cursor
        there = here + by
        if not self.entries or not 0 <= there < len(self.entries):
            return
        order = list(self.entries)
        order[here], order[there] = order[there], order[here]
        self.ids = tuple(run.id for entry in order for run in entry.runs)
        self.legend.cursor = there
        self.make_entries()
        self.ask()

    def action_take_out(self) -> None:
        """Take an entry out of the comparison."""
        entry = self.current
        if entry is None:
            return
        if len(self.entries) == 1:
            self.notify("The last one stays.", severity="warning", markup=False)
            return
        out = {run.id for run in entry.runs}
        self.ids = tuple(run_id for run_id in self.ids if run_id not in out)
        self.make_entries()
        self.ask()

    def action_take_in(self) -> None:
        """Ask for a run to compare too."""

        def find(db: Database, name: str) -> RunRecord:
            return runs.find(db, name)

        def asked(name: str | None) -> None:
            if name and name.strip():
                self.itop.operate(lambda db: find(db, name.strip()), self._taken_in, failing="No run was taken in")

        self.app.push_screen(Ask("Compare with", "", "a run's id, or its unique name"), asked)

    def _taken_in(self, run: RunRecord) -> None:
        if run.id in self.ids:
            self.notify(f"Run {run.id} is compared already.", severity="warning", markup=False)
            return
        known = [*(self.read.runs if self.read is not None else ()), run]
        try:
            entries(known, grouped=self.grouped)
        except ValueError:
            self.notify(f"{MOST} at most are compared: take one out first (d).", severity="warning", markup=False)
            return
        self.ids = (*self.ids, run.id)
        self.ask()

    def action_group_seeds(self) -> None:
        """Join runs that differ only by their seed, or compare each run."""
        self.grouped = not self.grouped
        try:
            self.make_entries()
        except ValueError as error:
            self.grouped = not self.grouped
            self.notify(f"{error}.", severity="warning", markup=False)
            return
        if self.grouped and len(self.entries) == len(self.ids):
            self.notify("No two of these runs differ only by their seed.", markup=False)
        self.ask()

    def action_open_run(self) -> None:
        """Open the run at the cursor."""
        if self.permits("open_run") and self.current_run is not None:
            self.itop.open_run(self.current_run.id)

    def action_toggle_legend(self) -> None:
        """Show or hide the legend."""
        self.toggle_class("-no-legend")
        self.show()

    # ------------------------------------------------------------------------------------------------------- charts

    def action_toggle_full(self) -> None:
        """Show one chart, or all that fit."""
        self.curves.toggle_full()

    def action_next_chart(self) -> None:
        """Choose the next chart."""
        self.curves.choose(1)

    def action_previous_chart(self) -> None:
        """Choose the chart before."""
        self.curves.choose(-1)

    def action_zoom_in(self) -> None:
        """Zoom in."""
        self.curves.chart.zoom(_ZOOM)

    def action_zoom_out(self) -> None:
        """Zoom out."""
        self.curves.chart.zoom(1 / _ZOOM)

    def action_zoom_reset(self) -> None:
        """Show everything."""
        self.curves.set_window(None)

    def action_cursor_left(self) -> None:
        """Move the cursor to the left."""
        self.curves.move_cursor(-1)

    def action_cursor_right(self) -> None:
        """Move the cursor to the right."""
        self.curves.move_cursor(1)

    def action_cursor_off(self) -> None:
        """Take the cursor away."""
        self.curves.point(None)

    def action_smooth(self) -> None:
        """Take the next smoothing."""
        self.curves.smooth_more()

    def action_toggle_log(self) -> None:
        """Change the y axis."""
        self.curves.toggle_log()

    def action_next_across(self) -> None:
        """Change the x axis."""
        self.curves.toggle_epochs()

    # ------------------------------------------------------------------------------------------------------- moving

    def action_go_left(self) -> None:
        """Move to earlier steps, or to columns further left."""
        self._go(-1)

    def action_go_right(self) -> None:
        """Move to later steps, or to columns further right."""
        self._go(1)

    def _go(self, direction: int) -> None:
        table = self.focused_sheet()
        if isinstance(table, SheetView):
            table.scroll_columns(direction)
        elif self.tab == "curves":
            self.curves.chart.pan(direction * _PAN)

    def action_page_down(self) -> None:
        """Move a page down in the table."""
        table = self.focused_sheet()
        if isinstance(table, SheetView):
            table.scroll_pages(1)

    def action_page_up(self) -> None:
        """Move a page up in the table."""
        table = self.focused_sheet()
        if isinstance(table, SheetView):
            table.scroll_pages(-1)

    # -------------------------------------------------------------------------------------------------------- views

    def action_next_view(self) -> None:
        """Show another measure of the open tab."""
        if self.tab == "scatter":
            self.accuracy = _next(tuple(ACCURACIES), self.accuracy)
        elif self.tab == "layers":
            self.layer_measure = _next(sheets.LAYER_MEASURES, self.layer_measure)
        elif self.tab == "masks":
            self.overlap_measure = _next(sheets.OVERLAP_MEASURES, self.overlap_measure)
        self.show()

    def action_next_layer(self) -> None:
        """Compare the masks of the next layer."""
        self._choose_layer(1)

    def action_previous_layer(self) -> None:
        """Compare the masks of the layer before."""
        self._choose_layer(-1)

    def _choose_layer(self, by: int) -> None:
        choices: tuple[str | None, ...] = (None, *self.mask_layers)
        here = choices.index(self.mask_layer) if self.mask_layer in choices else 0
        self.mask_layer = choices[(here + by) % len(choices)]
        self.show()

    def action_copy_table(self) -> None:
        """Copy the open table as text; on charts and plots, the results."""
        if self.read is None:
            return
        name = "results" if self.focused_sheet() is None else self.tab
        table = sheets.results_sheet(self.entries, self.read.seconds) if name == "results" else self.sheet()
        text = table.as_text()
        if name != "results":  # its rows are named; elsewhere the letters have to be
            text = "\n".join([*(f"{entry.letter} {plain(entry.label)}" for entry in self.entries), "", text])
        self.app.copy_to_clipboard(text)
        self.notify(plain(f"The table of {name}, {plural(len(text.splitlines()), 'line')}."), title="Copied")

    def action_export(self) -> None:
        """Ask what of the comparison to write, and where."""
        from itop_tui.screens.export import Choice, chart_choice, offer, run_choices, sheet_choices

        if self.read is None:
            return
        shown = [chart_choice(chart) for chart in self.curves.charts if chart.display] if self.tab == "curves" else []
        name = "results" if self.focused_sheet() is None else self.tab
        table = sheets.results_sheet(self.entries, self.read.seconds) if name == "results" else self.sheet()
        runs_shown = [run for entry in self.entries for run in entry.runs]
        grouped = self.grouped

        def page(db: Database, folder: Path) -> list[Path]:
            from itop_tui.export.report import write_report

            target = folder / f"comparison-{'-'.join(str(run.id) for run in runs_shown[:6])}.html"
            with written(target) as path:
                write_report(db, runs_shown, path, grouped=grouped)
            return [target]

        report = Choice("html: this comparison as a page with plots", page)
        others = run_choices([run.id for run in runs_shown], without=("html",))
        offer(self, "Export the comparison", [report, *shown, *sheet_choices(name, table), *others])


def _next(choices: tuple[str, ...], present: str) -> str:
    return choices[(choices.index(present) + 1) % len(choices)]
