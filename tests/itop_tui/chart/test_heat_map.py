"""A heat map shows what a cell-by-cell computation gives."""

from __future__ import annotations

import math

import numpy as np
import pytest
from rich.color import Color
from textual.strip import Strip

from itop_tui.chart.heat_map import HeatMap
from itop_tui.look.theme import shades
from tests.itop_tui.run.hosting import Host

SHADES = 32
STEPS = (0, 100, 250, 300, 1000)


def expected(values: np.ndarray, row: int, column: int, plot: int, theme: dict[str, str]) -> Color:
    """The colour of a row at a column of the plot: the latest update, between the smallest and the largest value."""
    step = STEPS[0] + (STEPS[-1] - STEPS[0]) * column / (plot - 1)
    value = float(values[row][max(at for at, known in enumerate(STEPS) if known <= step)])
    if not math.isfinite(value):
        return Color.parse("black")
    known = [each for each in values.flatten().tolist() if math.isfinite(each)]
    low, high = min(known), max(known)
    colours = shades(theme, SHADES)
    return colours[int((value - low) / (high - low) * (len(colours) - 1) + 0.5)].rich_color


def cells(strip: Strip) -> list[tuple[str, Color | None, Color | None]]:
    """Each cell of a line: its character, its colour and what lies behind."""
    found = []
    for segment in strip:
        style = segment.style
        assert style is not None
        found += [(character, style.color, style.bgcolor) for character in segment.text]
    return found


@pytest.mark.parametrize(("rows", "height"), [(4, 20), (31, 24)])
async def test_each_cell_has_the_shade_of_its_value(rows: int, height: int) -> None:
    values = np.random.default_rng(3).normal(size=(rows, len(STEPS)))
    values[1, 2], values[2, 0], values[2, 4] = np.nan, np.inf, -np.inf
    heat = HeatMap()
    app = Host(heat)
    async with app.run_test(size=(61, height)) as pilot:
        heat.show([f"layer{number}" for number in range(rows)], STEPS, values)
        await pilot.pause()
        gutter, plot = 10, 50
        tall = rows == 4
        lines = height - 4 if tall else -(-rows // 2)
        for line in range(lines):
            drawn = cells(heat.render_line(1 + line))[gutter : gutter + plot]
            for column, (character, above, below) in enumerate(drawn):
                if tall:
                    row = line * rows // lines  # every line belongs to a row: the map fills its place
                    assert (character, below) == (" ", expected(values, row, column, plot, app.theme_variables))
                else:
                    lower = min(2 * line + 1, rows - 1)
                    assert character == "▀"
                    assert above == expected(values, 2 * line, column, plot, app.theme_variables)
                    assert below == expected(values, lower, column, plot, app.theme_variables)


async def test_other_values_and_another_theme_are_drawn_at_once() -> None:
    heat = HeatMap()
    app = Host(heat)
    async with app.run_test(size=(61, 20)) as pilot:
        first = np.array([[0.0, 0.2, 0.4, 0.6, 1.0], [0.5] * 5])
        for values, name in (
            (first, "itop-dark"),
            (first[:, ::-1], "itop-dark"),
            (first, "itop-light"),
            (first, "itop-16"),
        ):
            app.theme = name
            heat.show(["one", "two"], STEPS, values)
            await pilot.pause()
            drawn = [below for _, _, below in cells(heat.render_line(1))[10:60]]
            assert drawn == [expected(values, 0, column, 50, app.theme_variables) for column in range(50)]


async def test_a_row_of_several_lines_is_named_once() -> None:
    heat = HeatMap()
    async with Host(heat).run_test(size=(61, 20)) as pilot:
        heat.show(["one", "two", "three"], STEPS, np.arange(15.0).reshape(3, 5))
        await pilot.pause()
        named = [heat.render_line(1 + line).text[:10].strip() for line in range(16)]
    assert named == ["one", *[""] * 5, "two", *[""] * 4, "three", *[""] * 4]


async def test_rows_that_have_no_room_are_reached_by_key_and_wheel() -> None:
    heat = HeatMap()
    async with Host(heat).run_test(size=(80, 12)) as pilot:
        heat.title = "density"
        heat.show([f"layer{number}" for number in range(21)], STEPS, np.random.default_rng(5).random((21, 5)))
        heat.focus()
        await pilot.pause()

        def first() -> str:
            return heat.render_line(1).text[:10].strip()

        assert "rows 1–16 of 21" in heat.render_line(0).text
        assert first() == "layer0"
        await pilot.press("down")
        assert first() == "layer2"
        await pilot.press("end")
        assert (first(), heat.render_line(8).text[:10].strip()) == ("layer6", "layer20")
        assert "rows 7–21 of 21" in heat.render_line(0).text
        await pilot.press("up", "home")
        assert first() == "layer0"
