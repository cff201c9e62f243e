"""The learning rate by hand: milestones, step decay, warm-up."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config.run_config import RunConfig
from engine.training.learning_rate import LearningRate

PUBLISHED = RunConfig.create(
    sparse=True, sparse_init="ERK", lr=0.1, density=0.05, update_frequency=1500, epochs=250, model="vgg-c",
    data="cifar10", decay_frequency=30_000, batch_size=128, growth="gradient",
)  # fmt: skip
"""The first of the two published commands; the second has multiplier 5."""


def test_drops_at_half_and_three_quarters() -> None:
    rate = LearningRate(0.1, 97_750)
    assert rate.milestones == (48_875, 73_312)
    assert [rate.at(step) for step in (0, 48_874)] == [0.1, 0.1]
    assert rate.at(48_875) == pytest.approx(0.01)
    assert rate.at(73_311) == pytest.approx(0.01)
    assert rate.at(73_312) == pytest.approx(0.001)
    assert rate.at(97_749) == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("multiplier", "total", "rates"),
    [
        (1, 88_000, {0: 0.1, 43_999: 0.1, 60_000: 0.01, 65_999: 0.01, 66_000: 0.001, 87_999: 0.001}),
        (5, 440_000, {60_000: 0.1, 120_000: 0.1, 219_999: 0.1, 300_000: 0.01, 330_000: 0.001, 439_999: 0.001}),
    ],
)
def test_the_published_commands_drop_the_rate_at_half_and_three_quarters(
    multiplier: int, total: int, rates: dict[int, float]
) -> None:
    config = PUBLISHED.with_changes(multiplier=multiplier)
    assert config.planned_steps() == total  # 352 batches of 128 from 45,000 images
    rate = LearningRate(config.lr, total, factor=config.lr_decay, drop_every=config.lr_drop_every)
    assert {step: rate.at(step) for step in rates} == pytest.approx(rates)


def test_drop_every_replaces_the_milestones() -> None:
    rate = LearningRate(0.1, 97_750, drop_every=30_000, factor=0.5)
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
    rate = LearningRate(0.3, total, factor=factor, drop_every=frequency, warmup_steps=warmup)
    rates = [rate.at(step) for step in range(total)]
    assert all(0 <= value <= 0.3 + 1e-12 for value in rates)
    after = rates[warmup:]
    assert all(later <= earlier for earlier, later in pairwise(after))
