"""The form of a new run, driven by keys; its sweeps are in `test_new_run_sweeps`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.containers import VerticalScroll

from db.records import RunStatus, StartsAfter
from db.runs import checkpoints, commands, dependencies, runs, shelf
from db.session import Database
from engine.config.experiments import as_stored
from engine.config.presets import PRESETS
from itop_tui.app import ItopApp
from itop_tui.dialogs.chooser import Picker
from itop_tui.dialogs.help import HelpScreen
from itop_tui.dialogs.questions import Confirm
from itop_tui.new_run.field_help import FieldHelp
from itop_tui.new_run.new_run_screen import NewRunScreen
from itop_tui.new_run.plan_pane import PlanPane
from itop_tui.new_run.run_form import ALL_FIELDS, FIELDS
from itop_tui.runs.runs_screen import RunsScreen
from itop_tui.widgets.key_bar import KeyBar
from tests.itop_tui.support import (
    FixedPlanner,
    StillReader,
    form_app,
    form_of,
    open_form,
    sample_runs,
    screen_text,
    started,
    table_of,
    wait_for,
)


async def test_launch_with_keys_alone(app: ItopApp, database: Database, scheduled: list[str]) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await started(pilot, 0)
        await pilot.press("n")
        await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen))
        await pilot.press(*"first try", "down", *"paper", "ctrl+s")
        await started(pilot, 1)
        await wait_for(pilot, lambda: isinstance(app.screen, RunsScreen))
        (run,) = runs.list_runs(database, runs.RunQuery())
        assert (run.name, run.tags, run.status) == ("first try", ("paper",), RunStatus.QUEUED)
        assert dict(run.config) == PRESETS["digits-rigl"].config().as_dict()
        assert run.total_steps == PRESETS["digits-rigl"].config().planned_steps()
        assert scheduled == [database.url]
        assert table_of(app).current == run


async def test_a_new_run_is_highlighted_even_where_a_filter_hides_it(app: ItopApp, database: Database) -> None:
    for seed in range(3):
        runs.create(database, **as_stored(PRESETS["digits-dense"].config(seed=seed)), name=f"older {seed}")
    async with app.run_test(size=(120, 40)) as pilot:
        await started(pilot, 3)
        await pilot.press("slash", *"dense", "enter")
        await wait_for(pilot, lambda: "3 of 3 runs" in screen_text(app))
        await pilot.press("n")
        await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen))
        await pilot.press("ctrl+s")
        await started(pilot, 4)
        await wait_for(pilot, lambda: table_of(app).current and table_of(app).current.id == 4)  # type: ignore[union-attr]


async def test_wrong_values_are_told_as_one_types_and_launching_goes_to_them() -> None:
    app = form_app()
    async with app.run_test(size=(120, 40)) as pilot:
        form = await open_form(pilot)
        form.fields.go_to("density")
        await pilot.press("ctrl+u", "7")
        await wait_for(pilot, lambda: "at most 1" in screen_text(app))
        assert "1 field to fix" in screen_text(app)
        assert "✗ density" in screen_text(app)
        form.fields.go_to("seed")
        await pilot.press("ctrl+s")
        assert form.fields.current.name == "density"
        assert isinstance(app.screen, NewRunScreen)
        await pilot.press("backspace", *"0.07")
        await wait_for(pilot, lambda: "✓ ready" in screen_text(app))
        assert "was 0.05" in screen_text(app)
        await pilot.press("ctrl+r")
        assert form.form.changes == ()


async def test_only_fields_that_have_an_effect_can_be_reached() -> None:
    app = form_app()
    async with app.run_test(size=(80, 24)) as pilot:
        form = await open_form(pilot)
        form.fields.go_to("sparse")
        await pilot.press("space", "down")
        assert form.fields.current.name == "optimizer"
        assert "only for sparse runs" in screen_text(app)
        await pilot.press("up", "right", "down")
        assert form.fields.current.name == "fix"


async def test_every_field_can_be_reached_by_arrow_keys_at_80_by_24() -> None:
    app = form_app()
    async with app.run_test(size=(80, 24)) as pilot:
        form = await open_form(pilot)
        reachable = [name for name in ALL_FIELDS if form.form.without_effect(name) is None]
        for name in reachable:
            assert form.fields.current.name == name
            assert ALL_FIELDS[name].label in screen_text(app)
            form.fields.action_move(1)
            await pilot.pause()
        form.fields.action_jump(0)
        await pilot.press("pagedown", "pagedown", "pagedown")
        assert form.fields.current.name == "optimizer"
        assert "Optimisation" in screen_text(app).splitlines()[2], "a section one jumps to stands at the top"
        await pilot.press("pageup", "tab", "shift+tab")
        assert form.fields.current.name == "sparse"


async def test_choices_go_by_arrow_by_letter_and_from_a_list() -> None:
    app = form_app()
    async with app.run_test(size=(120, 40)) as pilot:
        form = await open_form(pilot)
        form.fields.go_to("growth")
        await pilot.press("right")
        assert form.form.entries["growth"] == "momentum"
        await pilot.press("left", "r")
        assert form.form.entries["growth"] == "random"
        form.fields.go_to("model")
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(app.screen, Picker))
        await pilot.press(*"mlp", "enter")
        await wait_for(pilot, lambda: form.form.entries["model"] == "mlp-cifar10")
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(app.screen, Picker))
        await pilot.press(*"my.module:net", "enter")
        await wait_for(pilot, lambda: form.form.entries["model"] == "my.module:net")
        await pilot.press("enter", "escape", "q")
        assert app.is_running
        assert isinstance(app.screen, NewRunScreen)


async def test_the_field_at_the_cursor_is_explained_with_range_and_default() -> None:
    app = form_app()
    async with app.run_test(size=(120, 40)) as pilot:
        form = await open_form(pilot)
        form.fields.go_to("death_rate")
        await pilot.pause()
        for words in ("at least 0 and at most 1", "default 0.5", "share of a layer's active weights"):
            assert words in form.query_one(FieldHelp).render().plain
        assert "default 0.5" in screen_text(app)


async def test_a_start_can_be_chosen_from_presets_and_any_past_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("itop_tui.service.run_reading.past_runs", lambda db: sample_runs())
    app = form_app()
    async with app.run_test(size=(120, 40)) as pilot:
        form = await open_form(pilot)
        await pilot.press("ctrl+o")
        await wait_for(pilot, lambda: isinstance(app.screen, Picker))
        await pilot.press(*"set-itop as published", "enter")
        await wait_for(pilot, lambda: form.form.config == PRESETS["set-itop"].config())
        assert "SET-ITOP, as published (CIFAR-10)" in screen_text(app)
        await pilot.press("ctrl+o")
        await wait_for(pilot, lambda: isinstance(app.screen, Picker))
        await pilot.press(*"run 7", "enter")
        await wait_for(pilot, lambda: form.form.config == PRESETS["digits-dense"].config())
        assert "from run 7" in screen_text(app)


async def test_the_plan_follows_what_is_typed_and_its_failure_harms_nothing() -> None:
    planner = FixedPlanner()
    app = form_app(planner)
    async with app.run_test(size=(120, 40)) as pilot:
        form = await open_form(pilot)
        await wait_for(pilot, lambda: "50,200 maskable" in screen_text(app))
        for words in ("expected R_s", "fc3.weight", "10×100", "13.11%", "57"):
            assert words in screen_text(app)
        assert "0.648" not in screen_text(app), "where gradients choose, that is only an upper limit"
        form.fields.go_to("density")
        await pilot.press("ctrl+u", *"0.2")
        await wait_for(pilot, lambda: planner.asked[-1].density == 0.2)
        await pilot.press("ctrl+u")
        await wait_for(pilot, lambda: "fix the settings to see the plan" in screen_text(app))
        planner.failure = RuntimeError("torch is not installed")
        await pilot.press(*"0.3")
        await wait_for(pilot, lambda: "torch is not installed" in screen_text(app))
        assert "✓ ready" in screen_text(app)
        assert form.query_one(PlanPane).plan is None
        planner.failure = RuntimeError("model 'mynet:mak': 'mynet' has no 'mak', only make and nothing else")
        await pilot.press("1")
        await wait_for(pilot, lambda: "nothing else" in screen_text(app))


async def test_no_plan_is_asked_for_where_none_is_shown() -> None:
    planner = FixedPlanner()
    app = form_app(planner)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_form(pilot)
        await pilot.press("a", "b")
        await pilot.resize_terminal(120, 40)
        await wait_for(pilot, lambda: planner.asked)
        assert len(planner.asked) == 1


async def test_the_command_line_is_copied() -> None:
    app = form_app()
    async with app.run_test(size=(120, 40)) as pilot:
        form = await open_form(pilot)
        await pilot.press(*"x y", "ctrl+y")
        assert app.clipboard == form.form.command_line()
        assert "--name 'x y'" in app.clipboard
        form.fields.go_to("lr")
        await pilot.press("x", "ctrl+y")
        assert "--name 'x y'" in app.clipboard


async def test_leaving_asks_only_where_something_was_changed() -> None:
    app = form_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await open_form(pilot)
        await pilot.press("escape")
        assert isinstance(app.screen, RunsScreen)
        form = await open_form(pilot)
        form.fields.go_to("seed")
        await pilot.press("1", "escape")
        assert isinstance(app.screen, Confirm)
        await pilot.press("n")
        assert form.form.entries["seed"] == "171"
        await pilot.press("escape", "y")
        assert isinstance(app.screen, RunsScreen)
        form = await open_form(pilot)
        await pilot.press(*"mine", "escape")
        assert isinstance(app.screen, Confirm), "a name is typed too"
        await pilot.press("n", "ctrl+r", "escape")
        assert isinstance(app.screen, RunsScreen)


async def test_mouse_and_paste() -> None:
    app = form_app()
    async with app.run_test(size=(120, 40)) as pilot:
        form = await open_form(pilot)
        lines = screen_text(app).splitlines()
        row = next(number for number, line in enumerate(lines) if " augment " in line)
        await pilot.click(None, offset=(lines[row].index("on"), row))
        assert form.form.entries["augment"] is False
        row = next(number for number, line in enumerate(lines) if " data " in line and "digits" in line)
        await pilot.click(None, offset=(lines[row].index("›"), row))
        assert form.fields.current.name == "data"
        assert form.form.entries["data"] != "digits"
        form.fields.go_to("name")
        form.fields.post_message(events.Paste("a\nb\x1b[31m"))
        await wait_for(pilot, lambda: form.form.name == "a b␛[31m")


@pytest.mark.parametrize("name", FIELDS)
def test_no_field_is_named_like_the_runs_own(name: str) -> None:
    assert name not in ("name", "tags")


def _write(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(b"0")


async def test_a_fork_with_nothing_left_to_train_is_not_launched(
    app: ItopApp, database: Database, scheduled: list[str]
) -> None:
    config = PRESETS["digits-rigl"].config()
    parent = runs.create(database, **as_stored(config), total_steps=config.planned_steps() or 0)
    checkpoint = checkpoints.add(
        database, run_id=parent.id, attempt_id=None, step=1720, epoch=40, kind="last", path="last.pt", bytes=1,
        sha256="0" * 64, val_accuracy=None,
    )  # fmt: skip
    _write(Path(checkpoint.path))
    async with app.run_test(size=(120, 40)) as pilot:
        await started(pilot, 1)
        app.open_new_run(parent.config, title=parent.name, parent=parent, checkpoint=checkpoint)
        await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen) and bool(app.screen.focused))
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: form_of(app).fields.current.name == "epochs")
        assert runs.count(database) == 1
        await pilot.press("backspace", "backspace", *"41", "ctrl+s")
        await started(pilot, 2)
        fork = runs.find(database, f"{parent.name} fork")
        assert (fork.parent_id, fork.fork_step, fork.total_steps) == (parent.id, 1720, 41 * 43)


async def test_the_plan_of_a_fork_is_of_what_remains(database: Database, scheduled: list[str]) -> None:
    planner = FixedPlanner()
    app = ItopApp(Database.open, reader=StillReader, planner=planner)
    config = PRESETS["digits-rigl"].config()
    parent = runs.create(database, **as_stored(config), total_steps=1720)
    checkpoint = checkpoints.add(
        database, run_id=parent.id, attempt_id=None, step=860, epoch=20, kind="last", path="last.pt", bytes=1,
        sha256="0" * 64, val_accuracy=None,
    )  # fmt: skip
    async with app.run_test(size=(120, 40)) as pilot:
        await started(pilot, 1)
        app.open_new_run(parent.config, title=parent.name, parent=parent, checkpoint=checkpoint)
        await wait_for(pilot, lambda: "plan after step 860" in screen_text(app))
        assert planner.asked[-1] == {**config.as_dict(), "from_step": 860}
        assert "860 steps after step 860" in screen_text(app)


async def test_past_runs_that_no_page_lists_can_be_started_from(app: ItopApp, database: Database) -> None:
    first = runs.create(database, **as_stored(PRESETS["digits-dense"].config(seed=5)), name="the first one")
    shelf.archive(database, [first.id], on=True)
    for seed in range(3):
        runs.create(database, **as_stored(PRESETS["digits-set"].config(seed=seed)))
    async with app.run_test(size=(120, 40)) as pilot:
        await started(pilot, 3)
        await pilot.press("n")
        await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen))
        form = form_of(app)
        await pilot.press("ctrl+o")
        await wait_for(pilot, lambda: isinstance(app.screen, Picker))
        await pilot.press(*"the first", "enter")
        await wait_for(pilot, lambda: form.form.entries["seed"] == "5")
        assert f"from run {first.id}" in screen_text(app)


@pytest.mark.parametrize(("key", "place"), [("ctrl+s", [1, 2, 3]), ("ctrl+n", [3, 1, 2]), ("f2", [1, 2, 3])])
async def test_a_run_is_queued_behind_before_or_held(
    app: ItopApp, database: Database, scheduled: list[str], key: str, place: list[int]
) -> None:
    for seed in (1, 2):
        runs.create(database, **as_stored(PRESETS["digits-set"].config(seed=seed)), priority=4 - 2 * seed)
    async with app.run_test(size=(120, 40)) as pilot:
        await started(pilot, 2)
        await pilot.press("n")
        await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen))
        await pilot.press(key)
        await wait_for(pilot, lambda: isinstance(app.screen, RunsScreen))
        assert [run.id for run in runs.waiting(database)] == place
        assert runs.get(database, 3).held == (key == "f2")
        assert len(scheduled) == (key != "f2")


async def test_what_differs_from_the_start_is_listed() -> None:
    app = form_app()
    async with app.run_test(size=(120, 40)) as pilot:
        form = await open_form(pilot)
        form.fields.go_to("density")
        await pilot.press("ctrl+u", *"0.1")
        form.fields.go_to("nesterov")
        await pilot.press("space")
        await wait_for(pilot, lambda: "2 changes: density 0.05 → 0.1, nesterov on → off" in screen_text(app))
        form.fields.go_to("density")
        await pilot.press("ctrl+r")
        await wait_for(pilot, lambda: "1 change: nesterov on → off" in screen_text(app))


async def test_help_has_a_key_where_every_letter_is_the_fields() -> None:
    """The footer named "?", which a field takes as text."""
    app = form_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await open_form(pilot)
        hints = {hint.label: hint.key for hint in app.screen.query_one(KeyBar).hints}
        assert hints["help"] == "f1"
        await pilot.press("f1")
        await wait_for(pilot, lambda: isinstance(app.screen, HelpScreen))
        page = app.screen.query_one(VerticalScroll)
        while "Quit the app" not in screen_text(app) and page.scroll_y < page.max_scroll_y:
            page.scroll_down(animate=False, immediate=True)
            await pilot.pause()
        keys = [line.split("│")[1].split()[0] for line in screen_text(app).splitlines() if "Quit the app" in line]
        assert keys == ["^q"], "q is a letter there"
        await pilot.press("f1")
        await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen))
        assert form_of(app).form.name == ""


async def test_the_runs_it_starts_after_are_checked_as_one_types(app: ItopApp, database: Database) -> None:
    first, second = (
        runs.create(database, **as_stored(PRESETS["digits-dense"].config()), name=name) for name in ("first", "second")
    )
    commands.send(database, second.id, "stop")
    async with app.run_test(size=(120, 40)) as pilot:
        await started(pilot, 2)
        await pilot.press("n")
        await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen))
        form = form_of(app)
        form.fields.go_to("after")
        await pilot.press(*"frst")
        await wait_for(pilot, lambda: form.form.problems == {"after": "there is no run 'frst'. Did you mean 'first'?"})
        assert "✗ after: there is no run 'frst'" in screen_text(app)
        await pilot.press("ctrl+s")
        assert app.screen is form
        await pilot.press("ctrl+u", *"first")
        await wait_for(pilot, lambda: not form.form.problems)
        await pilot.press("down", *"2")
        await wait_for(pilot, lambda: "run 2 (second) was stopped" in form.form.problems.get("after_ok", ""))
        await pilot.press("backspace", "1", "ctrl+s")
        await started(pilot, 3)
        assert dependencies.of(database, [3]) == {3: StartsAfter(after_ok=(first.id,))}


async def test_launching_looks_the_runs_up_again(app: ItopApp, database: Database) -> None:
    runs.create(database, **as_stored(PRESETS["digits-dense"].config()), name="first")
    async with app.run_test(size=(120, 40)) as pilot:
        await started(pilot, 1)
        await pilot.press("n")
        await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen))
        form = form_of(app)
        form.fields.go_to("after_ok")
        await pilot.press("7", "ctrl+s")  # at once, before anything was looked up
        await wait_for(pilot, lambda: "there is no run '7'" in form.form.problems.get("after_ok", ""))
        assert app.screen is form
        assert form.fields.current.name == "after_ok"
        await pilot.press("backspace", "1", "ctrl+s")
        await started(pilot, 2)
        assert dependencies.of(database, [2]) == {2: StartsAfter(after_ok=(1,))}


async def test_the_plan_says_what_stays_dense_and_the_density_over_all() -> None:
    class WithWords(FixedPlanner):
        PLAN: Mapping[str, Any] = {
            **FixedPlanner.PLAN,
            "coverage": {
                "matrix_weights": 100_400,
                "dense_weights": 50_200,
                "dense_share": 0.5,
                "density": 0.525,
                "dense": [
                    {"name": "places", "shape": [1, 200], "weights": 200, "why": "of Net"},
                    {"name": "words[b].weight", "shape": [500, 100], "weights": 50_000, "why": "embedding"},
                ],
            },
        }

    app = form_app(WithWords())
    async with app.run_test(size=(120, 40)) as pilot:
        await open_form(pilot)
        await wait_for(pilot, lambda: "50,200 maskable" in screen_text(app))
        text = screen_text(app)
        assert "52.5%  of all matrix weights" in text
        assert "50%  of all matrix weights" in text
        assert "words[b].weight (embedding)" in text
        assert "places (of Net)" in " ".join(text.split())
