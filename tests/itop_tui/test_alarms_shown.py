"""Alarms are said once, marked on the list, found by a filter and explained in the head of the run."""

from __future__ import annotations

from db.history.writer import MetricWriter
from db.records import Alarm, RunRecord
from db.runs import attempts
from db.session import Database
from itop_tui.app import ItopApp
from itop_tui.notices import alarms_said
from itop_tui.run.run_screen import RunScreen
from tests.itop_tui.made import SIZE, create, reported, run_it, toasts
from tests.itop_tui.support import make_run, screen_text, wait_for

COLLAPSE = Alarm("collapse", "fc2", 1_200, "0 of 1,000 weights are active; it began with 100")
STALLED = Alarm("stalled", "", 1_400, "R_s stays at 0.2")


def record(database: Database, run: RunRecord, *alarms: Alarm) -> None:
    attempt = attempts.latest(database, run.id)
    assert attempt is not None
    with MetricWriter(database, run.id, attempt.id) as writer:
        for alarm in alarms:
            writer.alarm(alarm)


async def test_an_alarm_is_said_once_and_marked(app: ItopApp, database: Database) -> None:
    old, new, quiet = create(database, 3)
    for run in (old, new, quiet):
        run_it(database, run)
    record(database, old, STALLED)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await wait_for(pilot, lambda: "▲ running" in screen_text(app))
        record(database, new, COLLAPSE, STALLED)
        await wait_for(pilot, lambda: reported(app, f"Run {new.id} "))
        record(database, new, COLLAPSE)
        await pilot.press("slash", *"alarm:collapse", "enter")
        await wait_for(pilot, lambda: app.snapshot is not None and app.snapshot.view.text == "alarm:collapse")
        assert app.snapshot is not None
        assert [run.id for run in app.snapshot.runs] == [new.id]
        assert len(toasts(app).splitlines()) == 1
        assert "a layer has collapsed (fc2) at step 1,200" in toasts(app)
        assert "And 1 more alarm." in toasts(app)
        # What was raised before the app was opened is marked, and not said.
        assert not reported(app, f"Run {old.id} ")
        await pilot.press("enter")
        await wait_for(
            pilot, lambda: isinstance(app.screen, RunScreen) and "exploration has stalled" in screen_text(app)
        )
        assert "▲ a layer has collapsed (fc2) at step 1,200" in screen_text(app)


def test_many_alarms_of_one_moment_are_one_message() -> None:
    first, second = make_run(1, name="one\x1b[2J"), make_run(2)
    said = alarms_said([(first, COLLAPSE), (first, STALLED), (second, STALLED)])
    assert said.startswith("Run 1 (one")
    assert said.endswith("And 2 more alarms of 2 runs.")
    assert "\x1b" not in said
    assert alarms_said([(second, STALLED)]).endswith("exploration has stalled at step 1,400: R_s stays at 0.2.")
