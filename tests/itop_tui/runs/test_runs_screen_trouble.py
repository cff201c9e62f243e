"""The list of runs while something is wrong: the database, the scheduler, the disk."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from db.records import RunStatus
from db.runs import runs
from db.session import Database
from itop_tui.app import ItopApp
from itop_tui.new_run.new_run_screen import NewRunScreen
from itop_tui.widgets.top_bar import Banner
from tests.itop_tui.made import SIZE, create, reported, toasts
from tests.itop_tui.support import (
    MemoryReader,
    make_run,
    memory_app,
    sample_runs,
    screen_text,
    started,
    table_of,
    wait_for,
)
from tests.patience import PATIENCE


async def test_a_failing_database_shows_a_banner_and_the_app_goes_on() -> None:
    reader = MemoryReader(sample_runs())
    app = memory_app(reader)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 12)
        reader.failure = OSError("disk I/O error [red]\x1b[31m")
        await wait_for(pilot, lambda: "disk I/O error" in screen_text(app))
        await pilot.press("j", "n")
        await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen))
        assert "disk I/O error [red]" in screen_text(app)
        await pilot.press("escape")
        reader.failure = None
        await wait_for(pilot, lambda: not app.screen.query_one(Banner).display)
        assert len(table_of(app).rows) == 12


async def test_a_database_that_cannot_be_opened_says_why_and_can_be_tried_again(database: Database) -> None:
    create(database, 1)
    attempts_made: list[int] = []

    def opener() -> Database:
        attempts_made.append(1)
        if len(attempts_made) == 1:
            raise OSError("itop.db is newer than this program")
        return Database.open()

    app = ItopApp(opener)
    async with app.run_test(size=SIZE) as pilot:
        await wait_for(pilot, lambda: "newer than this program" in screen_text(app))
        await pilot.press("j", "enter", "s")
        await pilot.press("ctrl+g")
        await started(pilot, 1)
        assert not app.screen.query_one(Banner).display


async def test_a_scheduler_that_does_not_start_is_told_and_the_run_stays_queued(
    app: ItopApp, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(db: Database) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr("engine.launch.submit.ensure_scheduler", fail)
    create(database, 1)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 1)
        await pilot.press("n")
        await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen))
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: "no more processes" in toasts(app))
        assert runs.count(database, runs.RunQuery(statuses=(RunStatus.QUEUED,))) == 2


async def test_keys_are_answered_while_the_database_is_slow() -> None:
    reader = MemoryReader(sample_runs())
    app = memory_app(reader)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 12)
        reader.gate = threading.Event()
        reader.change([replace(run, step=run.step + 1) for run in sample_runs()])
        await pilot.press("j", "j", "slash", "x", "y", "escape", "n")
        await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen))
        reader.gate.set()  # until here the database has answered nothing


async def test_a_missing_scheduler_shows_a_banner_and_can_be_started_from_it(
    app: ItopApp, database: Database, scheduled: list[str]
) -> None:
    create(database, 1)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 1)
        reader = app.poller._reader  # type: ignore[union-attr]
        reader.settle = lambda: None if scheduled else "1 queued run will not start. ^g starts one."  # type: ignore[method-assign]
        await wait_for(pilot, lambda: "will not start" in screen_text(app))
        await pilot.press("ctrl+g")
        await wait_for(pilot, lambda: scheduled and not app.screen.query_one(Banner).display)


async def test_a_run_that_ends_is_told_wherever_one_is() -> None:
    reader = MemoryReader([make_run(1, "running"), make_run(2, "running")])
    app = memory_app(reader)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 2)
        await pilot.press("n")
        await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen))
        reader.change([make_run(1, "failed", reason="out of memory [red]on cuda:0"), make_run(2, "running")])
        await wait_for(pilot, lambda: reported(app, "failed: out of memory [red]on cuda:0"))
        assert "Run 2" not in toasts(app)


async def test_what_is_typed_into_the_filter_before_the_database_is_open_counts() -> None:
    opening = threading.Event()
    app = memory_app(MemoryReader([make_run(1, name="needle"), make_run(2, name="hay")]))
    opener = app.holder.opener

    def slow() -> Database:
        opening.wait(PATIENCE)
        return opener()

    app.holder.opener = slow
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("slash", *"need")
        opening.set()
        await started(pilot, 1)
        assert table_of(app).rows[0].name == "needle"
