"""One chart: curves over steps, epochs or hours, live, with zoom, pan and a cursor that reads values.

A screen hands a `Chart` a frozen `ChartData` and listens to its messages; it neither knows where values come from nor
asks for them. It is painted by `itop_tui.chart.chart_painter` on a canvas of cells, at most once for each change.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rich.style import Style
from textual import events
from textual.color import Color
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from itop_tui.chart import chart_colours
from itop_tui.chart.cell_canvas import CellCanvas
from itop_tui.chart.chart_painter import GUTTER, PaintedChart, Painter, stat_text
from itop_tui.chart.cursor_reading import ReadingPart
from itop_tui.figures import axis
from itop_tui.figures.chart_data import ChartData, Line
from itop_tui.figures.comparison import Stat
from itop_tui.figures.format import UNKNOWN, figure
from itop_tui.figures.metric_text import Write
from itop_tui.figures.y_range import BOUNDS, Bounds, y_scales
from itop_tui.look.one_style import OneStyle
from itop_tui.look.theme import curve_colour

_MIN_SPAN = 1e-9
_WHOLE = 4_000
"""Cells of a name that is not shortened."""
_WHEEL = 1.2
"""How far a turn of the mouse wheel zooms in."""


class Chart(OneStyle):
    """A chart with a title line, a plot and the labels of its x axis."""

    ALLOW_SELECT = False
    DEFAULT_CSS = "Chart { width: 1fr; height: 1fr; }"
    title: reactive[str] = reactive("", init=False)
    """What is shown."""
    log_scale: reactive[bool] = reactive(False, init=False)
    bounds: reactive[Bounds] = reactive[Bounds](BOUNDS[0], init=False)
    """What its y axes reach."""
    cursor: reactive[float | None] = reactive(None, init=False)
    window: reactive[tuple[float, float] | None] = reactive(None, init=False)
    selection: reactive[tuple[float, float] | None] = reactive(None, init=False)
    """What is being dragged over by the mouse, to zoom into."""

    @dataclass
    class ChartZoomed(Message):
        """A person zoomed or panned: `window` is what to show, None for everything."""

        window: tuple[float, float] | None

    @dataclass
    class ChartPointed(Message):
        """The mouse points at `x` (None when it left the chart)."""

        x: float | None

    def __init__(
        self, title: str, *, percent: bool = False, write: Write = figure, widget_id: str | None = None
    ) -> None:
        super().__init__(id=widget_id)
        self.set_reactive(Chart.title, title)
        self.percent = percent
        """Whether the axis is in per cent."""
        self.write = write
        """What writes its values."""
        self.limits: tuple[float, float] | None = None
        """The range of positions that exist, where the loaded data may be a part of it."""
        self.data = ChartData(empty="reading …")
        """What is shown."""
        self._styles: dict[str, Style] = {}
        self._drag_from: float | None = None
        self._canvas: CellCanvas | None = None

    # ------------------------------------------------------------------------------ what a screen calls

    @property
    def extent(self) -> tuple[float, float]:
        """The positions at the left and right edge of the plot, painted already or not."""
        return self.window or self._whole()

    @property
    def columns(self) -> int:
        """Columns of the plot: a curve needs no more than two points in each."""
        return max(1, self.content_size.width - GUTTER - (GUTTER if self.data.has_right else 0))

    @property
    def is_cut(self) -> bool:
        """Whether values lie outside of its y axes."""
        xs = self.extent
        return y_scales(self.data, xs, self.bounds, log_scale=self.log_scale, percent=self.percent).is_cut(xs)

    def set_series(self, data: ChartData) -> None:
        """Show other data."""
        self.data = data
        self._repaint()

    def choose(self, chosen: bool) -> None:
        """Mark the chart as the one that keys act on, or not."""
        if chosen != self.has_class("-chosen"):
            self.set_class(chosen, "-chosen")
            self._repaint()

    def zoom(self, factor: float) -> None:
        """Show 1/factor of what is shown now, around the cursor or the middle."""
        low, high = self.extent
        middle = self.cursor if self.cursor is not None and low <= self.cursor <= high else (low + high) / 2
        self._zoom_around(middle, factor)

    def pan(self, share: float) -> None:
        """Move by a share of what is shown, to the right where it is positive."""
        low, high = self.extent
        self._show_window(low + share * (high - low), high + share * (high - low))

    def move_cursor(self, columns: int) -> None:
        """Move the cursor by columns of the plot; where there is none yet, it starts at the right edge."""
        low, high = self.extent
        here = high if self.cursor is None else self.cursor + columns * (high - low) / self.columns
        self.cursor = min(max(here, low), high)

    def readout(self, x: float) -> str:
        """The values of all curves at their point nearest to `x`, or the position alone where a list shows them."""
        return "  ".join(part.within(_WHOLE) for part in self.reading_parts(x))

    def reading_parts(self, x: float) -> list[ReadingPart]:
        """The parts of `readout`: the position, the values, and what happened there."""
        parts = [ReadingPart(self.position_text(x))] if self.data.read_beside else []
        for line in () if self.data.read_beside else self.data.lines:
            named = line.position is None or line.marker  # else it is what another was made of
            if len(line.x) and named and (line.tone != "parent" or x <= float(line.x[-1])):
                if not parts:
                    nearest = float(line.x[np.argmin(np.abs(line.x - x))])
                    parts.append(ReadingPart(self.position_text(nearest)))
                name = line.label.strip() or (line.marker if line.position is not None else "")
                if line.smooth:
                    name = f"{name} smooth".strip()
                elif line.tone == "raw":
                    name = name or "raw"
                parts.append(ReadingPart(self._value_at(line, x, line.write or self.write), name))
        return [*parts, *map(ReadingPart, self.events_near(x))]

    @staticmethod
    def _value_at(line: Line, x: float, write: Write) -> str:
        """The value nearest to a position, with deviation and number of runs where it joins several."""
        if len(line.mean_x):
            return write(float(line.mean_y[np.argmin(np.abs(line.mean_x - x))]))
        at = int(np.argmin(np.abs(line.x - x)))
        std = float(line.std[at]) if len(line.std) and np.isfinite(line.std[at]) else None
        n = int(line.n[at]) if len(line.n) else 1
        return stat_text(Stat(float(line.y[at]), std, n), write, line.runs)

    def reading(self, position: int, x: float | None) -> str:
        """The value of the curve of the entry at a place, at a position, or the last one recorded (None); "" for none.

        `reading_name` says what it is.
        """
        for line in self.data.lines:
            if line.position != position or not len(line.x) or not line.marker:
                continue
            if x is None:
                return stat_text(line.last, self.write, line.runs) if line.last is not None else ""
            column = (self.extent[1] - self.extent[0]) / self.columns
            if not line.x[0] - column <= x <= line.x[-1] + column:
                return UNKNOWN  # it began later, or ended before
            return self._value_at(line, x, self.write)
        return ""

    def reading_name(self, x: float | None) -> tuple[str, str]:
        """What `reading` is, and where: "last loss", or "loss, mean of the bin" and "near step 1,234"."""
        if x is None:
            return f"last {self.title}", ""
        how = "moving average" if self.data.smoothing else "mean of the bin" if self.data.averaged else ""
        return f"{self.title}, {how}" if how else self.title, f"near {self.position_text(x).removeprefix('after ')}"

    def position_text(self, x: float) -> str:
        """A position as the cursor shows it: "step 1,234", "after 3.25 min"."""
        if self.data.x_unit == "hour":
            return f"after {axis.time_label(x, self.extent[1])}"
        if self.data.x_unit == "itop_rate":
            return f"R_s {x:.3f}"
        return f"step {x:,.0f}" if self.data.x_unit == "step" else f"{self.data.x_unit} {x:.2f}"

    def events_near(self, x: float) -> list[str]:
        """What happened within a column of a position."""
        reach = (self.extent[1] - self.extent[0]) / self.columns
        return [event.text for event in self.data.events if abs(event.x - x) <= reach]

    # ------------------------------------------------------------------------------ the window

    def _zoom_around(self, x: float, factor: float) -> None:
        low, high = self.extent
        self._show_window(x - (x - low) / factor, x + (high - x) / factor)

    def _show_window(self, low: float, high: float) -> None:
        """Ask for a window, moved or cut to where there is data; one as wide as all of it is all of it."""
        whole = self._whole()
        least = {"step": 2.0, "epoch": 0.01}.get(self.data.x_unit, 1e-8)
        span = min(max(high - low, _MIN_SPAN * max(1.0, abs(high)), least), whole[1] - whole[0])
        if span >= (whole[1] - whole[0]) * 0.999:
            self.post_message(self.ChartZoomed(None))
            return
        low = min(max(low, whole[0]), whole[1] - span)
        self.post_message(self.ChartZoomed((low, low + span)))

    def _whole(self) -> tuple[float, float]:
        """Everything there is: `limits` where more is known than is loaded, else the data's range; never empty."""
        if self.limits is not None:
            return self.limits
        ends = [(float(line.x[0]), float(line.x[-1])) for line in self.data.lines if len(line.x)]
        if not ends:
            return 0.0, 1.0
        low, high = min(end[0] for end in ends), max(end[1] for end in ends)
        return (low, high) if high > low else (low - 0.5, low + 0.5)

    # ------------------------------------------------------------------------------ the mouse

    def _position_at(self, column: int) -> float:
        """The position in a column of the widget."""
        low, high = self.extent
        return low + (column - GUTTER) / max(1, self.columns - 1) * (high - low)

    def _dragged_to(self, event: events.MouseEvent) -> float:
        """The position under the mouse, cut to the plot."""
        offset = event.get_content_offset_capture(self)
        return self._position_at(min(max(offset.x, GUTTER), GUTTER + self.columns - 1))

    def _wheel(self, event: events.MouseEvent, factor: float) -> None:
        offset = event.get_content_offset(self)
        if offset is not None:
            event.stop()
            self._zoom_around(self._position_at(offset.x), factor)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Zoom in where the mouse is."""
        self._wheel(event, _WHEEL)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Zoom out where the mouse is."""
        self._wheel(event, 1 / _WHEEL)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """A drag may begin."""
        self.capture_mouse()
        if event.button == 1:
            self._drag_from = self._dragged_to(event)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """A drag ended: zoom into what was dragged over, if that is more than an unsteady click."""
        self.release_mouse()
        chosen, self.selection, self._drag_from = self.selection, None, None
        low, high = self.extent
        if chosen is not None and (chosen[1] - chosen[0]) * self.columns >= 2 * (high - low):
            self._show_window(*chosen)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Read the values under the mouse; dragging selects what to zoom into, or moves what is shown.

        It moves with shift or ctrl, or with another button.
        """
        if event.button:
            if event.shift or event.ctrl or event.button != 1:
                if event.delta_x:
                    self.pan(-event.delta_x / self.columns)
            elif self._drag_from is not None:
                here = self._dragged_to(event)
                self.selection = (min(self._drag_from, here), max(self._drag_from, here))
            return
        offset = event.get_content_offset(self)
        if offset is not None and offset.x >= GUTTER:
            self.post_message(self.ChartPointed(self._position_at(offset.x)))

    def on_leave(self) -> None:
        """The mouse left: its cursor goes."""
        self.post_message(self.ChartPointed(None))

    # ------------------------------------------------------------------------------ painting

    def _repaint(self) -> None:
        """Paint what changed with what is loaded, at once; where the window did, finer data follows."""
        self._canvas = None
        self.refresh()

    on_resize = watch_title = watch_log_scale = watch_bounds = watch_cursor = watch_window = watch_selection = _repaint

    def notify_style_update(self) -> None:
        """Another theme: colours are looked up again."""
        self._styles.clear()
        self._canvas = None
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        """Draw a line of the canvas, which is painted where anything changed."""
        if self._canvas is None:
            self._canvas = CellCanvas(*self.size)
            painted = PaintedChart(
                data=self.data,
                title=self.title,
                xs=self.extent,
                percent=self.percent,
                write=self.write,
                log_scale=self.log_scale,
                bounds=self.bounds,
                chosen=self.has_class("-chosen"),
                cursor=self.cursor,
                edges=self.selection or (),
                reading=tuple(self.reading_parts(self.cursor)) if self.cursor is not None else (),
            )
            Painter(painted, self._canvas, self._style_of).paint()
        return self._canvas.strip(y, self.rich_style)

    def _style_of(self, name: str) -> Style:
        """The style of a part, of the curve "curve-3", or of its dim one, "dim-3"."""
        if name not in self._styles:
            self._styles[name] = Style.parse(self._colours_of(name))
        return self._styles[name]

    def _colours_of(self, name: str) -> str:
        behind = self.background_colors[1]
        kind, _, place = name.partition("-")
        if kind not in ("curve", "dim") or not place.isdigit():
            return chart_colours.style_of(name, self.app.theme_variables, behind)
        colour = curve_colour(self.app.current_theme, int(place))
        if kind == "curve":
            return colour
        # A terminal's own colours cannot be mixed.
        return f"dim {colour}" if self.app.current_theme.ansi else behind.blend(Color.parse(colour), 0.5).hex6
