"""The screen of one run: a head, the devices and the tabs, shown again whenever the run was read again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, ClassVar

from textual.widget import Widget

from db import key_values
from db.history.declared import Metric
from db.records import RunRecord
from engine.helpers.masks_client import MaskServer
from engine.launch.processes import host_name
from itop_tui.chart.charts_pane import ChartsPane
from itop_tui.dialogs.chooser import Picker, run_item
from itop_tui.dialogs.run_changes import RunChanges, fork_from_last, queue_again
from itop_tui.dialogs.shelf_changes import ShelfChanges
from itop_tui.figures.chart_metrics import MOST_CHARTS, choices
from itop_tui.figures.format import plain
from itop_tui.keys import bindings, find, in_scope
from itop_tui.poller import DatabaseTrouble, RunsChanged
from itop_tui.run.checkpoints_tab import CheckpointsPane
from itop_tui.run.device_strip import DeviceStrip
from itop_tui.run.header import RunHeader
from itop_tui.run.layers_tab import LayersPane
from itop_tui.run.mask_screen import MaskScreen
from itop_tui.run.metric_picker import FigurePicker
from itop_tui.run.provenance_screen import ProvenanceScreen
from itop_tui.run.run_reader import SETTING, ReadFailed, RunReader, RunView, ViewRead
from itop_tui.run.run_tabs import TABS, RunTabs
from itop_tui.screen import ItopScreen
from itop_tui.service import run_reading
from itop_tui.service.code_review import code_reviews
from itop_tui.widgets.key_bar import KeyHint
from itop_tui.widgets.tab_line import TabLine
from itop_tui.widgets.top_bar import Banner, TopBar

_PATIENCE = 0.15
"""Seconds for which a screen that is being opened is not drawn."""


_OF_A_CHECKPOINT = frozenset({"resume_here", "fork_here"})
"""The actions of the run that start from the checkpoint at the cursor, where the checkpoints are shown."""
_JUST_DRAWN = 0.9
"""Seconds for which what tells the time need not be drawn again."""


class RunScreen(ItopScreen):
    """Everything about one run, live."""

    SCOPE = "run"
    CSS_PATH = "run.tcss"
    BINDINGS = bindings(in_scope("run"))
    AUTO_FOCUS = None
    _HEADINGS: ClassVar[dict[str, str]] = {tab.capitalize(): tab for tab in TABS}

    def __init__(self, run_id: int) -> None:
        super().__init__()
        self.parts = (RunChanges(self), ShelfChanges(self))
        self.run_id = run_id
        self.view: RunView | None = None
        self._reader: RunReader | None = None
        self._masks: MaskServer | None = None
        self._gone = False
        self._tabs: RunTabs | None = None
        self._held: ExitStack | None = None
        """Holds back frames while the screen is opened: to draw it half empty takes longer than to read the rest."""

    def compose_body(self) -> Iterable[Widget]:
        """Lay out the head, the line of tabs and the first of them."""
        yield RunHeader()
        yield DeviceStrip()
        yield TabLine(TABS)
        self._tabs = RunTabs()
        yield self._tabs

    def on_mount(self) -> None:
        """Start to read."""
        self.query_one(TopBar).heading = f"run {self.run_id}"
        self._reader = RunReader(self.itop.database, self.run_id, self.post_message)
        self._reader.start()
        self.set_interval(1.0, self._tick)
        self._held = ExitStack()
        self._held.enter_context(self.app.batch_update())
        self.set_timer(_PATIENCE, self._release)

    def _compositor_refresh(self) -> None:
        # Textual makes frames while a batch holds them back, and throws them away: two, where a screen is opened.
        if self._held is None:
            super()._compositor_refresh()

    def on_screen_suspend(self) -> None:
        """Another screen is shown and must be drawn."""
        self._release()

    def _release(self) -> None:
        """Draw the screen from now on, or the one that it is left for."""
        if self._held is not None:
            self._held.close()
            self._held = None
            for screen in self.app.screen_stack[-1:]:
                screen.refresh(layout=True)

    def on_unmount(self) -> None:
        """End the reader's thread and the process that reads masks."""
        self._release()
        if self._reader is not None:
            self._reader.stop()
        if self._masks is not None:
            self._masks.close()

    # ------------------------------------------------------------------------------ what is read

    @property
    def current_run(self) -> RunRecord | None:
        """The run, once it was read."""
        return self.view.run if self.view is not None else None

    def on_runs_changed(self, message: RunsChanged) -> None:
        """Something was committed: read again."""
        if self._reader is not None:
            self._reader.wake()

    def on_view_read(self, message: ViewRead) -> None:
        """Show what was read."""
        before, self.view = self.view, message.view
        if message.view.kept is not None:
            self._restore(message.view.kept)
        run = message.view.run
        self.query_one(Banner).problem = self.itop.problem
        self.query_one(TopBar).heading = f"run {run.id} · {plain(run.name, 200)}"
        self.query_one(RunHeader).now = self.itop.clock()
        self.query_one(RunHeader).view = message.view
        self.query_one(DeviceStrip).watch_run(run, host_name())
        self.tabs.show(message.view, self.itop.clock())
        if message.view.curves is not None:
            self._release()
        if before is None or before.run.status != run.status:
            self.refresh_keys()

    def on_read_failed(self, message: ReadFailed) -> None:
        """Leave a run that is gone; report any other problem."""
        if message.gone:
            if not self._gone:
                self.notify(f"Run {self.run_id} is no longer there.", severity="warning", markup=False)
            self._gone = True
            self.leave()
            return
        self.on_database_trouble(DatabaseTrouble(f"The run cannot be read: {message.reason}"))

    def _tick(self) -> None:
        """What depends on the time alone: ages, the time left, silence; not where it was just drawn anyhow."""
        now, header = self.itop.clock(), self.query_one(RunHeader)
        if abs(now - header.now) > _JUST_DRAWN:
            header.now = now
            if self.view is not None:
                self.tabs.tick(self.view, now)

    def _ask(self) -> None:
        """Ask the reader for what is on the screen."""
        if self._reader is not None:
            self._reader.ask(self.tabs.request)

    # ------------------------------------------------------------------------------ tabs

    @property
    def tabs(self) -> RunTabs:
        """The tabs."""
        return self.query_one(RunTabs)

    @property
    def tab(self) -> str:
        """The open tab."""
        return TABS[0] if self._tabs is None else self._tabs.tab  # none yet while the screen is being made

    @property
    def charts(self) -> ChartsPane:
        """The charts."""
        return self.tabs.charts

    async def action_open_tab(self, tab: str) -> None:
        """Open a tab; the log once the run was read, which says where its log is."""
        if tab == "log" and self.view is None:
            return
        changed = tab != self.tab
        await self.tabs.open(tab, self.view)
        line = self.query_one(TabLine)
        line.tab, line.note = tab, self.tabs.note
        self._ask()
        if self.view is not None:
            self.tabs.show(self.view, self.itop.clock())
        self.refresh_bindings()
        self.refresh_keys()
        if changed:
            self._keep()

    def _restore(self, kept: Mapping[str, Any]) -> None:
        """Show everything as it was left the last time."""
        self.charts.restore(kept)
        tab = kept.get("tab")
        if tab in TABS and tab != self.tab:
            self.call_later(self.action_open_tab, tab)

    def _keep(self) -> None:
        """Keep how the view is left for the next time."""
        if self.itop.read_only is not None:
            return
        state = {**self.charts.state, "tab": self.tab}
        self.itop.operate(lambda db: key_values.put(db, SETTING, state), failing="The view could not be kept")

    def on_charts_pane_view_changed(self, message: ChartsPane.ViewChanged) -> None:
        """A person changed how the charts are shown."""
        message.stop()
        self.query_one(TabLine).note = self.tabs.note
        self._keep()

    def on_charts_pane_curves_wanted(self, message: ChartsPane.CurvesWanted) -> None:
        """Other curves are on the screen."""
        message.stop()
        self._ask()
        self.query_one(TabLine).note = self.tabs.note

    def on_layers_pane_layers_wanted(self, message: LayersPane.LayersWanted) -> None:
        """Other metrics of the layers are on the screen."""
        message.stop()
        self._ask()

    # ------------------------------------------------------------------------------ keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The keys of a tab work while it is open."""
        try:
            tab = self._HEADINGS.get(find("run", action).heading)
        except KeyError:
            return super().check_action(action, parameters)
        return tab is None or tab == self.tab

    def key_hints(self) -> Iterable[KeyHint]:
        """What works now, what belongs to the open tab first."""
        own = {action.name for action in in_scope("run") if action.heading.lower() == self.tab}
        if self.tab == "checkpoints":
            own |= _OF_A_CHECKPOINT
        mine: list[KeyHint] = []
        others: list[KeyHint] = []
        for hint in super().key_hints():
            name = hint.action.removeprefix("screen.")
            if hint.action == "app.quit":  # q leaves the screen here
                continue
            if name == "leave":
                others.append(replace(hint, pinned=True))
            elif hint.action.startswith("app.") or self.check_action(name, ()):
                (mine if name in own else others).append(hint)
        return [*mine, *others]

    def action_export(self) -> None:
        """Ask in which format to write the run, or its chosen chart, and where."""
        from itop_tui.dialogs.export_dialog import offer_runs

        if self.permits("export"):
            charts = self.charts.charts if self.tab == "charts" else []
            offer_runs(self, self.chosen.ids, *(chart for chart in charts if chart.display))

    def action_leave(self) -> None:
        """Close what is open within the screen, else the screen."""
        if not self.tabs.close_inner():
            self.dismiss(None)

    def action_resume_here(self) -> None:
        """Queue the run to resume from the checkpoint at the cursor, or from its last one."""
        run = self.current_run
        if not self.permits("resume_here") or run is None:
            return
        chosen = self.query_one(CheckpointsPane).table.selected if self.tab == "checkpoints" else None
        queue_again(self, run, None if chosen is None else str(chosen.id))

    def action_fork_here(self) -> None:
        """Open the form of a new run that starts from the checkpoint at the cursor, or from the last one."""
        run = self.current_run
        if not self.permits("fork_here") or run is None:
            return
        chosen = self.query_one(CheckpointsPane).table.selected if self.tab == "checkpoints" else None
        if chosen is None:
            fork_from_last(self, run)
        else:
            self.itop.open_new_run(run.config, title=run.name, parent=run, checkpoint=chosen)

    def action_step_run(self, by: int) -> None:
        """Open another run of the list in the place of this one."""
        self.itop.open_neighbour(self.run_id, by)

    def action_compare_with(self) -> None:
        """Choose a run, and open the comparison of this one with it."""
        run = self.current_run
        if not self.permits("compare_with") or run is None:
            return

        def chosen(value: str | None) -> None:
            if value is not None:
                self.itop.open_compare((run.id, int(value)))

        def offer(past: list[RunRecord]) -> None:
            items = [run_item(other) for other in past if other.id != run.id]
            self.app.push_screen(Picker(f"Compare run {run.id} with", items), chosen)

        self.itop.operate(run_reading.past_runs, offer, failing="The runs cannot be read")

    def action_choose_figures(self) -> None:
        """Choose what the chosen chart shows."""
        charts = self.charts
        self._pick_metrics("Metrics of this chart", charts.specs[charts.chosen].names, charts.set_figures)

    def action_add_chart(self) -> None:
        """Choose the metrics of one more chart."""

        def add(names: tuple[str, ...]) -> None:
            if not self.charts.add_chart(names):
                self.notify(f"There are {MOST_CHARTS} charts already.", severity="warning", markup=False)

        self._pick_metrics("Metrics of a new chart", (), add)

    def _pick_metrics(self, title: str, chosen: tuple[str, ...], then: Callable[[tuple[str, ...]], object]) -> None:
        run = self.current_run
        if run is None:
            return

        def picked(names: tuple[str, ...] | None) -> None:
            if names is not None:
                then(names)

        def ask(found: list[Metric]) -> None:
            self.app.push_screen(FigurePicker(title, found, chosen), picked)

        self.itop.operate(lambda db: choices(db, run.id), ask, failing="Could not read the layers")

    def mask_reader(self) -> MaskServer:
        """What reads the masks in checkpoints; its process stays warm while this screen is open."""
        if self._masks is None:
            self._masks = MaskServer()
        return self._masks

    def action_open_mask(self) -> None:
        """Show the mask of the layer at the cursor."""
        run, row = self.current_run, self.query_one(LayersPane).table.selected
        if run is None or row is None:
            self.notify("There is no layer with a mask here.", severity="warning", markup=False)
            return
        self.app.push_screen(MaskScreen(run, row.layer, self.mask_reader()))

    def action_provenance(self) -> None:
        """Show where the attempts came from."""
        if self.view is not None and self.view.attempts:
            shown, run_id = ProvenanceScreen(self.view.attempts), self.view.run.id
            self.app.push_screen(shown)
            self.itop.operate(
                lambda db: code_reviews(db, run_id),
                shown.show_code,
                failing="The code of the attempts cannot be read",
                aside=True,
            )
        else:
            self.notify("There is no attempt yet.", severity="warning", markup=False)
