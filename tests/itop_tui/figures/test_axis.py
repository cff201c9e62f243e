"""Ticks and labels of the axes."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itop_tui.figures import axis

finite = st.floats(-1e9, 1e9, allow_nan=False)


def test_linear_ticks_are_round_numbers() -> None:
    assert axis.linear_ticks(0, 100, 6) == [0, 20, 40, 60, 80, 100]
    assert axis.linear_ticks(0.03, 0.61, 4) == pytest.approx([0.2, 0.4, 0.6])
    assert axis.linear_ticks(1, 9_000, 3) == [5_000]


@pytest.mark.parametrize("ends", [(1.0, 1.0), (2.0, 1.0), (0.0, math.inf), (math.nan, 1.0)])
def test_no_ticks_without_a_range(ends: tuple[float, float]) -> None:
    assert axis.linear_ticks(*ends, 5) == []
    assert axis.log_ticks(*ends, 5) == []


@given(low=finite, span=st.floats(1e-3, 1e9), most=st.integers(1, 12))
def test_linear_ticks_lie_within_and_are_not_too_many(low: float, span: float, most: int) -> None:
    ticks = axis.linear_ticks(low, low + span, most)
    slack = span * 1e-6 + abs(low) * 1e-9
    assert len(ticks) <= most
    assert all(low - slack <= tick <= low + span + slack for tick in ticks)
    gaps = [(b - a) / span for a, b in pairwise(ticks)]
    assert not gaps or max(gaps) - min(gaps) < 0.01


def test_log_ticks_are_decades_then_1_2_5_then_round_values() -> None:
    assert axis.log_ticks(-3.2, 1.1, 9) == [-3, -2, -1, 0, 1]
    assert axis.log_ticks(-4, 4, 3) == [-4, -1, 2]
    assert [round(10**tick, 6) for tick in axis.log_ticks(math.log10(0.15), math.log10(0.9), 5)] == [0.2, 0.5]
    assert [round(10**tick, 6) for tick in axis.log_ticks(math.log10(1.02), math.log10(1.48), 5)] == [
        1.1, 1.2, 1.3, 1.4,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (1e-15, "0"), (0.05, "0.05"), (0.1, "0.1"), (1234, "1234"), (12_000, "12k"), (2.5e6, "2.5M"),
        (3e-7, "3e-07"), (-0.25, "-0.25"), (math.nan, "NaN"), (math.inf, "∞"),
    ],
)  # fmt: skip
def test_labels(value: float, text: str) -> None:
    assert axis.label(value) == text


@given(st.floats(-1e14, 1e14, allow_nan=False))
def test_labels_fit_in_their_width(value: float) -> None:
    assert len(axis.label(value, 6)) <= 6


@given(low=finite, more=st.floats(0, 1e9))
def test_a_padded_range_holds_what_it_was_made_from(low: float, more: float) -> None:
    bottom, top = axis.padded(low, low + more)
    assert bottom < top
    assert bottom <= low <= low + more <= top
