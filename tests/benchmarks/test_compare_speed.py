"""How long a comparison of eight runs of 100,000 steps takes: its data, and a frame of its chart.

Run with `-m benchmark --benchmark-enable -s`; the fastest of several turns is held to; a frame's time is that
of the processor, which the machine's other work does not change.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from textual.app import App, ComposeResult

from db.history.writer import MetricWriter
from db.records import StepMetric
from db.session import Database
from itop_tui.chart.chart import Chart
from itop_tui.figures.chart_data import ChartData, Line
from itop_tui.figures.comparison_curves import read_curves
from itop_tui.figures.curves import CurveRequest, Members
from itop_tui.look import theme
from tests.itop_tui.run.fabricate import record_run

pytestmark = pytest.mark.benchmark
STEPS, RUNS = 100_000, 8
NOISE = np.random.default_rng(7).normal(size=STEPS + RUNS + 1)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Database:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ITOP_HOME", str(tmp_path_factory.mktemp("eight")))
        patch.delenv("ITOP_DATABASE_URL", raising=False)
        made = Database.open()
        for number in range(1, RUNS + 1):
            run = record_run(made, steps=0, total_steps=STEPS, kinds=())
            with MetricWriter(made, run.id, number) as writer:
                for step in range(1, STEPS + 1):
                    writer.step(StepMetric(step, 1, 1.0 + 0.1 * float(NOISE[step + number]), 0.5, 0.1, at=1.0))
    return made


@pytest.mark.parametrize(("grouped", "goal"), [(False, 0.1), (True, 0.1)])
def test_the_data_of_a_chart(database: Database, grouped: bool, goal: float) -> None:
    ids = tuple(range(1, RUNS + 1))
    members = (Members(ids, STEPS),) if grouped else tuple(Members((run_id,), STEPS) for run_id in ids)
    request = CurveRequest(("loss",), columns=160, members=members)
    taken = []
    for _ in range(5):
        began = time.perf_counter()
        found = read_curves(database, request)
        taken.append(time.perf_counter() - began)
    assert all(len(curve.x) > 100 for curve in found.by_name["loss"])
    how = "joined" if grouped else "each its own"
    print(f"\n{RUNS} runs of {STEPS:,} steps, {how}: {min(taken) * 1e3:.0f} ms")
    assert min(taken) < goal


class _OneChart(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.register_theme(theme.DARK)
        self.theme = theme.DARK.name

    def compose(self) -> ComposeResult:
        yield Chart("loss")


@pytest.mark.parametrize("bands", [False, True])
async def test_a_frame_of_the_chart(bands: bool, tmp_path: Path) -> None:
    app = _OneChart()
    async with app.run_test(size=(200, 60)) as pilot:
        chart = app.query_one(Chart)
        x = np.linspace(0, STEPS, 400)
        spread = np.full(400, 0.2) if bands else np.empty(0)
        lines = tuple(
            Line(" ", x, 1.0 + NOISE[n : n + 400], f"curve-{n}", marker="ABCDEFGH"[n], position=n, std=spread)
            for n in range(RUNS)
        )
        chart.set_series(ChartData(lines))
        await pilot.pause()
        taken = []
        for _ in range(30):
            began = time.thread_time()
            chart.set_series(ChartData(lines))
            for row in range(chart.size.height):
                chart.render_line(row)
            taken.append(time.thread_time() - began)
    print(f"\na frame of {RUNS} curves{' with bands' if bands else ''} at 200×60: {min(taken) * 1e3:.1f} ms")
    assert min(taken) < 0.016
