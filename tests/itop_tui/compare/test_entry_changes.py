"""What is done to the entries of a comparison: added by a query, hidden and moved by mouse, taken as the baseline."""

from __future__ import annotations

import numpy as np
import pytest

from itop_tui.compare.entry_list import EntryList
from tests.itop_tui.compare.conftest import Opened
from tests.itop_tui.compare.driving import app_of, ids, lines, logarithmic, pick, press
from tests.itop_tui.run.hosting import until
from tests.itop_tui.support import screen_text


async def test_several_runs_are_picked_by_a_query_and_added(opened: Opened) -> None:
    async with opened(1, 2) as (pilot, screen):
        shown = await pick(pilot, screen, "method:SET-ITOP state:completed", 2)
        assert all("SET-ITOP" in item.detail for item in shown.matching)
        await pilot.press("down", "space", "up", "space")
        assert [item.value for item in shown.matching if shown.is_chosen(item.value)] == ["5", "4"]
        await pilot.press("enter")
        await until(pilot, lambda: len(screen.compared.entries) == 4, "the runs")
        assert set(ids(screen)) == {1, 2, 4, 5}


async def test_what_is_picked_stays_picked_while_others_are_listed(opened: Opened) -> None:
    async with opened(1, 2) as (pilot, screen):
        shown = await pick(pilot, screen, "", 4)
        assert "1" not in {item.value for item in shown.items}, "what is compared already is not offered"
        await pilot.press("space")  # of an empty line, which no query begins with
        await pilot.press(*"id:3")
        await until(pilot, lambda: [item.value for item in shown.matching] == ["3"], "the third run")
        await pilot.press("space", "space", "enter")  # the first one ends the word
        await until(pilot, lambda: set(ids(screen)) == {1, 2, 3, 6}, "both runs")


async def test_a_query_that_cannot_be_read_is_said_and_nothing_is_added(opened: Opened) -> None:
    async with opened(1, 2) as (pilot, screen):
        shown = await pick(pilot, screen, "densty<1", 0)
        await until(pilot, lambda: "no field 'densty'" in shown.nothing, "the message")
        await pilot.press("enter", "escape")
        await until(pilot, lambda: app_of(screen).screen is screen, "the comparison")
        assert ids(screen) == (1, 2)


async def test_curves_are_differences_to_a_baseline_until_its_key_again(opened: Opened) -> None:
    async with opened(1, 4, 6) as (pilot, screen):
        before = {line.marker: line for line in lines(screen)}
        await press(pilot, screen, "down", "I")
        shown = {line.marker: line for line in lines(screen)}
        assert set(shown) == {"A", "B", "C"}
        assert not shown["B"].y.any(), "the baseline is the line of zero"
        same = np.isin(before["A"].x, shown["A"].x)
        under = np.interp(shown["A"].x, before["B"].x, before["B"].y)
        assert shown["A"].y == pytest.approx(before["A"].y[same] - under)
        assert screen.curves.chart.title == "loss − B"
        assert "compare · 3 runs · difference to B" in screen_text(app_of(screen))
        assert not logarithmic(screen)
        await press(pilot, screen, "y")
        assert not logarithmic(screen)
        assert sum("below zero" in notice.text for notice in app_of(screen).notices) == 1
        await press(pilot, screen, "I")
        assert logarithmic(screen)
        assert {line.marker: line.y.tolist() for line in lines(screen)} == {
            letter: line.y.tolist() for letter, line in before.items()
        }


async def test_a_baseline_is_that_of_its_group_once_runs_are_grouped(opened: Opened) -> None:
    async with opened(1, 2, 4) as (pilot, screen):
        await press(pilot, screen, "down", "I", "g")
        assert "compare · 2 groups of 3 runs · difference to A" in screen_text(app_of(screen))
        # The deviation of a run minus a group's mean is that of the group.
        of_group, single = lines(screen)
        assert not of_group.y.any()
        assert len(single.std) == len(single.x)


async def test_a_baseline_that_is_removed_leaves_the_curves(opened: Opened) -> None:
    async with opened(1, 4, 6) as (pilot, screen):
        await press(pilot, screen, "I", "x")
        assert screen.compared.baseline_entry is None
        assert "−" not in screen.curves.chart.title


async def test_entries_are_hidden_and_ordered_by_mouse(opened: Opened) -> None:
    async with opened(1, 4, 6) as (pilot, screen):
        legend = screen.query_one(EntryList)
        top = len(legend._caption)
        await pilot.click(legend, offset=(1, top + 2))
        await until(pilot, lambda: [line.marker for line in lines(screen)] == ["A", "C"], "B to be hidden")
        assert screen.compared.cursor == 1
        await pilot.click(legend, offset=(1, top + 2))
        await until(pilot, lambda: len(lines(screen)) == 3, "B to be back")
        await pilot.click(legend, offset=(8, top + 4))
        await until(pilot, lambda: screen.compared.cursor == 2, "the cursor")
        assert len(lines(screen)) == 3
        await pilot.mouse_down(legend, offset=(8, top))
        await pilot.hover(legend, offset=(8, top + 2))
        await pilot.hover(legend, offset=(8, top + 4))
        await pilot.mouse_up(legend, offset=(8, top + 4))
        await until(pilot, lambda: ids(screen) == (4, 6, 1), "the run to be moved")
