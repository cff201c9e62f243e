"""The charts of a run: a grid of them, or one at full size, all over the same steps.

The pane knows what is on the screen (which charts, how wide, which window, how smooth) and says so with
`ChartsPane.Wanted`; what was read comes back through `show`.  It reads nothing itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from textual import events
from textual.app import ComposeResult
from textual.message import Message
from textual.widget import Widget

from db.records import RunRecord
from itop_tui.chart.chart import Chart
from itop_tui.chart.chart_grid import LEGEND_FROM, ChartGrid, grid_shape
from itop_tui.chart.mark_legend import MarkLegend
from itop_tui.figures.chart_specs import (
    DEFAULT_CHARTS,
    MOST_CHARTS,
    ChartSpec,
    as_setting,
    from_setting,
    with_figures,
)
from itop_tui.figures.curves import CurveRequest, Curves
from itop_tui.figures.events import happenings
from itop_tui.figures.x_axis import Hours, Linear, Scale, hours
from itop_tui.run.plotting import Look, chart_data, limits
from itop_tui.run.run_reader import RunView

_ZOOM = 1.5
_PAN = 0.25


class ChartsPane(ChartGrid):
    """Charts over steps, epochs or hours, with the state of their view."""

    @dataclass
    class Wanted(Message):
        """These curves are wanted now."""

        request: CurveRequest

    @dataclass
    class Changed(Message):
        """The view was changed by a person; `state` is worth keeping."""

        state: Mapping[str, Any]

    def __init__(self, widget_id: str | None = None) -> None:
        super().__init__(widget_id)
        self.specs: tuple[ChartSpec, ...] = DEFAULT_CHARTS
        self.chosen = 0
        self._ready = False
        self._view: RunView | None = None
        self._curves: Curves | None = None

    def compose(self) -> ComposeResult:
        """All charts; which of them are shown depends on the room."""
        with Widget(id="chart-grid"):
            for spec in self.specs:
                yield Chart(spec.heading, percent=spec.percent)
        legend = MarkLegend(id="mark-legend")
        legend.display = False
        yield legend

    @property
    def charts(self) -> list[Chart]:
        """The charts, in the order of `specs`."""
        return list(self.query(Chart))

    # ------------------------------------------------------------------------------ the state of the view

    @property
    def state(self) -> dict[str, Any]:
        """How the charts are shown, as JSON: what another start of the app takes up again."""
        return {**super().state, "charts": as_setting(self.specs), "chosen": self.chosen}

    def take_up(self, state: Mapping[str, Any]) -> None:
        """Show the charts as they were shown before; whatever in `state` makes no sense is passed over."""
        if "charts" in state:
            self.specs = from_setting(state["charts"])
        chosen = state.get("chosen")
        self.chosen = chosen if isinstance(chosen, int) and 0 <= chosen < len(self.specs) else 0
        super().take_up(state)
        self._ready = True
        self._make_charts()
        self.lay_out()

    def _make_charts(self) -> None:
        """As many charts as are wanted, each with its name."""
        charts = self.charts
        grid = self.query_one("#chart-grid")
        if len(charts) < len(self.specs):
            more = [Chart("") for _ in range(len(self.specs) - len(charts))]
            grid.mount_all(more)
            charts += more
        for chart in charts[len(self.specs) :]:
            chart.remove()
        for spec, chart in zip(self.specs, charts, strict=False):
            chart.title, chart.percent = spec.heading, spec.percent
            chart.log_scale = self.logarithmic and spec.logarithmic

    def _was_changed(self) -> None:
        self.post_message(self.Changed(self.state))

    # ------------------------------------------------------------------------------ what is on the screen

    def on_resize(self, event: events.Resize) -> None:
        """Lay the charts out anew."""
        self.lay_out()

    def lay_out(self) -> None:
        """Show the charts that fit, the chosen one among them, and ask for their curves."""
        shown = self._visible()
        columns, rows = (1, 1) if self.full else grid_shape(self.size.width, self.size.height)
        grid = self.query_one("#chart-grid")
        grid.styles.grid_size_columns = columns
        grid.styles.grid_size_rows = max(1, min(rows, -(-len(shown) // columns)))
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
        return range(first, min(len(self.specs), first + columns * rows))

    @property
    def request(self) -> CurveRequest | None:
        """The curves that are on the screen; None before it is known how they are to be shown."""
        if not self.size or not self._ready:
            return None
        columns = 1 if self.full else grid_shape(self.size.width, self.size.height)[0]
        names = dict.fromkeys(name for index in self._visible() for name in self.specs[index].names)
        return CurveRequest(
            names=tuple(names),
            window=self.window,
            columns=max(16, self.size.width // columns),
            smoothing=self.smoothing,
            timed=self.across == "hour",
            drops=self.with_marks,
        )

    @property
    def note(self) -> str:
        """How the charts are shown, in a few words."""
        parts = [f"smoothing {self.smoothing:g}"] if self.smoothing else []
        scale = self._scale
        if isinstance(scale, Hours):
            parts.append(scale.note)
        if self.window is not None:
            parts.append(f"steps {self.window[0]:,.0f} to {self.window[1]:,.0f} (0 for all)")
        if not self.full:
            shown = self._visible()
            if len(shown) < len(self.specs):
                parts.append(f"charts {shown.start + 1}–{shown.stop} of {len(self.specs)} (tab)")
        return " · ".join(parts)

    def _want(self) -> None:
        request = self.request
        if request is not None:
            self.post_message(self.Wanted(request))

    # ------------------------------------------------------------------------------ what was read

    def show(self, view: RunView) -> None:
        """Show what was read; curves that answer an older request are shown until newer ones come."""
        self._view = view
        if view.curves is not None:
            self._curves = view.curves
        self._fill()

    @property
    def _run(self) -> RunRecord | None:
        return self._view.run if self._view is not None else None

    def _fill(self) -> None:
        shown, scale = self._visible(), self._scale
        view = self._view
        look = Look(
            scale,
            self.with_marks,
            happenings(view.run, view.attempts, view.checkpoints) if view is not None else (),
        )
        kinds: set[str] = set()
        for index, (spec, chart) in enumerate(zip(self.specs, self.charts, strict=False)):
            if index not in shown:
                continue
            chart.limits = limits(self._curves, scale)
            chart.window = None
            if self.window is not None:
                low, high = scale.place(np.array(self.window)).tolist()
                chart.window = (low, high)
            data = chart_data(spec, self._curves, self._run, look)
            chart.set_series(data)
            kinds |= data.marked
        legend = self.query_one(MarkLegend)
        legend.kinds = frozenset(kinds)
        legend.display = bool(kinds) and self.size.height >= LEGEND_FROM

    @property
    def _scale(self) -> Scale:
        """The x axis; steps where what it needs is not known."""
        run, curves, view = self._run, self._curves, self._view
        if self.across == "epoch" and run is not None and run.total_steps > 0 and run.total_epochs > 0:
            return Linear(run.total_steps / run.total_epochs)
        if self.across == "hour" and curves is not None and curves.moments is not None and view is not None:
            return hours(curves.moments, view.attempts) or Linear()
        return Linear()

    # ------------------------------------------------------------------------------ what a person does

    def action_choose(self, by: int) -> None:
        """Choose another chart, `by` places further."""
        self.chosen = (self.chosen + by) % len(self.specs)
        self.lay_out()
        self._was_changed()

    def action_toggle_full(self) -> None:
        """Show the chosen chart alone, or all of them."""
        self.full = not self.full
        self.lay_out()
        self._was_changed()

    def set_figures(self, names: tuple[str, ...]) -> None:
        """Show other figures on the chosen chart."""
        changed = with_figures(self.specs[self.chosen], names)
        self._take_charts((*self.specs[: self.chosen], changed, *self.specs[self.chosen + 1 :]))

    def add_chart(self, names: tuple[str, ...]) -> bool:
        """Add a chart after the chosen one, and choose it; False where there are as many as there may be."""
        if len(self.specs) >= MOST_CHARTS:
            return False
        at = self.chosen + 1
        self.chosen = at
        self._take_charts((*self.specs[:at], ChartSpec(names), *self.specs[at:]))
        return True

    def action_remove_chart(self) -> None:
        """Remove the chosen chart; the last one stays."""
        if len(self.specs) == 1:
            self.notify("The last chart stays.", severity="warning", markup=False)
            return
        specs = (*self.specs[: self.chosen], *self.specs[self.chosen + 1 :])
        self.chosen = min(self.chosen, len(specs) - 1)
        self._take_charts(specs)

    def action_reset_charts(self) -> None:
        """Show the default charts."""
        self.chosen = 0
        self._take_charts(DEFAULT_CHARTS)

    def _take_charts(self, specs: tuple[ChartSpec, ...]) -> None:
        self.specs = specs
        self._make_charts()
        self.lay_out()
        self._was_changed()

    def set_window(self, window: tuple[float, float] | None) -> None:
        """Show this part of the steps (in steps), None for all."""
        self.window = window
        self._fill()
        self._want()

    def action_smooth(self) -> None:
        """Take the next weight of `SMOOTHING`."""
        self._take_next_smoothing()
        self._want()
        self._was_changed()

    def action_toggle_log(self) -> None:
        """Change between a logarithmic and a linear y axis where that makes sense."""
        self.logarithmic = not self.logarithmic
        for spec, chart in zip(self.specs, self.charts, strict=False):
            chart.log_scale = self.logarithmic and spec.logarithmic
        self._was_changed()

    def action_next_across(self) -> None:
        """Take the next x-axis: epochs only where their length is known."""
        run = self._run
        known = run is not None and run.total_steps > 0 and run.total_epochs > 0
        self._take_next_across(epochs=known)
        self.point(None)
        self._fill()
        self._want()
        self._was_changed()

    def action_toggle_marks(self) -> None:
        """Mark the mask updates and what else happened, or do not."""
        self.with_marks = not self.with_marks
        self._fill()
        self._want()
        self._was_changed()

    def action_zoom(self, steps: int) -> None:
        """Zoom in by steps, or out where they are negative."""
        self._chart.zoom(_ZOOM**steps)

    def action_pan(self, steps: int) -> None:
        """Move to later steps, or to earlier ones where `steps` is negative."""
        self._chart.pan(steps * _PAN)

    def action_zoom_reset(self) -> None:
        """Show all steps."""
        self.set_window(None)

    def action_cursor_off(self) -> None:
        """Remove the cursor."""
        self.point(None)

    def action_move_cursor(self, columns: int) -> None:
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
        self.set_window(None if window is None else (scale.step(window[0]), scale.step(window[1])))

    def on_chart_pointed(self, message: Chart.Pointed) -> None:
        """The mouse points at a chart: all read the same position."""
        message.stop()
        self.point(message.x)

    def on_chart_chosen(self, message: Chart.Chosen) -> None:
        """A chart was clicked."""
        message.stop()
        self.chosen = self.charts.index(message.chart)
        self.lay_out()
        self._was_changed()
