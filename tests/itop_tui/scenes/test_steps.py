"""Runs of no step, of one and of a million: opened, zoomed, compared and exported, with no peak lost on the way."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa

from db.history import levels
from db.history.writer import MetricWriter
from db.records import RunStatus
from db.runs import attempts, runs
from db.session import Database
from itop_tui.app import ItopApp
from itop_tui.chart.chart import Chart
from itop_tui.compare.compare_screen import CompareScreen
from itop_tui.export.run_export import export_runs
from itop_tui.figures.braille import FloatArray
from tests.itop_tui.run.fabricate import record_run
from tests.itop_tui.run.hosting import StillReader, run_screen, shows_curves, until
from tests.itop_tui.support import opened

MILLION = 1_000_000
PEAKS = {123_457: 41.5, 500_003: 77.25, 999_999: 12.75}
"""Single steps whose loss stands out: one at the left, one in the middle, one at the end."""
TROUGH = (654_321, -3.5)

_FILL = """
WITH RECURSIVE counted(step) AS (SELECT 2 UNION ALL SELECT step + 1 FROM counted WHERE step < :last)
INSERT INTO step_metrics
    (run_id, step, epoch, loss, accuracy, learning_rate, density, samples_per_second, nonfinite, recorded_at)
SELECT :run, step, 1 + step / 1000,
       CASE step {marked} ELSE 1.0 + (step % 7) * 0.01 END, 0.5, 0.1, 0.05, 9000.0, 0, 1000000.0 + step
FROM counted
"""


def record_million(db: Database) -> int:
    """A run of a million steps: its first one recorded as all are, the others made where they lie."""
    run = record_run(db, name="a million", steps=1, total_steps=MILLION, kinds=())
    attempt = attempts.latest(db, run.id)
    assert attempt is not None
    marked = " ".join(f"WHEN {step} THEN {loss}" for step, loss in (*PEAKS.items(), TROUGH))
    with db.write() as session:
        session.execute(sa.text(_FILL.format(marked=marked)), {"run": run.id, "last": MILLION})
        levels.seal(session, run.id, 1, MILLION)
    with MetricWriter(db, run.id, attempt.id) as writer:
        writer.progress(step=MILLION, epoch=MILLION // 1000)
    attempts.finish(db, attempt.id, status=RunStatus.COMPLETED, reason="finished")
    return runs.get(db, run.id).id


def exported(folder: Path, ids: Sequence[int], database: Database) -> list[list[dict[str, str]]]:
    """The steps of each run, as they stand in the files of an export."""
    export_runs(database, ids, "csv", folder)
    return [list(csv.DictReader(path.open(encoding="utf-8", newline=""))) for path in sorted(folder.rglob("steps.csv"))]


def losses(chart: Chart, low: float = 0, high: float = MILLION) -> FloatArray:
    """The losses a chart draws within a range of steps."""
    line = chart.data.lines[0]
    return line.y[(line.x >= low) & (line.x <= high)]


@pytest.mark.slow
async def test_a_million_steps_are_shown_with_every_peak(database: Database, tmp_path: Path) -> None:
    run_id = record_million(database)
    async with run_screen(Database.open, run_id, size=(80, 24)) as (pilot, screen):
        chart = screen.charts.charts[0]
        shown = losses(chart)
        assert shown.max() == PEAKS[500_003]
        assert shown.min() == TROUGH[1]
        assert losses(chart, 100_000, 150_000).max() == PEAKS[123_457]
        assert losses(chart, 990_000).max() == PEAKS[999_999]
        assert len(shown) < 4_000, "so few points that drawing them takes no time"
        for _ in range(12):  # about the middle: each time, what is left of the million is read again
            await pilot.press("plus")
            await until(pilot, lambda: shows_curves(screen), "the curves")
            low, high = chart.extent
            assert losses(chart, low, high).max() == PEAKS[500_003]
            assert (losses(chart, low, high).min() == TROUGH[1]) == (low <= TROUGH[0] <= high)
        assert high - low < 10_000

    app = ItopApp(Database.open, reader=StillReader)
    one = record_run(database, name="one step", steps=1, kinds=())
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        app.open_compare((run_id, one.id))
        await until(pilot, lambda: isinstance(app.screen, CompareScreen), "the screen")
        compared = app.screen
        assert isinstance(compared, CompareScreen)
        await until(pilot, lambda: compared.is_settled, "the runs")
        drawn = losses(compared.curves.chart)
        assert (drawn.min(), drawn.max()) == (TROUGH[1], PEAKS[500_003])

    (steps,) = exported(tmp_path, [run_id], database)
    rows = {int(row["step"]): float(row["loss"]) for row in steps}
    assert len(rows) == MILLION
    assert {step: rows[step] for step in PEAKS} == PEAKS
    assert rows[TROUGH[0]] == TROUGH[1]


@pytest.mark.parametrize("steps", [0, 1])
async def test_runs_of_hardly_a_step_are_compared_and_exported(database: Database, tmp_path: Path, steps: int) -> None:
    ids = [record_run(database, name=f"run {number}", steps=steps, kinds=()).id for number in range(2)]
    app = ItopApp(Database.open, reader=StillReader)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        app.open_compare(ids)
        await until(pilot, lambda: isinstance(app.screen, CompareScreen), "the screen")
        compared = app.screen
        assert isinstance(compared, CompareScreen)
        await until(pilot, lambda: compared.is_settled, "the runs")
        assert all(len(line.x) == steps for line in compared.curves.chart.data.lines)
        for key in ("plus", "minus", "left_square_bracket", "m", "y", "X", "z", "0", *"23456"):
            await pilot.press(key)
            await until(pilot, lambda: compared.is_settled, "what is shown")
    assert [len(rows) for rows in exported(tmp_path, ids, database)] == [steps, steps]
