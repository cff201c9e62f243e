"""Where a chart puts its labels, letters and marks: in the cells in which the curve has these values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.style import Style

from itop_tui.chart.cell_canvas import CellCanvas
from itop_tui.chart.chart import Chart
from itop_tui.chart.chart_painter import GUTTER, PaintedChart, Painter
from itop_tui.chart.cursor_reading import ReadingPart, laid_out
from itop_tui.chart.plot_frame import PlotFrame
from itop_tui.figures import axis, braille
from itop_tui.figures.chart_data import OUTSIDE_GLYPHS, ChartData, Event, Line
from itop_tui.figures.format import figure
from itop_tui.figures.y_range import Bounds
from tests.itop_tui.run.hosting import Host

SIZES = st.tuples(st.integers(20, 120), st.integers(6, 60))


def painted(
    data: ChartData,
    size: tuple[int, int],
    xs: tuple[float, float],
    *,
    log_scale: bool = False,
    bounds: Bounds = "robust",
) -> list[str]:
    """The rows of a chart."""
    canvas = CellCanvas(*size)
    Painter(PaintedChart(data, "title", xs, log_scale=log_scale, bounds=bounds), canvas, lambda name: Style()).paint()
    return ["".join(canvas.character(column, row) for column in range(size[0])) for row in range(size[1])]


def is_drawn(character: str) -> bool:
    return "\u2800" < character <= "\u28ff"


@given(
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.floats(-1e6, 1e6),
    st.floats(1e-3, 1e6),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_the_cell_of_a_value_is_that_in_which_the_curve_has_its_dot(
    shape: tuple[int, int], low: float, span: float, across: float, up: float
) -> None:
    width, height = shape
    xs, ys = (0.0, 1.0), (low, low + span)
    value = low + up * span
    frame = PlotFrame(GUTTER, 1, width, height, xs, ys)
    rows, columns = np.nonzero(braille.cells(np.array([across]), np.array([value]), xs, ys, width, height))
    assert [frame.row(value) - 1] == rows.tolist()
    assert [frame.column(across) - GUTTER] == columns.tolist()


@given(SIZES, st.floats(-1e4, 1e4), st.floats(1e-2, 1e4), st.booleans())
def test_the_label_of_a_tick_stands_on_the_row_of_its_value(
    size: tuple[int, int], low: float, span: float, log: bool
) -> None:
    if log:
        low = abs(low) + 1e-3
    ends = Line("", np.array([0.0, 1.0]), np.array([low, low + span]), "first")
    rows = painted(ChartData((ends,)), size, (0.0, 1.0), log_scale=log)
    ys = axis.padded(*np.log10([low, low + span]).tolist()) if log else axis.padded(low, low + span)
    most = max(2, (size[1] - 2) // 3)
    for tick in axis.log_ticks(*ys, most) if log else axis.linear_ticks(*ys, most):
        value = np.array([tick, tick])
        drawn = braille.cells(np.array([0.0, 1.0]), value, (0.0, 1.0), ys, size[0] - GUTTER, size[1] - 2)
        (row,) = set(np.nonzero(drawn)[0].tolist())
        assert rows[1 + row][: GUTTER - 1].strip() == axis.label(10.0**tick if log else tick)
        assert rows[1 + row][GUTTER - 1] == "┤"


@given(SIZES, st.floats(0, 1e5), st.floats(10, 1e6), st.sampled_from(["step", "epoch", "hour"]))
def test_the_label_of_a_position_covers_its_column(size: tuple[int, int], low: float, span: float, unit: str) -> None:
    line = Line("", np.array([low, low + span]), np.array([0.0, 1.0]), "first")
    row = painted(ChartData((line,), x_unit=unit), size, (low, low + span))[-1]
    width = size[0] - GUTTER
    known = axis.x_ticks(low, low + span, max(2, width // 10), unit)
    assert len(set(known.values())) == len(known), "no two positions are called the same"
    for tick, text in known.items():
        point = braille.cells(np.array([tick]), np.array([0.5]), (low, low + span), (0.0, 1.0), width, 1)
        column = GUTTER + int(np.nonzero(point)[1][0])
        starts = [at for at in range(len(row)) if f" {row} ".startswith(f" {text} ", at)]
        assert not starts or any(start <= column < start + len(text) for start in starts)


@given(SIZES, st.lists(st.floats(-5, 5) | st.just(float("nan")), min_size=1, max_size=40), st.floats(0.01, 1))
def test_letters_stand_on_their_curve(size: tuple[int, int], values: list[float], reach: float) -> None:
    x, y = np.linspace(0.0, reach, len(values)), np.array(values)
    line = Line(" ", x, y, "first")
    with_letters = painted(ChartData((replace(line, marker="A"),)), size, (0.0, 1.0))
    without = painted(ChartData((line,)), size, (0.0, 1.0))
    letters = [
        (row, column)
        for row in range(1, size[1] - 1)
        for column in range(GUTTER, size[0])
        if with_letters[row][column] == "A"
    ]
    assert all(is_drawn(without[row][column]) for row, column in letters)
    assert bool(letters) == bool(np.isfinite(y).any()), "a short curve has its letter too"


@pytest.mark.parametrize(
    ("hours", "some"),
    [(0.18 / 3600, "0.1 s"), (90 / 3600, "40 s"), (4 / 60, "2 min"), (3.0, "2 h"), (100.0, "2 d")],
)
def test_time_is_written_in_the_unit_of_its_range(hours: float, some: str) -> None:
    line = Line("", np.array([0.0, hours]), np.array([0.0, 1.0]), "first")
    row = painted(ChartData((line,), x_unit="hour"), (60, 10), (0.0, hours))[-1]
    assert f" {some} " in row
    assert "e-" not in row


def test_steps_far_along_a_long_run_are_told_apart() -> None:
    line = Line("", np.array([1_000_000.0, 1_000_050.0]), np.array([0.0, 1.0]), "first")
    row = painted(ChartData((line,)), (60, 10), (1_000_000.0, 1_000_050.0))[-1]
    assert "1000020" in row


NAMES = ("features.0.conv1.weight density", "features.14.conv2.weight density", "classifier.3.weight density")


@pytest.mark.parametrize("width", [39, 40, 60, 80, 120])
@pytest.mark.parametrize("title", ["loss", "density of the layers features.0 and features.14, and of the classifier"])
async def test_values_at_the_cursor_are_whole_however_long_names_are(width: int, title: str) -> None:
    chart = Chart(title)
    app = Host(chart)
    values = (0.123456, 12_345.678, -1.5e-9)
    async with app.run_test(size=(width, 10)) as pilot:
        lines = [Line(name, np.array([1_000.0, 2_000.0]), np.array([value, value]), "first")
                 for name, value in zip(NAMES, values, strict=True)]  # fmt: skip
        chart.set_series(ChartData(tuple(lines), events=(Event(2_000, "resume", "resumed at 2,000 (attempt 2)"),)))
        chart.cursor = 2_000.0
        await pilot.pause()
        text = "\n".join(app.text())
        assert "step 2,000" in text
        assert all(f" {figure(value)} " in f"{text} ".replace("\n", " ") for value in values)
        assert "resumed at 2,000 (attempt 2)" in text


@given(
    st.lists(st.tuples(st.text("abc.", max_size=60), st.integers(0, 10**9)), min_size=1, max_size=8),
    st.integers(-20, 80),
    st.integers(24, 80),
)
def test_a_reading_keeps_its_values_and_stays_within_its_lines(
    parts: list[tuple[str, int]], beside: int, width: int
) -> None:
    lines = laid_out([ReadingPart(str(value), name) for name, value in parts], beside, width, 9)
    assert len(lines[0]) <= max(0, beside)
    assert all(len(line) <= width for line in lines[1:])
    assert [word for word in " ".join(lines).split() if word.isdecimal()] == [str(value) for _, value in parts]


# ------------------------------------------------------------------------------ outside of the y axis, and behind


STEPS = np.arange(400.0)
XS = (0.0, 399.0)


def test_values_outside_of_the_axis_are_marked_in_their_columns_and_in_the_tone_of_their_line() -> None:
    values = 1 + 0.01 * np.sin(STEPS)
    values[[100, 300]] = 50.0, -50.0
    canvas = CellCanvas(80, 16)
    Painter(PaintedChart(ChartData((Line("", STEPS, values, outliers=0.1),)), "", XS), canvas, _named_style).paint()
    frame = PlotFrame(GUTTER, 1, 80 - GUTTER, 14, XS, (0.0, 1.0))
    found = {
        (canvas.character(column, row), column, row)
        for row in range(1, 15)
        for column in range(GUTTER, 80)
        if canvas.character(column, row) in OUTSIDE_GLYPHS
    }
    assert ("▴", frame.column(100), 1) in found
    assert ("▾", frame.column(300), 14) in found
    assert all(abs(column - frame.column(100 if glyph == "▴" else 300)) <= 1 for glyph, column, _ in found)
    tones = {segment.style.color for segment in canvas.strip(1, Style()) if "▴" in segment.text and segment.style}
    assert tones == {_named_style("first").color}
    reached = painted(ChartData((Line("", STEPS, values, outliers=0.1),)), (80, 16), XS, bounds="all")
    assert not any(glyph in "".join(reached) for glyph in OUTSIDE_GLYPHS)


@given(st.integers(0, 2**32 - 1))
def test_what_was_recorded_is_never_over_a_curve(seed: int) -> None:
    noise = np.random.default_rng(seed)
    own = [
        Line("", STEPS, 0.5 + noise.normal(0, 0.02, 400), "first"),
        Line("", STEPS, 0.5 + noise.normal(0, 0.02, 400), "second", right=True),
    ]
    raw = [
        Line("", STEPS, 0.5 + noise.normal(0, 0.3, 400), "raw", right=right) for right in (False, True)
    ]  # fmt: skip
    ends = [Line("", np.array(XS), np.array([-1.0, 2.0]), "parent", right=right) for right in (False, True)]
    alone, over = _cells((*ends, *own)), _cells((*own, *ends, *raw))
    drawn = {cell: what for cell, what in alone.items() if is_drawn(what[0])}
    assert drawn
    assert all(over[cell] == what for cell, what in drawn.items())


def _named_style(name: str) -> Style:
    names = ["first", "second", "raw", "parent"]
    return Style(color=f"color({1 + names.index(name)})") if name in names else Style()


def _cells(lines: tuple[Line, ...]) -> dict[tuple[int, int], tuple[str, Style | None]]:
    """The character and style of each cell within the axes."""
    canvas = CellCanvas(80, 16)
    Painter(PaintedChart(ChartData(lines), "", XS, bounds="all"), canvas, _named_style).paint()
    found: dict[tuple[int, int], tuple[str, Style | None]] = {}
    for row in range(1, 15):
        column = 0
        for segment in canvas.strip(row, Style()):
            for character in segment.text:
                if GUTTER <= column < 80 - GUTTER:
                    found[row, column] = (character, segment.style)
                column += 1
    return found
