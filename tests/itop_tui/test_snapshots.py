"""What the screens look like, with fixed data and a clock that stands. Update with `pytest --snapshot-update`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from textual.pilot import Pilot

from itop_tui import theme
from itop_tui.app import ItopApp
from itop_tui.screens.help import HelpScreen
from itop_tui.screens.new_run import NewRunScreen
from itop_tui.widgets.greeting import Greeting
from itop_tui.widgets.plan_pane import PlanPane
from itop_tui.widgets.run_detail import RunDetail
from tests.itop_tui.support import MemoryReader, form_of, memory_app, sample_runs, started, wait_for

Compare = Callable[..., bool]
SIZES = [(80, 24), (120, 40), (200, 60)]
CURVE = [2.3 / (1 + step / 9) + (step % 7) * 0.02 for step in range(80)]


@pytest.fixture(autouse=True)
def curve(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loss for the details, without a database."""
    monkeypatch.setattr("itop_tui.operations.loss_curve", lambda db, run_id, buckets: CURVE)


def runs_first(*keys: str, detail: bool = True) -> Callable[[Pilot[Any]], Awaitable[None]]:
    async def prepare(pilot: Pilot[Any]) -> None:
        app = pilot.app
        assert isinstance(app, ItopApp)
        await started(pilot, 12)
        await pilot.press(*keys)
        pane = app.screen_stack[0].query_one(RunDetail)
        if detail and pane.display and pane.run is not None and pane.run.step:
            await wait_for(pilot, lambda: pane.losses)

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


@pytest.mark.parametrize("size", SIZES[:2])
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
