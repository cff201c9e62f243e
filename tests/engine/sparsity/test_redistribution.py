"""Where what died is grown again, and how the death rate falls."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.sparsity import SCHEDULES, SparsityConfig, update_steps
from engine.sparsity.redistribution import budgets, shares
from engine.sparsity.schedules import dying, gmp_density, is_update_step

from .helpers import by_hand


def test_none_gives_each_layer_back_what_it_lost() -> None:
    assert budgets("none", [], [3, 0, 2], [9, 9, 9], [1, 1, 1]) == [3, 0, 2]


def test_shares_are_means_over_active_weights() -> None:
    first = by_hand([1.0, -3.0, 9.0, 9.0], mask=[1, 1, 0, 0], momentum=[0.5, 0.5, 8.0, 8.0])
    second = by_hand([-6.0, 0.0], mask=[1, 0], momentum=[0.25, 8.0])
    assert shares("magnitude", [first, second]) == [2.0, 6.0]
    assert shares("momentum", [first, second]) == [0.5, 0.25]
    assert shares("nonzeros", [first, second]) == [2.0, 1.0]


def test_budgets_by_hand() -> None:
    # Eight died; in proportion to 2:6 they are 2 and 6, and where the second has room for five only, 3 and 5.
    assert budgets("magnitude", [2.0, 6.0], [5, 3], [20, 20], [1, 1]) == [2, 6]
    assert budgets("magnitude", [2.0, 6.0], [5, 3], [20, 5], [1, 1]) == [3, 5]
    assert sum(budgets("momentum", [0.0, 0.0], [5, 3], [7, 5], [1, 1])) == 8


def test_a_layer_that_lost_its_last_weight_gets_one_back() -> None:
    # Six died; the second layer has the whole share, but the first has nothing left.
    assert budgets("magnitude", [0.0, 1.0], [2, 4], [20, 20], [0, 3]) == [1, 5]
    assert budgets("magnitude", [0.0, 1.0], [0, 4], [20, 20], [0, 3]) == [0, 4]  # it was empty before


LAYER = st.tuples(st.floats(0, 10), st.integers(0, 9), st.integers(0, 3), st.integers(0, 9))
"""Share, died, active weights left, inactive weights before."""


@given(st.lists(LAYER, min_size=1, max_size=5))
def test_budgets_sum_to_what_died_and_empty_no_layer(layers: list[tuple[float, int, int, int]]) -> None:
    shares, died, left, spare = (list(column) for column in zip(*layers, strict=True))
    rooms = [gone + more for gone, more in zip(died, spare, strict=True)]
    parts = budgets("nonzeros", shares, died, rooms, left)
    assert sum(parts) == sum(died)
    assert all(0 <= part <= room for part, room in zip(parts, rooms, strict=True))
    assert all(part + kept for part, kept, gone in zip(parts, left, died, strict=True) if gone)


def test_cosine_by_hand() -> None:
    cosine = SCHEDULES["cosine"]
    assert cosine(0.5, 0, 100) == 0.5
    assert cosine(0.5, 50, 100) == pytest.approx((0.5 + 0.005) / 2)
    assert cosine(0.5, 100, 100) == pytest.approx(0.005)


def test_linear_and_constant_by_hand() -> None:
    assert [SCHEDULES["linear"](0.4, step, 8) for step in (0, 2, 8)] == [0.4, pytest.approx(0.3), 0.0]
    assert [SCHEDULES["constant"](0.4, step, 8) for step in (0, 2, 80)] == [0.4, 0.4, 0.4]


@pytest.mark.parametrize("name", list(SCHEDULES))
def test_no_schedule_moves_after_the_end_or_ever_rises(name: str) -> None:
    rates = [SCHEDULES[name](0.5, step, 60) for step in range(200)]
    assert all(later <= earlier for earlier, later in itertools.pairwise(rates))
    assert len(set(rates[60:])) == 1
    assert all(0 <= rate <= 0.5 for rate in rates)


def test_gmp_density_by_hand() -> None:
    # d(t) = 0.2 + 0.8 · (1 − t/T)³
    assert gmp_density(0.2, 0, 100) == 1.0
    assert gmp_density(0.2, 50, 100) == pytest.approx(0.2 + 0.8 / 8)
    assert gmp_density(0.2, 100, 100) == 0.2
    assert gmp_density(0.2, 500, 100) == 0.2


def test_dying_is_the_ceiling_without_the_noise_of_floats() -> None:
    assert dying(0.5, 9) == 5
    assert dying(0.07, 100) == 7  # 0.07 · 100 is 7.000000000000001
    assert dying(0.0, 9) == 0
    assert dying(1.0, 9) == 9
    assert dying(0.005, 9) == 1
    assert dying(1e-9, 100) == 1
    assert dying(0.3, 2_000_000_000) == 600_000_000
    assert dying(0.5, 2_000_000_001) == 1_000_000_001


@given(st.floats(0.0, 1.0), st.integers(0, 10**10))
@example(0.07, 100)
@example(0.29, 10**9)
@example(1 - 2.0**-53, 10**10)
@example(5e-324, 1)
def test_dying_is_exact(rate: float, count: int) -> None:
    assert dying(rate, count) == math.ceil(Fraction(repr(rate)) * count)


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_dying_is_exact_at_decimals_whose_product_is_whole(count: int, parts: int) -> None:
    rate = min(count, parts) / 10**6
    assert dying(rate, 10**6) == math.ceil(Fraction(repr(rate)) * 10**6)


@pytest.mark.parametrize("last_update", [None, 0, 10, 12, 1000])
@pytest.mark.parametrize("total", [1, 5, 6, 24, 25])
def test_update_steps_are_those_at_which_one_is_due(last_update: int | None, total: int) -> None:
    config = SparsityConfig(update_frequency=5, last_update=last_update)
    due = [step for step in range(total + 50) if is_update_step(config, step, total)]
    assert due == list(update_steps(config, total))
    assert all(step % 5 == 0 and 0 < step < total for step in due)
    assert last_update is None or all(step <= last_update for step in due)


def test_nothing_is_due_for_fixed_or_dense_masks() -> None:
    assert not update_steps(SparsityConfig(fixed=True), 10_000)
    assert not update_steps(SparsityConfig(density=1.0), 10_000)
    assert not is_update_step(SparsityConfig(fixed=True), 100, 10_000)
