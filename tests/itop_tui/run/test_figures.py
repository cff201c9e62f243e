"""Which metrics a chart shows, how charts are kept, and what the x axis counts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from db.history.declared import MACHINE_METRICS
from db.history.series import moments
from db.history.writer import MetricWriter
from db.records import RunStatus, Series
from db.runs import attempts, runs
from db.session import Database
from itop_tui.figures.chart_metrics import DEFAULT_CHARTS, ChartSpec, all_metrics, as_setting, from_setting
from itop_tui.figures.curve_reader import CurveReader, Stretch, lineage
from itop_tui.figures.curves import CurveRequest
from itop_tui.figures.format import figure, percent
from itop_tui.figures.run_charts import chart_data, limits, never, why_empty
from itop_tui.figures.x_axis import Hours, Linear
from tests.described import described
from tests.itop_tui.run import made
from tests.itop_tui.run.fabricate import LAYERS, record_run, settings, start, step_metric


def test_every_figure_of_a_run_and_of_its_layers_is_read(database: Database) -> None:
    run = record_run(database, steps=450)
    names = tuple(figure.name for figure in all_metrics(name for name, _, _ in LAYERS))
    read = CurveReader(database, run.id).read(CurveRequest(names=names, columns=300), generation=1)
    assert set(read.by_name) == set(names)
    assert {name for name, curve in read.by_name.items() if not len(curve.steps)} == {
        *MACHINE_METRICS,
        "gradients_sent",
    }
    assert read.by_name["churn"].steps.tolist() == [100, 200, 300, 400]
    assert read.by_name["nonzeros"].steps.tolist() == [0, 100, 200, 300, 400]
    assert read.by_name["dead_outputs@fc3"].values.tolist() == [4] * 5
    density = read.by_name["density@fc1"]
    assert density.values.tolist() == pytest.approx([0.1] * 5)


def test_charts_survive_being_kept_and_damage_is_ignored() -> None:
    specs = (ChartSpec(("loss", "val_loss"), "loss"), ChartSpec(("churn@fc1", "samples_per_second")))
    assert from_setting(as_setting(specs)) == specs
    assert from_setting([{"names": ["loss", "nonsense", 7]}, "x", {"names": "loss"}]) == (ChartSpec(("loss",)),)
    damaged: list[object] = [None, [], {}, "x", [{"names": []}], [{"title": 3}]]
    for value in damaged:
        assert from_setting(value) == DEFAULT_CHARTS


def test_a_chart_is_called_by_what_it_shows() -> None:
    assert ChartSpec(("death_rate",)).heading == "death rate"
    assert ChartSpec(("survival", "churn")).heading == "share of active weights"
    assert ChartSpec(("loss", "val_accuracy")).heading == "loss · validation accuracy"
    assert ChartSpec(("loss", "accuracy")).labels() == {"loss": "loss", "accuracy": "accuracy"}
    assert ChartSpec(("loss", "val_loss")).labels() == {"loss": "train", "val_loss": "val"}


def test_what_a_machine_does_not_report_is_said_apart_from_what_was_not_recorded() -> None:
    gpu = ChartSpec(("process_gpu_load", "gpu_load"))
    ended = {"status": RunStatus.COMPLETED, "ended_at": 1.0}
    assert why_empty(gpu, made.run(**ended)) == "nothing was recorded"  # a run of an earlier version
    assert why_empty(gpu, made.run()) == "no step yet"
    for run in (made.run(metrics={"host_cpu": 0.5}), made.run(metrics={"host_cpu": 0.5}, **ended)):
        assert why_empty(gpu, run) == "its machine does not report it"
        assert why_empty(ChartSpec(("gpu_load", "loss")), run) != "its machine does not report it"


def test_a_chart_is_empty_for_good_where_its_run_never_records_it() -> None:
    mask, loss, gpu = ChartSpec(("churn", "survival")), ChartSpec(("loss",)), ChartSpec(("gpu_load",))
    dense = made.run(method="dense", config=settings(sparse=False))
    assert [never(spec, dense) for spec in (mask, loss, gpu)] == [True, False, False]
    assert [never(spec, made.run()) for spec in (mask, loss, gpu)] == [False, False, False]
    assert never(gpu, made.run(metrics={"host_cpu": 0.5}))
    assert not never(gpu, made.run(metrics={"host_cpu": 0.5, "gpu_load": 0.5}))
    assert never(gpu, made.run(status=RunStatus.COMPLETED, ended_at=1.0))


def test_figures_of_another_unit_have_the_axis_at_the_right_and_markers() -> None:
    spec = ChartSpec(("loss", "accuracy"))
    request = CurveRequest(names=spec.names)
    data = chart_data(spec, made.curves(request), made.run(), _steps())
    assert [(line.right, bool(line.marker), line.write) for line in data.lines] == [
        (False, False, figure),
        (True, True, percent),
    ]
    assert data.right_percent
    assert data.has_right


def _steps() -> Hours:
    return Hours(np.array([0.0, 3600.0]), np.array([0.0, 3600.0]))


# ------------------------------------------------------------------------------ the x axis


def test_moments_are_the_recorded_times_spread_over_the_run(database: Database) -> None:
    run = record_run(database, steps=900, total_steps=900)
    read = moments(database, run.id, count=10, beside=[333])
    assert read.steps == [1, 100, 200, 300, 333, 334, 400, 500, 600, 700, 800, 900]
    assert read.values == [1_000_000.0 + step for step in read.steps]
    assert moments(database, 77) == Series([], [])


# ------------------------------------------------------------------------------ forks


def forked(db: Database, parent_id: int, at: int, until: int, name: str) -> int:
    run = runs.create(
        db, **described(settings(lr=0.05)), name=name, total_steps=1_000, parent_id=parent_id, fork_step=at
    )
    attempt = start(db, run.id)
    with MetricWriter(db, run.id, attempt.id) as writer:
        for step in range(at + 1, until + 1):
            writer.step(step_metric(step))
        writer.flush()
    attempts.finish(db, attempt.id, status=RunStatus.STOPPED, reason="stopped by user")
    return run.id


def test_a_fork_of_a_fork_shows_each_ancestor_up_to_where_it_was_left(database: Database) -> None:
    eldest = record_run(database, steps=300, kinds=())
    middle = forked(database, eldest.id, 200, 400, "middle")
    youngest = forked(database, middle, 350, 380, "youngest")
    found = lineage(database, runs.get(database, youngest))
    assert found == (Stretch(eldest.id, -1, 200), Stretch(middle, 200, 350))
    read = CurveReader(database, youngest).read(
        CurveRequest(names=("loss", "churn", "val_loss"), columns=300), generation=1, lineage=found
    )
    assert read.by_name["loss"].steps.tolist() == list(range(351, 381))
    assert read.before["loss"].steps.tolist() == list(range(1, 351))
    assert read.before["churn"].steps.tolist() == [100, 200]
    assert (read.first, read.last) == (1, 380)
    spec = ChartSpec(("loss",))
    data = chart_data(spec, read, runs.get(database, youngest), _steps())
    assert [line.tone for line in data.lines] == ["first"]  # a parent's own hours are others
    assert lineage(database, runs.get(database, eldest.id)) == ()


def test_hours_begin_where_a_run_was_forked_and_steps_where_its_ancestors_began() -> None:
    own = Hours(np.array([201.0, 301.0]), np.array([0.0, 1.0]))
    curves = replace(made.curves(CurveRequest(names=("loss",)), last=301), first=1.0)
    assert limits(curves, Linear()) == (1.0, 301.0)
    forked = limits(curves, own)
    assert forked is not None
    assert forked == pytest.approx((-0.01, 1.0))
    assert limits(replace(curves, first=201.0), own) == (0.0, 1.0)
    assert limits(replace(curves, first=None), own) is None
    assert limits(None, own) is None


def test_a_window_before_the_fork_shows_the_parent_alone(database: Database) -> None:
    eldest = record_run(database, steps=300, kinds=())
    child = forked(database, eldest.id, 200, 260, "child")
    request = CurveRequest(names=("loss",), columns=50, window=(20, 60))
    read = CurveReader(database, child).read(
        request, generation=1, lineage=lineage(database, runs.get(database, child))
    )
    assert set(range(20, 61)) <= set(read.before["loss"].steps.tolist())
    assert read.before["loss"].steps.max() < 70
