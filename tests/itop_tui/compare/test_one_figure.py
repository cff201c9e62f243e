"""A figure has one definition wherever a comparison shows it, and says of how many runs it is."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from db.history import metrics
from db.history.writer import MetricWriter
from db.records import RunStatus, StepMetric
from db.runs import attempts, runs
from db.session import Database
from itop_tui.compare.entry_list import EntryList
from itop_tui.compare.sheets import layers_sheet, results_sheet
from itop_tui.export.report import write_report
from itop_tui.figures.comparison import entries
from itop_tui.figures.comparison_curves import ComparisonCurves, members_of, read_curves
from itop_tui.figures.comparison_scatter import scatter_data
from itop_tui.figures.curves import CurveRequest
from itop_tui.widgets.sheet import SheetView
from tests.itop_tui.compare.conftest import Opened
from tests.itop_tui.compare.driving import app_of, press
from tests.itop_tui.compare.made import five
from tests.itop_tui.run.fabricate import record_run, settings, start, step_metric
from tests.itop_tui.support import screen_text


def test_a_mean_says_of_how_many_runs_it_is_everywhere(database: Database, tmp_path: Path) -> None:
    compared = entries(five(database), grouped=True)
    seconds: dict[int, float | None] = dict.fromkeys((run.id for run in compared[0].runs), 1.0)
    table = results_sheet(compared, seconds)
    assert [cell.text for cell in table.rows[0][2:4]] == ["5", "92.00% ± 1.00% of 3"]
    assert "test accuracy, n = 3 of 5 runs" in table.as_text()
    for plot in scatter_data(compared, seconds, "test_accuracy"):
        assert [point.n for point in plot.points] == [3]
        assert [point.y for point in plot.points] == pytest.approx([0.92])
        assert "A: n = 3 of 5 runs" in plot.missing
    write_report(database, compared[0].runs, tmp_path / "page.html", grouped=True)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "92.00% ± 1.00% of 3" in page
    assert "(n = 3)" in page, "the legend of the plots of the test accuracy"
    assert "(n = 5)" in page, "the legend of the curves"


def test_a_point_joins_only_runs_that_have_both_of_its_figures(database: Database) -> None:
    made = [replace(run, itop_rate=rate) for run, rate in zip(five(database), (0.1, 0.3, None, 0.9, 0.9), strict=True)]
    (point,) = scatter_data(entries(made, grouped=True), {}, "test_accuracy")[0].points
    assert (point.x, point.y) == pytest.approx((0.2, 0.915))
    assert point.n == 2


def test_of_one_run_there_is_no_deviation(database: Database) -> None:
    made = [replace(run, test_accuracy=0.9 if at == 0 else None) for at, run in enumerate(five(database))]
    compared = entries(made, grouped=True)
    assert results_sheet(compared, {}).rows[0][3].text == "90.00% of 1"
    (point,) = scatter_data(compared, {}, "test_accuracy")[0].points
    assert (point.x_std, point.y_std, point.n) == (0.0, 0.0, 1)
    layers = {made[0].id: tuple(metrics.layer_stats(database, made[0].id))}
    cells = [row[1].text for row in layers_sheet(compared, layers, "density").rows]
    assert all(re.fullmatch(r"[\d.]+% of 1", cell) for cell in cells)


def test_the_last_value_of_a_curve_is_that_of_the_table_and_not_the_mean_of_its_last_bin(database: Database) -> None:
    def noisy(metric: StepMetric) -> StepMetric:
        return replace(metric, loss=float(metric.step % 7))

    made = [
        record_run(database, name=f"n{seed}", steps=600, total_steps=600, kinds=(), alter=noisy,
                   config=settings(seed=seed))
        for seed in (1, 2, 3)
    ]  # fmt: skip
    compared = entries([runs.get(database, run.id) for run in made], grouped=True)
    for window in (None, (100.0, 200.0)):
        request = CurveRequest(("loss",), columns=16, window=window, members=members_of(compared))
        (curve,) = read_curves(database, request).by_name["loss"]
        assert curve.averaged
        assert curve.last.mean == compared[0].runs[0].loss == 600 % 7
        assert (curve.last.n, curve.last.std) == (3, 0.0)
        assert window is not None or curve.y[-1] != curve.last.mean


def test_beside_groups_a_single_run_is_read_as_they_are(database: Database) -> None:
    made = [record_run(database, name=f"n{n}", steps=600, total_steps=600, kinds=(), config=settings(seed=n, lr=lr))
            for n, lr in ((1, 0.1), (2, 0.1), (1, 0.2))]  # fmt: skip
    compared = entries([runs.get(database, run.id) for run in made], grouped=True)
    request = CurveRequest(("loss", "churn"), columns=16, members=members_of(compared))
    found = ComparisonCurves(database).read(request)
    group, single = found.by_name["loss"]
    assert group.averaged
    assert single.mean_x.tolist() == group.x.tolist()
    recorded = [step_metric(step).loss or 0.0 for step in range(1, 601)]
    width = int(single.mean_x[2] - single.mean_x[1])
    first = int(single.mean_x[1]) - (width - 1) // 2
    assert single.mean_y[1] == pytest.approx(np.mean(recorded[first - 1 : first - 1 + width]))
    alone = ComparisonCurves(database).read(CurveRequest(("loss",), columns=16, members=members_of(compared[1:])))
    assert not len(alone.by_name["loss"][0].mean_x)


def test_a_comparison_reads_only_what_is_new(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [record_run(database, name=f"n{seed}", steps=500, total_steps=2_000, config=settings(seed=seed), kinds=())
            for seed in (1, 2)]  # fmt: skip
    reader = ComparisonCurves(database)

    def request(*, grouped: bool) -> CurveRequest:
        compared = entries([runs.get(database, run.id) for run in made], grouped=grouped)
        return CurveRequest(("loss", "churn"), columns=20, members=members_of(compared))

    def averages(*_: object, **__: object) -> None:
        raise AssertionError("the averages were read again")

    before = reader.read(request(grouped=True)).by_name["loss"][0]
    attempt = attempts.latest(database, made[0].id)
    assert attempt is not None
    with MetricWriter(database, made[0].id, attempt.id) as writer:
        for step in range(501, 560):
            writer.step(step_metric(step))
        writer.progress(step=559)
        writer.flush()
    monkeypatch.setattr(metrics, "averages", averages)
    after = reader.read(request(grouped=True)).by_name["loss"][0]
    assert after.x[-1] > before.x[-1]
    monkeypatch.undo()
    fresh = read_curves(database, request(grouped=True)).by_name["loss"][0]
    np.testing.assert_allclose(after.x, fresh.x)
    np.testing.assert_allclose(after.y, fresh.y)
    np.testing.assert_array_equal(after.n, fresh.n)


def test_what_a_resume_took_back_is_read_again(database: Database) -> None:
    run = record_run(database, steps=300, kinds=("best",), ended=RunStatus.STOPPED, reason="stopped by user")
    reader = ComparisonCurves(database)

    def read() -> float:
        compared = entries([runs.get(database, run.id)])
        return float(reader.read(CurveRequest(("loss",), members=members_of(compared))).by_name["loss"][0].x[-1])

    from db.runs import checkpoints

    assert read() == 300
    runs.requeue_resume(database, run.id, checkpoints.pick(database, run.id, "best").id)
    start(database, run.id)
    assert read() == 200


# ----------------------------------------------------------------------------------------------------------- the screen


async def test_the_legend_names_its_readings_and_agrees_with_the_table(opened: Opened) -> None:
    async with opened(size=(80, 24)) as (pilot, screen):
        await press(pilot, screen, "g")
        legend = screen.query_one(EntryList)
        assert legend.caption == ("last loss", "")
        first = screen.compared.entries[0]
        mean = np.mean([run.loss for run in first.runs])
        assert legend.readings[0].startswith(f"{mean:.4g}"[:5])
        assert legend.readings[0] in screen_text(app_of(screen)), "whole"
        assert "last loss" in screen_text(app_of(screen))
        await press(pilot, screen, *["left_square_bracket"] * 3)
        assert legend.caption[0].startswith("loss")
        assert legend.caption[1].startswith("near step")
        assert all(reading in screen_text(app_of(screen)) for reading in legend.readings)
        await press(pilot, screen, "2")
        heads = [head.text for head in screen.query_one("#results", SheetView).sheet.head]
        assert heads[:6] == ["run", "density", "n", "test acc", "best val acc", "last loss"]
        assert legend.readings == ("3 runs", "2 runs", "run 6"), "a group is not called by its first run"


async def test_without_the_legend_the_chart_says_the_values_at_the_cursor(opened: Opened) -> None:
    async with opened(1, 4, size=(80, 24)) as (pilot, screen):
        await press(pilot, screen, "left_square_bracket")
        screen.action_toggle_legend()
        await press(pilot, screen, "left_square_bracket")
        x = screen.curves.cursor
        values = [screen.curves.chart.reading(at, x) for at in range(2)]
        assert all(
            f"{letter} {value}" in screen_text(app_of(screen)) for letter, value in zip("AB", values, strict=True)
        )


async def test_a_value_is_whole_beside_a_long_name(opened: Opened) -> None:
    with closing(Database.open()) as database:
        long = record_run(database, name="a-very-long-name-of-a-run-" * 3 + "end", steps=30, total_steps=30, kinds=())
    async with opened(1, 2, long.id, size=(80, 24)) as (pilot, screen):
        await press(pilot, screen, "left_square_bracket")
        text = screen_text(app_of(screen))
        assert all(reading in text for reading in screen.query_one(EntryList).readings)
        assert "end" in text, "the end of a long name says more than its middle"
