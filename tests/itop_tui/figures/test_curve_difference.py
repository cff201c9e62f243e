"""Curves minus a baseline's, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from itop_tui.figures.comparison import NO_STAT, Stat
from itop_tui.figures.comparison_curves import EntryCurve
from itop_tui.figures.curve_difference import difference, zero


def curve(x: list[float], y: list[float], std: list[float] | None = None, n: int = 3) -> EntryCurve:
    if std is None:
        return EntryCurve(np.array(x), np.array(y), last=Stat(y[-1], None, 1))
    return EntryCurve(
        np.array(x), np.array(y), np.array(std), np.full(len(x), n), last=Stat(y[-1], std[-1], n)
    )  # fmt: skip


def test_values_are_subtracted_at_the_same_place_where_both_have_data() -> None:
    # The baseline at 15 is halfway between 2 and 4; at 5 and 35 it has no data.
    found = difference(curve([5, 10, 15, 35], [9, 9, 9, 9]), curve([10, 20, 30], [2, 4, 4]))
    assert found.x.tolist() == [10, 15]
    assert found.y.tolist() == [7, 6]
    assert found.last == Stat(6, None, 1)
    assert not len(found.std)


def test_the_baseline_is_zero_where_it_has_data() -> None:
    base = curve([1, 2, 3], [5, float("nan"), 7])
    assert zero(base).x.tolist() == [1, 3]
    assert zero(base).y.tolist() == [0, 0]
    assert zero(base).last.mean == 0
    assert difference(base, base).y.tolist() == [0, 0]


def test_what_is_not_finite_has_no_difference() -> None:
    found = difference(curve([1, 2, 3, 4], [1, float("inf"), 3, 4]), curve([1, 2, 3, 4], [1, 1, float("nan"), 1]))
    assert (found.x.tolist(), found.y.tolist()) == ([1, 4], [0, 3])


def test_deviations_add_as_those_of_independent_means() -> None:
    found = difference(curve([1, 2], [5, 6], [3, 3]), curve([1, 2], [1, 1], [4, 4]))
    assert found.std.tolist() == [5, 5]
    assert found.n.tolist() == [3, 3]
    assert found.last == Stat(5, 5, 3)
    single = difference(curve([1, 2], [5, 6]), curve([1, 2], [1, 1], [4, 4]))
    assert single.std.tolist() == [4, 4]


def test_means_of_a_single_run_beside_groups_are_subtracted_too() -> None:
    own = EntryCurve(np.array([1.0, 3.0]), np.array([4.0, 4.0]), mean_x=np.array([2.0]), mean_y=np.array([4.0]))
    found = difference(own, curve([1, 3], [1, 2]))
    assert (found.mean_x.tolist(), found.mean_y.tolist()) == ([2], [pytest.approx(2.5)])


def test_curves_that_share_no_place_have_no_difference() -> None:
    found = difference(curve([1, 2], [1, 1]), curve([5, 6], [1, 1]))
    assert (len(found.x), found.last) == (0, NO_STAT)
    assert not len(difference(curve([1], [1]), EntryCurve(np.empty(0), np.empty(0))).x)
