"""Curves read from the store: complete, incremental, and never stale after a resume."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from db.history import metrics
from db.history.writer import MetricWriter
from db.records import RunStatus, StepMetric
from db.runs import attempts, runs
from db.session import Database
from itop_tui.figures import curve_reader
from itop_tui.figures.curve_reader import CurveReader
from itop_tui.figures.curves import Curve, CurveRequest, MovingAverage
from tests.itop_tui.run.fabricate import record_run, start, step_metric

ALL = ("loss", "accuracy", "learning_rate", "death_rate", "density", "itop_rate", "samples_per_second")
EPOCHS = ("val_loss", "val_accuracy")


def read(reader: CurveReader, request: CurveRequest, db: Database, run_id: int) -> dict[str, Curve]:
    run = runs.get(db, run_id)
    return reader.read(request, generation=run.attempt_count).by_name


def test_every_figure_is_read_in_full_where_there_is_room(database: Database) -> None:
    run = record_run(database, steps=150)
    curves = read(CurveReader(database, run.id), CurveRequest(names=(*ALL, *EPOCHS), columns=200), database, run.id)
    for name in ALL:
        wanted = [getattr(step_metric(step), name) for step in range(1, 151)]
        assert curves[name].steps.tolist() == list(range(1, 151))
        assert curves[name].values.tolist() == pytest.approx(wanted)
    assert curves["val_accuracy"].steps.tolist() == [100]
    assert curves["val_accuracy"].values.tolist() == [0.9]


def test_a_peak_of_one_step_among_thousands_is_kept(database: Database) -> None:
    def spike(metric: StepMetric) -> StepMetric:
        return replace(metric, loss=77.0) if metric.step == 2_345 else metric

    run = record_run(database, steps=5_000, total_steps=5_000, alter=spike)
    curve = read(CurveReader(database, run.id), CurveRequest(columns=40), database, run.id)["loss"]
    assert len(curve.steps) <= 3 * 2 * 40
    assert curve.values.max() == 77.0
    assert curve.steps[curve.values.argmax()] == 2_345


def test_what_is_recorded_later_is_appended_without_reading_the_rest_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = record_run(database, steps=50)
    reader, request = CurveReader(database, run.id), CurveRequest(names=ALL, columns=60)
    read(reader, request, database, run.id)
    attempt = attempts.latest(database, run.id)
    assert attempt is not None
    with MetricWriter(database, run.id, attempt.id) as writer:
        for step in range(51, 91):
            writer.step(step_metric(step))
        writer.flush()

    def never(*_: object, **__: object) -> None:
        raise AssertionError("the whole curve was read again")

    monkeypatch.setattr(metrics, "series", never)
    curves = read(reader, request, database, run.id)
    for name in ALL:
        assert curves[name].steps.tolist() == list(range(1, 91))
        assert curves[name].values[-1] == getattr(step_metric(90), name)


def test_appending_for_long_stays_small_and_keeps_the_peak(database: Database) -> None:
    run = record_run(database, steps=10)
    reader, request = CurveReader(database, run.id), CurveRequest(names=("loss",), columns=20)
    read(reader, request, database, run.id)
    attempt = attempts.latest(database, run.id)
    assert attempt is not None
    with MetricWriter(database, run.id, attempt.id) as writer:
        for step in range(11, 2_011):
            writer.step(replace(step_metric(step), loss=55.0 if step == 1_000 else 1.0))
            if step % 100 == 10:
                writer.flush()
                curve = read(reader, request, database, run.id)["loss"]
                assert len(curve.steps) <= 2 * 3 * 2 * 20 + 100
    curve = read(reader, request, database, run.id)["loss"]
    assert (curve.values.max(), curve.steps[-1]) == (55.0, 2_010)


def test_steps_taken_back_by_a_resume_are_gone_from_the_curve(database: Database) -> None:
    run = record_run(database, steps=300, kinds=("best",), ended=RunStatus.STOPPED, reason="stopped by user")
    reader, request = CurveReader(database, run.id), CurveRequest(names=("loss",), columns=400)
    assert read(reader, request, database, run.id)["loss"].steps[-1] == 300
    from db.runs import checkpoints

    runs.requeue_resume(database, run.id, checkpoints.pick(database, run.id, "best").id)
    attempt = start(database, run.id)
    assert read(reader, request, database, run.id)["loss"].steps[-1] == 200
    with MetricWriter(database, run.id, attempt.id) as writer:
        writer.step(replace(step_metric(201), loss=9.0))
        writer.flush()
    curve = read(reader, request, database, run.id)["loss"]
    assert curve.steps.tolist() == list(range(1, 202))
    assert curve.values[-1] == 9.0


def test_a_window_is_read_at_its_own_resolution(database: Database) -> None:
    run = record_run(database, steps=5_000, total_steps=5_000)
    reader = CurveReader(database, run.id)
    whole = read(reader, CurveRequest(columns=50), database, run.id)["loss"]
    window = read(reader, CurveRequest(columns=50, window=(2_000, 2_040)), database, run.id)["loss"]
    assert len(whole.steps) <= 3 * 2 * 50
    assert set(range(2_000, 2_041)) <= set(window.steps.tolist())
    assert window.steps.min() >= 1_990
    assert window.steps.max() <= 2_050


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_runs_with_hardly_a_step(database: Database, steps: int) -> None:
    run = record_run(database, steps=steps, kinds=())
    curves = read(CurveReader(database, run.id), CurveRequest(names=ALL), database, run.id)
    assert curves["loss"].steps.tolist() == list(range(1, steps + 1))


def test_the_smoothed_curve_is_the_average_over_all_steps_not_over_the_thinned_ones(database: Database) -> None:
    def noisy(metric: StepMetric) -> StepMetric:
        return replace(metric, loss=float(metric.step * 7919 % 101))

    run = record_run(database, steps=3_000, total_steps=3_000, alter=noisy)
    request = CurveRequest(names=("loss",), columns=30, smoothing=0.9)
    curve = read(CurveReader(database, run.id), request, database, run.id)["loss"]
    truth, total, norm = {}, 0.0, 0.0
    for step in range(1, 3_001):
        total, norm = 0.9 * total + 0.1 * (step * 7919 % 101), 0.9 * norm + 0.1
        truth[step] = total / norm
    assert len(curve.smooth_steps) <= 3 * 2 * 30
    for step, value in zip(curve.smooth_steps.tolist(), curve.smooth_values.tolist(), strict=True):
        assert value == pytest.approx(truth[int(step)])


def test_a_long_run_is_smoothed_from_means_finer_than_the_screen(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curve_reader, "_SMOOTHED_WHOLE", 500)

    def noisy(metric: StepMetric) -> StepMetric:
        return replace(metric, loss=metric.step / 1_000 + metric.step * 7919 % 101)

    run = record_run(database, steps=2_000, total_steps=4_000, alter=noisy)
    request = CurveRequest(names=("loss",), columns=30, smoothing=0.9)
    reader = CurveReader(database, run.id)
    curve = read(reader, request, database, run.id)["loss"]
    values = np.array([step / 1_000 + step * 7919 % 101 for step in range(1, 2_001)])
    assert len(curve.smooth_steps) >= request.buckets
    assert curve.smooth_steps[-1] <= 2_000
    late = curve.smooth_steps > 200
    assert np.abs(curve.smooth_values[late] - values.mean()).max() < 0.2 * values.std()
    attempt = attempts.latest(database, run.id)
    assert attempt is not None
    with MetricWriter(database, run.id, attempt.id) as writer:
        for step in range(2_001, 2_101):
            writer.step(replace(step_metric(step), loss=900.0))
        writer.flush()
    grown = read(reader, request, database, run.id)["loss"]
    assert grown.smooth_steps[-1] > 2_000
    assert grown.smooth_values[-1] > 800


def test_an_average_can_be_continued_and_steps_over_what_is_not_finite() -> None:
    values = [1.0, math.nan, 3.0, math.inf, 5.0, 2.0]
    whole = MovingAverage(0.5).extend(values)
    parts = MovingAverage(0.5)
    np.testing.assert_array_equal(np.concatenate([parts.extend(values[:2]), parts.extend(values[2:])]), whole)
    # By hand, corrected for the start; where the curve is broken, the average is.
    assert whole[0] == 1.0
    assert np.isnan(whole).tolist() == [False, True, False, True, False, False]
    assert whole[2] == pytest.approx((0.25 * 1 + 0.5 * 3) / 0.75)
    assert whole[4] == pytest.approx((0.125 * 1 + 0.25 * 3 + 0.5 * 5) / 0.875)


def test_where_a_curve_is_not_finite_is_said_once_for_each_stretch(database: Database) -> None:
    def bad(metric: StepMetric) -> StepMetric:
        strange = {20: math.nan, 21: math.nan, 30: math.inf, 40: -math.inf}
        return replace(metric, loss=strange.get(metric.step, metric.loss))

    run = record_run(database, steps=50, alter=bad)
    curve = read(CurveReader(database, run.id), CurveRequest(columns=100), database, run.id)["loss"]
    assert curve.broken == ((20.0, "NaN at step 20"), (30.0, "∞ at step 30"), (40.0, "-∞ at step 40"))


def test_a_curve_that_grows_is_as_fine_at_its_beginning_as_at_its_end(database: Database) -> None:
    run = record_run(database, steps=400, total_steps=4_000)
    reader, request = CurveReader(database, run.id), CurveRequest(names=("loss",), columns=20)
    read(reader, request, database, run.id)
    attempt = attempts.latest(database, run.id)
    assert attempt is not None
    with MetricWriter(database, run.id, attempt.id) as writer:
        for step in range(401, 4_001):
            writer.step(step_metric(step))
            if step % 200 == 0:
                writer.flush()
                curve = read(reader, request, database, run.id)["loss"]
    thinned = curve.steps[curve.steps <= 3_600]
    halves = (thinned <= 1_800).sum(), (thinned > 1_800).sum()
    assert 0.5 < halves[0] / halves[1] < 2
