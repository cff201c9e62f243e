"""Screens are left one at a time, and none takes away another."""

from __future__ import annotations

from typing import Any

import pytest

from db.runs import runs
from db.session import Database
from itop_tui.dialogs.help import HelpScreen
from itop_tui.dialogs.questions import Ask
from itop_tui.runs.runs_screen import RunsScreen
from tests.itop_tui.run.conftest import STOPPED
from tests.itop_tui.run.hosting import run_screen, until


async def test_a_run_that_is_deleted_under_a_dialog_closes_after_the_dialog(
    recorded: None, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with run_screen(Database.open, STOPPED) as (pilot, screen):
        said: list[str] = []
        notify = pilot.app.notify

        def overheard(text: str, **kinds: Any) -> None:
            said.append(text)
            notify(text, **kinds)

        monkeypatch.setattr(pilot.app, "notify", overheard)
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(pilot.app.screen, HelpScreen), "the help")
        runs.delete(database, screen.run_id)
        await until(pilot, lambda: any("no longer there" in text for text in said), "the word of it")
        assert isinstance(pilot.app.screen, HelpScreen)

        await pilot.press("escape")

        await until(pilot, lambda: isinstance(pilot.app.screen, RunsScreen), "the list")
        assert sum("no longer there" in text for text in said) == 1


async def test_a_dialog_that_is_answered_twice_closes_nothing_but_itself(recorded: None) -> None:
    async with run_screen(Database.open, STOPPED) as (pilot, screen):
        answers: list[str | None] = []
        dialog = Ask("Name", "here", "")
        await pilot.app.push_screen(dialog, answers.append)

        dialog.dismiss("once")
        dialog.dismiss("twice")

        await until(pilot, lambda: bool(answers), "the answer")
        assert (answers, pilot.app.screen) == (["once"], screen)
