"""The learning rate by hand: milestones, step decay, warm-up."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.training.learning_rate import LearningRate


def test_drops_at_half_and_three_quarters() -> None:
    rate = LearningRate(0.1, 97_750)
    assert rate.milestones == (48_875, 73_312)
    assert [rate.at(step) for step in (0, 48_874)] == [0.1, 0.1]
    assert rate.at(48_875) == pytest.approx(0.01)
    assert rate.at(73_311) == pytest.approx(0.01)
    assert rate.at(73_312) == pytest.approx(0.001)
    assert rate.at(97_749) == pytest.approx(0.001)


def test_decay_frequency_replaces_the_milestones() -> None:
    rate = LearningRate(0.1, 97_750, decay_frequency=30_000, factor=0.5)
    assert rate.milestones == ()
    assert [rate.at(step) for step in (0, 29_999, 30_000, 60_000, 90_000)] == pytest.approx(
        [0.1, 0.1, 0.05, 0.025, 0.0125]
    )


def test_warm_up_is_linear_and_ends_at_the_base() -> None:
    rate = LearningRate(1.0, 100, warmup_steps=4)
    assert [rate.at(step) for step in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


@given(
    total=st.integers(1, 5_000),
    warmup=st.integers(0, 50),
    frequency=st.none() | st.integers(1, 500),
    factor=st.floats(0.01, 1.0),
)
def test_never_above_the_base_and_never_rises_after_warm_up(
    total: int, warmup: int, frequency: int | None, factor: float
) -> None:
    rate = LearningRate(0.3, total, factor=factor, decay_frequency=frequency, warmup_steps=warmup)
    rates = [rate.at(step) for step in range(total)]
    assert all(0 <= value <= 0.3 + 1e-12 for value in rates)
    after = rates[warmup:]
    assert all(later <= earlier for earlier, later in pairwise(after))
