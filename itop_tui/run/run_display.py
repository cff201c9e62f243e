"""One run, as its screen shows it.

It owns the reader (a thread that reads the run when something was committed) and hands what was read to the
open tab; the tabs are made when they are first opened. What the keys do stands in `screen.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Any, TypeVar

from textual import work
from textual.widget import Widget
from textual.widgets import ContentSwitcher

from db import key_values
from db.paths import run_folder
from db.records import AttemptRecord, RunRecord
from engine.helpers.masks_client import MaskServer
from engine.launch.processes import host_name
from itop_tui.chart.charts_pane import ChartsPane
from itop_tui.dialogs.run_changes import RunActions
from itop_tui.figures.curves import RunCurves
from itop_tui.figures.format import plain
from itop_tui.figures.run_charts import ChartedRun
from itop_tui.poller import DatabaseTrouble, RunsChanged
from itop_tui.run.checkpoints_tab import CheckpointsPane
from itop_tui.run.config_tab import ConfigPane
from itop_tui.run.device_strip import DeviceStrip
from itop_tui.run.header import RunHeader
from itop_tui.run.layers_tab import LayersPane
from itop_tui.run.log_tab import LogPane
from itop_tui.run.run_reader import SETTING, ReadFailed, Request, RunReader, RunView, ViewRead
from itop_tui.run.tabs import TABS, TabLine
from itop_tui.widgets.banner import Banner
from itop_tui.widgets.top_bar import TopBar

Pane = TypeVar("Pane", bound=Widget)
_PATIENCE = 0.15
"""Seconds for which a screen that is being opened is not drawn while its first curves are read."""


class RunDisplay(RunActions):
    """Everything about one run, live.

    Args:
        run_id: The run.
    """

    def __init__(self, run_id: int) -> None:
        super().__init__()
        self.run_id = run_id
        self.tab = TABS[0]
        self.view: RunView | None = None
        self._reader: RunReader | None = None
        self._masks: MaskServer | None = None
        self._curves: RunCurves | None = None
        self._gone = False
        self._undrawn: ExitStack | None = None

    def compose_body(self) -> Iterable[Widget]:
        """Lay out the head, the tabs and the first of them."""
        yield RunHeader()
        yield DeviceStrip()
        yield TabLine()
        with ContentSwitcher(initial="charts", id="tabs"):
            yield ChartsPane("charts")

    def on_mount(self) -> None:
        """Start to read."""
        self.query_one(TopBar).heading = f"run {self.run_id}"
        self._reader = RunReader(self.itop.database, self.run_id, self.post_message)
        self._read_on()
        self.set_interval(1.0, self._tick)
        # To draw the screen while it is half empty takes longer than to read what belongs there.
        self._undrawn = ExitStack()
        self._undrawn.enter_context(self.app.batch_update())
        self.set_timer(_PATIENCE, self._draw)

    def _draw(self) -> None:
        """Draw the screen from now on, or the one that it is left for."""
        if self._undrawn is not None:
            self._undrawn.close()
            self._undrawn = None
            for screen in self.app.screen_stack[-1:]:
                screen.refresh(layout=True)

    def _compositor_refresh(self) -> None:
        # Textual makes frames while a batch holds them back, and throws them away: two, where a screen is opened.
        if self._undrawn is None:
            super()._compositor_refresh()

    def on_screen_suspend(self) -> None:
        """Another screen is shown: it shall be drawn."""
        self._draw()

    def on_unmount(self) -> None:
        """End the reader's thread and the process that reads masks."""
        self._draw()
        if self._reader is not None:
            self._reader.end()
        if self._masks is not None:
            self._masks.close()

    @work(thread=True, exclusive=True, group="reader")
    def _read_on(self) -> None:
        if self._reader is not None:
            self._reader.run()

    # ------------------------------------------------------------------------------ what is read

    @property
    def current_run(self) -> RunRecord | None:
        """The run, once it was read."""
        return self.view.run if self.view is not None else None

    @property
    def known_attempts(self) -> tuple[AttemptRecord, ...]:
        """All attempts, as they were read."""
        return self.view.attempts if self.view is not None else ()

    @property
    def parent_run(self) -> RunRecord | None:
        """The run it was forked from."""
        return self.view.parent if self.view is not None else None

    def on_runs_changed(self, message: RunsChanged) -> None:
        """Something was committed: read again."""
        if self._reader is not None:
            self._reader.wake()

    def on_view_read(self, message: ViewRead) -> None:
        """Show what was read."""
        before, self.view = self.view, message.view
        if message.view.kept is not None:
            self._take_up(message.view.kept)
        run = message.view.run
        self.query_one(Banner).problem = self.itop.problem
        self.query_one(TopBar).heading = f"run {run.id} · {plain(run.name, 200)}"
        self._tick()
        self.query_one(RunHeader).view = message.view
        self.query_one(DeviceStrip).watch_run(run, host_name())
        self._show_in_tab()
        if message.view.curves is not None:
            self._draw()
        if before is None or before.run.status != run.status:
            self.refresh_keys()

    def on_read_failed(self, message: ReadFailed) -> None:
        """Leave a run that is gone; say what is wrong otherwise."""
        if message.gone:
            if not self._gone:
                self.notify(f"Run {self.run_id} is no longer there.", severity="warning", markup=False)
            self._gone = True
            self.leave()
            return
        self.on_database_trouble(DatabaseTrouble(f"The run cannot be read: {message.reason}"))

    def _tick(self) -> None:
        """What depends on the time alone: ages, the time left, silence."""
        now = self.itop.clock()
        self.query_one(RunHeader).now = now

    def _ask(self) -> None:
        """Ask the reader for what is on the screen."""
        if self._reader is None:
            return
        layers = self._pane(LayersPane)
        self._reader.ask(
            Request(
                curves=self.charts.request if self.tab == "charts" else None,
                layers=self.tab == "layers",
                history=self.tab == "layers" and layers is not None and layers.wants_history,
                files=self.tab == "checkpoints",
            )
        )

    def _take_up(self, kept: Mapping[str, Any]) -> None:
        """Show everything as it was left the last time."""
        self.charts.restore(kept)
        tab = kept.get("tab")
        if tab in TABS and tab != self.tab:
            self.call_later(self.open_tab, tab)

    def on_charts_pane_view_changed(self, message: ChartsPane.ViewChanged) -> None:
        """A person changed how the charts are shown."""
        message.stop()
        self.query_one(TabLine).note = self.charts.note if self.tab == "charts" else ""
        self._keep()

    def _keep(self) -> None:
        """Keep how the view is left for the next time."""
        state = {**self.charts.state, "tab": self.tab}
        self.itop.operate(lambda db: key_values.put(db, SETTING, state), failing="The view could not be kept")

    def on_charts_pane_curves_wanted(self, message: ChartsPane.CurvesWanted) -> None:
        """Other curves are on the screen."""
        message.stop()
        self._ask()
        self.query_one(TabLine).note = self.charts.note if self.tab == "charts" else ""

    def on_layers_pane_layers_wanted(self, message: LayersPane.LayersWanted) -> None:
        """The layers are arranged otherwise."""
        message.stop()
        self._ask()

    def _show_in_tab(self) -> None:
        view = self.view
        if view is None:
            return
        pane = self.query_one(f"#{self.tab}")
        now = self.itop.clock()
        if isinstance(pane, ChartsPane):
            self._curves = view.curves or self._curves
            pane.show(ChartedRun(view.run, view.attempts, view.checkpoints, self._curves))
        elif isinstance(pane, LayersPane):
            pane.show(view)
        elif isinstance(pane, ConfigPane | CheckpointsPane):
            pane.show(view, now)

    # ------------------------------------------------------------------------------ tabs

    @property
    def charts(self) -> ChartsPane:
        """The charts."""
        return self.query_one(ChartsPane)

    def mask_reader(self) -> MaskServer:
        """Who reads the masks in checkpoints; its process stays warm while this screen is open."""
        if self._masks is None:
            self._masks = MaskServer()
        return self._masks

    def _pane(self, kind: type[Pane]) -> Pane | None:
        found = self.query(kind)
        return found.first() if found else None

    async def open_tab(self, tab: str) -> None:
        """Open a tab, making it where it is opened for the first time."""
        switcher = self.query_one("#tabs", ContentSwitcher)
        if not self.query(f"#{tab}"):
            await switcher.add_content(self._make(tab), id=tab)
        switcher.current = tab
        changed, self.tab = tab != self.tab, tab
        line = self.query_one(TabLine)
        line.tab, line.note = tab, self.charts.note if tab == "charts" else ""
        log = self._pane(LogPane)
        if log is not None:
            log.set_reading(tab == "log")
        self._focus_tab()
        self._ask()
        self._show_in_tab()
        self.refresh_bindings()
        self.refresh_keys()
        if changed:
            self._keep()

    def _make(self, tab: str) -> Widget:
        if tab == "layers":
            return LayersPane()
        if tab == "config":
            return ConfigPane()
        if tab == "checkpoints":
            return CheckpointsPane()
        assert self.view is not None, "tabs open once the run was read"
        return LogPane(run_folder(self.view.run.uid) / "console.log")

    def _focus_tab(self) -> None:
        targets = {
            "layers": "#layer-table",
            "config": "#config-scroll",
            "checkpoints": "#checkpoint-table",
            "log": "#log-view",
        }
        if self.tab in targets:
            self.query_one(targets[self.tab]).focus()
        else:
            self.set_focus(None)
