"""The widgets of the screen on their own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from itop_tui.chart.chart import Chart
from itop_tui.chart.chart_places import grid_shape
from itop_tui.chart.heat_map import HeatMap
from itop_tui.compare.entry_list import EntryList
from itop_tui.figures.chart_data import TONES, ChartData, Event, Line
from itop_tui.figures.comparison import Entry
from itop_tui.figures.differences import Called
from itop_tui.figures.update_metrics import churn
from itop_tui.look import theme
from itop_tui.run import log_view
from itop_tui.run.checkpoints_tab import CheckpointTable
from itop_tui.run.layer_table import LayerTable, summary
from itop_tui.run.log_view import LogView
from tests.itop_tui.run import made
from tests.itop_tui.run.hosting import NOW, Host


def line(y: list[float], label: str = "train", tone: str = "first") -> Line:
    return Line(label, np.arange(1.0, len(y) + 1), np.array(y), tone)


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        ((80, 18), (2, 2)),
        ((78, 12), (2, 1)),
        ((120, 34), (2, 3)),
        ((200, 54), (3, 3)),
        ((160, 40), (3, 2)),
        ((50, 20), (1, 2)),
    ],
)
def test_as_many_charts_as_can_be_read(size: tuple[int, int], shape: tuple[int, int]) -> None:
    assert grid_shape(*size) == shape


async def test_a_chart_shows_its_last_values_its_axes_and_what_is_broken() -> None:
    chart = Chart("loss")
    app = Host(chart)
    async with app.run_test(size=(60, 12)) as pilot:
        assert "reading …" in "\n".join(app.text())
        chart.set_series(ChartData())
        await pilot.pause()
        assert "no data yet" in "\n".join(app.text())
        data = ChartData((line([1.0, 10.0, 100.0, 1000.0]),), broken=((3.0, "NaN at step 3"),))
        chart.set_series(data)
        await pilot.pause()
        text = "\n".join(app.text())
        assert "loss  ━ train 1000" in text
        assert "NaN at step 3" in text
        assert "✗" in app.text()[1]
        assert "500" in text
        chart.log_scale = True
        await pilot.pause()
        labels = [row[:6].strip() for row in app.text() if row[:6].strip()]
        assert labels[1:] == ["100", "1"]


async def test_a_chart_takes_the_colours_of_another_theme_and_tells_that_it_is_chosen() -> None:
    chart = Chart("loss")
    app = Host(chart)

    def colours() -> dict[str, str]:
        strips = app.screen._compositor.render_strips()
        cells = [segment for strip in strips for segment in strip if segment.style is not None]
        found: dict[str, str] = {}
        for segment in cells:
            assert segment.style is not None
            assert segment.style.color is not None
            for character in segment.text.strip():
                found.setdefault(character, segment.style.color.name)
        return found

    async with app.run_test(size=(60, 12)) as pilot:
        chart.set_series(ChartData((line([1.0, 10.0, 100.0]),)))
        await pilot.pause()
        dark = colours()
        app.theme = theme.LIGHT.name
        await pilot.pause()
        light = colours()
        assert dark["━"] == theme.DARK.primary
        assert light["━"] == theme.LIGHT.primary
        assert dark["│"] != light["│"]
        chart.choose(True)
        await pilot.pause()
        assert app.text()[0].startswith(" ▸ loss")
        assert colours()["▸"] != light["━"]


async def test_values_that_are_not_positive_lie_at_the_foot_of_a_logarithmic_axis() -> None:
    chart = Chart("loss")
    app = Host(chart)
    async with app.run_test(size=(40, 10)) as pilot:
        chart.log_scale = True
        for values in ([0.0, 0.0], [-1.0, 5.0, 0.0, 50.0], [float("nan")] * 3):
            chart.set_series(ChartData((line(values),)))
            await pilot.pause()
        assert app.is_running


async def test_crossing_curves_both_stay() -> None:
    chart = Chart("two")
    app = Host(chart)
    async with app.run_test(size=(50, 12)) as pilot:
        chart.set_series(ChartData((line([0.0, 1.0], "a"), line([1.0, 0.0], "b", "second"))))
        await pilot.pause()
        rows = app.text()[1:-1]
        drawn = ["".join(c for c in row if "\u2800" < c <= "\u28ff") for row in rows]
        assert all(drawn[at] for at in (0, len(drawn) // 2, len(drawn) - 1))
        both = [row for row in rows if sum("\u2800" < c <= "\u28ff" for c in row) >= 2]
        assert len(both) >= len(rows) - 2


def eight() -> tuple[Line, ...]:
    """Curves whose legend takes 10 columns each: "━ run0 0.5"."""
    return tuple(line([1.0, 0.5], f"run{number}", TONES[number]) for number in range(8))


@pytest.mark.parametrize(
    ("width", "legend"),
    [
        (101, "━ run0 0.5  ┅ run1 0.5  ━ run2 0.5  ━ run3 0.5  ━ run4 0.5  ━ run5 0.5  ━ run6 0.5  ━ run7 0.5"),
        (100, "━ run0  ┅ run1  ━ run2  ━ run3  ━ run4  ━ run5  ━ run6  ━ run7"),
        (69, "━ run0  ┅ run1  ━ run2  ━ run3  ━ run4  ━ run5  ━ run6  ━ run7"),
        (68, "━ run0 0.5  ┅ run1 0.5  ━ run2 0.5  ━ run3 0.5  +4"),
        (45, "━ run0 0.5  ┅ run1 0.5  ━ run2 0.5  +5"),
        (44, "━ run0 0.5  ┅ run1 0.5  +6"),
        (20, "+8"),
    ],
)
async def test_a_legend_without_room_for_all_says_how_many_more_there_are(width: int, legend: str) -> None:
    chart = Chart("loss")
    app = Host(chart)
    async with app.run_test(size=(width, 10)) as pilot:
        chart.set_series(ChartData(eight()))
        await pilot.pause()
        assert app.text()[0].strip().split(maxsplit=1) == ["loss", legend]


async def test_of_curves_that_letters_name_as_many_values_are_told_as_there_is_room_for() -> None:
    chart = Chart("loss")
    app = Host(chart)
    async with app.run_test(size=(28, 10)) as pilot:
        x, y = np.array([1.0, 2.0]), np.array([0.5, 0.5])
        chart.set_series(ChartData(tuple(Line(" ", x, y, marker=letter) for letter in "ABC")))
        await pilot.pause()
        assert app.text()[0].strip().split(maxsplit=1)[1] == "━A 0.5  ━B 0.5  +1"


async def test_the_legend_makes_room_for_what_is_broken_and_counts_no_parent_and_nothing_without_a_name() -> None:
    chart = Chart("loss")
    app = Host(chart)
    async with app.run_test(size=(60, 10)) as pilot:
        chart.set_series(ChartData(eight(), broken=((1.0, "NaN at step 1"),)))
        await pilot.pause()
        assert app.text()[0].strip().split(maxsplit=1)[1] == "━ run0 0.5  ┅ run1 0.5  ━ run2 0.5  +5  NaN at step 1"
        behind = (line([1.0, 2.0], "", "raw"), line([1.0, 2.0], "parent", "parent"))
        chart.set_series(ChartData((*behind, *eight()[:2])))
        await pilot.pause()
        assert app.text()[0].strip().split(maxsplit=1)[1] == "━ run0 0.5  ┅ run1 0.5"


async def test_a_fork_is_seen_over_the_drop_that_came_with_it() -> None:
    chart = Chart("loss")
    app = Host(chart)
    async with app.run_test(size=(60, 10)) as pilot:
        drop, fork = Event(2.0, "drop", "drops"), Event(2.0, "fork", "forked")
        for events in ((drop, fork), (fork, drop)):
            chart.set_series(ChartData((line([1.0, 0.5, 0.2]),), events=events))
            await pilot.pause()
            assert "Y" in app.text()[1]
            assert "▼" not in app.text()[1]


async def test_a_long_list_of_entries_says_how_many_more_there_are_and_keeps_the_cursor_in_sight() -> None:
    entries = EntryList()
    app = Host(entries)
    async with app.run_test(size=(30, 5)) as pilot:
        entries.entries = tuple(Entry(letter, Called(f"run {letter}", (), True), (made.run(),)) for letter in "ABCDEFG")
        entries.readings = ("",) * 7
        for cursor, first, last, more in (
            (0, "A", "D", "+3 below"), (4, "B", "E", "+1 above, +2 below"), (6, "D", "G", "+3 above"),
        ):  # fmt: skip
            entries.cursor = cursor
            await pilot.pause()
            rows = [row.strip() for row in app.text()[:5]]
            assert (rows[0].split()[-1], rows[3].split()[-1], rows[4]) == (first, last, more)
            assert f"▸{'ABCDEFG'[cursor]}" in "".join(rows)
        entries.entries = entries.entries[:5]
        entries.cursor = 0
        await pilot.pause()
        assert not any("+" in row for row in app.text())


@pytest.mark.parametrize("size", [(3, 2), (8, 4), (20, 3)])
async def test_a_chart_survives_any_size(size: tuple[int, int]) -> None:
    chart = Chart("loss")
    app = Host(chart)
    async with app.run_test(size=size) as pilot:
        chart.set_series(ChartData((line([1.0, 2.0]),), marks=np.array([1.0]), broken=((1.0, "NaN at step 1"),)))
        chart.cursor = 1.0
        await pilot.pause()
        assert app.is_running


async def test_layers_are_sorted_with_unknown_figures_last() -> None:
    table = LayerTable()
    app = Host(table)
    rows = [replace(row, survival=None if at == 0 else at / 10) for at, row in enumerate(made.layers())]
    async with app.run_test(size=(140, 20)) as pilot:
        table.show(rows)
        await pilot.pause()
        table.sorted_by = "overlap"
        table.action_sort_by_next(1)
        order = [str(table.get_row_at(at)[0]) for at in range(6)]
        assert order == ["1", "2", "3", "4", "5", "0"]
        table.action_sort_reverse()
        assert [str(table.get_row_at(at)[0]) for at in range(6)] == ["5", "4", "3", "2", "1", "0"]
        table.show([replace(row, nonzeros=row.nonzeros // 2) for row in rows])
        assert str(table.get_row_at(5)[4]) == "864 / 1,728"


def test_the_layers_in_one_line() -> None:
    rows = made.layers()
    assert churn(replace(rows[0], grown=432, nonzeros=864)) == 0.5
    assert churn(replace(rows[0], nonzeros=0)) == 0
    assert summary([]) == "no masked layer"
    said = summary(
        [replace(rows[0], size=100, nonzeros=5, explored=40), replace(rows[1], size=100, nonzeros=5, explored=20)]
    )
    assert said == "2 layers · 10 of 200 weights active (5%) · R_s 0.300"


async def test_the_cursor_stays_at_its_checkpoint_when_others_come() -> None:
    table = CheckpointTable()
    app = Host(table)
    async with app.run_test(size=(100, 20)) as pilot:
        table.show([made.checkpoint(id=1, step=100), made.checkpoint(id=2, step=200)], NOW)
        await pilot.pause()
        table.move_cursor(row=1)
        assert table.selected is not None
        assert table.selected.id == 1
        table.show([made.checkpoint(id=number, step=100 * number) for number in (1, 2, 3)], NOW)
        assert table.selected.id == 1
        table.show([made.checkpoint(id=3, step=300)], NOW)
        assert table.selected.id == 3


async def test_a_log_keeps_its_last_lines_and_its_matches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_view, "KEPT_LINES", 100)
    view = LogView()
    app = Host(view)
    async with app.run_test(size=(60, 10)) as pilot:
        view.add_lines([f"line {number}" for number in range(90)])
        view.add_lines(["", "[bold]x[/]"])
        await pilot.pause()
        assert view.line_count == 92
        assert "[bold]x[/]" in "\n".join(app.text())
        assert view.search("LINE 8") == 11
        view.add_lines([f"more {number}" for number in range(30)])
        await pilot.pause()
        assert view.line_count == 100
        assert view.lines[-1] == "more 29"
        # The first 22 lines went, "line 8" with them; "line 80" to "line 89" stayed.
        assert view.found == (10, 10)
        view.add_lines(["line 8 again"])
        assert view.found == (10, 11)
        assert view.search("") == 0


@pytest.mark.parametrize(("rows", "height"), [(3, 20), (40, 24)])
async def test_a_heat_map_with_room_and_without(rows: int, height: int) -> None:
    heat = HeatMap()
    app = Host(heat)
    async with app.run_test(size=(60, height)) as pilot:
        values = np.linspace(0, 1, rows * 5).reshape(rows, 5)
        values[0, 0] = np.nan
        heat.show([f"layer{number}" for number in range(rows)], [0, 100, 200, 300, 400], values)
        await pilot.pause()
        text = "\n".join(app.text())
        assert "layer0" in text
        assert ("▀" in text) == (rows == 40)
        heat.show((), (), np.zeros((0, 0)))
        await pilot.pause()
        assert "no mask update yet" in "\n".join(app.text())
