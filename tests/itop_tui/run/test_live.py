"""What is committed shows on the screen, and trouble with the database does not end it."""

from __future__ import annotations

import threading
import time

import pytest

from db.history.writer import MetricWriter
from db.records import RunStatus
from db.runs import attempts, runs
from db.session import Database
from itop_tui.app import ItopApp
from itop_tui.run.run_reader import ReadFailed, Request, RunReader, RunView, ViewRead
from itop_tui.run.run_screen import RunScreen
from itop_tui.widgets.top_bar import Banner
from tests.itop_tui.run.conftest import RUNNING
from tests.itop_tui.run.fabricate import record_run, step_metric
from tests.itop_tui.run.hosting import run_screen, until
from tests.patience import PATIENCE


async def test_new_steps_and_the_end_appear_by_themselves(recorded: None, database: Database) -> None:
    async with run_screen(Database.open, RUNNING) as (pilot, screen):
        chart = screen.charts.charts[0]
        assert chart.data.lines[0].x[-1] == 120
        attempt = attempts.latest(database, RUNNING)
        assert attempt is not None
        with MetricWriter(database, RUNNING, attempt.id) as writer:
            for step in range(121, 161):
                writer.step(step_metric(step))
            writer.flush()
        committed = time.monotonic()
        await until(pilot, lambda: chart.data.lines[0].x[-1] == 160, "the new steps")
        print(f"shown {time.monotonic() - committed:.2f} s after the commit")
        assert screen.current_run is not None
        assert screen.current_run.step == 160
        attempts.finish(database, attempt.id, status=RunStatus.KILLED, reason="killed by SIGKILL (signal 9)", signal=9)
        await until(pilot, lambda: screen.current_run is not None and screen.current_run.status == "killed", "the end")
        assert "screen.resume_here" in [hint.action for hint in screen.key_hints()]


async def test_a_zoomed_chart_stays_where_it_is_while_the_run_goes_on(recorded: None, database: Database) -> None:
    async with run_screen(Database.open, RUNNING) as (pilot, screen):
        await pilot.press("plus", "plus", "left", "left", "left")
        window = screen.charts.window
        attempt = attempts.latest(database, RUNNING)
        assert attempt is not None
        with MetricWriter(database, RUNNING, attempt.id) as writer:
            for step in range(121, 141):
                writer.step(step_metric(step))
            writer.flush()
        await until(pilot, lambda: screen.current_run is not None and screen.current_run.step == 140, "the new steps")
        assert screen.charts.window == window
        chart = screen.charts.charts[0]
        assert chart.extent == window
        await pilot.press("0")
        await until(pilot, lambda: chart.extent[1] == 140, "all steps")


async def test_trouble_shows_in_the_banner_and_goes_away(
    recorded: None, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with run_screen(Database.open, RUNNING) as (pilot, screen):
        real = runs.get

        def locked(db: Database, run_id: int) -> object:
            raise OSError("disk I/O error [red]")

        monkeypatch.setattr(runs, "get", locked)
        runs.update_fields(database, RUNNING, notes="a commit")
        banner = screen.query_one(Banner)
        await until(pilot, lambda: banner.problem is not None, "the banner")
        assert "disk I/O error [red]" in str(banner.problem)
        monkeypatch.setattr(runs, "get", real)
        runs.update_fields(database, RUNNING, notes="another commit")
        await until(pilot, lambda: banner.problem is None, "the end of the trouble")


def test_the_reader_posts_the_head_before_the_curves(recorded: None, database: Database) -> None:
    posted: list[object] = []
    reader = RunReader(database, RUNNING, posted.append)
    from itop_tui.figures.curves import CurveRequest

    reader.ask(Request(curves=CurveRequest(), layers=True, history=True))
    reader.look()
    reader.look()
    assert all(isinstance(message, ViewRead) for message in posted)
    views = [message.view for message in posted if isinstance(message, ViewRead)]
    assert [view.curves is None for view in views] == [True, False, False]
    assert views[1].layers is not None
    assert [row.layer for row in views[1].layers] == ["fc1", "fc2", "fc3"]
    assert views[1].history is not None
    assert views[1].history.steps == (0, 100)


def test_a_run_that_is_not_there_is_said_to_be_gone(database: Database) -> None:
    posted: list[object] = []
    RunReader(database, 99, posted.append).look()
    assert isinstance(posted[0], ReadFailed)
    assert posted[0].gone


def test_a_parent_that_was_deleted_is_left_out(database: Database) -> None:
    parent = record_run(database, name="parent", steps=120, ended=RunStatus.COMPLETED)
    child = record_run(database, name="child", steps=1, parent=parent, kinds=())
    reader = RunReader(database, child.id, lambda message: None)
    assert reader.read().parent is not None
    runs.delete(database, parent.id, force=True)
    assert RunReader(database, child.id, lambda message: None).read().parent is None


@pytest.mark.parametrize("key", ["escape", "question_mark"])
async def test_a_screen_left_or_covered_before_its_curves_are_read_holds_no_drawing_back(
    recorded: None, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    let_go = threading.Event()

    def never_before_let_go(reader: RunReader, *, with_curves: bool = True) -> RunView:
        assert let_go.wait(PATIENCE)
        raise LookupError("left meanwhile")

    monkeypatch.setattr(RunReader, "read", never_before_let_go)
    monkeypatch.setattr("itop_tui.run.run_screen._PATIENCE", 3600.0)
    app = ItopApp(Database.open)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.snapshot is not None, "the list")
        app.open_run(RUNNING)
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app._batch_count > 0, "the screen, not drawn")
        try:
            await pilot.press(key)
            await until(pilot, lambda: not isinstance(app.screen, RunScreen), "what is shown instead")
            await until(pilot, lambda: app._batch_count == 0, "drawing")
        finally:
            let_go.set()
