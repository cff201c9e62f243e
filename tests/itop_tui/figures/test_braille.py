"""Curves as braille: by hand, and the promise that no peak is lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from itop_tui.figures import braille

values = hnp.arrays(np.float64, st.integers(1, 400), elements=st.floats(-1e6, 1e6, allow_nan=False))


def drawn(codes: NDArray[np.uint8]) -> list[str]:
    return ["".join(chr(braille.BLANK + code) for code in row) for row in codes.tolist()]


def test_a_flat_line_is_one_row_of_dots() -> None:
    x = np.arange(4.0)
    assert drawn(braille.cells(x, np.zeros(4), (0, 3), (-1, 1), 2, 1)) == ["⠤⠤"]


def test_a_rising_line_rises() -> None:
    x = np.array([0.0, 3.0])
    codes = braille.cells(x, np.array([0.0, 1.0]), (0, 3), (0, 1), 2, 1)
    assert drawn(codes) == ["⡠⠊"] or drawn(codes) == ["⣠⠞"]


def test_one_point_is_one_dot() -> None:
    codes = braille.cells(np.array([5.0]), np.array([1.0]), (4.5, 5.5), (0, 2), 3, 2)
    assert sum(int(code).bit_count() for code in codes.ravel()) == 1


def test_a_value_that_is_not_finite_interrupts_the_line() -> None:
    x = np.arange(41.0)
    y = np.zeros(41)
    y[15:26] = np.nan
    line = drawn(braille.cells(x, y, (0, 40), (-1, 1), 20, 1))[0]
    assert "⠤" in line[:7]
    assert line[9:11] == "⠀⠀"
    assert "⠤" in line[-7:]


@pytest.mark.parametrize("y", [np.array([np.nan, np.inf]), np.array([])])
def test_nothing_finite_draws_nothing(y: NDArray[np.float64]) -> None:
    assert not braille.cells(np.arange(float(len(y))), y, (0, 1), (0, 1), 4, 2).any()


def test_what_lies_outside_of_the_frame_is_not_drawn_at_its_edge() -> None:
    x = np.arange(10.0)
    assert not braille.cells(x, np.full(10, 5.0), (0, 9), (0, 1), 5, 2).any()
    assert not braille.cells(x, np.full(10, -5.0), (0, 9), (0, 1), 5, 2).any()


@given(values)
def test_the_highest_and_the_lowest_value_are_drawn(y: NDArray[np.float64]) -> None:
    x = np.arange(float(len(y)))
    low, high = float(y.min()), float(y.max())
    if high - low < 1e-6:
        return
    codes = braille.cells(x, y, (0, max(1.0, len(y) - 1.0)), (low, high), 20, 5)
    top_dots, bottom_dots = 0x01 | 0x08, 0x40 | 0x80
    assert any(code & top_dots for code in codes[0].tolist())
    assert any(code & bottom_dots for code in codes[-1].tolist())


@given(values, st.integers(1, 60))
def test_thinning_keeps_every_bucket_extreme(y: NDArray[np.float64], buckets: int) -> None:
    x = np.arange(float(len(y)))
    thin_x, thin_y = braille.extremes(x, y, buckets)
    assert set(zip(thin_x.tolist(), thin_y.tolist(), strict=True)) <= set(zip(x.tolist(), y.tolist(), strict=True))
    assert (np.diff(thin_x) > 0).all()
    assert thin_y.min() == y.min()
    assert thin_y.max() == y.max()
    assert (thin_x[0], thin_x[-1]) == (x[0], x[-1])
    if len(thin_x) < len(x):
        number = np.minimum((x - x[0]) / (x[-1] - x[0]) * buckets, buckets - 1).astype(int)
        for bucket in range(buckets):
            inside = y[number == bucket]
            kept = y[(number == bucket) & np.isin(x, thin_x)]
            assert len(inside) == 0 or (kept.min(), kept.max()) == (inside.min(), inside.max())


@given(values, st.integers(1, 20), st.integers(0, 399))
def test_thinning_keeps_what_is_not_finite(y: NDArray[np.float64], buckets: int, at: int) -> None:
    y = y.copy()
    y[at % len(y)] = np.nan
    assert np.isnan(braille.extremes(np.arange(float(len(y))), y, buckets)[1]).any()
