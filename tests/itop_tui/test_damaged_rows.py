"""The app over a database with damaged cells: each breaks only its own row, which says so, on every screen."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial

import pytest
from textual.pilot import Pilot

from db.records import RunRecord, RunStatus
from db.runs import runs
from db.session import Database
from itop_tui.app import ItopApp
from itop_tui.compare.compare_screen import CompareScreen
from itop_tui.figures.format import plain
from itop_tui.new_run.new_run_screen import NewRunScreen
from itop_tui.queue.queue_screen import QueueScreen
from itop_tui.run.run_screen import RunScreen
from itop_tui.runs.runs_screen import RunsScreen
from itop_tui.widgets.top_bar import Banner
from tests.itop_tui.run.fabricate import record_run, settings
from tests.itop_tui.run.hosting import shows_curves
from tests.itop_tui.support import list_of, screen_text, started, table_of, wait_for

FAR, LARGE = 1e18, 2**62
OWN: dict[str, dict[str, object]] = {
    "bad JSON": {"config": "{not json", "metrics": "[1]"},
    "unknown state": {"status": "exploded"},
    "text in numbers": {"step": "three", "total_steps": "many", "loss": "low", "held": "perhaps"},
    "far off": {"created_at": FAR, "started_at": -5, "ended_at": FAR, "epoch": LARGE},
    "no text": {"name": b"\xff\xfe", "tags": b"\x00\xff", "uid": "../.."},
}
"""What is wrong in the rows of runs."""
RECORDED: dict[str, dict[str, object]] = {
    "attempts": {"versions": "{", "started_at": "soon", "status": "exploded", "start_step": -1, "pid": LARGE},
    "checkpoints": {"kind": "odd", "step": "x", "bytes": "large", "created_at": FAR, "path": "../../other"},
    "step_metrics": {"loss": "low", "recorded_at": FAR, "epoch": "x", "nonfinite": "x"},
    "epoch_metrics": {"val_loss": "low", "step": "x", "seconds": FAR, "recorded_at": "x"},
    "mask_updates": {"churn": "x", "itop_rate": "x", "step": "x", "pruned": LARGE},
    "layer_mask_stats": {"shape": "{", "size": "x", "nonzeros": "x", "explored": LARGE, "overlap_first": "x"},
}
"""What is wrong in the rows that belong to a run."""


def damage(database: Database, table: str, run: RunRecord, cells: dict[str, object]) -> None:
    """Write what no version of itop would, into the first row of a run."""
    key = "id" if table == "runs" else "run_id"
    with closing(sqlite3.connect(str(database.path))) as connection, connection:
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})") if row[5]]
        where = " AND ".join(f"{name} = ?" for name in columns)
        first = connection.execute(f"SELECT {', '.join(columns)} FROM {table} WHERE {key} = ? LIMIT 1", (run.id,))
        place = first.fetchone()
        for name, value in cells.items():
            changed = connection.execute(f'UPDATE {table} SET "{name}" = ? WHERE {where}', (value, *place))
            assert changed.rowcount == 1, (table, name)


def row_of(app: ItopApp, run: RunRecord) -> str:
    """The line of a run in the list, without its age."""
    return next(line for line in screen_text(app).splitlines() if f" {run.name} " in line).rsplit(maxsplit=1)[0]


async def shown(pilot: Pilot[None], app: ItopApp, settled: Callable[[], object], what: str) -> str:
    """What a screen shows once it has read everything; no screen may report trouble."""
    await wait_for(pilot, settled, what)
    assert app.screen.query_one(Banner).problem is None, what
    assert [notice.text for notice in app.notices if notice.severity == "error"] == [], what
    return screen_text(app)


def was_read(screen: RunScreen) -> bool:
    return screen.view is not None


def is_open(screen: RunScreen, tab: str) -> bool:
    return screen.tab == tab


def is_shown(app: ItopApp, word: str) -> bool:
    return word in screen_text(app)


async def back(pilot: Pilot[None], app: ItopApp) -> None:
    await pilot.press("escape")
    await wait_for(pilot, lambda: isinstance(app.screen, RunsScreen), "the list")


async def opened_run(pilot: Pilot[None], app: ItopApp, run_id: int) -> RunScreen:
    app.open_run(run_id)
    await wait_for(
        pilot, lambda: isinstance(app.screen, RunScreen) and shows_curves(app.screen), f"run {run_id} to be read"
    )
    assert isinstance(app.screen, RunScreen)
    return app.screen


@pytest.mark.slow
async def test_a_damaged_row_of_a_run_says_so_and_breaks_nothing_else(app: ItopApp, database: Database) -> None:
    whole = record_run(database, name="the whole one", steps=20, ended=RunStatus.COMPLETED)
    runs.create(database, config=settings(), name="the waiting one", where="held")
    broken = {what: record_run(database, name=what, steps=20, ended=RunStatus.COMPLETED, kinds=()) for what in OWN}
    async with app.run_test(size=(120, 30)) as pilot:
        await started(pilot, 2 + len(OWN))
        before = row_of(app, whole)
        for what, run in broken.items():
            damage(database, "runs", run, OWN[what])
        lost = runs.get(database, broken["no text"].id)
        assert lost.damaged == ("name", "tags", "uid")
        await wait_for(pilot, lambda: plain(lost.name, 20) in screen_text(app), "the list to be read again")
        listed = await shown(pilot, app, lambda: len(table_of(app).rows) == 2 + len(OWN), "the list")
        assert listed.count("! damaged") >= len(OWN)
        assert row_of(app, whole) == before
        assert {run.id for run in app.snapshot.runs if run.damaged} == {run.id for run in broken.values()}  # type: ignore[union-attr]
        for what, run in broken.items():
            screen = await opened_run(pilot, app, run.id)
            head = await shown(pilot, app, partial(was_read, screen), f"the run: {what}")
            assert f"damaged in the database: {', '.join(sorted(OWN[what]))}" in head
            await pilot.press("3")
            await shown(pilot, app, partial(is_open, screen, "config"), f"its settings: {what}")
            await pilot.press("1")
            await back(pilot, app)
        app.open_compare([whole.id, *(run.id for run in broken.values())])
        await wait_for(pilot, lambda: isinstance(app.screen, CompareScreen), "the comparison")
        compared = app.screen
        assert isinstance(compared, CompareScreen)
        for key in "1234":  # curves, results, settings, scatter plots
            await pilot.press(key)
            text = await shown(pilot, app, lambda: compared.is_settled, f"tab {key} of the comparison")
            assert "the whole one" in text
        await pilot.press("1")
        await back(pilot, app)
        app.open_queue()
        await wait_for(pilot, lambda: "the waiting one" in screen_text(app), "the queue")
        await shown(pilot, app, lambda: isinstance(app.screen, QueueScreen), "the queue")
        await back(pilot, app)
        list_of(app).show_run(broken["bad JSON"].id)
        await wait_for(pilot, lambda: (found := list_of(app).current_run) and found.id == broken["bad JSON"].id)
        await pilot.press("d")
        await shown(pilot, app, lambda: isinstance(app.screen, NewRunScreen), "the form")


async def test_damaged_records_of_a_run_break_no_tab_of_it(app: ItopApp, database: Database) -> None:
    whole = record_run(database, name="the whole one", steps=200, ended=RunStatus.COMPLETED, log="a line\n")
    broken = record_run(database, name="the broken one", steps=200, ended=RunStatus.COMPLETED, log="its line\n")
    for table, cells in RECORDED.items():
        damage(database, table, broken, cells)
    async with app.run_test(size=(140, 45)) as pilot:
        await started(pilot, 2)
        screen = await opened_run(pilot, app, broken.id)
        words = {
            "2": "fc2",
            "3": "damaged in the database: pid, start_step, started_at, status, versions",
            "4": "damaged in the database: bytes, created_at, kind, step",
            "5": "its line",
            "1": "loss",
        }
        for key, word in words.items():
            await pilot.press(key)
            await wait_for(pilot, partial(is_shown, app, word), f"{word} in tab {key}")
            await shown(pilot, app, lambda: screen.view is not None, f"tab {key}")
            if key == "2":
                await pilot.press("v")  # the heat map, of all mask updates
                await wait_for(pilot, lambda: screen.view is not None and screen.view.history, "the history")
                await shown(pilot, app, lambda: "fc1" in screen_text(app), "the heat map")
        await back(pilot, app)
        app.open_compare([whole.id, broken.id])
        await wait_for(pilot, lambda: isinstance(app.screen, CompareScreen), "the comparison")
        compared = app.screen
        assert isinstance(compared, CompareScreen)
        for key in "15":  # curves, layers
            await pilot.press(key)
            text = await shown(pilot, app, lambda: compared.is_settled, f"tab {key} of the comparison")
            assert "the whole one" in text
