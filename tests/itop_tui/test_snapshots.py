"""What the screens look like, with fixed data and a clock that stands. Update with `pytest --snapshot-update`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from textual.pilot import Pilot

from db import runs, views
from db.session import Database
from engine.presets import PRESETS
from itop_tui import theme
from itop_tui.app import ItopApp
from itop_tui.poller import DatabaseReader
from itop_tui.screens.help import HelpScreen
from itop_tui.screens.new_run import NewRunScreen
from itop_tui.screens.view_picker import ViewPicker
from itop_tui.widgets.filter_line import FilterLine
from itop_tui.widgets.greeting import Greeting
from itop_tui.widgets.plan_pane import PlanPane
from itop_tui.widgets.run_detail import RunDetail
from tests.itop_tui.support import (
    NOW,
    FixedPlanner,
    MemoryReader,
    form_of,
    memory_app,
    sample_runs,
    screen_text,
    started,
    table_of,
    wait_for,
)

Compare = Callable[..., bool]
SIZES = [(80, 24), (120, 40), (200, 60)]
CURVE = [2.3 / (1 + step / 9) + (step % 7) * 0.02 for step in range(80)]


@pytest.fixture(autouse=True)
def curve(monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses for the details and the list, without a database."""
    monkeypatch.setattr("itop_tui.operations.loss_curve", lambda db, run_id, buckets: CURVE)
    monkeypatch.setattr(
        "itop_tui.operations.loss_curves", lambda db, ids, points: {run_id: tuple(CURVE[:points]) for run_id in ids}
    )


def runs_first(*keys: str, detail: bool = True) -> Callable[[Pilot[Any]], Awaitable[None]]:
    async def prepare(pilot: Pilot[Any]) -> None:
        app = pilot.app
        assert isinstance(app, ItopApp)
        await started(pilot, 12)
        await pilot.press(*keys)
        pane = app.screen_stack[0].query_one(RunDetail)
        if detail and pane.display and pane.run is not None and pane.run.step:
            await wait_for(pilot, lambda: pane.losses)
        table = table_of(app)
        if any(column.key == "curve" for column in table.columns):
            await wait_for(pilot, lambda: all(run.id in table.curves for run in table.in_sight if run.step))

    return prepare


def form_first(*keys: str) -> Callable[[Pilot[Any]], Awaitable[None]]:
    async def prepare(pilot: Pilot[Any]) -> None:
        app = pilot.app
        assert isinstance(app, ItopApp)
        await started(pilot, 12)
        await pilot.press("n")
        await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen))
        form = form_of(app)
        if form.query_one(PlanPane).display:
            await wait_for(pilot, lambda: form.query_one(PlanPane).plan)
        for key in keys:
            if key.startswith("@"):
                form.fields.go_to(key[1:])
            else:
                await pilot.press(key)
        await pilot.pause(0.4)

    return prepare


def listing(light: bool = False, runs: Sequence[Any] | None = None) -> ItopApp:
    app = memory_app(MemoryReader(sample_runs() if runs is None else runs))
    if light:
        app.theme = theme.LIGHT.name
    return app


@pytest.mark.parametrize("size", SIZES)
def test_runs(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snap_compare(listing(), terminal_size=size, run_before=runs_first("j", "space"))


@pytest.mark.parametrize("size", SIZES)
def test_runs_in_the_light(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snap_compare(listing(light=True), terminal_size=size, run_before=runs_first("j"))


def test_runs_of_a_failed_one(snap_compare: Compare) -> None:
    assert snap_compare(listing(), terminal_size=(120, 40), run_before=runs_first(*"jjjjjjj"))


@pytest.mark.parametrize("size", SIZES[:2])
def test_form(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snap_compare(listing(), terminal_size=size, run_before=form_first("@growth"))


@pytest.mark.parametrize("size", SIZES[:2])
def test_form_with_a_wrong_field(snap_compare: Compare, size: tuple[int, int]) -> None:
    keys = ("@fix", "space", "@density", "ctrl+u", "7")
    assert snap_compare(listing(), terminal_size=size, run_before=form_first(*keys))


@pytest.mark.parametrize("size", SIZES[:2])
def test_help(snap_compare: Compare, size: tuple[int, int]) -> None:
    async def prepare(pilot: Pilot[Any]) -> None:
        await started(pilot, 12)
        await pilot.press("question_mark")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, HelpScreen))
        await pilot.pause(0.2)

    assert snap_compare(listing(), terminal_size=size, run_before=prepare)


@pytest.mark.parametrize("size", SIZES[:2])
def test_empty(snap_compare: Compare, size: tuple[int, int]) -> None:
    async def prepare(pilot: Pilot[Any]) -> None:
        await wait_for(pilot, lambda: pilot.app.screen.query_one(Greeting).display)

    assert snap_compare(listing(runs=[]), terminal_size=size, run_before=prepare)


def test_question_before_a_kill(snap_compare: Compare) -> None:
    assert snap_compare(listing(), terminal_size=(80, 24), run_before=runs_first("j", "K"))


def test_trouble(snap_compare: Compare) -> None:
    async def prepare(pilot: Pilot[Any]) -> None:
        app = pilot.app
        assert isinstance(app, ItopApp)
        await started(pilot, 12)
        app.poller._reader.failure = OSError("the database is locked by another program")  # type: ignore[union-attr]
        await wait_for(pilot, lambda: app.problem)
        await pilot.pause(0.2)

    assert snap_compare(listing(), terminal_size=(80, 24), run_before=prepare)


def test_without_colour(snap_compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = listing()
    assert app.no_color
    assert snap_compare(app, terminal_size=(120, 40), run_before=runs_first("j", "space"))


def seeds_app(database: Database) -> ItopApp:
    """The app over six queued runs of two recipes in a real database, its clock standing."""
    for preset in ("digits-set", "digits-rigl"):
        for seed in range(3):
            runs.create(database, config=PRESETS[preset].config(seed=seed).as_dict(), total_steps=1720)

    class Unsettled(DatabaseReader):
        def settle(self) -> str | None:
            return None

    made = ItopApp(Database.open, reader=Unsettled, clock=lambda: NOW, planner=FixedPlanner())
    made.animation_level = "none"
    return made


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("light", [False, True], ids=["dark", "light"])
def test_groups(snap_compare: Compare, database: Database, size: tuple[int, int], light: bool) -> None:
    app = seeds_app(database)
    if light:
        app.theme = theme.LIGHT.name

    async def prepare(pilot: Pilot[Any]) -> None:
        await started(pilot, 6)
        await pilot.press("g", *"seeds", "enter")
        await wait_for(pilot, lambda: len(table_of(app).lines) == 2)
        await pilot.press("j", "right")
        await wait_for(pilot, lambda: len(table_of(app).lines) == 5)

    assert snap_compare(app, terminal_size=size, run_before=prepare)


@pytest.mark.parametrize("size", SIZES[:2])
def test_filter_with_a_drop_down(snap_compare: Compare, database: Database, size: tuple[int, int]) -> None:
    app = seeds_app(database)

    async def prepare(pilot: Pilot[Any]) -> None:
        await started(pilot, 6)
        await pilot.press("i", "slash", *"growth:")  # the details tell when a run was made
        line = app.screen.query_one(FilterLine)
        await wait_for(pilot, lambda: [each.shown for each in line.suggestions] == ["gradient", "random"])
        await pilot.press("down")

    assert snap_compare(app, terminal_size=size, run_before=prepare)


def test_filter_with_a_mistake(snap_compare: Compare, database: Database) -> None:
    app = seeds_app(database)

    async def prepare(pilot: Pilot[Any]) -> None:
        await started(pilot, 6)
        await pilot.press("slash", *"set densty<0.1 ")
        await wait_for(pilot, lambda: app.screen.query_one(FilterLine).wrong)

    assert snap_compare(app, terminal_size=(80, 24), run_before=prepare)


@pytest.mark.parametrize("size", SIZES[:2])
def test_choosing_columns(snap_compare: Compare, size: tuple[int, int]) -> None:
    async def prepare(pilot: Pilot[Any]) -> None:
        await started(pilot, 12)
        await pilot.press("e", *"acc")
        await wait_for(pilot, lambda: "momentum" not in screen_text(pilot.app))  # type: ignore[arg-type]
        await pilot.pause(0.2)

    assert snap_compare(listing(), terminal_size=size, run_before=prepare)


def test_writing_notes(snap_compare: Compare) -> None:
    async def prepare(pilot: Pilot[Any]) -> None:
        await started(pilot, 12)
        await pilot.press("N", *"better than")
        await pilot.pause(0.2)

    assert snap_compare(listing(), terminal_size=(80, 24), run_before=prepare)


def test_choosing_a_view(snap_compare: Compare, database: Database) -> None:
    views.save(database, views.SavedView("paper", "tag:paper acc>=0.93", sort="best_val_accuracy", group_by="recipe"))
    app = seeds_app(database)

    async def prepare(pilot: Pilot[Any]) -> None:
        await started(pilot, 6)
        await pilot.press("v")
        await wait_for(pilot, lambda: isinstance(app.screen, ViewPicker))
        await pilot.press("end")
        await pilot.pause(0.2)

    assert snap_compare(app, terminal_size=(80, 24), run_before=prepare)
