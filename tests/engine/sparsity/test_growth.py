"""Which weights grow: by hand for each rule."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from engine.sparsity import GROWTH
from engine.sparsity.layers import Geometry, Layer
from tests.engine.sparsity.registered import GROWTHS

from .helpers import by_hand


def grows(rule: str, layer: Layer, count: int, seed: int = 0) -> list[int]:
    return GROWTH[rule](layer, count, torch.Generator().manual_seed(seed)).tolist()


def test_gradient_takes_the_largest_among_the_inactive() -> None:
    layer = by_hand([0.0] * 6, mask=[1, 0, 0, 1, 0, 0], gradient=[9.0, -3.0, 1.0, 8.0, 2.0, -4.0])
    assert grows("gradient", layer, 2) == [1, 5]
    assert grows("gradient", layer, 4) == [1, 2, 4, 5]


def test_momentum_takes_the_largest_among_the_inactive() -> None:
    layer = by_hand([0.0] * 5, mask=[1, 0, 0, 0, 1], momentum=[9.0, 0.1, -0.3, 0.2, 9.0])
    assert grows("momentum", layer, 2) == [2, 3]


def test_momentum_neuron_shares_by_the_mean_of_each_neuron() -> None:
    # Means of |momentum| 3 and 1, so of four weights the first neuron grows three, its largest inactive ones.
    layer = by_hand(
        [0.0] * 10, mask=[1, 0, 0, 0, 0, 0, 0, 0, 0, 1], shape=(2, 5), momentum=[7, 1, 2, 3, 2, 1, -2, 1, 1, 0]
    )
    assert grows("momentum_neuron", layer, 4) == [2, 3, 4, 6]
    # Seven: 5.25 and 1.75, the first capped at the room of four.
    assert grows("momentum_neuron", layer, 7) == [1, 2, 3, 4, 5, 6, 7]


def test_momentum_neuron_of_a_transposed_convolution_counts_outputs() -> None:
    layer = by_hand([0.0] * 6, mask=[0] * 6, shape=(2, 3), momentum=[1, 0, 5, 1, 0, 5])
    layer.geometry = Geometry.of((2, 3), nn.ConvTranspose1d(2, 3, 1))
    # Outputs are columns, with means 1, 0, 5: of four, two thirds of one weight and three and a third, capped at two.
    assert grows("momentum_neuron", layer, 2) == [2, 5]
    assert grows("momentum_neuron", layer, 4) == [0, 2, 3, 5]


def test_momentum_neuron_of_a_diverged_layer_is_still_exact() -> None:
    nan = torch.nan
    layer = by_hand([0.0] * 6, mask=[1, 0, 0, 0, 0, 1], shape=(2, 3), momentum=[nan, nan, 1, nan, 2, 3])
    assert len(set(grows("momentum_neuron", layer, 3)) & {1, 2, 3, 4}) == 3


def test_random_unfired_prefers_the_never_active() -> None:
    layer = by_hand([0.0] * 6, mask=[1, 0, 0, 0, 0, 0], explored=[1, 1, 0, 0, 1, 1])
    assert grows("random_unfired", layer, 2) == [2, 3]
    four = grows("random_unfired", layer, 4)
    assert {2, 3} < set(four) <= {1, 2, 3, 4, 5}
    assert grows("random_unfired", layer, 5) == [1, 2, 3, 4, 5]
    assert {tuple(grows("random_unfired", layer, 3, seed)) for seed in range(30)} == {(1, 2, 3), (2, 3, 4), (2, 3, 5)}


def test_random_draws_only_inactive_ones_and_depends_on_the_seed() -> None:
    layer = by_hand([0.0] * 6, mask=[1, 0, 0, 1, 0, 0])
    draws = {tuple(grows("random", layer, 2, seed)) for seed in range(60)}
    assert draws == {(1, 2), (1, 4), (1, 5), (2, 4), (2, 5), (4, 5)}
    assert grows("random", layer, 2, 7) == grows("random", layer, 2, 7)


@pytest.mark.parametrize("rule", ["gradient", "momentum"])
def test_zero_and_nan_scores_never_let_an_active_weight_in(rule: str) -> None:
    scores = [0.0, 0.0, torch.nan, torch.nan, 0.0]
    layer = by_hand([0.0] * 5, mask=[1, 0, 0, 1, 0], gradient=scores, momentum=scores)
    assert grows(rule, layer, 3) == [1, 2, 4]


@settings(deadline=None)
@given(
    st.sampled_from(GROWTHS),
    st.integers(1, 4),
    st.integers(1, 6),
    st.data(),
)
def test_exactly_the_count_grows_and_only_inactive_weights(
    rule: str, rows: int, columns: int, data: st.DataObject
) -> None:
    size = rows * columns
    mask = data.draw(st.lists(st.integers(0, 1), min_size=size, max_size=size))
    explored = [alive or data.draw(st.integers(0, 1)) for alive in mask]
    scores = data.draw(st.lists(st.sampled_from([0.0, 1.0, -2.0]), min_size=size, max_size=size))
    layer = by_hand([0.0] * size, mask, shape=(rows, columns), gradient=scores, momentum=scores, explored=explored)
    count = data.draw(st.integers(0, size - sum(mask)))
    grown = grows(rule, layer, count)
    assert len(grown) == len(set(grown)) == count
    assert not any(mask[i] for i in grown)
