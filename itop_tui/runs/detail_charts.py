"""The charts below the details of the list: how the run at the cursor trains, live, where the screen has room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message

from db.records import RunRecord
from itop_tui.chart.chart import Chart
from itop_tui.figures.chart_metrics import DEFAULT_CHARTS, ChartSpec
from itop_tui.figures.curves import SMOOTHED, CurveRequest, RunCurves
from itop_tui.figures.run_charts import ChartedRun

if TYPE_CHECKING:
    from db.session import Database

SPECS = DEFAULT_CHARTS[:3]
"""Loss, accuracy and R_s, as on a run's screen; where there is less room, the last one is left out first."""
_ROWS = 9
"""The fewest lines in which a chart can be read."""


class DetailCharts(Vertical):
    """Loss, accuracy and R_s of one run over its steps, as many of them as fit below each other."""

    DEFAULT_CSS = """
    DetailCharts { width: 1fr; height: 1fr; margin: 1 0 0 0; }
    """

    class LaidOut(Message):
        """Another number of charts is visible, or they are wider or narrower: their curves may be missing."""

    def __init__(self) -> None:
        super().__init__()
        self._run: RunRecord | None = None
        self._curves: RunCurves | None = None
        self._read: tuple[CurveRequest, int] | None = None
        """What the curves answer, and the run's step when they were read."""

    def compose(self) -> ComposeResult:
        """One chart for each of `SPECS`."""
        for spec in SPECS:
            chart = Chart(spec.heading, percent=spec.percent, write=spec.write)
            chart.log_scale = spec.logarithmic
            yield chart

    @property
    def run_id(self) -> int | None:
        """The run whose curves were shown last."""
        return None if self._curves is None or self._run is None else self._run.id

    @property
    def request(self) -> CurveRequest | None:
        """What is to be read; None while no chart is visible."""
        visible = self._visible
        if not self.is_on_screen or not visible:
            return None
        names = tuple(name for spec in visible for name in spec.names)
        return CurveRequest(names=names, columns=max(16, self.size.width), smoothing=SMOOTHED)

    def describe(self, run: RunRecord | None) -> None:
        """Show another run, or what is newer of the same one; its curves come when they were read."""
        if self._run is None or run is None or run.id != self._run.id:
            self._curves = self._read = None
        self._run = run
        self._lay_out()

    def steps_read(self, run: RunRecord, request: CurveRequest) -> int | None:
        """Up to which step the curves that are shown answer a request; None where they are others."""
        if self._run is None or self._run.id != run.id or self._read is None or self._read[0] != request:
            return None
        return self._read[1]

    def show(self, run: RunRecord, request: CurveRequest, curves: RunCurves) -> None:
        """Show what was read of a run, unless the cursor is on another one by now."""
        if self._run is not None and self._run.id == run.id:
            self._curves, self._read = curves, (request, run.step)
            self._fill()

    def on_resize(self, _: events.Resize) -> None:
        """Show as many charts as fit."""
        self._lay_out()
        self.post_message(self.LaidOut())

    @property
    def _visible(self) -> tuple[ChartSpec, ...]:
        run = self._run
        known = () if run is None else SPECS[:-1] if run.method == "dense" else SPECS
        return known[: self.size.height // _ROWS]

    def _lay_out(self) -> None:
        if not self.is_mounted:  # the first resize comes once it is
            return
        visible = self._visible
        for spec, chart in zip(SPECS, self.query(Chart), strict=True):
            chart.display = spec in visible
        self._fill()

    def _fill(self) -> None:
        if self._run is None or not self.is_mounted:
            return
        charted = ChartedRun(self._run, (), (), self._curves)
        for spec, chart in zip(SPECS, self.query(Chart), strict=True):
            if spec in self._visible:
                chart.limits = charted.limits("step")
                chart.set_series(charted.chart(spec, "step", with_marks=False))


def read(database: Database, run: RunRecord, request: CurveRequest) -> RunCurves:
    """Read the curves of a run, and of those it was forked from. Blocks."""
    from itop_tui.figures.curve_reader import CurveReader, lineage

    return CurveReader(database, run.id).read(request, generation=run.attempt_count, lineage=lineage(database, run))
