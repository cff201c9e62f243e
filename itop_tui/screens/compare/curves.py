"""The charts of a comparison: any recorded figure, an entry a curve, all over the same part of the x axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual import events
from textual.app import ComposeResult
from textual.containers import Grid
from textual.message import Message

from itop_tui.comparison import Entry
from itop_tui.comparison_curves import FIGURES, Curves, CurvesRequest, EntryCurve, Figure, Members
from itop_tui.screens.run.charts import SMOOTHING, grid_shape
from itop_tui.widgets.chart import Chart, ChartData, Line
from itop_tui.widgets.compare_chart import BandLine, CompareChart

_RAW_UP_TO = 4
"""Curves up to which what was recorded stays behind the smoothed ones; more would hide them."""

_BY_LETTER = " "
"""The label of a curve that its letter names already."""


def lines_of(curves: Sequence[EntryCurve], entries: Sequence[Entry], hidden: frozenset[int]) -> tuple[Line, ...]:
    """The lines of a chart, raw ones first, so that they lie behind."""
    shown = [(at, entry, curve) for at, (entry, curve) in enumerate(zip(entries, curves, strict=True))
             if entry.key not in hidden and len(curve.x)]  # fmt: skip
    raw = [
        BandLine("", curve.raw_x, curve.raw_y, f"dim-{at}", position=at)
        for at, _, curve in shown
        if len(curve.raw_x) and len(shown) <= _RAW_UP_TO
    ]
    own = [
        BandLine(
            _BY_LETTER, curve.x, curve.y, f"curve-{at}", marker=entry.letter, position=at, std=curve.std, n=curve.n
        )
        for at, entry, curve in shown
    ]
    return (*raw, *own)


class CurvesPane(Grid):
    """Charts of a comparison in a grid, or one at full size."""

    @dataclass
    class Wanted(Message):
        """Other curves are on the screen."""

    @dataclass
    class Pointed(Message):
        """The cursor, or the chosen chart, is another one."""

    def __init__(self, widget_id: str | None = None) -> None:
        super().__init__(id=widget_id)
        self.full = False
        self.chosen = 0
        self.smoothing = 0.0
        self.by_epochs = False
        self.logarithmic = True
        self.window: tuple[float, float] | None = None
        self.cursor: float | None = None
        self._entries: tuple[Entry, ...] = ()
        self._hidden: frozenset[int] = frozenset()
        self._curves: Curves = {}

    def compose(self) -> ComposeResult:
        """One chart; more are made as there is room."""
        yield CompareChart(FIGURES[0].title, percent=FIGURES[0].percent)

    @property
    def charts(self) -> list[CompareChart]:
        """The charts, in order; more than are shown where the screen was larger."""
        return list(self.query_children(CompareChart))

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The figures that are on the screen."""
        return FIGURES[self._first : self._first + self._count]

    @property
    def _shape(self) -> tuple[int, int]:
        return (1, 1) if self.full else grid_shape(self.size.width, self.size.height)

    @property
    def _count(self) -> int:
        columns, rows = self._shape
        return min(columns * rows, len(FIGURES) - self._first)

    @property
    def _first(self) -> int:
        columns, rows = self._shape
        return self.chosen if self.full else self.chosen // (columns * rows) * columns * rows

    @property
    def chart(self) -> CompareChart:
        """The chosen chart."""
        return self.charts[self.chosen - self._first]

    def request(self, entries: Sequence[Entry]) -> CurvesRequest | None:
        """The curves that are on the screen; None before it is laid out."""
        if not self.size:
            return None
        members = tuple(
            Members(tuple(run.id for run in entry.runs), max(run.step for run in entry.runs), self._scale(entry))
            for entry in entries
        )
        columns = max(16, self.size.width // self._shape[0])
        names = tuple(figure.name for figure in self.figures)
        return CurvesRequest(members, names, self.window, columns, self.smoothing)

    def _scale(self, entry: Entry) -> float:
        run = entry.runs[0]
        return run.total_steps / run.total_epochs if self.by_epochs and run.total_steps and run.total_epochs else 1.0

    @property
    def note(self) -> str:
        """How the charts are shown, in a few words."""
        parts = [f"smoothing {self.smoothing:g}"] if self.smoothing else []
        unit = "epochs" if self.by_epochs else "steps"
        if self.window is not None:
            parts.append(f"{unit} {self.window[0]:,.4g} to {self.window[1]:,.4g} (0 for all)")
        parts.append(f"{self._first + 1}–{self._first + self._count} of {len(FIGURES)} figures (tab)")
        return " · ".join(parts)

    # ------------------------------------------------------------------------------------------------------ showing

    def on_resize(self, event: events.Resize) -> None:
        """Lay the charts out anew."""
        self.lay_out()

    def lay_out(self) -> None:
        """Show as many charts as fit, the chosen one among them, and ask for their curves."""
        columns, _ = self._shape
        charts = self.charts
        if len(charts) < self._count:
            more = [CompareChart("") for _ in range(self._count - len(charts))]
            self.mount_all(more)
            charts += more
        self.styles.grid_size_columns = columns
        self.styles.grid_size_rows = max(1, -(-self._count // columns))
        for at, chart in enumerate(charts):
            chart.display = at < self._count
            if chart.display:
                figure = self.figures[at]
                chart.title, chart.percent = figure.title, figure.percent
                chart.log_scale = figure.logarithmic and self.logarithmic
                chart.choose(self._first + at == self.chosen and self._count > 1)
        self.fill()
        self.post_message(self.Wanted())

    def show(self, entries: tuple[Entry, ...], hidden: frozenset[int], curves: Curves | None) -> None:
        """Show what was read; curves of an older request stay until newer ones come."""
        self._entries, self._hidden = entries, hidden
        if curves is not None:
            self._curves = curves
        self.fill()

    def fill(self) -> None:
        """Draw what is known."""
        unit = "epoch" if self.by_epochs else "step"
        reach = [max(run.step for run in entry.runs) / self._scale(entry) for entry in self._entries]
        for figure, chart in zip(self.figures, self.charts, strict=False):
            curves = self._curves.get(figure.name, ())
            if len(curves) != len(self._entries):
                chart.set_series(ChartData(empty="reading …", x_unit=unit))
                continue
            lines = lines_of(curves, self._entries, self._hidden)
            broken = tuple(mark for curve in curves for mark in curve.broken)
            chart.limits = (0.0, max(reach)) if reach and max(reach) > 0 else None
            chart.window = self.window
            chart.cursor = self.cursor
            chart.set_series(ChartData(lines=lines, broken=broken, empty="none of these runs recorded it", x_unit=unit))
        self.post_message(self.Pointed())

    # ------------------------------------------------------------------------------------------- what a person does

    def choose(self, by: int) -> None:
        """Choose the chart `by` places further."""
        self.chosen = (self.chosen + by) % len(FIGURES)
        self.lay_out()

    def toggle_full(self) -> None:
        """Show the chosen chart alone, or all that fit."""
        self.full = not self.full
        self.lay_out()

    def set_window(self, window: tuple[float, float] | None) -> None:
        """Show a part of the x axis; None for all."""
        self.window = window
        self.fill()
        self.post_message(self.Wanted())

    def smooth_more(self) -> None:
        """Take the next smoothing."""
        self.smoothing = SMOOTHING[(SMOOTHING.index(self.smoothing) + 1) % len(SMOOTHING)]
        self.post_message(self.Wanted())

    def toggle_log(self) -> None:
        """Change the y axis where that makes sense."""
        self.logarithmic = not self.logarithmic
        self.lay_out()

    def toggle_epochs(self) -> None:
        """Change between steps and epochs across."""
        self.by_epochs = not self.by_epochs
        self.window = self.cursor = None
        self._curves = {}
        self.lay_out()

    def move_cursor(self, columns: int) -> None:
        """Move the cursor of all charts."""
        self.chart.move_cursor(columns)
        self.point(self.chart.cursor)

    def point(self, x: float | None) -> None:
        """Put the cursor of all charts at a position, or take it away."""
        self.cursor = x
        for chart in self.charts:
            chart.cursor = x
        self.post_message(self.Pointed())

    def on_chart_zoomed(self, message: Chart.Zoomed) -> None:
        """One chart was zoomed: all show the same part."""
        message.stop()
        self.set_window(message.window)

    def on_chart_pointed(self, message: Chart.Pointed) -> None:
        """The mouse points at a chart: all read the same position."""
        message.stop()
        self.point(message.x)

    def on_chart_chosen(self, message: Chart.Chosen) -> None:
        """A chart was clicked."""
        message.stop()
        if isinstance(message.chart, CompareChart):
            self.chosen = self._first + self.charts.index(message.chart)
            self.lay_out()
