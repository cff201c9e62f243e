"""The tabs of a run's screen: each is made when it is first opened, and gets what was read while it is open."""

from __future__ import annotations

from typing import TypeVar

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
    "layers": "#layer-table",
    "config": "#config-scroll",
    "checkpoints": "#checkpoint-table",
    "log": "#log-view",
}
"""What has the focus in a tab."""
Pane = TypeVar("Pane", bound=Widget)


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

    def pane(self, kind: type[Pane]) -> Pane | None:
        """The pane of a tab; None where it was not opened yet."""
        found = self.query(kind)
        return found.first() if found else None

    @property
    def note(self) -> str:
        """What the line of tabs says of the open one."""
        return self.charts.note if self.tab == "charts" else ""

    async def open(self, tab: str, view: RunView | None) -> None:
        """Open a tab; the log is at a place that only the run, as it was read, says."""
        if not self.query(f"#{tab}"):
            await self.add_content(self._make(tab, view), id=tab)
        self.current = tab
        log = self.pane(LogPane)
        if log is not None:
            log.set_reading(tab == "log")
        if tab in _FOCUSED:
            self.query_one(_FOCUSED[tab]).focus()
        else:
            self.screen.set_focus(None)

    @staticmethod
    def _make(tab: str, view: RunView | None) -> Widget:
        if tab == "layers":
            return LayersPane()
        if tab == "config":
            return ConfigPane()
        if tab == "checkpoints":
            return CheckpointsPane()
        assert view is not None, "the log opens once the run was read"
        return LogPane(run_folder(view.run.uid) / "console.log")

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

    @property
    def request(self) -> Request:
        """What is to be read for the open tab."""
        layers = self.pane(LayersPane)
        return Request(
            curves=self.charts.request if self.tab == "charts" else None,
            layers=self.tab == "layers",
            history=self.tab == "layers" and layers is not None and layers.wants_history,
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
