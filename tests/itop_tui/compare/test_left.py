"""How a comparison was left comes back."""

from __future__ import annotations

from contextlib import closing

from textual.pilot import Pilot

from db import key_values
from db.runs import runs
from db.session import Database
from itop_tui.compare.compare_screen import CompareScreen
from itop_tui.compare.entry_list import EntryList
from itop_tui.compare.reading import SETTING, left_before, view_before
from tests.itop_tui.compare.conftest import Opened
from tests.itop_tui.compare.driving import app_of, ids, lines, logarithmic, press, text
from tests.itop_tui.run.hosting import until


async def left_as(pilot: Pilot[None], screen: CompareScreen, ids: tuple[int, ...], **view: object) -> None:
    """Wait until the settings hold what was done last."""

    def kept() -> bool:
        found = key_values.get(app_of(screen).database, SETTING)
        left = left_before(found, ids)
        now = (screen.compared.ids, screen.compared.hidden, screen.compared.grouped)
        return (
            left is not None
            and (left.ids, left.hidden, left.grouped) == now
            and view.items() <= view_before(found).items()
        )

    await until(pilot, kept, "how it was left to be kept")


async def test_order_and_hidden_runs_come_back_with_the_same_runs_and_no_others(opened: Opened) -> None:
    async with opened(1, 4, 6) as (pilot, screen):
        await press(pilot, screen, "shift+down", "down", "space")
        await left_as(pilot, screen, (1, 4, 6))
        assert (ids(screen), screen.compared.hidden) == ((4, 1, 6), frozenset({6}))
        app = app_of(screen)
        app.pop_screen()
        app.open_compare((6, 4, 1))
        await until(pilot, lambda: isinstance(app.screen, CompareScreen) and app.screen is not screen, "the screen")
        again = app.screen
        assert isinstance(again, CompareScreen)
        await until(pilot, lambda: again.is_settled, "the runs")
        assert ids(again) == (4, 1, 6), "the same comparison, opened again in one start"
        assert [line.marker for line in lines(again)] == ["A", "B"]
    async with opened(6, 1, 4) as (_, screen):
        assert ids(screen) == (4, 1, 6), "and at the next start"
        legend = screen.query_one(EntryList)
        assert [entry.key in legend.hidden for entry in legend.entries] == [False, False, True]
    async with opened(4, 1) as (_, screen):
        assert (ids(screen), screen.compared.hidden) == ((4, 1), frozenset()), "another comparison"


async def test_groups_and_how_everything_is_shown_come_back(opened: Opened) -> None:
    async with opened() as (pilot, screen):
        await press(pilot, screen, "g", "X", "m", "M", "y", "tab", "i", "5", "v")
        await left_as(
            pilot, screen, (1, 2, 3, 4, 5, 6), tab="layers", layers="R_s", smoothing=0.9, chart="val_accuracy"
        )
    async with opened() as (pilot, screen):
        await until(pilot, lambda: screen.tab == "layers" and screen.is_settled, "the tab")
        assert screen.compared.grouped
        assert "R_s" in text(screen, "layers")
        assert not screen.query_one(EntryList).display
        await press(pilot, screen, "1")
        charts = screen.curves
        assert (charts.across, charts.smoothing, charts.with_marks, logarithmic(screen)) == ("epoch", 0.9, False, False)
        assert charts.chart.title == "validation accuracy"


async def test_a_view_of_another_version_is_ignored(opened: Opened) -> None:
    with closing(Database.open()) as database:
        key_values.put(database, SETTING, {"view": {"tab": 7, "across": "years", "chart": []}, "comparisons": [3, {}]})
    async with opened(1, 4) as (_, screen):
        assert (screen.tab, screen.curves.across, ids(screen)) == ("curves", "step", (1, 4))


async def test_a_comparison_whose_runs_are_all_gone_is_left(opened: Opened) -> None:
    async with opened(1, 2) as (pilot, screen):
        app = app_of(screen)
        runs.delete(app.database, 1)
        runs.delete(app.database, 2)
        assert app.poller is not None
        app.poller.refresh()
        await until(pilot, lambda: app.screen is not screen, "the list")
        assert any("2 runs no longer there" in told.text for told in app.notices)


async def test_a_run_that_had_ended_and_is_resumed_is_read_again(opened: Opened) -> None:
    async with opened(1, 2) as (pilot, screen):
        runs.update_fields(app_of(screen).database, 2, name="another name")
        poller = app_of(screen).poller
        assert poller is not None
        poller.refresh()
        await until(pilot, lambda: screen.compared.entries[1].label == "another name", "the new name")
