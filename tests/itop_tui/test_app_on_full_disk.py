"""The app with its home on a disk that is really full: it stays, says so, loses nothing typed, and still kills."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from textual.widgets import Input, TextArea

from db.errors import DatabaseFull
from db.records import RunStatus
from db.runs import runs
from db.session import Database
from itop_tui.app import ItopApp
from itop_tui.dialogs.questions import Ask, AskText, Confirm
from itop_tui.new_run.new_run_screen import NewRunScreen
from itop_tui.runs.runs_screen import RunsScreen
from tests.engine.launch.small_disk import fill, small, write_much
from tests.engine.launch.tools import Lab
from tests.itop_tui.support import FixedPlanner, screen_text, started, wait_for

__all__ = ["small"]

FULL = "The disk is full"


@contextmanager
def full(small: Lab, run_id: int) -> Iterator[None]:
    """Leave no room for anything, however short, until the end."""
    with closing(sqlite3.connect(str(small.db.path))) as reader:
        reader.execute("BEGIN")  # what it sees is kept, so the log cannot start again from its beginning
        reader.execute("SELECT count(*) FROM runs").fetchone()
        filler = fill(small.home)
        with pytest.raises(DatabaseFull, match=FULL):
            write_much(small.db, run_id)
        with pytest.raises(DatabaseFull, match=FULL):
            write_little(small.db, run_id)
        yield
        filler.unlink()


def write_little(db: Database, run_id: int) -> None:
    """Write until not even the least fits."""
    for number in range(1000):
        runs.update_fields(db, run_id, name=f"the real one {number}")


def errors(app: ItopApp) -> list[str]:
    return [notice.text for notice in app.notices if notice.severity == "error"]


async def test_the_app_on_a_full_disk_stays_says_so_and_loses_nothing_typed(small: Lab) -> None:
    run = small.queue("wait", name="the real one")
    small.ensure_scheduler()
    small.wait_status(run, RunStatus.RUNNING)
    worker = small.identity(run, "worker")
    app = ItopApp(Database.open, planner=FixedPlanner())
    app.animation_level = "none"
    async with app.run_test(size=(120, 40)) as pilot:
        await started(pilot, 1)
        assert errors(app) == []
        with full(small, run.id):
            await pilot.press("N")
            await wait_for(pilot, lambda: isinstance(app.screen, AskText))
            app.screen.query_one(TextArea).text = "several\nlines"
            await pilot.press("ctrl+s")
            await wait_for(pilot, lambda: len(errors(app)) == 1 and isinstance(app.screen, AskText))
            assert app.screen.query_one(TextArea).text == "several\nlines"
            await wait_for(pilot, lambda: f"Could not save the notes: {FULL}" in screen_text(app), "the message")
            await pilot.press("escape", "t")
            await wait_for(pilot, lambda: isinstance(app.screen, Ask))
            await pilot.press(*"paper", "enter")
            await wait_for(pilot, lambda: len(errors(app)) == 2 and isinstance(app.screen, Ask))
            assert app.screen.query_one(Input).value == "paper"
            await pilot.press("escape", "n")
            await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen))
            await pilot.press(*"another", "ctrl+s")
            await wait_for(pilot, lambda: len(errors(app)) == 3)
            assert isinstance(app.screen, NewRunScreen)
            assert app.screen.form.name == "another"
            begins = ("Could not save the notes", "Could not change the tags", "The run could not be launched")
            assert [text.partition(":")[0] for text in errors(app)] == list(begins)
            assert all(text.partition(": ")[2].startswith(FULL) for text in errors(app))

            await pilot.press("escape", "y")
            await wait_for(pilot, lambda: isinstance(app.screen, RunsScreen))
            await pilot.press("K")
            await wait_for(pilot, lambda: isinstance(app.screen, Confirm))
            await pilot.press("y")
            await wait_for(pilot, lambda: not worker.alive(), "the worker to be dead")
        await wait_for(pilot, lambda: runs.get(small.db, run.id).status is RunStatus.KILLED, "its end to be recorded")
        await wait_for(pilot, lambda: "killed" in screen_text(app), "its end to be shown")
        assert runs.get(small.db, run.id).reason == "killed by user"
    assert len(runs.list_runs(small.db)) == 1
