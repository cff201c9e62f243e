"""What is compared, as the screen shows it: which runs, in which order, which are hidden.

They are read in a thread when something was committed or something else is shown, and what was read is handed to the
open tab. What the keys do stands in `screen.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from textual import work
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import ContentSwitcher

from db.records import RunRecord
from engine.helpers.masks_client import MaskServer
from itop_tui.chart.scatter import Scatter
from itop_tui.compare import sheets
from itop_tui.compare.comparison_state import choice, left_before, view_before
from itop_tui.compare.curves_tab import CurvesPane, Marked
from itop_tui.compare.entry_list import EntryLine, EntryList
from itop_tui.compare.latest_read import Asked
from itop_tui.compare.reading import Happened, MasksRead, Read, Request, read, read_happened, read_masks, read_runs
from itop_tui.figures.comparison import MOST, Entry, entries, fitting
from itop_tui.figures.comparison_scatter import ACCURACIES, scatter_data
from itop_tui.figures.format import plural
from itop_tui.poller import DatabaseTrouble, RunsChanged
from itop_tui.screen import ItopScreen
from itop_tui.widgets.sheet import Sheet, SheetView
from itop_tui.widgets.tab_line import TabLine
from itop_tui.widgets.top_bar import TopBar

TABS = ("curves", "results", "settings", "scatter", "layers", "masks")
"""The tabs in order; each one's number is its key."""
_PAUSE = 0.5
"""Seconds between two reads of what was committed."""


class CompareDisplay(ItopScreen):
    """Reads runs, or groups of seeds, and shows them side by side.

    Args:
        run_ids: The runs, in order.
        grouped: Whether runs that differ only by their seed are joined at first, where that leaves several groups.
    """

    def __init__(self, run_ids: Sequence[int], *, grouped: bool = False) -> None:
        super().__init__()
        self.ids = tuple(dict.fromkeys(run_ids))
        self.grouped = grouped
        self.hidden: frozenset[int] = frozenset()
        self.tab = TABS[0]
        self.accuracy = next(iter(ACCURACIES))
        self.layer_measure = sheets.LAYER_MEASURES[0]
        self.overlap_measure = sheets.OVERLAP_MEASURES[0]
        self.mask_layer: str | None = None
        self.read: Read | None = None
        self.entries: tuple[Entry, ...] = ()
        self._masks: Asked[MasksRead] = Asked(self, self._show_masks)
        self._server: MaskServer | None = None
        self._happened: Asked[dict[int, Happened]] = Asked(self, self._show_marks)
        self._busy = False
        self._again = False

    def compose_body(self) -> ComposeResult:
        """Lay out the tabs, the legend and the first tab."""
        yield TabLine(TABS)
        with Horizontal(id="compared"):
            yield EntryList(id="legend")
            with ContentSwitcher(initial="curves", id="compare-tabs"):
                yield CurvesPane("curves")
                yield SheetView(widget_id="results", widest=34)
                yield SheetView(widget_id="settings")
                with Horizontal(id="scatter"):
                    yield Scatter("by-rs")
                    yield Scatter("by-flops")
                yield SheetView(widget_id="layers")
                yield SheetView(widget_id="masks")

    @property
    def heading(self) -> str:
        """What the top bar says."""
        if not self.entries:
            return "compare"
        told = plural(len(self.entries), "group") if self.grouped else plural(len(self.ids), "run")
        return f"compare · {told}" + (f" of {plural(len(self.ids), 'run')}" if self.grouped else "")

    @property
    def current_run(self) -> RunRecord | None:
        """The first run of the entry at the cursor."""
        entry = self.current
        return entry.runs[0] if entry is not None else None

    @property
    def curves(self) -> CurvesPane:
        """The charts."""
        return self.query_one(CurvesPane)

    @property
    def legend(self) -> EntryList:
        """The legend."""
        return self.query_one(EntryList)

    @property
    def current(self) -> Entry | None:
        """The entry at the cursor."""
        return self.entries[self.legend.cursor] if self.is_mounted and self.entries else None

    # ------------------------------------------------------------------------------------------------------ reading

    def on_mount(self) -> None:
        """Read what is compared."""
        self.ask()

    def on_unmount(self) -> None:
        """End the process that reads masks."""
        if self._server is not None:
            self.run_worker(self._server.close, thread=True)

    def on_runs_changed(self, message: RunsChanged) -> None:
        """Something was committed: read again where a run that is compared may have changed."""
        super().on_runs_changed(message)
        if self.read is None or any(not run.status.is_terminal for run in self.read.runs):
            self.ask()
        else:
            self._glance(self.ids, self.read.runs)

    @work(thread=True, group="glance", exclusive=True, exit_on_error=False)
    def _glance(self, ids: tuple[int, ...], known: tuple[RunRecord, ...]) -> None:
        """Read everything again only where a run that had ended was resumed, renamed or deleted."""
        try:
            changed = read_runs(self.itop.database, ids) != known
        except Exception:  # asking in earnest tells what is wrong
            changed = True
        if changed:
            self.app.call_from_thread(self.ask)

    def on_curves_pane_wanted(self, message: CurvesPane.Wanted) -> None:
        """Other curves are on the screen."""
        message.stop()
        self.ask()

    def ask(self) -> None:
        """Read what is on the screen, now or as soon as what is being read is there; the newest wish wins."""
        if self._busy:
            self._again = True
            return
        self._busy = True
        self._read(self._request())

    def _request(self) -> Request:
        return Request(
            self.ids,
            curves=self.curves.request(self.entries) if self.tab == "curves" and self.entries else None,
            layers=self.tab == "layers",
            masks=self.tab == "masks",
        )

    @work(thread=True, group="compare", exit_on_error=False)
    def _read(self, request: Request) -> None:
        try:
            found: Read | Exception = read(self.itop.database, request, self.itop.clock(), first=self.read is None)
        except Exception as error:  # a locked or vanished database must not end the screen: the banner tells
            found = error
        self.app.call_from_thread(self._was_read, found)

    def _was_read(self, found: Read | Exception) -> None:
        self._busy = False
        if not self.is_mounted:
            return
        if isinstance(found, Exception):
            reason = f"{found}".strip() or type(found).__name__
            self.on_database_trouble(DatabaseTrouble(f"The runs cannot be compared: {reason}"))
            self.set_timer(_PAUSE, self.ask)
            return
        self.on_database_trouble(DatabaseTrouble(self.itop.problem))
        first = self.read is None
        self.read = found
        if first:
            self._take_up(found.kept)
            self._keep_to_the_most(found.runs)
        gone = set(found.request.ids) - {run.id for run in found.runs}
        if gone:
            self.ids = tuple(run_id for run_id in self.ids if run_id not in gone)
            self.notify(f"{plural(len(gone), 'run')} no longer there.", severity="warning", markup=False)
        if not self.ids:
            self.leave()
            return
        self.make_entries()
        if self._again or found.request != self._request():  # the entries that were read want other curves
            self._again = False
            self.ask()

    def _keep_to_the_most(self, runs: Sequence[RunRecord]) -> None:
        """Join the seeds of more runs than can be told apart; where that is not enough, take the first ones."""
        self.grouped, most = fitting(runs, grouped=self.grouped)
        if most < len(runs):
            self.ids = self.ids[:most]
            self.notify(f"{most} at most are compared: these are the first.", severity="warning", markup=False)
        elif len(runs) > MOST:
            self.notify(f"More than {MOST} runs: their seeds are joined (g).", markup=False)

    @property
    def is_settled(self) -> bool:
        """Whether what is on the screen has been read."""
        settled = self.read is not None and not self._busy and self.read.request == self._request()
        return settled and (not self._marked_runs or self._happened.is_settled)

    def make_entries(self) -> None:
        """Make the entries from the runs that were read, and show them."""
        known = {run.id: run for run in self.read.runs} if self.read is not None else {}
        self.entries = entries([known[run_id] for run_id in self.ids if run_id in known], grouped=self.grouped)
        self.show()

    # ------------------------------------------------------------------------------------------------------ showing

    def show(self) -> None:
        """Show what is known in the legend and in the open tab."""
        self.legend.cursor = min(self.legend.cursor, max(0, len(self.entries) - 1))
        self.query_one(TopBar).heading = self.heading
        self.query_one(TabLine).note = self._note()
        found = self.read
        if found is None:
            return
        if self.tab == "curves":
            self._ask_happened()
            self.curves.show(self.entries, self.hidden, found.curves, self._marked)
        elif self.tab == "scatter":
            plots = scatter_data(self.entries, found.seconds, self.accuracy, hidden=self.hidden)
            for widget, data in zip(self.query(Scatter), plots, strict=True):
                widget.data = data
        else:
            self.query_one(f"#{self.tab}", SheetView).sheet = self.sheet()
        self._show_legend()
        self.refresh_keys()

    def sheet(self) -> Sheet:
        """The table of the open tab."""
        found = self.read
        assert found is not None, "tables are made of what was read"
        if self.tab == "settings":
            return sheets.settings_sheet(self.entries)
        if self.tab == "layers":
            return sheets.layers_sheet(self.entries, found.layers or {}, self.layer_measure)
        if self.tab == "masks":
            self._ask_masks(found)
            return sheets.overlap_sheet(
                self.entries, self._masks_shown, self._masks.problem, self.mask_layer, self.overlap_measure
            )
        return sheets.results_sheet(self.entries, found.seconds, named=self.has_class("-no-legend"))

    def _note(self) -> str:
        if self.tab == "curves":
            return self.curves.note
        return ACCURACIES[self.accuracy] + " (v)" if self.tab == "scatter" else ""

    def _show_legend(self) -> None:
        def reading(at: int) -> str:
            if self.tab == "curves":
                return self.curves.chart.reading(at, self.curves.cursor)
            return f"run {self.entries[at].runs[0].id}"

        self.legend.lines = tuple(
            EntryLine(entry.letter, entry.label, entry.status, entry.n, entry.key in self.hidden, reading(at))
            for at, entry in enumerate(self.entries)
        )

    def on_curves_pane_pointed(self, message: CurvesPane.Pointed) -> None:
        """The legend reads the values at the cursor."""
        message.stop()
        self._show_legend()
        self.query_one(TabLine).note = self._note()

    def on_entry_list_clicked(self, message: EntryList.Clicked) -> None:
        """An entry was clicked."""
        message.stop()
        self.point_at(message.position)

    def point_at(self, position: int) -> None:
        """Put the cursor of the legend on an entry: keys act on it, and charts mark what happened to it."""
        self.legend.cursor = min(max(0, position), max(0, len(self.entries) - 1))
        self.refresh_keys()
        self.mark()

    # -------------------------------------------------------------------------------------------------------- marks

    @property
    def _marked_runs(self) -> tuple[RunRecord, ...]:
        """The runs whose mask updates and other happenings the charts mark: those of the entry at the cursor."""
        entry = self.current
        if entry is None or self.tab != "curves" or not self.curves.with_marks or entry.key in self.hidden:
            return ()
        return entry.runs

    @property
    def _marked(self) -> Marked | None:
        """What is known of them; None before all of it is."""
        runs, entry, known = self._marked_runs, self.current, self._happened.value or {}
        if entry is None or not runs or any(run.id not in known for run in runs):
            return None
        return Marked(entry.letter, {run.id: known[run.id] for run in runs})

    def mark(self) -> None:
        """Mark what happened to the entry at the cursor."""
        self._ask_happened()
        self._show_marks()

    def _show_marks(self) -> None:
        if self.tab == "curves":
            self.curves.mark(self._marked)

    def _ask_happened(self) -> None:
        """Have what is marked read, once for each state of the runs."""
        runs = self._marked_runs
        if runs:
            self._happened.ask(runs, lambda: read_happened(self.itop.database, runs))

    # -------------------------------------------------------------------------------------------------------- masks

    def _ask_masks(self, found: Read) -> None:
        """Have the masks read, once for each set of checkpoints; what was read before is shown meanwhile."""
        runs = self._entry_runs
        if found.checkpoints is not None:
            wish = (tuple(run.id for run in runs), found.checkpoints)
            self._masks.ask(wish, lambda: read_masks(self.itop.database, self._mask_server(), runs))

    def _mask_server(self) -> MaskServer:
        if self._server is None:
            self._server = MaskServer()
        return self._server

    def _show_masks(self) -> None:
        if self.tab == "masks":
            self.show()

    @property
    def _masks_shown(self) -> MasksRead | None:
        """The masks that were read; None while they are of other runs."""
        masks = self._masks.value
        ids = tuple(run.id for run in self._entry_runs)
        return masks if masks is not None and masks.runs == ids else None

    @property
    def _entry_runs(self) -> tuple[RunRecord, ...]:
        return tuple(run for entry in self.entries for run in entry.runs)

    @property
    def mask_layers(self) -> tuple[str, ...]:
        """The layers whose masks can be compared."""
        masks = self._masks_shown
        return masks.overlaps.layers if masks is not None and masks.overlaps is not None else ()

    # ------------------------------------------------------------------------------------- what is kept of the view

    def _take_up(self, kept: object) -> None:
        """Show these runs, and everything else, as it was left the last time."""
        left, view = left_before(kept, self.ids), view_before(kept)
        if left is not None:
            self.ids, self.hidden, self.grouped = left.ids, left.hidden, self.grouped or left.grouped
        self.curves.take_up(view)
        self.accuracy = choice(view.get("accuracy"), tuple(ACCURACIES))
        self.layer_measure = choice(view.get("layers"), sheets.LAYER_MEASURES)
        self.overlap_measure = choice(view.get("masks"), sheets.OVERLAP_MEASURES)
        self.set_class(view.get("legend") is False, "-no-legend")
        tab = choice(view.get("tab"), TABS)
        if tab != self.tab:
            self.call_later(self.open_tab, tab)

    # --------------------------------------------------------------------------------------------------------- tabs

    def open_tab(self, tab: str) -> None:
        """Open a tab."""
        self.tab = tab
        self.query_one("#compare-tabs", ContentSwitcher).current = tab
        self.query_one(TabLine).tab = tab
        self.show()
        self.ask()
        self.refresh_bindings()

    def focused_sheet(self) -> Widget | None:
        """The table of the open tab; None for charts and plots."""
        found = self.query_one(f"#{self.tab}")
        return found if isinstance(found, SheetView) else None
