"""Charts in a grid, or one at full size, all over the same part of the x axis: of a run, or of a comparison.

The pane knows what is visible (which charts, how wide, which window, how smooth) and asks for it with
`ChartsPane.CurvesWanted`; what was read comes back through `show`, as a `Charted`. It reads nothing itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widget import Widget

from itop_tui.chart.chart import Chart
from itop_tui.chart.chart_places import ChartPlaces, grid_shape
from itop_tui.chart.mark_legend import MarkLegend
from itop_tui.figures import axis
from itop_tui.figures.chart_data import ChartData
from itop_tui.figures.chart_metrics import (
    DEFAULT_CHARTS,
    MACHINE_CHARTS,
    MOST_CHARTS,
    ChartSpec,
    as_setting,
    from_setting,
    with_figures,
)
from itop_tui.figures.curves import SMOOTHED, SMOOTHING, CurveRequest
from itop_tui.figures.entry_charts import ChartedEntries
from itop_tui.figures.run_charts import ChartedRun
from itop_tui.figures.x_axis import ACROSS, Across
from itop_tui.figures.y_range import BOUNDS, BOUNDS_NOTE, Bounds
from itop_tui.keys import find as find_action

LEGEND_FROM = 16
"""Lines of the pane from which on one is used for the legend of the marks."""
_ZOOM = 1.5
_PAN = 0.25
Charted = ChartedRun | ChartedEntries


class ChartsPane(Vertical):
    """Charts, with the state of their view.

    Where the charts are `fixed`, a person cannot change them, and a place in the window is one on the x axis. Else they
    are the default ones until others are chosen, and the window is one of steps for every x axis.
    """

    DEFAULT_CSS = """
    ChartsPane { height: 1fr; }
    ChartsPane #chart-grid { layout: grid; grid-gutter: 0 1; height: 1fr; padding: 0 1 0 0; }
    ChartsPane #mark-legend { height: 1; display: none; }
    """

    @dataclass
    class CurvesWanted(Message):
        """These curves are wanted now."""

        request: CurveRequest

    class CursorMoved(Message):
        """The cursor, the chosen chart or what it shows is another one."""

    class ViewChanged(Message):
        """A person changed how the charts are shown: `state` is worth keeping."""

    def __init__(self, widget_id: str | None = None, *, fixed: Sequence[ChartSpec] = ()) -> None:
        super().__init__(id=widget_id)
        self._fixed = tuple(fixed)
        self.specs: tuple[ChartSpec, ...] = self._fixed or DEFAULT_CHARTS
        self.chosen = 0
        self.full = False
        self.smoothing = SMOOTHED
        self.across: Across = ACROSS[0]
        self.logarithmic = True
        self.bounds: Bounds = BOUNDS[0]
        self.with_marks = True
        self.window: tuple[float, float] | None = None
        self.cursor: float | None = None
        self._ready = False
        self._charted: Charted | None = None

    def compose(self) -> ComposeResult:
        """All charts; which of them are shown depends on the room."""
        with Widget(id="chart-grid"):
            for spec in self.specs:
                yield Chart(spec.heading, percent=spec.percent, write=spec.write)
        yield MarkLegend(id="mark-legend")

    @property
    def charts(self) -> list[Chart]:
        """The charts, in the order of `specs`."""
        return list(self.query(Chart))

    @property
    def chart(self) -> Chart:
        """The chosen chart."""
        return self.charts[self.chosen]

    # ------------------------------------------------------------------------------ the state of the view

    @property
    def state(self) -> dict[str, Any]:
        """How the charts are shown, as JSON: what another start of the app shows again."""
        shown = {"charts": as_setting(self.specs), "chosen": self.chosen}
        return {
            "full": self.full,
            "smoothing": self.smoothing,
            "across": self.across,
            "logarithmic": self.logarithmic,
            "bounds": self.bounds,
            "marks": self.with_marks,
            **({"chart": self.specs[self.chosen].names[0]} if self._fixed else shown),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Show the charts as they were shown before; what makes no sense in `state` is ignored."""
        self.full = state.get("full") is True
        self.smoothing = state["smoothing"] if state.get("smoothing") in SMOOTHING else SMOOTHED
        self.across = state["across"] if state.get("across") in ACROSS else ACROSS[0]
        self.logarithmic = state.get("logarithmic") is not False
        self.bounds = state["bounds"] if state.get("bounds") in BOUNDS else BOUNDS[0]
        self.with_marks = state.get("marks") is not False
        if self._fixed:
            names = [spec.names[0] for spec in self.specs]
            chosen: object = names.index(state["chart"]) if state.get("chart") in names else 0
        else:
            if "charts" in state:
                self.specs = from_setting(state["charts"])
            chosen = state.get("chosen")
        self.chosen = chosen if isinstance(chosen, int) and 0 <= chosen < len(self.specs) else 0
        self._ready = True
        self._make_charts()
        self.lay_out()

    def _make_charts(self) -> None:
        """As many charts as are wanted, each with its name."""
        charts = self.charts
        if len(charts) < len(self.specs):
            more = [Chart("") for _ in range(len(self.specs) - len(charts))]
            self.query_one("#chart-grid").mount_all(more)
            charts += more
        for chart in charts[len(self.specs) :]:
            chart.remove()
        for spec, chart in zip(self.specs, charts, strict=False):
            chart.title = f"{spec.heading} − {self._minus}" if self._minus else spec.heading
            chart.percent, chart.write = spec.percent, spec.write
            chart.log_scale = self.logarithmic and spec.logarithmic and not self._minus
            # From 0 to 100 % no difference is seen.
            chart.bounds = "all" if self._minus and self.bounds == "percent" else self.bounds

    @property
    def _minus(self) -> str:
        """What is subtracted from the curves; empty for nothing."""
        return self._charted.minus if self._charted is not None else ""

    # ------------------------------------------------------------------------------ what is visible

    def lay_out(self) -> None:
        """Show the charts that fit, the chosen one among them, and ask for their curves."""
        shown = self._visible
        columns, rows = self._shape
        grid = self.query_one("#chart-grid")
        grid.styles.grid_size_columns = columns
        grid.styles.grid_size_rows = max(1, min(rows, -(-len(shown) // columns)))
        for index, chart in enumerate(self.charts):
            chart.display = index in shown
            chart.choose(index == self.chosen and len(shown) > 1)
        self._fill()
        self._want()

    on_resize = lay_out

    @property
    def _shape(self) -> tuple[int, int]:
        return (1, 1) if self.full else grid_shape(self.size.width, self.size.height)

    @property
    def _empty(self) -> list[bool]:
        """Which charts will have no data."""
        charted = self._charted
        return [charted is not None and charted.never(spec) for spec in self.specs]

    @property
    def _places(self) -> ChartPlaces:
        """Where the charts are: those of the machine have pages of their own."""
        kinds = [not self._fixed and spec.of_machine for spec in self.specs]
        columns, rows = self._shape
        return ChartPlaces.of(kinds, self._empty, self.chosen, columns * rows)

    @property
    def _visible(self) -> tuple[int, ...]:
        return self._places.page

    @property
    def request(self) -> CurveRequest | None:
        """The curves that are visible; None before it is known how they are to be shown."""
        if not self.size or not self._ready:
            return None
        names = dict.fromkeys(name for index in self._visible for name in self.specs[index].names)
        return CurveRequest(
            names=tuple(names),
            window=self.window,
            columns=max(16, self.size.width // self._shape[0]),
            smoothing=self.smoothing,
            across=self.across,
            drops=self.with_marks,
        )

    @property
    def note(self) -> str:
        """How the charts are shown, in a few words."""
        x_note = self._charted.note(self.across) if self._charted is not None else ""
        parts = [x_note] if x_note else []
        parts += [f"y: {BOUNDS_NOTE[self.bounds]} ({_key('next_bounds')})"] if BOUNDS_NOTE[self.bounds] else []
        if self.window is not None:
            unit = self.across if self._fixed else "step"
            parts.append(f"{axis.window_text(self.window, unit)} (0 for all)")
        place = "" if self.full else self._places.note
        if not self._fixed and self.specs[self.chosen].of_machine:
            parts.append(f"machine {place} ({_key('show_machine')})".replace("  ", " "))
        elif place:
            parts.append(f"charts {place} (tab)")
        parts += [f"smoothing {self.smoothing:g}"] if self.smoothing else []
        return " · ".join(parts)

    def _want(self) -> None:
        if (request := self.request) is not None:
            self.post_message(self.CurvesWanted(request))

    # ------------------------------------------------------------------------------ what was read

    def show(self, charted: Charted) -> None:
        """Show what was read; curves that answer an older request are shown until newer ones come."""
        before, minus = self._visible, self._minus
        self._charted = charted
        if self._minus != minus:
            self._make_charts()
        if self._visible != before:
            self.lay_out()
        else:
            self._fill()

    def _fill(self) -> None:
        charted, window, limits = self._charted, self.window, None
        if charted is not None:
            limits = charted.limits(self.across)
            if window is not None:
                low, high = charted.window_scale(self.across).place(np.array(window)).tolist()
                window = (low, high)
        shown = self._visible
        kinds: set[str] = set()
        outside = False
        legend = self.query_one(MarkLegend)
        for index, (spec, chart) in enumerate(zip(self.specs, self.charts, strict=False)):
            if index not in shown:
                continue
            data = ChartData(empty="reading …", x_unit=self.across)
            if charted is not None:
                data = charted.chart(spec, self.across, with_marks=self.with_marks)
            chart.limits, chart.window, chart.cursor = limits, window, self.cursor
            chart.set_series(data)
            kinds |= data.marked
            outside = outside or chart.is_cut
            legend.whose = data.whose
        legend.kinds, legend.outside = frozenset(kinds), outside
        legend.display = bool(kinds or outside) and self.size.height >= LEGEND_FROM
        self.post_message(self.CursorMoved())

    # ------------------------------------------------------------------------------ which charts there are

    def set_figures(self, names: tuple[str, ...]) -> None:
        """Show other metrics on the chosen chart."""
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

    def action_show_machine(self) -> None:
        """Show what the run uses of its machine, by the charts that there are or by added ones; else the others."""
        wanted = not self.specs[self.chosen].of_machine
        places = [at for at, spec in enumerate(self.specs) if spec.of_machine == wanted]
        if not places:
            added = MACHINE_CHARTS if wanted else DEFAULT_CHARTS[:1]
            places, self.specs = [len(self.specs)], (*self.specs, *added)
            self._make_charts()
        self.chosen = places[0]
        self._changed()

    def _take_charts(self, specs: tuple[ChartSpec, ...]) -> None:
        self.specs = specs
        self._make_charts()
        self._changed()

    def _changed(self) -> None:
        """Show the charts in another way, which is kept."""
        self.lay_out()
        self.post_message(self.ViewChanged())

    # ------------------------------------------------------------------------------ what a person does

    def action_choose(self, by: int) -> None:
        """Choose another chart, `by` places further."""
        empty = self._empty
        places = [at for at, none in enumerate(empty) if not none or at == self.chosen or all(empty)]
        self.chosen = places[(places.index(self.chosen) + by) % len(places)]
        self._changed()

    def action_toggle_full(self) -> None:
        """Show the chosen chart alone, or all of them."""
        self.full = not self.full
        self._changed()

    def action_smooth(self) -> None:
        """Take the next weight of `SMOOTHING`."""
        self.smoothing = SMOOTHING[(SMOOTHING.index(self.smoothing) + 1) % len(SMOOTHING)]
        self._changed()

    def action_toggle_log(self) -> None:
        """Change between a logarithmic and a linear y axis where that makes sense."""
        if self._minus:
            self.notify("A difference may be below zero: its y-axis is linear.", severity="warning", markup=False)
            return
        self.logarithmic = not self.logarithmic
        self._make_charts()
        self._changed()

    def action_next_bounds(self) -> None:
        """Take the next of `BOUNDS` for the y axes."""
        self.bounds = BOUNDS[(BOUNDS.index(self.bounds) + 1) % len(BOUNDS)]
        self._make_charts()
        self._changed()

    def action_next_across(self) -> None:
        """Take the next x axis: epochs only where their length is known, R_s only where it grows."""
        charted = self._charted
        epochs, explores = (charted.epochs_known, charted.explores) if charted is not None else (False, False)
        unknown = {"epoch": not epochs, "itop_rate": not explores}
        choices = [each for each in ACROSS if not unknown.get(each)]
        at = choices.index(self.across) if self.across in choices else 0
        self.across = choices[(at + 1) % len(choices)]
        self.cursor = None
        if self._fixed:  # the window was one of the other axis
            self.window = None
        self._changed()

    def action_toggle_marks(self) -> None:
        """Mark the mask updates and what else happened, or do not."""
        self.with_marks = not self.with_marks
        self._changed()

    def action_zoom(self, steps: int) -> None:
        """Zoom in by steps, or out where they are negative."""
        self.chart.zoom(_ZOOM**steps)

    def action_pan(self, steps: int) -> None:
        """Move to the right, or to the left where `steps` is negative."""
        self.chart.pan(steps * _PAN)

    def action_zoom_reset(self) -> None:
        """Show everything."""
        self._set_window(None)

    def _set_window(self, window: tuple[float, float] | None) -> None:
        self.window = window
        self._fill()
        self._want()

    def action_move_cursor(self, columns: int) -> None:
        """Move the cursor on all charts."""
        self.chart.move_cursor(columns)
        self._point(self.chart.cursor)

    def action_cursor_off(self) -> None:
        """Remove the cursor."""
        self._point(None)

    def _point(self, x: float | None) -> None:
        """Put the cursor of all charts at a position, or remove it."""
        self.cursor = x
        for chart in self.charts:
            chart.cursor = x
        self.post_message(self.CursorMoved())

    @on(Chart.ChartZoomed)
    def _zoomed(self, message: Chart.ChartZoomed) -> None:
        message.stop()
        window = message.window
        if window is not None and self._charted is not None:
            scale = self._charted.window_scale(self.across)
            window = (scale.step(window[0]), scale.step(window[1]))
        self._set_window(window)

    @on(Chart.ChartPointed)
    def _pointed(self, message: Chart.ChartPointed) -> None:
        message.stop()
        self._point(message.x)

    def on_click(self, event: events.Click) -> None:
        """Choose the chart that was clicked."""
        if isinstance(event.widget, Chart):
            self.chosen = self.charts.index(event.widget)
            self._changed()


def _key(action: str) -> str:
    """The key of an action of the charts, as a person has it."""
    return find_action("run", action).key_shown
