"""The tabs of a run's screen: each is made when it is first opened, and gets what was read while it is open."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import ContentSwitcher

from db.paths import run_folder
from itop_tui.chart.charts_pane import ChartsPane
from itop_tui.figures.curves import RunCurves
from itop_tui.figures.run_charts import ChartedRun
from itop_tui.run.checkpoints_tab import CheckpointsPane
from itop_tui.run.config_tab import ConfigPane
from itop_tui.run.layers_tab import LayersPane
from itop_tui.run.log_tab import LogPane
from itop_tui.run.run_reader import Request, RunView

TABS = ("charts", "layers", "config", "checkpoints", "log")
"""The tabs in order; the number of each is its key."""
_FOCUSED = {
    "config": "#config-scroll",
    "checkpoints": "#checkpoint-table",
    "log": "#log-view",
}
"""What has the focus in a tab."""
_PANES: dict[str, type[Widget]] = {"layers": LayersPane, "config": ConfigPane, "checkpoints": CheckpointsPane}


class RunTabs(ContentSwitcher):
    """Shows one tab."""

    def __init__(self) -> None:
        super().__init__(initial=TABS[0], id="tabs")
        self._curves: RunCurves | None = None

    def compose(self) -> ComposeResult:
        """The first tab."""
        yield ChartsPane(TABS[0])

    @property
    def tab(self) -> str:
        """The open tab."""
        return self.current or TABS[0]

    @property
    def charts(self) -> ChartsPane:
        """The charts."""
        return self.query_one(ChartsPane)

    @property
    def note(self) -> str:
        """What the line of tabs says of the open one."""
        return self.charts.note if self.tab == "charts" else ""

    async def open(self, tab: str, view: RunView | None) -> None:
        """Open a tab; the log is at a place that only the run, as it was read, says."""
        if not self.query(f"#{tab}"):
            if tab in _PANES:
                await self.add_content(_PANES[tab](), id=tab)
            else:
                assert view is not None, "the log opens once the run was read"
                await self.add_content(LogPane(run_folder(view.run.uid) / "console.log"), id=tab)
        self.current = tab
        for log in self.query(LogPane):
            log.set_reading(tab == "log")
        if tab == "layers":
            self.query_one(LayersPane).take_focus()
        elif tab in _FOCUSED:
            self.query_one(_FOCUSED[tab]).focus()
        else:
            self.screen.set_focus(None)

    def show(self, view: RunView, now: float) -> None:
        """Show what was read in the open tab."""
        pane = self.query_one(f"#{self.tab}")
        if isinstance(pane, ChartsPane):
            self._curves = view.curves or self._curves
            pane.show(ChartedRun(view.run, view.attempts, view.checkpoints, self._curves))
        elif isinstance(pane, LayersPane):
            pane.show(view)
        elif isinstance(pane, ConfigPane | CheckpointsPane):
            pane.show(view, now)

    def tick(self, view: RunView, now: float) -> None:
        """Show the ages in the open tab as they are by now."""
        pane = self.query_one(f"#{self.tab}")
        if isinstance(pane, ConfigPane | CheckpointsPane):
            pane.show(view, now)

    @property
    def request(self) -> Request:
        """What is to be read for the open tab."""
        return Request(
            curves=self.charts.request if self.tab == "charts" else None,
            layers=self.tab == "layers",
            history=self.tab == "layers" and any(pane.wants_history for pane in self.query(LayersPane)),
            files=self.tab == "checkpoints",
        )

    def close_inner(self) -> bool:
        """Close what is open within the tab: a search, a chart at full size. False where nothing is."""
        pane = self.query_one(f"#{self.tab}")
        if isinstance(pane, ConfigPane | LogPane):
            return pane.close_search()
        if isinstance(pane, ChartsPane) and pane.full:
            pane.action_toggle_full()
            return True
        return False
