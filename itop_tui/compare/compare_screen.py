"""The screen on which runs are compared: its layout, and what its keys do.

What is compared and how stands in `compared.py`; what is read of it, in threads, in `comparison_reader.py`. Whenever
either changes, the screen shows the open tab again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from textual.containers import Horizontal
from textual.widget import Widget

from db.records import RunRecord
from itop_tui.chart.charts_pane import ChartsPane
from itop_tui.compare.compare_tabs import CompareTabs
from itop_tui.compare.compared import TABS, Compared
from itop_tui.compare.comparison_reader import ComparisonReader
from itop_tui.compare.entry_changes import EntryChanges
from itop_tui.compare.entry_list import EntryList
from itop_tui.compare.reading import ComparisonRead, ComparisonRequest, keep
from itop_tui.figures.comparison import MOST, Entry
from itop_tui.figures.comparison_curves import EntryCurves, members_of
from itop_tui.figures.comparison_scatter import ACCURACIES
from itop_tui.figures.entry_charts import ChartedEntries
from itop_tui.figures.format import plural
from itop_tui.keys import bindings, find, in_brackets, in_scope
from itop_tui.poller import DatabaseTrouble, RunsChanged
from itop_tui.screen import ItopScreen
from itop_tui.widgets.key_bar import KeyHint
from itop_tui.widgets.tab_line import TabLine
from itop_tui.widgets.top_bar import TopBar

_ONLY_ON = {
    "next_view": ("scatter", "layers", "masks", "table"),
    "choose_columns": ("table",),
    "sort_next": ("results",),
    "sort_previous": ("results",),
    "sort_reverse": ("results",),
    "next_layer": ("masks",),
    "previous_layer": ("masks",),
}
"""Actions that mean something on some tabs alone."""
_PAUSE = 0.5
"""Seconds after which what could not be read is read again."""


class CompareScreen(ItopScreen):
    """Runs, or groups of seeds, side by side.

    Args:
        run_ids: The runs, in order.
        grouped: Whether runs that differ only by their seed are joined at first, where that leaves several groups.
    """

    SCOPE = "compare"
    CSS_PATH = "compare.tcss"
    BINDINGS = bindings(in_scope("compare"))
    AUTO_FOCUS = None

    def __init__(self, run_ids: Sequence[int], *, grouped: bool = False) -> None:
        super().__init__()
        self.compared = Compared(run_ids, grouped=grouped)
        then = (self._runs_read, self._mark, self._masks_read)
        self.reader = ComparisonReader(self, lambda: self.itop.database, lambda: self.itop.clock(), then)
        self._shown: ComparisonRead | None = None
        """What the entries were made of."""
        self._curves: EntryCurves | None = None
        self.changes = EntryChanges(self, self.compared, lambda reads: self._changed(reads=reads))
        self.parts = (self.changes,)

    def compose_body(self) -> Iterable[Widget]:
        """Lay out the tabs and the legend."""
        yield TabLine(TABS)
        with Horizontal(id="compared"):
            yield EntryList(id="legend")
            yield CompareTabs(self.compared, self.reader)

    @property
    def current_run(self) -> RunRecord | None:
        """The first run of the entry at the cursor."""
        entry = self.compared.current
        return entry.runs[0] if entry is not None else None

    @property
    def curves(self) -> ChartsPane:
        """The charts."""
        return self.query_one(ChartsPane)

    @property
    def _tabs(self) -> CompareTabs:
        return self.query_one(CompareTabs)

    @property
    def tab(self) -> str:
        """The open tab."""
        return self.compared.tab

    # ------------------------------------------------------------------------------------------------------ reading

    def on_mount(self) -> None:
        """Read what is compared."""
        self.ask()

    def on_unmount(self) -> None:
        """End what reads."""
        self.reader.close()

    def on_runs_changed(self, message: RunsChanged) -> None:
        """Something was committed: read again where a run that is compared may have changed."""
        super().on_runs_changed(message)
        ended = self._shown is not None and all(run.status.is_terminal for run in self._shown.runs)
        self.reader.ask(self._request(), unless_same=ended)

    def on_charts_pane_curves_wanted(self, message: ChartsPane.CurvesWanted) -> None:
        """Other curves are visible."""
        message.stop()
        self.ask()

    def ask(self) -> None:
        """Read what is visible, now or as soon as what is being read is there."""
        self.reader.ask(self._request())

    def _request(self) -> ComparisonRequest:
        compared = self.compared
        curves = self.curves.request if self.tab == "curves" and compared.entries else None
        if curves is not None:
            curves = replace(curves, members=members_of(compared.entries), drops=False)
        return ComparisonRequest(compared.ids, curves, layers=self.tab == "layers", masks=self.tab == "masks")

    def _runs_read(self) -> None:
        reading, compared = self.reader.runs, self.compared
        if reading.problem is not None:
            self.on_database_trouble(DatabaseTrouble(f"The runs cannot be compared: {reading.problem}"))
            self.set_timer(_PAUSE, self.ask)
            return
        self.on_database_trouble(DatabaseTrouble(self.itop.problem))
        found, first = reading.value, self._shown is None
        if found is None or found is self._shown:
            return
        self._shown, compared.runs = found, found.runs
        self._curves = found.curves or self._curves
        if first:
            self._restore(found.kept)
        missing = compared.without_missing(found.request.ids)
        if missing:
            self.notify(f"{plural(missing, 'run')} no longer there.", severity="warning", markup=False)
        if not compared.ids:
            self.leave()
            return
        compared.arrange()
        self.show()
        if found.request != self._request():  # the entries that were read want other curves
            self.ask()

    def _restore(self, kept: object) -> None:
        """Show everything as it was left the last time, and no more runs than can be distinguished."""
        view = self.compared.restore(kept)
        self.set_class(not self.compared.legend, "-no-legend")
        self.curves.restore(view)
        if self.tab != TABS[0]:
            self.call_later(self.open_tab, self.tab)
        count = len(self.compared.runs)
        most = self.compared.limit()
        if most < count:
            self.notify(f"{most} at most are compared: these are the first.", severity="warning", markup=False)
        elif count > MOST:
            key = in_brackets("compare", "group_runs")
            self.notify(f"Over {MOST} runs: they are grouped by recipe{key}.", markup=False)

    @property
    def is_settled(self) -> bool:
        """Whether what is visible has been read."""
        found = self._shown
        settled = found is not None and self.reader.runs.is_settled and found.request == self._request()
        return settled and (self._marked is None or self.reader.marks.is_settled)

    def show(self) -> None:
        """Show what is known in the legend and in the open tab."""
        compared, found = self.compared, self._shown
        self.query_one(TopBar).heading = compared.heading
        if found is not None:
            self._mark()
            self._tabs.show(found)
            self.refresh_keys()
        self._show_legend()

    def _mark(self) -> None:
        """Show the charts, with the marks of the entry at the cursor as soon as they are known."""
        if self.tab != "curves":
            return
        compared, marked, shown = self.compared, self._marked, None
        if marked is not None:
            shown = self.reader.marked(marked)
        self.curves.show(
            ChartedEntries(
                compared.entries, compared.hidden, self._curves, shown, compared.legend, compared.baseline_entry
            )
        )

    @property
    def _marked(self) -> Entry | None:
        """The entry whose mask updates and other happenings the charts mark: that at the cursor."""
        entry, wanted = self.compared.current, self.tab == "curves" and self.curves.with_marks
        return entry if wanted and entry is not None and entry.key not in self.compared.hidden else None

    def _masks_read(self) -> None:
        if self.tab == "masks":
            self.show()

    def _show_legend(self) -> None:
        """The legend reads the values at the charts' cursor."""
        compared, curves, on_charts = self.compared, self.curves, self.tab == "curves"
        legend = self.query_one(EntryList)
        legend.entries, legend.hidden, legend.cursor = compared.entries, compared.hidden, compared.cursor
        legend.readings = tuple(
            curves.chart.reading(at, curves.cursor) if on_charts else entry.caption
            for at, entry in enumerate(compared.entries)
        )
        legend.caption = curves.chart.reading_name(curves.cursor) if on_charts and compared.entries else ("", "")
        accuracy = f"{ACCURACIES[compared.accuracy]} (v)" if self.tab == "scatter" else ""
        self.query_one(TabLine).note = curves.note if on_charts else accuracy

    def on_charts_pane_cursor_moved(self, message: ChartsPane.CursorMoved) -> None:
        """The legend reads the values at the cursor."""
        message.stop()
        self._show_legend()

    def on_charts_pane_view_changed(self, message: ChartsPane.ViewChanged) -> None:
        """A person changed how the charts are shown."""
        message.stop()
        self._mark()
        self.keep()

    def on_entry_list_clicked(self, message: EntryList.Clicked) -> None:
        """An entry was clicked: keys act on it; on its letter, it is hidden or shown again."""
        message.stop()
        self._point_at(message.position)
        if message.on_letter:
            self.changes.action_hide_entry()

    def on_entry_list_dragged(self, message: EntryList.Dragged) -> None:
        """An entry was dragged to another place."""
        message.stop()
        self.changes.place(message.position, message.to)

    def on_compare_tabs_changed(self, message: CompareTabs.Changed) -> None:
        """A table shows something else, or in another order."""
        message.stop()
        self._changed()

    def _point_at(self, place: int) -> None:
        """Put the cursor on an entry: keys act on it, and charts mark what happened to it."""
        self.compared.point_at(place)
        self._mark()
        self._show_legend()
        self.refresh_keys()

    def open_tab(self, tab: str) -> None:
        """Open a tab."""
        self.compared.tab = tab
        self._tabs.current = tab
        self.query_one(TabLine).tab = tab
        self.show()
        self.ask()
        self.refresh_bindings()

    def action_open_tab(self, tab: str) -> None:
        """Open a tab, and keep which one it is."""
        self.open_tab(tab)
        self.keep()

    def action_leave(self) -> None:
        """Leave the chart at full size, else the screen."""
        if self.tab == "curves" and self.curves.full:
            self.curves.action_toggle_full()
        else:
            self.dismiss(None)

    def action_next_view(self) -> None:
        """Show another measure of the open tab."""
        self.compared.next_measure()
        self._changed()

    @property
    def mask_layers(self) -> tuple[str, ...]:
        """The layers whose masks can be compared."""
        masks = self.reader.masks_of(self.compared.entry_runs)
        return masks.overlaps.layers if masks is not None and masks.overlaps is not None else ()

    def action_choose_layer(self, by: int) -> None:
        """Compare the masks of another layer."""
        self.compared.choose_layer(by, self.mask_layers)
        self.show()

    # ------------------------------------------------------------------------------------------------------ entries

    def _changed(self, *, reads: bool = False) -> None:
        """Show the comparison as it is now, and keep it; `reads` where other runs or groups have to be read."""
        self.show()
        if reads:
            self.ask()
        self.keep()

    def action_point(self, by: int) -> None:
        """Put the cursor on another entry."""
        self._point_at(self.compared.cursor + by)

    def action_open_run(self) -> None:
        """Open the run at the cursor."""
        if self.permits("open_run") and self.current_run is not None:
            self.itop.open_run(self.current_run.id)

    def action_toggle_legend(self) -> None:
        """Show or hide the legend."""
        self.compared.legend = not self.compared.legend
        self.set_class(not self.compared.legend, "-no-legend")
        self._changed()

    def action_go(self, direction: int) -> None:
        """Move to later or earlier steps, or to columns further right or left."""
        if self._tabs.table is not None:
            self._tabs.table.scroll_columns(direction)
        elif self.tab == "curves":
            self.curves.action_pan(direction)

    def action_page(self, direction: int) -> None:
        """Move a page down or up in the table."""
        if self._tabs.table is not None:
            self._tabs.table.scroll_pages(direction)

    def action_export(self) -> None:
        """Ask what of the comparison to write, and where."""
        from itop_tui.dialogs.export_dialog import offer

        if self._shown is not None:
            offer(self, "Export the comparison", self._tabs.choices(self._shown))

    def keep(self) -> None:
        """Keep how the comparison is left, for the next opening of the same runs and the next start."""
        left, view = self.compared.left, {**self.curves.state, **self.compared.view}
        self.itop.operate(lambda db: keep(db, left, view), failing="The view could not be kept")

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
        own = {action.name for action in in_scope("compare") if action.heading == "Charts"}
        own |= {*_ONLY_ON, "group_runs"}
        shown: list[KeyHint] = []
        for hint in super().key_hints():
            name = hint.action.removeprefix("screen.")
            # q leaves the screen here
            if hint.action != "app.quit" and (hint.action.startswith("app.") or self.check_action(name, ())):
                shown.append(replace(hint, pinned=True) if name == "leave" else hint)
        return sorted(shown, key=lambda hint: hint.action.removeprefix("screen.") not in own)
