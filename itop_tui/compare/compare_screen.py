"""The screen on which runs are compared: what its keys do; the registry in `itop_tui.keys` says which those are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from db.records import RunRecord
from db.runs import runs
from db.session import Database
from itop_tui.compare import sheets
from itop_tui.compare.compare_display import CompareDisplay
from itop_tui.compare.comparison_state import Left
from itop_tui.compare.curves_tab import CurvesPane
from itop_tui.compare.reading import keep
from itop_tui.dialogs.questions import Ask
from itop_tui.export.written_files import comparison_name
from itop_tui.figures.comparison import MOST, entries
from itop_tui.figures.comparison_scatter import ACCURACIES
from itop_tui.figures.format import plain, plural
from itop_tui.keys import bindings, find, in_scope
from itop_tui.widgets.key_bar import KeyHint
from itop_tui.widgets.sheet import Sheet, SheetView
from itop_tui.widgets.tab_line import TabLine

_ONLY_ON = {
    "next_view": ("scatter", "layers", "masks"),
    "next_layer": ("masks",),
    "previous_layer": ("masks",),
}
"""Actions that mean something on some tabs alone."""
_ZOOM = 1.5
_PAN = 0.25


class CompareScreen(CompareDisplay):
    """Runs, or groups of seeds, side by side: what the keys do.

    Args:
        run_ids: The runs, in order.
        grouped: Whether runs that differ only by their seed are joined at first, where that leaves several groups.
    """

    SCOPE = "compare"
    CSS_PATH = "compare.tcss"
    BINDINGS = bindings(in_scope("compare"))
    AUTO_FOCUS = None

    # --------------------------------------------------------------------------------------------------------- tabs

    def action_tab_curves(self) -> None:
        """Show the charts."""
        self._open("curves")

    def action_tab_results(self) -> None:
        """Show the results."""
        self._open("results")

    def action_tab_settings(self) -> None:
        """Show the settings that differ."""
        self._open("settings")

    def action_tab_scatter(self) -> None:
        """Show the scatter plots."""
        self._open("scatter")

    def action_tab_layers(self) -> None:
        """Show the layers."""
        self._open("layers")

    def action_tab_masks(self) -> None:
        """Show how far the masks agree."""
        self._open("masks")

    def _open(self, tab: str) -> None:
        self.open_tab(tab)
        self.keep()

    def action_leave(self) -> None:
        """Leave the chart at full size, else the screen."""
        if self.tab == "curves" and self.curves.full:
            self.curves.toggle_full()
        else:
            self.dismiss(None)

    # ------------------------------------------------------------------------------------------------------ entries

    def action_next_entry(self) -> None:
        """Go to the next entry."""
        self.point_at(self.legend.cursor + 1)

    def action_previous_entry(self) -> None:
        """Go to the entry before."""
        self.point_at(self.legend.cursor - 1)

    def action_hide_entry(self) -> None:
        """Leave an entry out of charts and plots, or show it again."""
        entry = self.current
        if entry is not None:
            self.hidden = self.hidden ^ {entry.key}
            self.show()
            self.keep()

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
        self.keep()

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
        self.keep()

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
        self.keep()

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
        self.keep()

    def action_open_run(self) -> None:
        """Open the run at the cursor."""
        if self.permits("open_run") and self.current_run is not None:
            self.itop.open_run(self.current_run.id)

    def action_toggle_legend(self) -> None:
        """Show or hide the legend."""
        self.toggle_class("-no-legend")
        self.show()
        self.keep()

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
        self.curves.next_across()

    def action_toggle_marks(self) -> None:
        """Mark what happened to the run at the cursor, or do not."""
        self.curves.toggle_marks()
        self.mark()

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
        self.keep()

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

    def _table(self) -> tuple[str, Sheet]:
        """What is copied and exported as a table, and what it is of: the open one; on charts and plots, the results."""
        if self.focused_sheet() is not None and self.tab != "results":
            return self.tab, self.sheet()
        assert self.read is not None, "tables are made of what was read"
        return "results", sheets.results_sheet(self.entries, self.read.seconds)

    def action_copy_table(self) -> None:
        """Copy the open table as text; on charts and plots, the results."""
        if self.read is None:
            return
        name, table = self._table()
        text = table.as_text()
        if name != "results":  # its rows are named; elsewhere the letters have to be
            text = "\n".join([*(f"{entry.letter} {plain(entry.label)}" for entry in self.entries), "", text])
        self.app.copy_to_clipboard(text)
        self.notify(plain(f"The table of {name}, {plural(len(text.splitlines()), 'line')}."), title="Copied")

    def action_export(self) -> None:
        """Ask what of the comparison to write, and where."""
        from itop_tui.dialogs.export_dialog import (
            chart_choice,
            drawing_choice,
            offer,
            report_choice,
            run_choices,
            sheet_choices,
        )

        if self.read is None:
            return
        runs_shown = [run for entry in self.entries for run in entry.runs]
        ids = [run.id for run in runs_shown]
        name = comparison_name(ids)
        report = report_choice(runs_shown, name, grouped=self.grouped, across=self.curves.across)
        drawn = []
        if self.tab == "curves":
            labels = {entry.letter: entry.label_with_n for entry in self.entries}
            drawn = [chart_choice(chart, name, labels) for chart in self.curves.charts if chart.display]
        elif self.tab == "scatter":
            from itop_tui.export.report import scatter_drawings

            plots = scatter_drawings(self.entries, self.read.seconds, self.accuracy, hidden=self.hidden)
            drawn = [drawing_choice(plot, name) for plot in plots]
        title, table = self._table()
        others = run_choices(ids, without=("html",))
        offer(self, "Export the comparison", [report, *drawn, *sheet_choices(name, title, table), *others])

    # --------------------------------------------------------------------------------------- what is kept of the view

    def keep(self) -> None:
        """Keep how the comparison is left, for the next opening of the same runs and the next start."""
        left = Left(self.ids, self.hidden & set(self.ids), self.grouped)
        view = {
            **self.curves.state,
            "tab": self.tab,
            "accuracy": self.accuracy,
            "layers": self.layer_measure,
            "masks": self.overlap_measure,
            "legend": not self.has_class("-no-legend"),
        }
        self.itop.operate(lambda db: keep(db, left, view), failing="The view could not be kept")

    def on_curves_pane_changed(self, message: CurvesPane.Changed) -> None:
        """The charts are shown otherwise."""
        message.stop()
        self.query_one(TabLine).note = self._note()
        self.keep()

    # --------------------------------------------------------------------------------------------------------- keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The keys of a tab work while it is open."""
        try:
            heading = find("compare", action).heading
        except KeyError:
            return super().check_action(action, parameters)
        if action in _ONLY_ON:
            return self.tab in _ONLY_ON[action]
        return heading != "Charts" or self.tab == "curves"

    def key_hints(self) -> Iterable[KeyHint]:
        """What works now, what belongs to the open tab first."""
        own = {action.name for action in in_scope("compare") if action.heading == "Charts"} | set(_ONLY_ON)
        mine: list[KeyHint] = []
        others: list[KeyHint] = []
        for hint in super().key_hints():
            name = hint.action.removeprefix("screen.")
            if hint.action == "app.quit":  # q leaves the screen here
                continue
            if hint.action.startswith("app.") or self.check_action(name, ()):
                shown = replace(hint, pinned=True) if name == "leave" else hint
                (mine if name in own or name == "group_seeds" else others).append(shown)
        return [*mine, *others]


def _next(choices: tuple[str, ...], present: str) -> str:
    return choices[(choices.index(present) + 1) % len(choices)]
