"""Which weights die: masks worked out by hand for each rule."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.sparsity import DEATH, SparsityConfig
from engine.sparsity.layers import Layer
from tests.engine.sparsity.registered import EXACT_DEATHS

from .helpers import by_hand

CONFIG = SparsityConfig(threshold=0.25)


def dies(rule: str, layer: Layer, count: int) -> list[int]:
    return DEATH[rule]([layer], [count], CONFIG)[0].tolist()


def test_magnitude() -> None:
    layer = by_hand([0.5, -0.1, 0.0, 0.3, -0.9, 0.2], mask=[1, 1, 0, 1, 1, 1])
    assert dies("magnitude", layer, 2) == [1, 5]
    assert dies("magnitude", layer, 0) == []
    assert dies("magnitude", layer, 5) == [0, 1, 3, 4, 5]


def test_set_takes_half_of_each_sign_nearest_zero() -> None:
    layer = by_hand([0.1, 0.2, 0.9, -0.6, -0.5, -0.7])
    assert dies("SET", layer, 4) == [0, 1, 3, 4]
    assert dies("SET", layer, 2) == [0, 4]
    assert dies("SET", layer, 3) == [0, 1, 4]  # the odd one from the positive side


def test_set_where_one_side_has_too_few() -> None:
    assert dies("SET", by_hand([0.1, -0.6, -0.5, -0.7]), 3) == [0, 1, 2]
    assert dies("SET", by_hand([-0.1, 0.6, 0.5, 0.7]), 3) == [0, 1, 2]


def test_set_takes_exact_zeros_first() -> None:
    assert dies("SET", by_hand([0.1, 0.0, -0.2, 0.0, 0.3]), 3) == [0, 1, 3]


def test_threshold_takes_all_below_it_however_many() -> None:
    layer = by_hand([0.5, -0.1, 0.0, 0.3, -0.9, 0.25], mask=[1, 1, 0, 1, 1, 1])
    assert dies("threshold", layer, 5) == [1]
    assert dies("threshold", layer, 0) == [1]


def test_taylor_takes_the_smallest_square_of_weight_times_gradient() -> None:
    layer = by_hand([1.0, -2.0, 3.0, -4.0], gradient=[4.0, -1.5, 0.1, 2.0])
    # products 4, 3, 0.3, −8
    assert dies("Taylor_FO", layer, 2) == [1, 2]


def test_taylor_tells_apart_squares_that_underflow() -> None:
    layer = by_hand([1e-30, 1e-35, 1e-25], gradient=[1e-12, 1e-12, 1e-12])
    assert dies("Taylor_FO", layer, 1) == [1]


def test_global_magnitude_has_one_threshold_for_all_layers() -> None:
    small = by_hand([0.1, 0.2, 0.3, 0.0], mask=[1, 1, 1, 0])
    large = by_hand([5.0, 0.25, 7.0])
    died = DEATH["global_magnitude"]([small, large], [2, 1], CONFIG)
    assert [indices.tolist() for indices in died] == [[0, 1], [1]]
    died = DEATH["global_magnitude"]([small, large], [0, 2], CONFIG)
    assert [indices.tolist() for indices in died] == [[0, 1], []]


@settings(deadline=None)
@given(
    st.sampled_from(EXACT_DEATHS),
    st.lists(st.tuples(st.sampled_from([-2.0, -1.0, 0.0, 1.0, 1.5]), st.booleans()), min_size=1, max_size=30),
    st.data(),
)
def test_exactly_the_count_dies_and_only_active_weights(
    rule: str, weights: list[tuple[float, bool]], data: st.DataObject
) -> None:
    mask = [int(alive) for _, alive in weights]
    layer = by_hand(
        [value * alive for value, alive in weights], mask, gradient=[0.5] * len(mask), momentum=[0.5] * len(mask)
    )
    count = data.draw(st.integers(0, sum(mask)))
    died = dies(rule, layer, count)
    assert len(died) == len(set(died)) == count
    assert all(mask[i] for i in died)


def test_a_death_rule_of_ones_own() -> None:
    @DEATH.register("oldest_place")
    def oldest_place(layers: object, counts: object, config: object) -> list[torch.Tensor]:
        assert isinstance(layers, list)
        assert isinstance(counts, list)
        return [layer.active[:count] for layer, count in zip(layers, counts, strict=True)]

    assert SparsityConfig(death="OLDEST_PLACE").death == "oldest_place"
    assert dies("oldest_place", by_hand([1, 2, 3], [0, 1, 1]), 1) == [1]


def test_unknown_death() -> None:
    with pytest.raises(ValueError, match=r"death: 'magnitud' is not known. Did you mean 'magnitude'\? Allowed: SET, "):
        SparsityConfig(death="magnitud")
