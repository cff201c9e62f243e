"""What tells the time goes on telling it while nothing is committed; the clock is the test's."""

from __future__ import annotations

import time

from db.records import RunStatus
from db.runs import attempts, commands
from db.session import Database
from itop_tui.app import ItopApp
from itop_tui.runs.run_detail import RunDetail
from itop_tui.runs.run_list import RunList
from tests.itop_tui.run.conftest import RUNNING, STOPPED
from tests.itop_tui.run.hosting import keep_alive, run_screen, until
from tests.itop_tui.support import StillReader, list_of, opened, screen_text

_HOUR = 3600


async def test_paused_for_counts_from_the_pause_and_goes_on(recorded: None, database: Database) -> None:
    attempt = attempts.latest(database, RUNNING)
    assert attempt is not None
    asked = commands.send(database, RUNNING, "pause")
    attempts.set_status(database, attempt.id, RunStatus.PAUSED)
    commands.acknowledge(database, asked.id, "paused after step 120")
    paused_at = next(one.done_at for one in commands.for_run(database, RUNNING))
    assert paused_at is not None
    now = [paused_at + 61]
    keep_alive(database, RUNNING)  # a run that is silent says so instead
    async with run_screen(Database.open, RUNNING, clock=lambda: now[0]) as (pilot, _):
        await until(pilot, lambda: "‖ paused for 1m 01s" in screen_text(pilot.app), "the time since the pause")
        now[0] += 2 * _HOUR
        await until(pilot, lambda: "‖ paused for 2h 01m" in screen_text(pilot.app), "the same, two hours later")


async def test_checkpoints_grow_older(recorded: None) -> None:
    now = [time.time()]
    async with run_screen(Database.open, STOPPED, clock=lambda: now[0]) as (pilot, _):
        await pilot.press("4")
        await until(pilot, lambda: "step-000000450-last.pt" in screen_text(pilot.app), "the checkpoints")
        now[0] += 5 * _HOUR
        await until(pilot, lambda: screen_text(pilot.app).count(" 5h ") == 2, "their ages, five hours later")


async def test_the_list_and_its_details_grow_older(recorded: None) -> None:
    now = [time.time()]
    app = ItopApp(Database.open, reader=StillReader, clock=lambda: now[0])
    async with app.run_test(size=(160, 40)) as pilot:
        await opened(pilot)
        table = list_of(app).query_one(RunList)
        table.go_to(STOPPED)
        detail = list_of(app).query_one(RunDetail)
        await until(pilot, lambda: detail.run is not None and detail.run.id == STOPPED, "the run that has ended")
        now[0] += 5 * _HOUR
        # Of the stopped run in the details, and of both runs in the list.
        await until(pilot, lambda: "5h old" in screen_text(app), "the age in the details")
        await until(pilot, lambda: screen_text(app).count(" 5h") >= 3, "the ages in the list")
