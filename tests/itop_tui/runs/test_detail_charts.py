"""The charts below the details: those of the run at the cursor, as many as fit, read again when it has trained on."""

from __future__ import annotations

from pathlib import Path

from db.history.writer import MetricWriter
from db.records import RunStatus
from db.runs import attempts
from db.session import Database
from itop_tui.app import ItopApp
from itop_tui.chart.chart import Chart
from itop_tui.runs.detail_charts import DetailCharts
from itop_tui.runs.run_table import RunTable
from tests.itop_tui.run.fabricate import record_run, settings, step_metric
from tests.itop_tui.support import list_of, opened, wait_for


def shown(app: ItopApp) -> dict[str, int]:
    """The charts on the screen, with how many steps the first line of each has."""
    charts = list_of(app).query_one(DetailCharts).query(Chart)
    return {
        chart.title: len(chart.data.lines[0].x) if chart.data.lines else 0 for chart in charts if chart.is_on_screen
    }


async def test_the_run_at_the_cursor_is_charted_as_it_trains(home: Path) -> None:
    database = Database.open()
    record_run(database, steps=30, ended=RunStatus.COMPLETED, reason="all steps")
    dense = record_run(database, steps=20, config=settings(sparse=False), ended=RunStatus.COMPLETED, reason="all steps")
    running = record_run(database, steps=40)
    app = ItopApp(Database.open)
    async with app.run_test(size=(200, 60)) as pilot:
        await opened(pilot)
        table = list_of(app).query_one(RunTable)
        table.go_to(running.id)
        await wait_for(pilot, lambda: shown(app) == {"loss": 40, "accuracy": 40, "R_s explored": 40}, "its curves")

        attempt = attempts.latest(database, running.id)
        assert attempt is not None
        with MetricWriter(database, running.id, attempt.id) as writer:
            for number in range(41, 61):
                writer.step(step_metric(number))
        await wait_for(pilot, lambda: shown(app).get("loss") == 60, "the new steps")

        table.go_to(dense.id)
        await pilot.pause()
        table.go_to(running.id)  # before anything was read of the other one
        await wait_for(pilot, lambda: shown(app).get("loss") == 60, "its curves again")

        table.go_to(dense.id)
        await wait_for(pilot, lambda: shown(app) == {"loss": 20, "accuracy": 20}, "no R_s of a dense run")
        await pilot.resize_terminal(200, 40)
        await wait_for(pilot, lambda: shown(app) == {"loss": 20}, "as many as there is room for")
        await pilot.resize_terminal(120, 40)
        await wait_for(pilot, lambda: not shown(app), "the list has the room")
        await pilot.resize_terminal(200, 60)
        await wait_for(pilot, lambda: shown(app) == {"loss": 20, "accuracy": 20}, "both, though nothing was committed")
        await pilot.press("i")
        await wait_for(pilot, lambda: not shown(app), "the details hidden with their charts")
    database.close()
