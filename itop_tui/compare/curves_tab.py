"""The charts of a comparison: any recorded figure, an entry a curve, all over the same part of the x axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from textual import events
from textual.app import ComposeResult
from textual.containers import Grid
from textual.message import Message

from db.history.declared import Metric
from itop_tui.chart.chart import Chart, ChartData, Event, Line
from itop_tui.chart.chart_grid import LEGEND_FROM, ChartGrid, grid_shape
from itop_tui.chart.compare_chart import BandLine, CompareChart
from itop_tui.chart.mark_legend import MarkLegend
from itop_tui.compare.reading import Happened
from itop_tui.figures.braille import FloatArray
from itop_tui.figures.chart_metrics import comparison_metrics
from itop_tui.figures.comparison import Entry
from itop_tui.figures.comparison_curves import RAW_UP_TO, Curves, CurvesRequest, EntryCurve, epochs_known, members_of
from itop_tui.figures.x_axis import Scale, across_note

_BY_LETTER = " "
"""The label of a curve that its letter names already."""


def lines_of(curves: Sequence[EntryCurve | None], entries: Sequence[Entry], hidden: frozenset[int]) -> tuple[Line, ...]:
    """The lines of a chart, raw ones first, so that they lie behind; curves that were not read yet are left out."""
    shown = [(at, entry, curve) for at, (entry, curve) in enumerate(zip(entries, curves, strict=True))
             if entry.key not in hidden and curve is not None and len(curve.x)]  # fmt: skip
    raw = [
        BandLine("", curve.raw_x, curve.raw_y, f"dim-{at}", position=at)
        for at, _, curve in shown
        if len(curve.raw_x) and len(shown) <= RAW_UP_TO
    ]
    own = [
        BandLine(
            _BY_LETTER, curve.x, curve.y, f"curve-{at}", marker=entry.letter, position=at, std=curve.std, n=curve.n
        )
        for at, entry, curve in shown
    ]
    return (*raw, *own)


@dataclass(frozen=True, slots=True)
class Marked:
    """The entry whose marks the charts show.

    Attributes:
        letter: Its letter.
        happened: What happened to its runs, by their ids.
    """

    letter: str
    happened: Mapping[int, Happened]

    def places(self, scales: Mapping[int, Scale]) -> tuple[FloatArray, tuple[Event, ...]]:
        """Where its mask updates lie on the x axis, each once, and what else happened.

        Args:
            scales: The x axis of each run; marks of a run that has none are left out.
        """
        updates: list[float] = []
        events: dict[tuple[float, str], str] = {}
        for run_id, found in self.happened.items():
            scale = scales.get(run_id)
            if scale is None:
                continue
            whose = f", run {run_id}" if len(self.happened) > 1 else ""
            updates += scale.place(found.updates).tolist()
            places = scale.place(np.array([one.step for one in found.happenings], dtype=np.float64)).tolist()
            for place, one in zip(places, found.happenings, strict=True):
                events.setdefault((place, one.kind), f"{one.text}{whose}")
        told = (Event(place, kind, text) for (place, kind), text in events.items())
        return np.unique(np.array(updates)), tuple(told)


class CurvesPane(ChartGrid):
    """Charts of a comparison in a grid, or one at full size, with the state of their view."""

    @dataclass
    class Wanted(Message):
        """Other curves are on the screen."""

    @dataclass
    class Pointed(Message):
        """The cursor, or the chosen chart, is another one."""

    @dataclass
    class Changed(Message):
        """The view was changed by a person; `state` is worth keeping."""

    def __init__(self, widget_id: str | None = None) -> None:
        super().__init__(widget_id)
        self.chosen = 0
        self.cursor: float | None = None
        self._entries: tuple[Entry, ...] = ()
        self._hidden: frozenset[int] = frozenset()
        self._curves: Curves | None = None
        self._marked: Marked | None = None

    def compose(self) -> ComposeResult:
        """One chart; more are made as there is room."""
        with Grid(id="curve-grid"):
            yield CompareChart(comparison_metrics()[0].short_title, percent=comparison_metrics()[0].percent)
        legend = MarkLegend(id="mark-legend")
        legend.display = False
        yield legend

    # ----------------------------------------------------------------------------------------- the state of the view

    @property
    def state(self) -> dict[str, Any]:
        """How the charts are shown, as JSON: what another start of the app takes up again."""
        return {**super().state, "chart": comparison_metrics()[self.chosen].name}

    def take_up(self, state: Mapping[str, Any]) -> None:
        """Show the charts as they were shown before; whatever in `state` makes no sense is passed over."""
        names = [figure.name for figure in comparison_metrics()]
        self.chosen = names.index(state["chart"]) if state.get("chart") in names else 0
        super().take_up(state)
        self.lay_out()

    # ------------------------------------------------------------------------------------------ what is on the screen

    @property
    def charts(self) -> list[CompareChart]:
        """The charts, in order; more than are shown where the screen was larger."""
        return list(self.query(CompareChart))

    @property
    def figures(self) -> tuple[Metric, ...]:
        """The figures that are on the screen."""
        return comparison_metrics()[self._first : self._first + self._count]

    @property
    def _shape(self) -> tuple[int, int]:
        return (1, 1) if self.full else grid_shape(self.size.width, self.size.height)

    @property
    def _count(self) -> int:
        columns, rows = self._shape
        return min(columns * rows, len(comparison_metrics()) - self._first)

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
        columns = max(16, self.size.width // self._shape[0])
        names = tuple(figure.name for figure in self.figures)
        return CurvesRequest(members_of(entries), names, self.window, columns, self.smoothing, self.across)

    @property
    def note(self) -> str:
        """How the charts are shown, in a few words."""
        parts = [f"smoothing {self.smoothing:g}"] if self.smoothing else []
        across = across_note(self._curves.scales.values()) if self._curves is not None else ""
        parts += [across] if across else []
        if self.window is not None:
            parts.append(f"{self.across}s {self.window[0]:,.4g} to {self.window[1]:,.4g} (0 for all)")
        parts.append(f"{self._first + 1}–{self._first + self._count} of {len(comparison_metrics())} figures (tab)")
        return " · ".join(parts)

    # ------------------------------------------------------------------------------------------------------ showing

    def on_resize(self, event: events.Resize) -> None:
        """Lay the charts out anew."""
        self.lay_out()

    def lay_out(self) -> None:
        """Show as many charts as fit, the chosen one among them, and ask for their curves."""
        columns, _ = self._shape
        charts, grid = self.charts, self.query_one("#curve-grid")
        if len(charts) < self._count:
            more = [CompareChart("") for _ in range(self._count - len(charts))]
            grid.mount_all(more)
            charts += more
        grid.styles.grid_size_columns = columns
        grid.styles.grid_size_rows = max(1, -(-self._count // columns))
        for at, chart in enumerate(charts):
            chart.display = at < self._count
            if chart.display:
                figure = self.figures[at]
                chart.title, chart.percent = figure.short_title, figure.percent
                chart.log_scale = figure.logarithmic and self.logarithmic
                chart.choose(self._first + at == self.chosen and self._count > 1)
        self.fill()
        self.post_message(self.Wanted())

    def show(
        self, entries: tuple[Entry, ...], hidden: frozenset[int], curves: Curves | None, marked: Marked | None
    ) -> None:
        """Show what was read; curves of an older request stay until newer ones come."""
        self._entries, self._hidden, self._marked = entries, hidden, marked
        if curves is not None:
            self._curves = curves
        self.fill()

    def mark(self, marked: Marked | None) -> None:
        """Mark what happened to the runs of an entry; None for no marks."""
        self._marked = marked
        self.fill()

    def fill(self) -> None:
        """Draw what is known."""
        found = self._curves
        if found is not None and found.request.across != self.across:
            found = None  # of another axis
        marks: FloatArray = np.empty(0)
        happened: tuple[Event, ...] = ()
        whose = self._marked.letter if self._marked is not None else ""
        if self._marked is not None and found is not None:
            marks, happened = self._marked.places(found.scales)
        for figure, chart in zip(self.figures, self.charts, strict=False):
            if found is None or figure.name not in found.by_name:
                chart.set_series(ChartData(empty="reading …", x_unit=self.across))
                continue
            curves = [found.of(figure.name, tuple(run.id for run in entry.runs)) for entry in self._entries]
            chart.limits = (0.0, found.reach) if found.reach > 0 else None
            chart.window = self.window
            chart.cursor = self.cursor
            chart.set_series(
                ChartData(
                    lines=lines_of(curves, self._entries, self._hidden),
                    marks=marks,
                    broken=self._broken(curves),
                    empty="none of these runs recorded it",
                    x_unit=self.across,
                    events=happened,
                    whose=whose,
                    smoothing=found.request.smoothing if figure.noisy else 0.0,
                    x_note=across_note(found.scales.values()),
                )
            )
        legend = self.query_one(MarkLegend)
        legend.whose = whose
        legend.kinds = frozenset(event.kind for event in happened) | ({"update"} if len(marks) else frozenset())
        legend.display = bool(legend.kinds) and self.size.height >= LEGEND_FROM
        self.post_message(self.Pointed())

    def _broken(self, curves: Sequence[EntryCurve | None]) -> tuple[tuple[float, str], ...]:
        """Where values of the entries that are shown are not finite."""
        each = zip(self._entries, curves, strict=True)
        seen = [curve for entry, curve in each if curve is not None and entry.key not in self._hidden]
        return tuple(mark for curve in seen for mark in curve.broken)

    # ------------------------------------------------------------------------------------------- what a person does

    def choose(self, by: int) -> None:
        """Choose the chart `by` places further."""
        self.chosen = (self.chosen + by) % len(comparison_metrics())
        self.lay_out()
        self.post_message(self.Changed())

    def toggle_full(self) -> None:
        """Show the chosen chart alone, or all that fit."""
        self.full = not self.full
        self.lay_out()
        self.post_message(self.Changed())

    def set_window(self, window: tuple[float, float] | None) -> None:
        """Show a part of the x axis; None for all."""
        self.window = window
        self.fill()
        self.post_message(self.Wanted())

    def smooth_more(self) -> None:
        """Take the next smoothing."""
        self._take_next_smoothing()
        self.post_message(self.Wanted())
        self.post_message(self.Changed())

    def toggle_log(self) -> None:
        """Change the y axis where that makes sense."""
        self.logarithmic = not self.logarithmic
        self.lay_out()
        self.post_message(self.Changed())

    def next_across(self) -> None:
        """Take the next thing that can stand across: epochs only where the length of every run's is known."""
        self._take_next_across(epochs=epochs_known(self._entries))
        self.window = self.cursor = None
        self.lay_out()
        self.post_message(self.Changed())

    def toggle_marks(self) -> None:
        """Mark mask updates and what else happened, or do not."""
        self.with_marks = not self.with_marks
        self.post_message(self.Changed())

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
            self.choose(self._first + self.charts.index(message.chart) - self.chosen)
