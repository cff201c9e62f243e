"""Lists in the fields of the form: grids of runs."""

from __future__ import annotations

from functools import partial

import pytest

from db.records import RunQuery
from db.runs import runs
from db.session import Database
from itop_tui.app import ItopApp
from itop_tui.dialogs.chooser import Picker
from itop_tui.dialogs.questions import Confirm
from itop_tui.new_run.new_run_screen import NewRunScreen
from itop_tui.runs.runs_screen import RunsScreen
from itop_tui.service import sweeps
from tests.itop_tui.support import form_app, form_of, open_form, screen_text, started, wait_for


def is_shown(app: ItopApp, words: str) -> bool:
    return words in screen_text(app)


async def test_lists_make_a_sweep_that_queues_what_its_group_has_not(
    app: ItopApp, database: Database, scheduled: list[str]
) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await started(pilot, 0)
        for seeds in ("1..2", "1..3"):
            await pilot.press("n")
            await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen))
            form = form_of(app)
            await pilot.press(*"the paper")
            form.fields.go_to("density")
            await pilot.press("ctrl+u", *"0.05,0.1")
            form.fields.go_to("growth")
            await pilot.press("r", "comma")
            form.fields.go_to("seed")
            await pilot.press("ctrl+u", *seeds)
            number = 4 * int(seeds[-1])
            told = f"{number} runs: 2 densities × 2 growths × {seeds[-1]} seeds"
            await wait_for(pilot, partial(is_shown, app, told))
            await wait_for(pilot, partial(is_shown, app, f"of the first of {number} runs"))
            assert is_shown(app, f"all {number} runs together")  # what they take, below what the first one is
            await pilot.press("ctrl+y")
            assert app.clipboard.startswith("itop sweep ")
            assert f"--seed {seeds}" in app.clipboard
            assert "--group 'the paper'" in app.clipboard
            await pilot.press("ctrl+s")
            await wait_for(pilot, lambda: isinstance(app.screen, RunsScreen))
        made = runs.list_runs(database, RunQuery(group="the paper", descending=False, limit=None))
        assert [run.seed for run in made] == [1, 2] * 4 + [3] * 4
        assert {(run.config["density"], run.config["growth"]) for run in made} == {
            (density, growth) for density in (0.05, 0.1) for growth in ("random", "random_unfired")
        }
        assert len({run.name for run in made}) == 12
        assert "8 of 12 were there already" in app.notices[-1].text
        assert len(scheduled) == 2


async def test_a_grid_too_large_or_wrong_at_one_point_is_not_launched() -> None:
    app = form_app()
    async with app.run_test(size=(120, 40)) as pilot:
        form = await open_form(pilot)
        form.fields.go_to("seed")
        await pilot.press("ctrl+u", *"1..50001")
        await wait_for(pilot, lambda: "this grid has 50,001 runs" in screen_text(app))
        await pilot.press("ctrl+u", *"1..5")
        form.fields.go_to("density")
        await pilot.press("ctrl+u", *"0.1,7")
        await wait_for(pilot, lambda: "density: 7: must be" in screen_text(app))
        await pilot.press("ctrl+s")
        assert isinstance(app.screen, NewRunScreen)


async def test_many_runs_are_queued_after_a_question(
    app: ItopApp, database: Database, scheduled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeps, "MOST", 6)
    monkeypatch.setattr(sweeps, "SAMPLED", 5)
    async with app.run_test(size=(120, 40)) as pilot:
        await started(pilot, 0)
        await pilot.press("n")
        await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen))
        form = form_of(app)
        await pilot.press(*"many")
        form.fields.go_to("seed")
        await pilot.press("ctrl+u", *"1..4")
        form.fields.go_to("density")
        await pilot.press("ctrl+u", *"0.1,0.2")
        await wait_for(pilot, lambda: "ready  8 runs" in screen_text(app))
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: "This queues 8 runs." in screen_text(app))
        assert is_shown(app, "  2 densities × 4 seeds.")
        await pilot.press("enter")  # only y says yes
        assert isinstance(app.screen, Confirm)
        await pilot.press("n")
        await wait_for(pilot, partial(is_shown, app, "ready  8 runs"))
        assert isinstance(app.screen, NewRunScreen)
        assert runs.count(database, RunQuery()) == 0
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("y")
        await wait_for(pilot, lambda: isinstance(app.screen, RunsScreen))
        assert runs.count(database, RunQuery(group="many")) == 8
        assert len(scheduled) == 1


async def test_settings_that_do_not_go_together_in_one_of_many_runs_are_said_at_the_launch(
    app: ItopApp, database: Database, scheduled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeps, "SAMPLED", 2)
    async with app.run_test(size=(120, 40)) as pilot:
        await started(pilot, 0)
        await pilot.press("n")
        await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen))
        form = form_of(app)
        for field, text in (("epochs", "30,20,2"), ("warmup_epochs", "0,3")):
            form.fields.go_to(field)
            await pilot.press("ctrl+u", *text)
        await wait_for(pilot, lambda: "ready  6 runs" in screen_text(app))
        form.fields.go_to("name")
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: "warmup epochs: 3: must be fewer than the 2 epochs" in screen_text(app))
        assert isinstance(app.screen, NewRunScreen)
        assert form.fields.current.name == "warmup_epochs"
        assert (runs.count(database, RunQuery()), scheduled) == (0, [])


async def test_choices_become_lists_by_a_comma_and_shorter_by_backspace() -> None:
    app = form_app()
    async with app.run_test(size=(120, 40)) as pilot:
        form = await open_form(pilot)
        form.fields.go_to("growth")
        for key, entry in (
            ("comma", "gradient,momentum"),
            ("right", "gradient,momentum_neuron"),
            ("comma", "gradient,momentum_neuron,random"),
            ("backspace", "gradient,momentum_neuron"),
            ("delete", "gradient"),
            ("backspace", "gradient"),
            ("r", "random"),
        ):
            await pilot.press(key)
            assert form.form.entries["growth"] == entry
        await pilot.press("comma", "enter")
        await wait_for(pilot, lambda: isinstance(app.screen, Picker))
        await pilot.press(*"momentum_n", "enter")
        await wait_for(pilot, lambda: form.form.entries["growth"] == "random,momentum_neuron")
