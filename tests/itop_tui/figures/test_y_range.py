"""What a y axis reaches: outliers do not squeeze the rest, and what is not far is not cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.history.declared import METRICS
from itop_tui.figures import axis
from itop_tui.figures.braille import FloatArray
from itop_tui.figures.chart_data import ChartData, Line
from itop_tui.figures.chart_metrics import outliers
from itop_tui.figures.y_range import BOUNDS, Bounds, YScales, y_scales

STEPS = np.arange(1.0, 1_001.0)
XS = (1.0, 1_000.0)
NOISE = np.random.default_rng(0).normal(0.0, 1.0, len(STEPS))


def scales(*lines: Line, bounds: Bounds = "robust", log_scale: bool = False, percent: bool = False) -> YScales:
    return y_scales(ChartData(lines), XS, bounds, log_scale=log_scale, percent=percent)


def line_of(values: FloatArray, metric: str = "loss", tone: str = "first") -> Line:
    return Line("", STEPS, values, tone, outliers=outliers(METRICS[metric]))


def test_a_spike_does_not_squeeze_a_loss_and_is_seen_with_all_values() -> None:
    loss = 0.5 + 0.01 * NOISE
    spike = np.where(STEPS == 500, 40.0, loss)
    robust = scales(line_of(spike))
    assert robust.ys[1] < 0.6
    assert robust.is_cut(XS)
    whole = scales(line_of(spike), bounds="all")
    assert whole.ys[1] > 40
    assert not whole.is_cut(XS)
    assert scales(line_of(spike), log_scale=True).ys[1] < np.log10(0.6)


def test_a_logarithmic_axis_shows_how_a_loss_fell_at_first() -> None:
    loss = (0.1 + 2.3 * np.exp(-STEPS / 40)) * np.exp(0.1 * NOISE)
    assert scales(line_of(loss)).ys[1] < 1.5
    assert scales(line_of(loss), log_scale=True).ys[1] > np.log10(1.5)


def test_an_accuracy_that_rose_fast_has_the_whole_height_for_its_end() -> None:
    accuracy = np.minimum(1.0, 0.975 - 0.875 * np.exp(-STEPS / 15) + 0.003 * NOISE)
    low, high = scales(line_of(accuracy, "accuracy"), percent=True).ys
    assert 0.9 < low < 0.97
    assert high < 1.0
    ticks = [axis.tick_label(tick, percent=True) for tick in axis.linear_ticks(low, high, 6)]
    assert len(ticks) >= 3
    assert {"97%", "98%"} <= set(ticks)
    assert scales(line_of(accuracy, "accuracy"), bounds="percent", percent=True).ys == axis.padded(0.0, 1.0)


@pytest.mark.parametrize(
    ("metric", "values"),
    [
        ("learning_rate", np.where(STEPS <= 950, 0.1, 0.01)),
        ("density", np.where(STEPS <= 300, 1 - 0.95 * STEPS / 300, 0.05)),
        ("itop_rate", 1 - 0.95 * np.exp(-STEPS / 300)),
        ("death_rate", 0.25 * (1 + np.cos(np.pi * STEPS / 1_000))),
        ("loss", 0.5 + 0.01 * NOISE),
        ("loss", np.full(1_000, 0.5)),
    ],
)
def test_what_follows_a_schedule_or_only_jumps_is_seen_as_a_whole(metric: str, values: FloatArray) -> None:
    found = scales(line_of(values, metric))
    assert not found.is_cut(XS)
    assert found.ys == axis.padded(float(values.min()), float(values.max()))


def test_what_is_recorded_behind_a_smoothed_curve_counts_with_its_bulk() -> None:
    smooth = line_of(0.5 + 0.001 * NOISE)
    raw = line_of(np.where(STEPS % 100 == 0, 90.0, 0.5 + 0.05 * NOISE), tone="raw")
    low, high = scales(raw, smooth).ys
    assert 0.5 + 0.05 * 1.6 < high < 1.0
    assert low < 0.5 - 0.05 * 1.6


def test_a_run_that_is_elsewhere_is_no_outlier_of_the_others() -> None:
    lines = [line_of(0.5 + 0.01 * NOISE) for _ in range(20)]
    found = scales(*lines, line_of(7.0 + 0.01 * NOISE))
    assert found.ys[1] > 7
    assert found.ys[0] < 0.5


def test_only_what_is_visible_counts() -> None:
    values = np.where(STEPS < 500, 100.0, 0.5)
    data = ChartData((line_of(values),))
    assert y_scales(data, (600.0, 1_000.0), "all", log_scale=False, percent=False).ys == axis.padded(0.5, 0.5)


@given(
    st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")) | st.just(float("inf")), max_size=60),
    st.sampled_from(BOUNDS),
    st.sampled_from(["first", "raw"]),
)
def test_any_values_have_a_range_with_nine_tenths_of_them(values: list[float], bounds: Bounds, tone: str) -> None:
    line = Line("", np.arange(float(len(values))), np.array(values), tone, outliers=0.1)
    low, high = y_scales(ChartData((line,)), (-1.0, 60.0), bounds, log_scale=False, percent=False).ys
    known = line.y[np.isfinite(line.y)]
    assert low < high
    assert ((known < low) | (known > high)).sum() <= 0.2 * len(known)
    if bounds != "robust":
        assert ((known >= low) & (known <= high)).all()
