"""The charts of a run: a grid of them, or one at full size, all over the same steps.

The pane knows what is on the screen (which charts, how wide, which window, how smooth) and says so with
`ChartsPane.Wanted`; what was read comes back through `show`.  It reads nothing itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from textual import events
from textual.app import ComposeResult
from textual.message import Message
from textual.widget import Widget

from db.records import RunRecord
from itop_tui.format import MASK_FIGURES
from itop_tui.screens.run.curves import EMPTY, CurveRequest, Curves
from itop_tui.widgets.chart import Chart, ChartData, Line

SMOOTHING = (0.0, 0.6, 0.9, 0.98)
"""Weights of the past in the moving average, from none to much."""


@dataclass(frozen=True, slots=True)
class ChartSpec:
    """What one chart shows.

    Attributes:
        name: The figure of each step.
        title: What the chart is called.
        percent: Whether the figure is a share.
        validation: The figure of each epoch on the same axes, empty for none.
        logarithmic: Whether a logarithmic axis makes sense.
    """

    name: str
    title: str
    percent: bool = False
    validation: str = ""
    logarithmic: bool = False


SPECS = (
    ChartSpec("loss", "loss", validation="val_loss", logarithmic=True),
    ChartSpec("accuracy", "accuracy", percent=True, validation="val_accuracy"),
    ChartSpec("itop_rate", "R_s explored", percent=True),
    ChartSpec("death_rate", "death rate"),
    ChartSpec("learning_rate", "learning rate", logarithmic=True),
    ChartSpec("density", "density", percent=True),
    ChartSpec("samples_per_second", "samples/s"),
)


def grid_shape(width: int, height: int) -> tuple[int, int]:
    """How many charts fit side by side and one above the other, so that each can still be read."""
    columns = 1 if width < 64 else 2 if width < 150 else 3
    rows = 1 if height < 14 else 2 if height < 30 or columns == 3 else 3
    return columns, rows


class ChartsPane(Widget):
    """Charts over steps or epochs."""

    @dataclass
    class Wanted(Message):
        """These curves are wanted now."""

        request: CurveRequest

    def __init__(self, widget_id: str | None = None) -> None:
        super().__init__(id=widget_id)
        self.full = False
        self.chosen = 0
        self.smoothing = 0.0
        self.by_epochs = False
        self.with_marks = True
        self.window: tuple[float, float] | None = None
        self._run: RunRecord | None = None
        self._curves: Curves | None = None

    def compose(self) -> ComposeResult:
        """All charts; which of them are shown depends on the room."""
        for spec in SPECS:
            yield Chart(spec.title, percent=spec.percent, widget_id=f"chart-{spec.name}")

    def on_mount(self) -> None:
        """Loss falls by orders of magnitude: it starts on a logarithmic axis."""
        self.charts[0].log_scale = True

    @property
    def charts(self) -> list[Chart]:
        """The charts, in the order of `SPECS`."""
        return list(self.query_children(Chart))

    # ------------------------------------------------------------------------------ what is on the screen

    def on_resize(self, event: events.Resize) -> None:
        """Lay the charts out anew."""
        self.lay_out()

    def lay_out(self) -> None:
        """Show the charts that fit, the chosen one among them, and ask for their curves."""
        shown = self._visible()
        columns, rows = (1, 1) if self.full else grid_shape(self.size.width, self.size.height)
        self.styles.grid_size_columns = columns
        self.styles.grid_size_rows = min(rows, -(-len(shown) // columns))
        for index, chart in enumerate(self.charts):
            chart.display = index in shown
            chart.choose(index == self.chosen and len(shown) > 1)
        self._fill()
        self._want()

    def _visible(self) -> range:
        if self.full:
            return range(self.chosen, self.chosen + 1)
        columns, rows = grid_shape(self.size.width, self.size.height)
        first = self.chosen // (columns * rows) * columns * rows
        return range(first, min(len(SPECS), first + columns * rows))

    @property
    def request(self) -> CurveRequest | None:
        """The curves that are on the screen; None before it is laid out."""
        if not self.size:
            return None
        columns = 1 if self.full else grid_shape(self.size.width, self.size.height)[0]
        return CurveRequest(
            names=tuple(SPECS[index].name for index in self._visible()),
            window=self.window,
            columns=max(16, self.size.width // columns),
            smoothing=self.smoothing,
        )

    @property
    def note(self) -> str:
        """How the charts are shown, in a few words."""
        parts = [f"smoothing {self.smoothing:g}"] if self.smoothing else []
        if self.window is not None:
            parts.append(f"steps {self.window[0]:,.0f} to {self.window[1]:,.0f} (0 for all)")
        if not self.full:
            shown = self._visible()
            if len(shown) < len(SPECS):
                parts.append(f"charts {shown.start + 1}–{shown.stop} of {len(SPECS)} (tab)")
        return " · ".join(parts)

    def _want(self) -> None:
        request = self.request
        if request is not None:
            self.post_message(self.Wanted(request))

    # ------------------------------------------------------------------------------ what was read

    def show(self, run: RunRecord, curves: Curves | None) -> None:
        """Show what was read; curves that answer an older request are shown until newer ones come."""
        self._run = run
        if curves is not None:
            self._curves = curves
        self._fill()

    def _fill(self) -> None:
        shown = self._visible()
        for index, (spec, chart) in enumerate(zip(SPECS, self.charts, strict=True)):
            if index in shown:
                scale = self._scale
                chart.limits = self._limits(scale)
                chart.window = None if self.window is None else (self.window[0] / scale, self.window[1] / scale)
                chart.set_series(self._data(spec, scale))

    @property
    def _scale(self) -> float:
        """Steps in one unit of the x axis."""
        run = self._run
        if self.by_epochs and run is not None and run.total_steps > 0 and run.total_epochs > 0:
            return run.total_steps / run.total_epochs
        return 1.0

    def _limits(self, scale: float) -> tuple[float, float] | None:
        curves = self._curves
        if curves is None or curves.first is None or curves.last is None or curves.last <= curves.first:
            return None
        return curves.first / scale, curves.last / scale

    def _data(self, spec: ChartSpec, scale: float) -> ChartData:
        unit = "epoch" if scale != 1.0 else "step"
        curves = self._curves
        if curves is None or spec.name not in curves.by_name:
            return ChartData(empty="reading …", x_unit=unit)
        curve = curves.by_name[spec.name]
        validation = curves.by_name.get(spec.validation, EMPTY)
        smooth = len(curve.smooth_steps) > 0
        name = "train" if spec.validation else ""
        lines = [Line(name, curve.steps / scale, curve.values, "raw" if smooth else "first")]
        if smooth:
            lines.append(Line("smooth", curve.smooth_steps / scale, curve.smooth_values, "first"))
        if len(validation.steps):
            lines.append(Line("val", validation.steps / scale, validation.values, "second", dotted=True))
        if self._says_nothing(spec) or (not len(curve.steps) and not len(validation.steps)):
            lines = []
        broken = tuple((step / scale, text) for step, text in curve.broken)
        broken += tuple((step / scale, f"val {text}") for step, text in validation.broken)
        return ChartData(
            lines=tuple(lines),
            marks=curves.updates / scale if self.with_marks else np.empty(0),
            broken=broken,
            empty=self._why_empty(spec),
            x_unit=unit,
        )

    def _says_nothing(self, spec: ChartSpec) -> bool:
        return spec.name in MASK_FIGURES and self._run is not None and self._run.method == "dense"

    def _why_empty(self, spec: ChartSpec) -> str:
        run = self._run
        if run is None:
            return "reading …"
        if self._says_nothing(spec):
            return "a dense run has no mask"
        if spec.name == "death_rate" and run.config.get("fix"):
            return "the mask is fixed: nothing dies"
        if run.status == "queued":
            return "waiting for its device"
        return "no step yet" if run.status.is_active else "nothing was recorded"

    # ------------------------------------------------------------------------------ what a person does

    def choose(self, by: int) -> None:
        """Choose another chart, `by` places further."""
        self.chosen = (self.chosen + by) % len(SPECS)
        self.lay_out()

    def toggle_full(self) -> None:
        """Show the chosen chart alone, or all of them."""
        self.full = not self.full
        self.lay_out()

    def set_window(self, window: tuple[float, float] | None) -> None:
        """Show this part of the steps (in steps), None for all."""
        self.window = window
        self._fill()
        self._want()

    def smooth_more(self) -> float:
        """Take the next weight of `SMOOTHING`; returns it."""
        self.smoothing = SMOOTHING[(SMOOTHING.index(self.smoothing) + 1) % len(SMOOTHING)]
        self._want()
        return self.smoothing

    def toggle_log(self) -> None:
        """Change between a logarithmic and a linear y axis where that makes sense."""
        log = not self.charts[0].log_scale
        for spec, chart in zip(SPECS, self.charts, strict=True):
            chart.log_scale = log and spec.logarithmic

    def toggle_epochs(self) -> bool:
        """Change between steps and epochs across; False where the length of an epoch is not known."""
        known = self._run is not None and self._run.total_steps > 0 and self._run.total_epochs > 0
        if known:
            self.by_epochs = not self.by_epochs
            self.point(None)
            self._fill()
        return known

    def toggle_marks(self) -> None:
        """Mark the mask updates, or do not."""
        self.with_marks = not self.with_marks
        self._fill()

    def zoom(self, factor: float) -> None:
        """Zoom by keys."""
        self._chart.zoom(factor)

    def pan(self, share: float) -> None:
        """Pan by keys."""
        self._chart.pan(share)

    def move_cursor(self, columns: int) -> None:
        """Move the cursor on all charts."""
        self._chart.move_cursor(columns)
        self.point(self._chart.cursor)

    def point(self, x: float | None) -> None:
        """Put the cursor of all charts at a position, or take it away."""
        for chart in self.charts:
            chart.cursor = x

    @property
    def _chart(self) -> Chart:
        return self.charts[self.chosen]

    def on_chart_zoomed(self, message: Chart.Zoomed) -> None:
        """One chart was zoomed: all show the same steps."""
        message.stop()
        scale = self._scale
        window = message.window
        self.set_window(None if window is None else (window[0] * scale, window[1] * scale))

    def on_chart_pointed(self, message: Chart.Pointed) -> None:
        """The mouse points at a chart: all read the same position."""
        message.stop()
        self.point(message.x)

    def on_chart_chosen(self, message: Chart.Chosen) -> None:
        """A chart was clicked."""
        message.stop()
        self.chosen = self.charts.index(message.chart)
        self.lay_out()
