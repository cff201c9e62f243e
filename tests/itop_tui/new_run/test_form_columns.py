"""The form on small and large screens: columns, folds, search, what differs, the plan, the size of a sweep."""

from __future__ import annotations

import threading

import pytest
from textual import events
from textual.pilot import Pilot
from textual.widgets import Input

from itop_tui.app import ItopApp
from itop_tui.dialogs.questions import Confirm
from itop_tui.new_run.field_finder import FieldFinder
from itop_tui.new_run.field_help import FieldHelp
from itop_tui.new_run.field_painter import EDITOR
from itop_tui.new_run.new_run_screen import NewRunScreen
from itop_tui.new_run.plan_pane import PlanPane
from itop_tui.new_run.run_form import ALL_FIELDS
from itop_tui.runs.runs_screen import RunsScreen
from itop_tui.service.estimates import Estimate
from itop_tui.widgets.key_bar import KeyBar
from tests.itop_tui.support import FixedPlanner, form_app, form_of, open_form, screen_text, started, wait_for
from tests.patience import PATIENCE

SMALL, MEDIUM, LARGE = (80, 24), (120, 40), (200, 60)


def at(app: ItopApp) -> str:
    return form_of(app).fields.current.name


def where(app: ItopApp, words: str) -> tuple[int, int]:
    """The column and the row at which words stand on the screen; (-1, -1) where they do not."""
    lines = screen_text(app).splitlines()
    return next(((line.index(words), row) for row, line in enumerate(lines) if words in line), (-1, -1))


def hints(app: ItopApp) -> list[str]:
    return [hint.label for hint in app.screen.query_one(KeyBar).hints]


async def find(pilot: Pilot[None], app: ItopApp, *keys: str) -> FieldFinder:
    await pilot.press(*keys)
    await wait_for(pilot, lambda: isinstance(app.screen, FieldFinder))
    assert isinstance(app.screen, FieldFinder)
    return app.screen


async def test_fields_stand_in_as_many_columns_as_have_room_and_the_cursor_keeps_to_its_own() -> None:
    app = form_app()
    async with app.run_test(size=LARGE) as pilot:
        await open_form(pilot)
        left, middle, right = (where(app, f"▾ {title}")[0] for title in ("Sparsity", "Optimisation", "Run"))
        assert 0 < left < middle < right
        await pilot.press("ctrl+end", "down")
        assert at(app) == "log_interval", "down stays in the column"
        await pilot.press("ctrl+left")
        assert at(app) == "clip_norm"
        await pilot.press("tab")
        assert at(app) == "seed", "tab goes on in the order of reading"
        await pilot.press("shift+tab", "ctrl+left", "ctrl+left")
        assert at(app) == "dense_first_layer"
        form = form_of(app).form
        for name in ("name", "density", "growth", "nesterov", "lr", "seed"):
            form_of(app).fields.go_to(name)
            await wait_for(pilot, lambda name=name: f"▌  {ALL_FIELDS[name].label} " in screen_text(app))  # type: ignore[misc]
            column, row = where(app, f"▌  {ALL_FIELDS[name].label} ")
            typed = len(str(form.entries[name])) if ALL_FIELDS[name].kind == "text" else 0
            assert app.cursor_position == (column + EDITOR + 1 + typed, row), name
        await pilot.press("ctrl+end")
        await pilot.resize_terminal(*MEDIUM)
        await wait_for(pilot, lambda: 0 < where(app, "lr decay")[0] == where(app, "max steps")[0])
        assert 0 < where(app, "▾ Sparsity")[0] < where(app, "▾ Run")[0]
        await pilot.resize_terminal(*SMALL)
        await wait_for(pilot, lambda: where(app, "▌  log interval")[0] == 0)


async def test_what_is_wrong_stands_below_its_field_where_columns_leave_no_room_beside_it() -> None:
    app = form_app()
    async with app.run_test(size=MEDIUM) as pilot:
        form = await open_form(pilot)
        form.fields.go_to("density")
        await pilot.press("ctrl+u", "7")
        await wait_for(pilot, lambda: "! density" in screen_text(app))
        column, row = where(app, "! density")
        below = [line[column : column + 36].strip() for line in screen_text(app).splitlines()[row + 1 : row + 3]]
        assert " ".join(below) == form.form.problems["density"]
        assert form.form.problems["density"] in " ".join(form.query_one(FieldHelp).render().plain.split())
        await pilot.press("down")
        assert at(app) == "sparse_init"


async def test_a_section_folds_by_key_and_by_click_and_says_what_it_hides() -> None:
    app = form_app()
    async with app.run_test(size=SMALL) as pilot:
        form = await open_form(pilot)
        form.fields.go_to("density")
        await pilot.press("ctrl+u", *"0.1", "f5")
        await wait_for(pilot, lambda: "▸ Sparsity  1 changed" in screen_text(app))
        assert "density   " not in screen_text(app)
        assert "unfold" in hints(app)
        assert "17 fields, folded" in screen_text(app)
        await pilot.press("x", "ctrl+r", "delete")
        assert form.form.entries["density"] == "0.1", "hidden fields are not edited"
        await pilot.press("down")
        assert at(app) == "optimizer"
        await pilot.press("up", "enter")
        await wait_for(pilot, lambda: "▾ Sparsity" in screen_text(app))
        assert at(app) == "sparse"
        title = where(app, "▾ Sparsity")
        await pilot.click(None, offset=title)
        await wait_for(pilot, lambda: "▸ Sparsity" in screen_text(app))
        await pilot.click(None, offset=where(app, "▸ Sparsity"))
        await wait_for(pilot, lambda: "▾ Sparsity" in screen_text(app))
        await pilot.press("f5")
        form.fields.go_to("epochs")
        await pilot.press("ctrl+u")  # wrong, and hidden
        await wait_for(pilot, lambda: bool(form.form.problems))
        await pilot.press("f5")
        await wait_for(pilot, lambda: "1 wrong" in screen_text(app))
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: at(app) == "epochs" and "! epochs" in screen_text(app))


async def test_a_field_is_found_as_one_types_by_label_flag_and_meaning() -> None:
    app = form_app()
    async with app.run_test(size=SMALL) as pilot:
        form = await open_form(pilot)
        finder = await find(pilot, app, "slash")  # the name is empty, and no name begins with it
        for typed, first in (("batch s", "batch_size"), ("--weight-decay", "l2"), ("keep_l", "keep_last"),
                             ("bundled", "data"), ("epochs", "epochs")):  # fmt: skip
            finder.query_one(Input).value = typed
            await wait_for(pilot, lambda first=first: finder.item is not None and finder.item.value == first)  # type: ignore[misc]
        await pilot.press("escape")
        await wait_for(pilot, lambda: app.screen is form)
        assert at(app) == "name"
        form.fields.go_to("lr")
        await pilot.press("f5")
        await find(pilot, app, "ctrl+f")
        await pilot.press(*"warmup", "enter")
        await wait_for(pilot, lambda: app.screen is form and at(app) == "warmup_epochs")
        await wait_for(pilot, lambda: "▌  warmup epochs" in screen_text(app))


async def test_a_field_without_effect_is_found_and_explained_but_not_changed() -> None:
    app = form_app()
    async with app.run_test(size=MEDIUM) as pilot:
        form = await open_form(pilot)
        for name, reason in (("threshold", "only for threshold death"), ("fill_empty", "only for lottery_ticket")):
            await find(pilot, app, "ctrl+f")
            await pilot.press(*name, "enter")
            await wait_for(pilot, lambda name=name: app.screen is form and at(app).startswith(name))  # type: ignore[misc]
            await wait_for(pilot, lambda reason=reason: reason in form.query_one(FieldHelp).render().plain)  # type: ignore[misc]
            await pilot.press("ctrl+u", "5", "space", "backspace", "enter", "ctrl+r")
            form.fields.post_message(events.Paste("7"))
            await pilot.pause()
            assert form.form.typed == ()
            assert app.screen is form
        await pilot.press("up")
        assert form.form.without_effect(at(app)) is None


async def test_what_was_scrolled_for_a_small_screen_is_shown_on_a_larger_one() -> None:
    app = form_app()
    async with app.run_test(size=SMALL) as pilot:
        form = await open_form(pilot)
        form.fields.go_to("seed")
        await wait_for(pilot, lambda: "▌  seed" in screen_text(app))
        await pilot.resize_terminal(*LARGE)
        await wait_for(pilot, lambda: "▌  seed" in screen_text(app) and where(app, "   name ")[1] == 2)


async def test_a_slash_is_text_where_a_field_takes_it() -> None:
    app = form_app()
    async with app.run_test(size=SMALL) as pilot:
        form = await open_form(pilot)
        form.fields.go_to("data_dir")
        await pilot.press(*"/data")
        assert form.form.entries["data_dir"] == "/data"
        form.fields.go_to("name")
        await pilot.press(*"a/b")
        assert form.form.name == "a/b"
        for number in ("lr", "epochs", "model", "augment", "tags"):
            form.fields.go_to(number)
            before = form.form.entries[number]
            await find(pilot, app, "slash")
            await pilot.press("escape")
            await wait_for(pilot, lambda: app.screen is form)
            assert form.form.entries[number] == before


async def test_only_what_differs_from_the_start_can_be_shown() -> None:
    app = form_app()
    async with app.run_test(size=SMALL) as pilot:
        form = await open_form(pilot)
        await pilot.press("f4")
        assert not form.fields.only_changed, "there is nothing to show"
        await pilot.press(*"mine")
        for name, text in (("density", "0.1"), ("epochs", "9")):
            form.fields.go_to(name)
            await pilot.press("ctrl+u", *text)
        await pilot.press("f4")
        await wait_for(pilot, lambda: "all fields" in hints(app))
        lines = [line[3:20].strip() for line in screen_text(app).splitlines()[2:12]]
        assert [line for line in lines if line] == ["name", "Sparsity", "density", "Optimisation", "epochs"]
        assert at(app) == "epochs"
        await pilot.press("up", "up", "down", "ctrl+r")
        assert at(app) == "density"
        assert "density " in screen_text(app), "what is reset stays until it is asked for again"
        form.fields.go_to("seed")
        await wait_for(pilot, lambda: "▌  seed" in screen_text(app))
        await wait_for(pilot, lambda: "only changed" in hints(app))


async def test_the_plan_is_one_key_from_the_fields_and_back() -> None:
    planner = FixedPlanner()
    app = form_app(planner)
    async with app.run_test(size=SMALL) as pilot:
        form = await open_form(pilot)
        await pilot.press("f3")
        await wait_for(pilot, lambda: "50,200 maskable" in screen_text(app))
        assert "after ok" not in screen_text(app)
        await pilot.press("q", "x", "down", "pagedown", "pageup")
        assert (app.screen, form.form.name) == (form, "")
        await pilot.press("f3")
        await wait_for(pilot, lambda: form.fields.has_focus and "after ok" in screen_text(app))
        await pilot.press("f3", "escape")
        await wait_for(pilot, lambda: form.fields.has_focus)
        await pilot.press(*"mine")
        assert form.form.name == "mine"
        await pilot.press("f3")
        await find(pilot, app, "slash")
        await pilot.press(*"seed", "enter")
        await wait_for(pilot, lambda: form.fields.has_focus and at(app) == "seed" and "▌  seed" in screen_text(app))
        await pilot.press("escape")
        assert isinstance(app.screen, Confirm)


async def test_a_click_on_the_fields_takes_the_keys_from_the_plan() -> None:
    app = form_app()
    async with app.run_test(size=MEDIUM) as pilot:
        form = await open_form(pilot)
        await pilot.press("f3")
        await wait_for(pilot, lambda: form.plan_shown and not form.fields.has_focus)
        assert "fields" in hints(app)
        await pilot.click(None, offset=where(app, "batch size"))
        await wait_for(pilot, lambda: form.fields.has_focus and not form.plan_shown)
        await pilot.press("escape")
        assert isinstance(app.screen, RunsScreen)


async def test_the_size_of_a_sweep_is_said_as_its_list_is_typed_without_a_plan_where_none_is_shown(
    app: ItopApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def taken(database: object, configs: tuple[object, ...], plan: object) -> Estimate:
        asked.append(len(configs))
        assert plan is None
        return Estimate(600.0 * len(configs), "from 3 past runs", None, "unknown")

    monkeypatch.setattr("itop_tui.new_run.plan_pane.estimate", taken)
    async with app.run_test(size=SMALL) as pilot:
        await started(pilot, 0)
        await pilot.press("n")
        await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen))
        form_of(app).fields.go_to("density")
        await pilot.press("ctrl+u", *"0.05,0.1,0.2")
        await wait_for(pilot, lambda: "3 values" in screen_text(app))
        assert "✓ ready  3 runs" in screen_text(app)
        form_of(app).fields.go_to("seed")
        await pilot.press("ctrl+u", *"1..3")
        await wait_for(pilot, lambda: "✓ ready  9 runs, about 1h 30m: 3 densities × 3 seeds" in screen_text(app))
        await pilot.press("backspace", "4")
        await wait_for(pilot, lambda: "12 runs, about 2h 00m" in screen_text(app))
    assert asked[-1] == 12


async def test_a_plan_that_is_shown_while_the_time_of_a_sweep_is_estimated_is_made_too(
    app: ItopApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, gate = threading.Event(), threading.Event()

    def taken(database: object, configs: object, plan: object) -> Estimate:
        asked.set()
        assert gate.wait(PATIENCE)
        return Estimate(60.0, "from 3 past runs", None, "unknown")

    monkeypatch.setattr("itop_tui.new_run.plan_pane.estimate", taken)
    async with app.run_test(size=SMALL) as pilot:
        await started(pilot, 0)
        await pilot.press("n")
        await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen))
        pane = form_of(app).query_one(PlanPane)
        form_of(app).fields.go_to("seed")
        await pilot.press("ctrl+u", *"1,2")
        await wait_for(pilot, asked.is_set)
        await pilot.press("f3")
        await wait_for(pilot, lambda: pane.display)
        assert pane._timer is not None
        pane._timer.stop()
        pane._plan_now()  # as if the time had passed: nothing is begun while the estimate is made
        gate.set()
        await wait_for(pilot, lambda: "50,200 maskable" in screen_text(app))
