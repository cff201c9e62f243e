"""What leads on from the screen of a run: labels, other runs of the list, comparison, fork."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from db.records import RunRecord
from db.runs import checkpoints, runs
from db.session import Database
from itop_tui.app import ItopApp
from itop_tui.compare.compare_screen import CompareScreen
from itop_tui.dialogs.chooser import Picker
from itop_tui.run.run_screen import RunScreen
from itop_tui.runs.runs_screen import RunsScreen
from tests.itop_tui.run.conftest import RUNNING, STOPPED
from tests.itop_tui.run.hosting import until
from tests.itop_tui.support import opened as database_opened


def current(app: ItopApp) -> RunRecord | None:
    """The run whose screen is open, once it was read."""
    return app.screen.current_run if isinstance(app.screen, RunScreen) else None


async def shows(pilot: Pilot[None], app: ItopApp, run_id: int) -> None:
    await until(pilot, lambda: getattr(current(app), "id", None) == run_id, f"run {run_id}")


@pytest.fixture
async def opened(recorded: None, home: Path) -> AsyncIterator[tuple[Pilot[None], ItopApp]]:
    """The app with its list, over it the screen of the older of two runs."""
    app = ItopApp(Database.open)
    async with app.run_test(size=(120, 40)) as pilot:
        await database_opened(pilot)
        listed = app.screen
        assert isinstance(listed, RunsScreen)
        await until(pilot, lambda: [run.id for run in listed.table.rows] == [RUNNING, STOPPED], "the list")
        app.open_run(STOPPED)
        await shows(pilot, app, STOPPED)
        yield pilot, app


async def test_a_run_is_named_tagged_noted_starred_and_archived(
    opened: tuple[Pilot[None], ItopApp], database: Database
) -> None:
    pilot, app = opened
    await pilot.press("R")
    await until(pilot, lambda: isinstance(app.focused, Input), "the question for the name")
    await pilot.press("ctrl+u", *"better", "enter")
    await until(pilot, lambda: runs.get(database, STOPPED).name == "better", "the name")
    await until(pilot, lambda: getattr(current(app), "name", "") == "better", "the name on the screen")
    await pilot.press("t")
    await until(pilot, lambda: isinstance(app.focused, Input), "the question for the tags")
    await pilot.press("ctrl+u", *"paper", "enter")
    await until(pilot, lambda: runs.get(database, STOPPED).tags == ("paper",), "the tag")
    await pilot.press("N")
    await until(pilot, lambda: isinstance(app.focused, TextArea), "the question for the notes")
    await pilot.press(*"why", "ctrl+s")
    await until(pilot, lambda: runs.get(database, STOPPED).notes == "why", "the notes")
    await pilot.press("asterisk")
    await until(pilot, lambda: runs.get(database, STOPPED).starred_at is not None, "the star")
    await pilot.press("a")
    await until(pilot, lambda: runs.get(database, STOPPED).archived_at is not None, "the archive")
    assert runs.get(database, RUNNING).archived_at is None


async def test_the_next_and_the_previous_run_are_those_of_the_list(opened: tuple[Pilot[None], ItopApp]) -> None:
    pilot, app = opened
    listed = app.screen_stack[0]
    assert isinstance(listed, RunsScreen)
    await pilot.press("right_parenthesis")
    assert app.notices[-1].text == "The list has no run after this one."
    await pilot.press("left_parenthesis")
    await shows(pilot, app, RUNNING)
    assert len(app.screen_stack) == 2, "one run's screen takes the place of the other"
    assert listed.current_run is not None
    assert listed.current_run.id == RUNNING
    await pilot.press("left_parenthesis")
    assert app.notices[-1].text == "The list has no run before this one."
    listed.table.action_sort_reverse()
    await until(pilot, lambda: [run.id for run in listed.table.rows] == [STOPPED, RUNNING], "the other order")
    await pilot.press("left_parenthesis")
    await shows(pilot, app, STOPPED)
    await pilot.press("escape")
    await until(pilot, lambda: app.screen is listed, "the list")


async def test_the_run_after_one_that_is_no_longer_listed(
    opened: tuple[Pilot[None], ItopApp], database: Database
) -> None:
    pilot, app = opened
    listed = app.screen_stack[0]
    assert isinstance(listed, RunsScreen)
    await pilot.press("a")
    await until(pilot, lambda: [run.id for run in listed.table.rows] == [RUNNING], "the list without it")
    await pilot.press("left_parenthesis")
    assert app.notices[-1].text == "The list has no run before this one."
    await pilot.press("right_parenthesis")
    await shows(pilot, app, RUNNING)


async def test_a_run_is_compared_with_a_chosen_one(opened: tuple[Pilot[None], ItopApp]) -> None:
    pilot, app = opened
    await pilot.press("c")
    await until(pilot, lambda: isinstance(app.screen, Picker), "the runs to choose from")
    picker = app.screen
    assert isinstance(picker, Picker)
    assert [item.value for item in picker.items] == [str(RUNNING)], "not the run itself"
    await pilot.press("enter")
    await until(pilot, lambda: isinstance(app.screen, CompareScreen), "the comparison")
    assert isinstance(app.screen, CompareScreen)
    assert app.screen.compared.ids == (STOPPED, RUNNING)


@pytest.mark.parametrize("tab", ["1", "5"])
async def test_a_fork_from_any_tab_starts_from_the_last_checkpoint(
    opened: tuple[Pilot[None], ItopApp], database: Database, monkeypatch: pytest.MonkeyPatch, tab: str
) -> None:
    pilot, _ = opened
    asked: list[Any] = []
    monkeypatch.setattr(ItopApp, "open_new_run", lambda app, settings=None, **how: asked.append(how["checkpoint"]))
    await pilot.press(tab, "f")
    await until(pilot, lambda: bool(asked), "the form")
    assert asked == [checkpoints.pick(database, STOPPED, "last")]


async def test_a_run_is_extended_by_more_epochs(
    opened: tuple[Pilot[None], ItopApp], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.launch.submit.ensure_scheduler", lambda db: None)
    pilot, app = opened
    before = runs.get(database, STOPPED)
    wanted = before.config["epochs"] * 10
    for typed, reason in (("many", "epochs = 'many'"), ("1", "would end at step")):
        await pilot.press("B")
        await until(pilot, lambda: isinstance(app.focused, Input), "the question")
        assert isinstance(app.focused, Input)
        assert app.focused.value == str(before.config["epochs"])
        await pilot.press("ctrl+u", *typed, "enter")
        await until(pilot, lambda reason=reason: reason in app.notices[-1].text, "the refusal")  # type: ignore[misc]
        assert runs.get(database, STOPPED).status == "stopped"
    await pilot.press("B")
    await until(pilot, lambda: isinstance(app.focused, Input), "the question")
    await pilot.press("ctrl+u", *str(wanted), "enter")
    await until(pilot, lambda: runs.get(database, STOPPED).status == "queued", "the queue")
    queued = runs.get(database, STOPPED)
    assert queued.config["epochs"] == wanted
    assert queued.start_checkpoint_id == checkpoints.pick(database, STOPPED, "last").id
    assert queued.total_steps > before.step
    await until(pilot, lambda: f"to epoch {wanted}" in app.notices[-1].text, "the report")
