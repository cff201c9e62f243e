"""One chart: curves over steps or epochs, live, with zoom, pan and a cursor that reads values.

`Chart` keeps textual-plot behind an interface of our own: a screen hands it a frozen `ChartData` and listens
to `Chart.Zoomed`; it neither knows where figures come from nor asks for them.  From textual-plot come the
canvas, the mapping between cells and values, and zoom and pan by mouse.  The painting is ours, for three
reasons that were measured or seen: drawing the segments one by one takes 84 ms for a curve of 200 columns
where `braille.cells` takes one; a curve drawn later wiped out the cells of an earlier one; and there are
neither a logarithmic axis nor marks for values that are not finite.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from textual import events
from textual.app import ComposeResult
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive
from textual_hires_canvas import Canvas
from textual_plot import PlotWidget

from itop_tui.chart import chart_colours
from itop_tui.chart.chart_painter import Painter
from itop_tui.figures.chart_data import TONES, ChartData, Event, Line
from itop_tui.figures.format import duration, figure

__all__ = ["GUTTER", "TONES", "Chart", "ChartData", "Event", "Line"]

GUTTER = 7
"""Columns left of the plot, for the labels of the y axis and its line."""
_MIN_SPAN = 1e-9


class Chart(PlotWidget, inherit_bindings=False, can_focus=False):
    """A chart with a title line, a plot and the labels of its x axis.

    Args:
        title: What is shown.
        percent: Whether values are shares, written in per cent.
        widget_id: The widget's id.
    """

    DEFAULT_CSS = """
    Chart {
        layers: plot;
        Canvas { layer: plot; width: 1fr; height: 1fr; }
    }
    """

    log_scale: reactive[bool] = reactive(False, init=False)
    cursor: reactive[float | None] = reactive(None, init=False)
    window: reactive[tuple[float, float] | None] = reactive(None, init=False)
    selection: reactive[tuple[float, float] | None] = reactive(None, init=False)
    """What is being dragged over by the mouse, to zoom into."""

    @dataclass
    class Zoomed(Message):
        """The reader zoomed or panned: `window` is what to show, None for everything."""

        chart: Chart
        window: tuple[float, float] | None

    @dataclass
    class Pointed(Message):
        """The mouse points at `x` (None when it left the chart)."""

        chart: Chart
        x: float | None

    @dataclass
    class Chosen(Message):
        """The chart was clicked."""

        chart: Chart

    def __init__(self, title: str, *, percent: bool = False, widget_id: str | None = None) -> None:
        super().__init__(id=widget_id, invert_mouse_wheel=True)
        self.title = title
        self.percent = percent
        """Whether values are shares, written in per cent."""
        self._data = ChartData(empty="reading …")
        self._styles_of: dict[str, str] = {}
        self._drag_from: float | None = None

    # ------------------------------------------------------------------------------ what a screen calls

    @property
    def data(self) -> ChartData:
        """What is shown."""
        return self._data

    @property
    def extent(self) -> tuple[float, float]:
        """The positions at the left and right edge of the plot, painted already or not."""
        return self.window or self._whole()

    @property
    def columns(self) -> int:
        """Columns of the plot: a curve needs no more than two points in each."""
        return max(1, self.content_size.width - GUTTER - self.right_gutter)

    @property
    def right_gutter(self) -> int:
        """Columns right of the plot, for the labels of the axis there."""
        return GUTTER if self._data.has_right else 0

    def set_series(self, data: ChartData) -> None:
        """Show other figures."""
        self._data = data
        self._rerender()

    def choose(self, chosen: bool) -> None:
        """Mark the chart as the one that keys act on, or not."""
        if chosen != self.has_class("-chosen"):
            self.set_class(chosen, "-chosen")
            self._styles_of.clear()
            self._rerender()

    def zoom(self, factor: float) -> None:
        """Show 1/factor of what is shown now, around the cursor or the middle."""
        low, high = self.extent
        middle = self.cursor if self.cursor is not None and low <= self.cursor <= high else (low + high) / 2
        self._show_window(middle - (middle - low) / factor, middle + (high - middle) / factor)

    def pan(self, share: float) -> None:
        """Move by a share of what is shown, to the right where it is positive."""
        low, high = self.extent
        self._show_window(low + share * (high - low), high + share * (high - low))

    def reset(self) -> None:
        """Show everything."""
        self.post_message(self.Zoomed(self, None))

    def move_cursor(self, columns: int) -> None:
        """Move the cursor by columns of the plot; where there is none yet, it starts at the right edge."""
        low, high = self.extent
        here = high if self.cursor is None else self.cursor + columns * (high - low) / self.columns
        self.cursor = min(max(here, low), high)

    def readout(self, x: float) -> str:
        """The values of all curves at their point nearest to `x`."""
        parts: list[str] = []
        for line in self._data.lines:
            if len(line.x) and (line.tone != "parent" or x <= float(line.x[-1])):
                nearest = int(np.argmin(np.abs(line.x - x)))
                if not parts:
                    parts.append(self.position_text(float(line.x[nearest])))
                value = self.value_text(float(line.y[nearest]), line.percent)
                parts.append(f"{line.label} {value}".strip())
        return "  ".join([*parts, *self.events_near(x)])

    def position_text(self, x: float) -> str:
        """A position as the cursor tells it: "step 1,234", "after 3m 20s"."""
        if self._data.x_unit == "hour":
            return f"after {duration(x * 3600)}"
        return f"step {x:,.0f}" if self._data.x_unit == "step" else f"{self._data.x_unit} {x:.2f}"

    def events_near(self, x: float) -> list[str]:
        """What happened within a column of a position."""
        reach = (self.extent[1] - self.extent[0]) / self.columns
        return [event.text for event in self._data.events if abs(event.x - x) <= reach]

    # ------------------------------------------------------------------------------ zoom and pan by mouse

    def _show_window(self, low: float, high: float) -> None:
        """Ask for a window, moved or cut to where there is data; one as wide as all of it is all of it."""
        whole = self._whole()
        span = min(max(high - low, _MIN_SPAN * max(1.0, abs(high)), self._least_span()), whole[1] - whole[0])
        if span >= (whole[1] - whole[0]) * 0.999:
            self.post_message(self.Zoomed(self, None))
            return
        low = min(max(low, whole[0]), whole[1] - span)
        self.post_message(self.Zoomed(self, (low, low + span)))

    def _least_span(self) -> float:
        return {"step": 2.0, "epoch": 0.01}.get(self._data.x_unit, 1e-5)

    def _whole(self) -> tuple[float, float]:
        """Everything there is: `limits` where the screen knows more than is loaded, else the data's range."""
        if self.limits is not None:
            return self.limits
        return self.data_range()

    limits: tuple[float, float] | None = None
    """The range of positions that exist, where the loaded data may be a part of it."""

    def data_range(self) -> tuple[float, float]:
        """The positions of the first and last point loaded; never empty."""
        ends = [(float(line.x[0]), float(line.x[-1])) for line in self._data.lines if len(line.x)]
        if not ends:
            return 0.0, 1.0
        low, high = min(end[0] for end in ends), max(end[1] for end in ends)
        return (low, high) if high > low else (low - 0.5, low + 0.5)

    def _zoom(self, center_x: float, center_y: float, factor: float, zoom_x: bool, zoom_y: bool) -> None:
        low, high = self.extent
        self._show_window(
            (low + 4 * factor * center_x) / (1 + 4 * factor), (high + 4 * factor * center_x) / (1 + 4 * factor)
        )

    def _pan(self, factor_x: float, factor_y: float) -> None:
        if factor_x:
            self.pan(-factor_x / self.columns)

    def _pan_plot_with_mouse(self, event: events.MouseMove) -> None:
        """Dragging chooses what to zoom into; with shift or ctrl, or another button, it moves what is shown."""
        if event.shift or event.ctrl or event.button != 1:
            self._pan(event.delta_x, 0)
        elif self._drag_from is not None:
            here = self._place(event)
            if here is not None:
                self.selection = (min(self._drag_from, here), max(self._drag_from, here))

    def _place(self, event: events.MouseEvent) -> float | None:
        """The position under the mouse, cut to the plot; None above or below the chart."""
        offset = event.get_content_offset_capture(self)
        column = min(max(offset.x, GUTTER), GUTTER + self.columns - 1)
        return float(self.get_coordinate_from_pixel(column, 0)[0])

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """A drag may begin."""
        if event.button == 1:
            self._drag_from = self._place(event)
            self.capture_mouse()

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """A drag ended: zoom into what was dragged over, if that is more than a slip of the hand."""
        self.release_mouse()
        chosen, self.selection, self._drag_from = self.selection, None, None
        low, high = self.extent
        if chosen is not None and (chosen[1] - chosen[0]) * self.columns >= 2 * (high - low):
            self._show_window(*chosen)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Read the values under the mouse."""
        offset = event.get_content_offset(self)
        if offset is not None and event.button == 0 and offset.x >= GUTTER:
            self.post_message(self.Pointed(self, self.get_coordinate_from_pixel(offset.x, 0)[0]))

    def on_leave(self) -> None:
        """The mouse left: its cursor goes."""
        self.post_message(self.Pointed(self, None))

    def on_click(self) -> None:
        """A click chooses the chart."""
        self.post_message(self.Chosen(self))

    # ------------------------------------------------------------------------------ textual-plot's own parts

    def compose(self) -> ComposeResult:
        """One canvas for all: title, plot and labels."""
        yield Canvas(1, 1, id="plot")

    def _update_margin_sizes(self) -> None:
        """There are no margins: the labels are painted on the one canvas."""

    def _update_legend(self) -> None:
        """The legend is part of the title line."""

    def _position_legend(self) -> None:
        """The legend is part of the title line."""

    def on_resize(self) -> None:
        """Paint at the new size."""
        self._rerender()

    def notify_style_update(self) -> None:
        """Another theme: colours are looked up again."""
        self._styles_of.clear()
        super().notify_style_update()

    def watch_log_scale(self) -> None:
        """Paint with the other y axis."""
        self._rerender()

    def watch_cursor(self) -> None:
        """Paint with the cursor at its new place."""
        self._rerender()

    def watch_selection(self) -> None:
        """Paint with what is dragged over."""
        self._rerender()

    def watch_window(self) -> None:
        """Paint the new window with what is loaded, at once; finer data follows."""
        self._rerender()

    def render(self) -> str:
        """Paint the canvas where anything changed."""
        canvas = next(iter(self.query(Canvas)), None)
        if self._needs_rerender and canvas is not None:  # a chart that is being taken away has none any more
            with canvas.batch_refresh():
                size = canvas.size
                canvas.reset(size=size)
                self._scale_rectangle = Region(GUTTER, 1, self.columns, max(1, size.height - 2))
                self._render_plot()
            self._needs_rerender = False
        return ""

    # ------------------------------------------------------------------------------ what the painter asks

    def _render_plot(self) -> None:
        canvas = self.query_one("#plot", Canvas)
        if canvas.size.width > GUTTER + self.right_gutter + 1 and canvas.size.height >= 4:
            (self._x_min, self._x_max), (self._y_min, self._y_max) = Painter(self, canvas, GUTTER).paint()

    def style_of(self, name: str) -> str:
        """The colours of a part as the canvas takes them."""
        if name not in self._styles_of:
            part = "chosen" if name == "title" and self.has_class("-chosen") else name
            self._styles_of[name] = chart_colours.style_of(part, self.app.theme_variables, self.background_colors[1])
        return self._styles_of[name]

    def value_text(self, value: float, percent: bool | None = None) -> str:
        """A value as the title and the cursor write it; as a share where the chart's or the line's values are some."""
        if (self.percent if percent is None else percent) and np.isfinite(value):
            return f"{value * 100:.4g}%"
        return figure(value)
