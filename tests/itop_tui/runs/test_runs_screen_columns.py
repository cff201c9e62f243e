"""The columns of the list of runs: chosen, ordered, resized, sorted by, with keys and with the mouse."""

from __future__ import annotations

import pytest

from db.session import Database
from itop_tui.app import ItopApp
from itop_tui.runs.column_chooser import ColumnChooser
from itop_tui.runs.run_columns import COLUMNS
from itop_tui.runs.run_layout import ChosenColumn, Placed
from tests.itop_tui.made import SIZE, create, reported, seeds
from tests.itop_tui.runs.test_runs_screen_shelf import another
from tests.itop_tui.support import list_of, screen_text, started, table_of, wait_for


def shown(app: ItopApp) -> list[str]:
    """The visible columns."""
    return [each.column.key for each in table_of(app).page.placed]


async def test_columns_are_chosen_ordered_and_resized_and_kept_for_the_next_start(
    app: ItopApp, database: Database
) -> None:
    create(database, 2)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 2)
        await pilot.press("e")
        await wait_for(pilot, lambda: isinstance(app.screen, ColumnChooser))
        await pilot.press(*"update_freq")
        await wait_for(pilot, lambda: "update_frequency" in screen_text(app))
        await pilot.press("space", *["shift+up"] * 30, *["shift+right"] * 3, "ctrl+u", *"model", "space", "enter")
        await wait_for(pilot, lambda: "config.update_frequency" in shown(app))
        assert shown(app)[0] == "config.update_frequency"
        assert "model" not in shown(app)
        assert table_of(app).chosen[0].width == 15
        first = table_of(app).rows[0]
        assert str(first.config["update_frequency"]) in screen_text(app).splitlines()[2]
        await pilot.press("greater_than_sign", "less_than_sign")
        await wait_for(pilot, lambda: list_of(app).pane.view.sort == "id")
        kept = list_of(app).pane.state.columns
        await wait_for(pilot, lambda: _kept(database).get("columns", [[""]])[0][0] == "config.update_frequency")
    again = another(database)
    async with again.run_test(size=SIZE) as pilot:
        await started(pilot, 2)
        assert table_of(again).chosen == kept
        await pilot.press("e")
        await wait_for(pilot, lambda: isinstance(again.screen, ColumnChooser))
        await pilot.press("ctrl+r", "enter")
        await wait_for(pilot, lambda: table_of(again).chosen == ())


def _kept(database: Database) -> dict[str, list[list[str]]]:
    from db import key_values

    return key_values.get(database, "ui.runs", {}) or {}


async def test_any_column_sorts_and_its_head_says_so(app: ItopApp, database: Database) -> None:
    seeds(database)
    async with app.run_test(size=(160, 40)) as pilot:
        await started(pilot, 6)
        await pilot.press("e")
        await wait_for(pilot, lambda: isinstance(app.screen, ColumnChooser))
        await pilot.press(*"seed", "space", *["shift+up"] * 30, "enter")
        await wait_for(pilot, lambda: shown(app)[0] == "seed")
        await pilot.click(table_of(app), offset=(5, 0))
        await wait_for(pilot, lambda: "seed ▲" in screen_text(app))
        await wait_for(pilot, lambda: [run.seed for run in table_of(app).rows] == [0, 0, 1, 1, 2, 2])
        await pilot.click(table_of(app), offset=(5, 0))
        await wait_for(pilot, lambda: [run.seed for run in table_of(app).rows] == [2, 2, 1, 1, 0, 0])
        assert "seed ▼" in screen_text(app)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_a_column_that_is_added_is_visible_and_the_others_stay(
    app: ItopApp, database: Database, size: tuple[int, int]
) -> None:
    create(database, 2)
    async with app.run_test(size=size) as pilot:
        await started(pilot, 2)
        assert "best" in shown(app)
        await pilot.press("right")  # further columns: the new one is on the first page
        for word, key in (("notes", "notes"), ("update_freq", "config.update_frequency")):
            await pilot.press("e")
            await wait_for(pilot, lambda: isinstance(app.screen, ColumnChooser))
            await pilot.press(*word, "space", "enter")
            await wait_for(pilot, lambda key=key: key in [each.key for each in table_of(app).chosen])  # type: ignore[misc]
            assert key in shown(app), "what was added is on the screen"
            assert shown(app)[:3] == ["state", "id", "name"]
        assert size[0] < 100 or "best" in shown(app)


async def test_a_column_that_does_not_fit_on_the_first_page_is_turned_to(app: ItopApp, database: Database) -> None:
    create(database, 2)
    async with app.run_test(size=(80, 24)) as pilot:
        await started(pilot, 2)
        first = ("model", "data", "method", "progress", "loss", "speed", "tags")
        table_of(app).chosen = tuple(ChosenColumn(key, 20) for key in ("state", "id", *first, "name"))
        await pilot.press("e")
        await wait_for(pilot, lambda: isinstance(app.screen, ColumnChooser))
        await pilot.press(*"update_freq", "space", "enter")
        await wait_for(pilot, lambda: "config.update_frequency" in [each.key for each in table_of(app).chosen])
        assert "config.update_frequency" in shown(app)


async def test_what_does_not_fit_is_on_further_pages_of_columns(app: ItopApp, database: Database) -> None:
    create(database, 2)
    async with app.run_test(size=(80, 24)) as pilot:
        await started(pilot, 2)
        assert "model" not in shown(app)
        seen = set(shown(app))
        await pilot.press("right")
        assert {"state", "id", "name", "model", "data"} <= set(shown(app))
        assert "columns 2/" in screen_text(app)
        while table_of(app).page.number + 1 < table_of(app).page.pages:
            seen |= set(shown(app))
            await pilot.press("right")
        seen |= set(shown(app))
        assert seen == {column.key for column in COLUMNS}
        await pilot.press(*["left"] * 9)
        assert "model" not in shown(app)


async def test_a_column_is_dragged_to_another_width(app: ItopApp, database: Database) -> None:
    create(database, 2)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 2)
        table = table_of(app)
        name = next(placed for placed in table.page.placed if placed.column.key == "name")
        edge = name.x + name.width
        before = list_of(app).pane.view.sort
        await pilot.mouse_down(table, offset=(edge, 0))
        await pilot.hover(table, offset=(edge - 5, 0))
        await pilot.mouse_up(table, offset=(edge - 5, 0))
        after = next(placed for placed in table.page.placed if placed.column.key == "name")
        assert after.width == name.width - 5
        assert list_of(app).pane.view.sort == before, "letting go of an edge is no click on a head"


def placed(app: ItopApp, key: str) -> Placed:
    """A column as it stands on the line."""
    return next(each for each in table_of(app).page.placed if each.column.key == key)


def heading(app: ItopApp) -> str:
    """The top line."""
    return screen_text(app).splitlines()[0]


async def test_a_column_is_held_made_wider_and_fitted_with_keys(app: ItopApp, database: Database) -> None:
    create(database, 2)
    async with app.run_test(size=(80, 24)) as pilot:
        await started(pilot, 2)
        assert "] " not in screen_text(app).splitlines()[-1]
        own = placed(app, "name").width
        await pilot.press("right_square_bracket")
        assert f"name: {own} cells" in heading(app)
        assert "[ ] column" in screen_text(app).splitlines()[-1]
        await pilot.press("minus", "minus")
        assert placed(app, "name").width == own - 2
        assert f"name: {own - 2} cells" in heading(app)
        await pilot.press("plus")
        assert placed(app, "name").width == own - 1
        await pilot.press("underscore")
        assert placed(app, "name").width == own
        assert all(each.width is None for each in table_of(app).chosen)
        await pilot.press("escape")
        assert "cells" not in heading(app)
        assert "[ ] column" not in screen_text(app).splitlines()[-1]
        await pilot.press("plus")
        assert placed(app, "name").width == own + 1, "where no column is held, the name is taken"


async def test_holding_goes_over_all_pages_of_columns(app: ItopApp, database: Database) -> None:
    create(database, 1)
    async with app.run_test(size=(80, 24)) as pilot:
        await started(pilot, 1)
        seen = []
        for _ in range(len(COLUMNS) + 3):
            await pilot.press("right_square_bracket")
            held = table_of(app).column_held
            assert held is not None, "what is selected is visible"
            seen.append(held.column.key)
        assert seen[-1] == seen[-2] == seen[-3]
        for _ in range(len(COLUMNS) + 3):
            await pilot.press("left_square_bracket")
            held = table_of(app).column_held
            assert held is not None
            seen.append(held.column.key)
        assert set(seen) == {column.key for column in COLUMNS}
        assert seen[-1] == "state"


async def test_a_held_column_is_moved_and_the_order_is_kept_for_the_next_start(
    app: ItopApp, database: Database
) -> None:
    create(database, 2)
    async with app.run_test(size=(80, 24)) as pilot:
        await started(pilot, 2)
        before = shown(app)
        at = before.index("name")
        await pilot.press("right_square_bracket", "right_curly_bracket", "plus", "plus")
        assert shown(app)[at : at + 2] == [before[at + 1], "name"]
        assert set(shown(app)[: at + 2]) == set(before[: at + 2])
        await wait_for(
            pilot, lambda: [key for key, _ in _kept(database).get("columns", [])][at + 1 : at + 2] == ["name"]
        )
        kept = list_of(app).pane.state.columns
    again = another(database)
    async with again.run_test(size=(80, 24)) as pilot:
        await started(pilot, 2)
        assert table_of(again).chosen == kept
        # To the far right, over the pages, one place at a time, and always visible.
        await pilot.press("right_square_bracket")
        for _ in range(len(COLUMNS)):
            await pilot.press("right_curly_bracket")
            assert table_of(again).column_held is not None
        assert table_of(again).chosen[-1].key == "name"


async def test_the_list_is_sorted_by_the_held_column(app: ItopApp, database: Database) -> None:
    create(database, 3)
    async with app.run_test(size=(160, 40)) as pilot:
        await started(pilot, 3)
        await pilot.press("b")
        assert reported(app, "No column is selected: ] selects one.")
        await pilot.press("right_square_bracket", "b")
        await wait_for(pilot, lambda: "name ▲" in screen_text(app))
        await pilot.press("b")
        await wait_for(pilot, lambda: "name ▼" in screen_text(app))
        while table_of(app).held_column != "curve":
            await pilot.press("right_square_bracket")
        await pilot.press("b")
        assert reported(app, "The list cannot be sorted by loss curve.")
        assert list_of(app).pane.view.sort == "name"


async def test_a_head_is_dragged_to_another_place(app: ItopApp, database: Database) -> None:
    create(database, 2)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 2)
        table, before, sort = table_of(app), shown(app), list_of(app).pane.view.sort
        model, name = placed(app, "model"), placed(app, "name")
        await pilot.mouse_down(table, offset=(model.x + 1, 0))
        await pilot.hover(table, offset=(name.x + name.width - 1, 0))
        assert shown(app) == before, "not before it would stay under the mouse: names are wider than models"
        await pilot.hover(table, offset=(name.x + 1, 0))
        await pilot.hover(table, offset=(name.x + 2, 0))
        await pilot.mouse_up(table, offset=(name.x + 2, 0))
        at = before.index("name")
        assert shown(app)[at : at + 2] == ["model", "name"]
        assert list_of(app).pane.view.sort == sort, "letting go of a head that was dragged is no click on it"
        await pilot.click(table, offset=(placed(app, "name").x + 1, 0))
        await wait_for(pilot, lambda: list_of(app).pane.view.sort == "name")


async def test_what_another_way_to_look_does_not_show_is_not_held(app: ItopApp, database: Database) -> None:
    create(database, 2)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 2)
        await pilot.press(*["right_square_bracket"] * 2)
        assert table_of(app).held_column == "model"
        await pilot.press("e")
        await wait_for(pilot, lambda: isinstance(app.screen, ColumnChooser))
        await pilot.press("space", "enter")  # the held column is where the cursor stands
        await wait_for(pilot, lambda: "model" not in shown(app))
        assert table_of(app).column_held is None
