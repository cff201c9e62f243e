"""The screen on which runs are compared.

It holds which runs there are, in which order and which are hidden; reads them in a thread when something was committed
or something else is shown; and hands what was read to the open tab. What the keys do stands in `keys.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from textual import work
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import ContentSwitcher

from db.records import RunRecord
from engine.masks_client import MaskServer
from itop_tui.actions import bindings, find, in_scope
from itop_tui.comparison import MOST, Entry, entries
from itop_tui.comparison_scatter import ACCURACIES, ScatterData, scatter_data
from itop_tui.format import plural
from itop_tui.poller import DatabaseTrouble, RunsChanged
from itop_tui.screens.compare import sheets
from itop_tui.screens.compare.curves import CurvesPane
from itop_tui.screens.compare.keys import TABS, CompareKeys
from itop_tui.screens.compare.reading import MasksRead, Read, Request, read, read_masks
from itop_tui.screens.run.tabs import TabLine
from itop_tui.widgets.entry_list import EntryLine, EntryList
from itop_tui.widgets.key_bar import KeyHint
from itop_tui.widgets.scatter import Scatter
from itop_tui.widgets.sheet import Sheet, SheetView
from itop_tui.widgets.top_bar import TopBar

_ONLY_ON = {
    "next_view": ("scatter", "layers", "masks"),
    "next_layer": ("masks",),
    "previous_layer": ("masks",),
}
"""Actions that mean something on some tabs alone."""
_PAUSE = 0.5
"""Seconds between two reads of what was committed."""


class CompareScreen(CompareKeys):
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
        self.grouped = grouped
        self.ids = tuple(dict.fromkeys(run_ids))
        self.tab = TABS[0]
        self.read: Read | None = None
        self.entries: tuple[Entry, ...] = ()
        self._masks: MasksRead | None = None
        self._masks_problem: str | None = None
        self._masks_asked: tuple[tuple[int, int], ...] = ()
        self._server: MaskServer | None = None
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
        )

    @work(thread=True, group="compare", exit_on_error=False)
    def _read(self, request: Request) -> None:
        try:
            found: Read | Exception = read(self.itop.database, request, self.itop.clock())
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
            self._keep_to_the_most(found.runs)
        gone = set(found.request.ids) - {run.id for run in found.runs}
        if gone:
            self.ids = tuple(run_id for run_id in self.ids if run_id not in gone)
            self.notify(f"{plural(len(gone), 'run')} no longer there.", severity="warning", markup=False)
        self.make_entries()
        if self._again or found.request != self._request():  # the entries that were read want other curves
            self._again = False
            self.ask()

    def _keep_to_the_most(self, runs: Sequence[RunRecord]) -> None:
        """Join the seeds of more runs than can be told apart; where that is not enough, take the first ones."""
        if len(runs) <= MOST:
            if self.grouped and len(entries(runs, grouped=True)) < 2:
                self.grouped = False  # one group: its seeds are what can be compared
            return
        self.grouped = True
        try:
            entries(runs, grouped=True)
        except ValueError:
            self.grouped = False
            self.ids = self.ids[:MOST]
            self.notify(f"{MOST} at most are compared: these are the first.", severity="warning", markup=False)
        else:
            self.notify(f"More than {MOST} runs: their seeds are joined (g).", markup=False)

    @property
    def is_settled(self) -> bool:
        """Whether what is on the screen has been read."""
        return self.read is not None and not self._busy and self.read.request == self._request()

    def make_entries(self) -> None:
        """Make the entries from the runs that were read, and show them."""
        known = {run.id: run for run in self.read.runs} if self.read is not None else {}
        self.entries = entries([known[run_id] for run_id in self.ids if run_id in known], grouped=self.grouped)
        self.show()

    # ------------------------------------------------------------------------------------------------------ showing

    def show(self) -> None:
        """Show what is known in the legend and in the open tab."""
        legend = self.query_one(EntryList)
        legend.cursor = min(legend.cursor, max(0, len(self.entries) - 1))
        self.query_one(TopBar).heading = self.heading
        self.query_one(TabLine).note = self._note()
        found = self.read
        if found is None:
            return
        if self.tab == "curves":
            asked = found.request.curves
            fits = asked is not None and asked.members == getattr(self.curves.request(self.entries), "members", None)
            self.curves.show(self.entries, self.hidden, found.curves if fits else None)
        elif self.tab == "scatter":
            by_rs, by_flops = scatter_data(self.shown_entries, found.seconds, self.accuracy)
            self.query_one("#by-rs", Scatter).data = self._in_place(by_rs)
            self.query_one("#by-flops", Scatter).data = self._in_place(by_flops)
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
            self._ask_masks()
            return sheets.overlap_sheet(
                self.entries, self._masks, self._masks_problem, self.mask_layer, self.overlap_measure
            )
        return sheets.results_sheet(self.entries, found.seconds, named=self.has_class("-no-legend"))

    def _in_place(self, data: ScatterData) -> ScatterData:
        """Points of the visible entries have the colours of their places among all."""
        places = {entry.letter: at for at, entry in enumerate(self.entries)}
        return replace(data, points=tuple(replace(point, position=places[point.letter]) for point in data.points))

    def _note(self) -> str:
        if self.tab == "curves":
            return self.curves.note
        return ACCURACIES[self.accuracy] + " (v)" if self.tab == "scatter" else ""

    def _show_legend(self) -> None:
        chart = self.curves.chart if self.tab == "curves" else None
        self.query_one(EntryList).lines = tuple(
            EntryLine(
                entry.letter,
                entry.label,
                entry.runs[0].status if len({run.status for run in entry.runs}) == 1 else "",
                entry.n,
                entry.key in self.hidden,
                chart.reading(at, self.curves.cursor) if chart is not None else f"run {entry.runs[0].id}",
            )
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
        self.query_one(EntryList).cursor = message.position

    # -------------------------------------------------------------------------------------------------------- masks

    def _ask_masks(self) -> None:
        """Have the masks read, once for each state of the runs."""
        wanted = tuple((run.id, run.step) for entry in self.entries for run in entry.runs)
        if wanted == self._masks_asked:
            return
        self._masks_asked, self._masks, self._masks_problem = wanted, None, None
        self._read_masks(tuple(run for entry in self.entries for run in entry.runs), wanted)

    @work(thread=True, group="masks", exit_on_error=False)
    def _read_masks(self, runs: tuple[RunRecord, ...], wanted: tuple[tuple[int, int], ...]) -> None:
        try:
            if self._server is None:
                self._server = MaskServer()
            found: MasksRead | Exception = read_masks(self.itop.database, self._server, runs)
        except Exception as error:  # said in the tab
            found = error
        self.app.call_from_thread(self._masks_were_read, found, wanted)

    def _masks_were_read(self, found: MasksRead | Exception, wanted: tuple[tuple[int, int], ...]) -> None:
        if wanted != self._masks_asked or not self.is_mounted:
            return
        if isinstance(found, Exception):
            self._masks_problem = f"{found}".strip() or type(found).__name__
        else:
            self._masks = found
        if self.tab == "masks":
            self.show()

    @property
    def mask_layers(self) -> tuple[str, ...]:
        """The layers whose masks can be compared."""
        masks = self._masks
        return masks.overlaps.layers if masks is not None and masks.overlaps is not None else ()

    # --------------------------------------------------------------------------------------------------------- tabs

    def open_tab(self, tab: str) -> None:
        """Open a tab."""
        self.tab = tab
        self.query_one("#compare-tabs", ContentSwitcher).current = tab
        self.query_one(TabLine).tab = tab
        self.show()
        self.ask()
        self.refresh_bindings()

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

    def focused_sheet(self) -> Widget | None:
        """The table of the open tab; None for charts and plots."""
        found = self.query_one(f"#{self.tab}")
        return found if isinstance(found, SheetView) else None
