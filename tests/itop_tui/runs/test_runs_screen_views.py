"""How the list of runs is looked at: query, groups, views, marks."""

from __future__ import annotations

import pytest

from db.finding import views
from db.records import RunStatus
from db.runs import attempts, runs
from db.session import Database
from engine.config.experiments import as_stored
from engine.config.presets import PRESETS
from itop_tui.app import ItopApp
from itop_tui.compare.compare_screen import CompareScreen
from itop_tui.dialogs.chooser import Picker
from itop_tui.dialogs.questions import Ask
from itop_tui.runs.filter_line import FilterLine
from itop_tui.runs.run_detail import RunDetail
from itop_tui.runs.run_lines import GroupLine
from itop_tui.runs.view_picker import ViewPicker
from itop_tui.widgets.key_bar import KeyBar
from tests.itop_tui.made import SIZE, create, seeds
from tests.itop_tui.support import (
    MemoryReader,
    list_of,
    make_run,
    memory_app,
    screen_text,
    started,
    table_of,
    wait_for,
)


def suggested(app: ItopApp) -> list[str]:
    """What the drop-down offers."""
    return [each.shown for each in list_of(app).query_one(FilterLine).suggestions]


# --------------------------------------------------------------------------------------------------------- the query


async def test_a_field_is_completed_with_its_values_by_tab_and_arrows(app: ItopApp, database: Database) -> None:
    made = create(database, 3)
    runs.update_fields(database, made[0].id, tags=("paper",))
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 3)
        await pilot.press("slash", *"ta")
        await wait_for(pilot, lambda: suggested(app)[:1] == ["tag:"])
        assert "any of its tags" in screen_text(app)
        await pilot.press("tab")
        await wait_for(pilot, lambda: suggested(app) == ["paper"])
        await pilot.press("down", "enter")
        await wait_for(pilot, lambda: [run.id for run in table_of(app).rows] == [made[0].id])
        line = list_of(app).query_one(FilterLine)
        assert line.text == "tag:paper "
        assert line.input.has_focus
        await pilot.press("enter")
        assert table_of(app).has_focus
        assert "1 of 3 runs" in screen_text(app)


async def test_a_wrong_query_is_told_with_its_place_and_the_last_answer_stays(
    app: ItopApp, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However slowly the machine types, the word "density" is still being typed until it is a field's name.
    monkeypatch.setattr("itop_tui.runs.runs_pane._HELD", 3600)
    create(database, 4)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 4)
        await pilot.press("slash", *"seed:1")
        await started(pilot, 1)
        await pilot.press(*" density")
        await wait_for(pilot, lambda: list_of(app).pane.view.text == "seed:1 density")
        await pilot.press(*"<tenth ")
        await wait_for(pilot, lambda: "must be a number" in screen_text(app))
        pointer = next(line for line in screen_text(app).splitlines() if "must be a number" in line)
        typed = next(line for line in screen_text(app).splitlines() if "density<tenth" in line)
        assert pointer.index("▲") == typed.index("tenth")
        assert len(table_of(app).rows) == 1, "neither the word density nor the mistake took the answer away"
        await pilot.press("ctrl+u", *"seed:1 density", "enter")
        await wait_for(pilot, lambda: "No run matches" in screen_text(app))
        await pilot.press("slash", *"<tenth ")
        await pilot.press(*["backspace"] * len(" density<tenth "))
        await wait_for(pilot, lambda: "▲" not in screen_text(app).replace("id ▲", ""))
        await pilot.press("escape")
        await started(pilot, 4)


async def test_a_word_that_became_a_field_empties_no_list_after_a_moment(
    app: ItopApp, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("itop_tui.runs.runs_pane._HELD", 3600)
    create(database, 4)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 4)
        screen = list_of(app).pane
        await pilot.press("slash", *"growth")
        await wait_for(pilot, lambda: screen._held is not None and screen._held.view.text == "growth")
        await pilot.press("colon")
        screen.show_held()
        await wait_for(pilot, lambda: len(screen.filter_line.suggestions) > 0)
        assert len(table_of(app).rows) == 4
        await pilot.press("enter")
        await wait_for(pilot, lambda: "No run matches" in screen_text(app))


async def test_a_word_that_stays_unfinished_is_answered_while_it_is_typed(
    app: ItopApp, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("itop_tui.runs.runs_pane._HELD", 0.01)
    create(database, 2)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 2)
        await pilot.press("slash", *"seed:1 density")
        await wait_for(pilot, lambda: "No run matches" in screen_text(app))
        assert list_of(app).typing


async def test_only_the_newest_question_is_answered() -> None:
    reader = MemoryReader([make_run(number, name=f"run {number}") for number in range(1, 30)])
    app = memory_app(reader)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 29)
        reader.delay = 0.05
        await pilot.press("slash", *"run 17")
        await wait_for(pilot, lambda: [run.id for run in table_of(app).rows] == [17])
        assert table_of(app).rows[0].name == "run 17"


# -------------------------------------------------------------------------------------------------------- the groups


async def grouped(app: ItopApp, pilot: object, groups: int) -> list[GroupLine]:
    """Group by recipe, and wait until so many groups are listed."""
    await pilot.press("g")  # type: ignore[attr-defined]
    await wait_for(pilot, lambda: isinstance(app.screen, Picker))  # type: ignore[arg-type]
    await pilot.press(*"seeds", "enter")  # type: ignore[attr-defined]
    lines = table_of(app)
    await wait_for(pilot, lambda: len(lines.lines) == groups)  # type: ignore[arg-type]
    return [line for line in lines.lines if isinstance(line, GroupLine)]


def accuracies(database: Database, values: dict[int, float]) -> None:
    """Let runs have a best validation accuracy, as their recorder would."""
    from db.history.writer import MetricWriter
    from db.records import EpochMetric

    for run_id, value in values.items():
        attempt = runs.reserve(database, run_id, host="elsewhere", device="cpu", slots=99)
        assert attempt is not None
        with MetricWriter(database, run_id, attempt.id) as writer:
            writer.epoch(EpochMetric(1, 10, val_accuracy=value))
        attempts.finish(database, attempt.id, status=RunStatus.COMPLETED, reason="done")


async def test_seeds_are_one_line_with_mean_and_deviation(app: ItopApp, database: Database) -> None:
    made = seeds(database)
    accuracies(database, dict(zip(made, (0.90, 0.92, 0.94, 0.95, 0.95, 0.95), strict=True)))
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 6)
        lines = await grouped(app, pilot, 2)
        assert {line.group.n for line in lines} == {3}
        text = screen_text(app)
        assert "2 groups · by recipe" in text
        assert "92.00 ±2.00%" in text, "the sample's deviation, n - 1"
        assert "95.00 ±0.00%" in text
        assert "×3" in text
        assert "90.00% to 94.00%" in text or "95.00% to 95.00%" in text, "the pane tells the range"


async def test_a_group_opens_and_closes_by_keys_and_mouse(app: ItopApp, database: Database) -> None:
    made = seeds(database)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 6)
        await pilot.press("G")
        await grouped(app, pilot, 2)
        table = table_of(app)
        here = table.current_row
        assert isinstance(here, GroupLine)
        assert made[0] in here.group.run_ids, "the cursor goes to the group of its run"
        await pilot.press("home")
        foot = app.screen.query_one(KeyBar)
        assert [(hint.key, hint.label) for hint in foot.hints[:2]] == [("c", "compare"), ("↵", "its runs")]
        await pilot.press("right")
        await wait_for(pilot, lambda: len(table.lines) == 5)
        assert ("↵", "close") in [(hint.key, hint.label) for hint in foot.hints]
        assert {run.id for run in table.rows} == set(made[3:])
        assert all(f"seed {seed}" in screen_text(app) for seed in range(3)), "members are called by what differs"
        await pilot.press("j", "j", "left")
        assert isinstance(table.current_row, GroupLine), "from a member up to its group"
        await pilot.press("left")
        await wait_for(pilot, lambda: len(table.lines) == 2)
        await pilot.press("enter")
        await wait_for(pilot, lambda: len(table.lines) == 5)
        await pilot.click(table, offset=(2, 1))
        await wait_for(pilot, lambda: len(table.lines) == 2)
        assert app.screen.query_one(RunDetail).group is not None


async def test_groups_and_namesakes_are_called_by_what_differs(app: ItopApp, database: Database) -> None:
    for lr, epochs in ((0.01, 600), (0.1, 600), (0.1, 300)):
        config = PRESETS["digits-rigl"].config(lr=lr, epochs=epochs)
        runs.create(database, **as_stored(config), name="paper", total_steps=100)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 3)
        for shown in ("paper", "lr=0.01", "epochs=300"):
            assert shown in screen_text(app)
        lines = await grouped(app, pilot, 3)
        assert [line.called.label for line in lines if line.called] == [
            "lr=0.1 epochs=300", "lr=0.1 epochs=600", "lr=0.01 epochs=600",
        ]  # fmt: skip
        for shown in ("lr=0.01", "lr=0.1", "epochs=300"):
            assert shown in screen_text(app), "what distinguishes each, also where there is no room for all"


async def test_an_action_on_a_closed_group_reaches_all_its_runs(app: ItopApp, database: Database) -> None:
    made = seeds(database)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 6)
        await grouped(app, pilot, 2)
        await pilot.press("t")
        await wait_for(pilot, lambda: isinstance(app.screen, Ask))
        await pilot.press(*"rigl", "enter")
        await wait_for(pilot, lambda: all(runs.get(database, run_id).tags == ("rigl",) for run_id in made[3:]))
        assert all(runs.get(database, run_id).tags == () for run_id in made[:3])
        await pilot.press("space", "s")
        await wait_for(pilot, lambda: all(runs.get(database, run_id).status == "stopped" for run_id in made[3:]))
        assert all(runs.get(database, run_id).status == "queued" for run_id in made[:3])


async def test_what_is_grouped_by_seeds_is_compared_so(app: ItopApp, database: Database) -> None:
    seeds(database)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 6)
        await grouped(app, pilot, 2)
        await pilot.press("percent_sign", "c")
        await wait_for(pilot, lambda: isinstance(app.screen, CompareScreen) and app.screen.is_settled)
        assert isinstance(app.screen, CompareScreen)
        assert [entry.n for entry in app.screen.compared.entries] == [3, 3]
        await pilot.press("escape", "u", "c")  # the group at the cursor alone
        await wait_for(
            pilot,
            lambda: (
                isinstance(app.screen, CompareScreen) and app.screen.is_settled and len(app.screen.compared.ids) == 3
            ),
        )
        assert isinstance(app.screen, CompareScreen)
        assert [entry.n for entry in app.screen.compared.entries] == [1, 1, 1], "one group: its seeds are compared"


async def test_runs_are_grouped_by_any_field_and_sorted_by_a_mean(app: ItopApp, database: Database) -> None:
    made = seeds(database)
    accuracies(database, dict(zip(made, (0.97, 0.97, 0.97, 0.91, 0.92, 0.93), strict=True)))
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 6)
        await pilot.press("g")
        await wait_for(pilot, lambda: isinstance(app.screen, Picker))
        await pilot.press(*"growth", "enter")
        table = table_of(app)
        await wait_for(pilot, lambda: len(table.lines) == 2)
        labels = [line.group.key for line in table.lines if isinstance(line, GroupLine)]
        assert sorted(labels) == ["gradient", "random"]
        while list_of(app).pane.view.sort != "best_val_accuracy":
            await pilot.press("greater_than_sign")
        await wait_for(pilot, lambda: [line.group.key for line in table.lines] == ["random", "gradient"])  # type: ignore[union-attr]
        await pilot.press("o")
        await wait_for(pilot, lambda: [line.group.key for line in table.lines] == ["gradient", "random"])  # type: ignore[union-attr]


# --------------------------------------------------------------------------------------------------------- the views


async def test_a_view_is_saved_chosen_and_deleted(app: ItopApp, database: Database) -> None:
    create(database, 4)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 4)
        await pilot.press("slash", *"seed:1", "enter", "v")
        await wait_for(pilot, lambda: isinstance(app.screen, ViewPicker))
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: isinstance(app.screen, Ask))
        await pilot.press(*"first seed", "enter")
        await wait_for(pilot, lambda: "runs › first seed" in screen_text(app))
        assert [view.text for view in views.views(database)] == ["seed:1"]
        await pilot.press("escape")
        await started(pilot, 4)
        assert "first seed" not in screen_text(app)
        await pilot.press("v")
        await wait_for(pilot, lambda: isinstance(app.screen, ViewPicker) and "first seed" in screen_text(app))
        await pilot.press("end", "enter")
        await started(pilot, 1)
        assert "runs › first seed" in screen_text(app)
        await pilot.press("v")
        await wait_for(pilot, lambda: isinstance(app.screen, ViewPicker))
        await pilot.press("x")
        await wait_for(pilot, lambda: views.views(database) == [])


@pytest.mark.parametrize(("name", "expected"), [("active", 1), ("starred", 2), ("last 24 h", 4), ("failed", 0)])
async def test_views_that_are_there_by_themselves(app: ItopApp, database: Database, name: str, expected: int) -> None:
    from db.runs import shelf
    from itop_tui.runs.list_state import BUILT_IN
    from tests.itop_tui.made import run_it

    made = create(database, 4)
    run_it(database, made[0])
    shelf.star(database, [made[1].id, made[2].id])
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 4)
        await pilot.press("v")
        await wait_for(pilot, lambda: isinstance(app.screen, ViewPicker))
        at = [view.name for view in BUILT_IN].index(name)
        await pilot.press("home", *["down"] * at, "enter")
        await wait_for(pilot, lambda: f"runs › {name}" in screen_text(app))
        await started(pilot, expected)


# --------------------------------------------------------------------------------------------------------- the marks


async def test_ranges_are_marked_by_shift_and_by_v() -> None:
    app = memory_app(MemoryReader([make_run(number) for number in range(9, 0, -1)]))
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 9)
        table = table_of(app)

        def marked() -> list[int]:
            return list(table.marked_ids)

        await pilot.press("shift+down", "shift+down", "shift+up")
        assert marked() == [9, 8]
        await pilot.press("j", "j", "V", "j", "j")
        assert marked() == [9, 8, 6, 5, 4]
        assert "5 selected, selecting" in screen_text(app)
        await pilot.press("k", "V", "j", "j")
        assert marked() == [9, 8, 6, 5]
        await pilot.press("percent_sign")
        assert len(marked()) == 9
        await pilot.press("u")
        assert marked() == []
