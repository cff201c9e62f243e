"""How active weights are shared out over layers: by hand, and exact for anything."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from engine.sparsity import DISTRIBUTIONS, Masking, SparsityConfig, plan_layers
from engine.sparsity.distributions import apportion, layer_counts
from tests.engine.examples import examples
from tests.engine.sparsity.registered import STEADY

from .helpers import linear, make_optimizer, network

LENET: list[tuple[int, ...]] = [(300, 784), (100, 300), (10, 100)]


def counts(shapes: list[tuple[int, ...]], **settings_: object) -> list[int]:
    names = [f"{i}.weight" for i in range(len(shapes))]
    return layer_counts(names, shapes, SparsityConfig.create(**settings_))


def test_apportion_by_hand() -> None:
    # 10 in proportion to 1:2:4 is 1.43, 2.86, 5.71: whole parts 1, 2, 5, and the two left go to .86 and .71.
    assert apportion(10, [1, 2, 4], [9, 9, 9]) == [1, 3, 6]
    # The third is held at its cap of 4, and the other 6 are 2 and 4.
    assert apportion(10, [1, 2, 4], [9, 9, 4]) == [2, 4, 4]
    # No share at all: in proportion to the room.
    assert apportion(6, [0, 0, 0], [2, 4, 6]) == [1, 2, 3]
    assert apportion(5, [0, math.nan, 1], [4, 4, 3]) == [1, 1, 3]
    assert apportion(0, [1, 1], [1, 1]) == [0, 0]


def test_apportion_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="cannot split 5"):
        apportion(5, [1, 1], [2, 2])


@settings(deadline=None)
@given(st.data())
def test_apportion_is_exact_and_within_the_caps(data: st.DataObject) -> None:
    caps = data.draw(st.lists(st.integers(0, 10**7), min_size=1, max_size=12))
    share = st.one_of(st.floats(0, 1e30), st.sampled_from([0.0, 1e-320, math.nan, math.inf, -1.0]))
    shares = data.draw(st.lists(share, min_size=len(caps), max_size=len(caps)))
    total = data.draw(st.integers(0, sum(caps)))
    parts = apportion(total, shares, caps)
    assert sum(parts) == total
    assert all(0 <= part <= cap for part, cap in zip(parts, caps, strict=True))


def test_uniform_by_hand() -> None:
    # A tenth of 40, 20 and 10.
    assert counts([(4, 10), (4, 5), (2, 5)], density=0.1, distribution="uniform") == [4, 2, 1]


def test_er_by_hand() -> None:
    # (n_in + n_out)/(n_in·n_out) · N is n_in + n_out times the kernel: 30 · 1 and 20 · 1; 20 of 300 weights → 12 and 8.
    assert counts([(10, 20), (10, 10)], density=20 / 300, distribution="ER") == [12, 8]


def test_erk_by_hand() -> None:
    # sum(shape)/prod(shape) · N is sum(shape): 4+2+3+3 = 12 and 20+16 = 36; 48 of 392 weights → 12 and 36.
    assert counts([(4, 2, 3, 3), (20, 16)], density=48 / 392, distribution="ERK") == [12, 36]
    # Twice as many: the first layer would get 24 of its 72, the other 72 of its 320.
    assert counts([(4, 2, 3, 3), (20, 16)], density=96 / 392, distribution="erk") == [24, 72]


def test_er_and_erk_differ_by_the_kernel() -> None:
    shapes: list[tuple[int, ...]] = [(4, 2, 3, 3), (20, 16)]
    # ER shares: (4+2)·9 = 54 and 36, so 48 weights are 28.8 and 19.2.
    assert counts(shapes, density=48 / 392, distribution="er") == [29, 19]


def test_a_layer_whose_share_passes_one_is_dense_and_the_rest_scaled_again() -> None:
    # Sums of shape 1 084, 400, 110; at 26 620 of 266 200 the last layer (1 000 weights) would get 1 837.
    parts = counts(LENET, density=0.1, distribution="erk")
    assert parts[2] == 1000
    assert sum(parts) == 26_620
    assert parts[0] / parts[1] == pytest.approx(1084 / 400, rel=1e-3)


def test_no_layer_is_left_empty() -> None:
    # 30 of 30 130 weights: the second layer's share is 0.13.
    parts = counts([(100, 300), (10, 13)], density=0.001, distribution="uniform")
    assert parts == [29, 1]


def test_dense_first_layer_is_made_up_for_by_the_others() -> None:
    parts = counts([(4, 5), (10, 20), (10, 10)], density=0.25, distribution="uniform", dense_first_layer=True)
    assert parts == [20, 40, 20]  # 80 in all; 60 over 200 and 100


def test_dense_first_layer_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"dense_first_layer: density 0.05 allows 13310 .* hold 235200"):
        counts(LENET, density=0.05, dense_first_layer=True)


def test_layer_densities_fix_some_layers_and_the_rest_makes_up() -> None:
    fixed = {"1.*": 0.5}
    assert counts([(4, 5), (5, 4), (10, 6)], density=0.3, distribution="uniform", layer_densities=fixed) == [5, 10, 15]
    with pytest.raises(ValueError, match=r"layer_densities: density 0\.05"):
        counts([(4, 5), (5, 4), (10, 6)], density=0.05, distribution="uniform", layer_densities=fixed)


def test_layer_densities_of_every_layer_decide_the_total() -> None:
    assert counts([(4, 5), (5, 4)], density=0.9, layer_densities={"*": 0.25}) == [5, 5]


shape = st.one_of(
    st.tuples(st.integers(1, 600), st.integers(1, 600)),
    st.tuples(st.integers(1, 64), st.integers(1, 64), st.integers(1, 7), st.integers(1, 7)),
    st.tuples(st.integers(1, 64), st.integers(1, 64), st.integers(1, 9)),
)


@settings(max_examples=examples(300), deadline=None)
@given(
    st.lists(shape, min_size=1, max_size=30),
    st.floats(0.001, 1.0),
    st.sampled_from([*STEADY, "gmp"]),
)
def test_totals_are_exact_for_any_model_and_density(
    shapes: list[tuple[int, ...]], density: float, distribution: str
) -> None:
    sizes = [math.prod(one) for one in shapes]
    parts = counts(shapes, density=density, distribution=distribution)
    assert sum(parts) == round(density * sum(sizes))
    assert all(0 <= part <= size for part, size in zip(parts, sizes, strict=True))
    if sum(parts) >= len(parts):
        assert min(parts) >= 1


@pytest.mark.parametrize("distribution", STEADY)
@pytest.mark.parametrize("density", [0.001, 0.01, 0.05, 0.33, 0.5, 0.999, 1.0])
def test_real_masks_are_exact(distribution: str, density: float) -> None:
    model = network()
    config = SparsityConfig(density=density, distribution=distribution, fill_empty_layers=True, seed=1)
    if density == 0.001:  # no weight at all for three layers
        with pytest.raises(ValueError, match=r"no active weight in 0\.weight, 4\.weight, 6\.weight"):
            Masking(model, make_optimizer("sgd", model), config, total_steps=10)
        return
    masking = Masking(model, make_optimizer("sgd", model), config, total_steps=10)
    assert all(mask.any() for mask in masking.masks.values())
    assert sum(int(mask.sum()) for mask in masking.masks.values()) == masking.nonzeros == round(density * 441)


def test_an_empty_layer_is_refused_or_filled_on_demand() -> None:
    model = nn.Sequential(linear([0.9, 0.8], [0.7, 0.6]), linear([0.1, 0.2]))
    config = SparsityConfig(density=0.5, distribution="lottery_ticket")  # three of six: all of the first layer
    with pytest.raises(ValueError, match=r"no active weight in 1\.weight.*fill_empty_layers"):
        Masking(model, make_optimizer("sgd", model), config, total_steps=10)
    filled = dataclasses.replace(config, fill_empty_layers=True)
    masking = Masking(model, make_optimizer("sgd", model), filled, total_steps=10)
    assert [mask.tolist() for mask in masking.masks.values()] == [[[True, True], [False, False]], [[False, True]]]


def test_a_plan_refuses_an_empty_layer_too() -> None:
    with pytest.raises(ValueError, match=r"density: 0\.004.*no active weight in 0\.weight"):
        plan_layers(network(), SparsityConfig(density=0.004))  # two weights for three layers


def test_a_density_of_zero_that_is_asked_for_is_no_mistake() -> None:
    model = network()
    config = SparsityConfig(density=0.2, layer_densities={"6.weight": 0.0}, seed=1)
    masking = Masking(model, make_optimizer("sgd", model), config, total_steps=10)
    assert not masking.masks["6.weight"].any()


def test_masks_follow_the_plan() -> None:
    model = network()
    config = SparsityConfig(density=0.2, seed=1)
    with torch.device("meta"):
        plan = plan_layers(network(), config)
    masking = Masking(model, make_optimizer("sgd", model), config, total_steps=10)
    assert {one.name: one.nonzeros for one in plan} == {n: int(m.sum()) for n, m in masking.masks.items()}
    assert [one.shape for one in plan] == [(4, 2, 3, 3), (9, 36), (5, 9)]


def test_lottery_ticket_keeps_the_largest_weights_of_the_whole_network() -> None:
    model = nn.Sequential(linear([0.1, -0.9, 0.2], [0.3, 0.05, -0.8]), linear([0.7, 0.01], [0.02, -0.25]))
    config = SparsityConfig(density=0.5, distribution="lottery_ticket")
    masking = Masking(model, torch.optim.SGD(model.parameters(), 0.1), config, total_steps=10)
    assert masking.masks["0.weight"].int().tolist() == [[0, 1, 0], [1, 0, 1]]
    assert masking.masks["1.weight"].int().tolist() == [[1, 0], [0, 1]]


def test_lottery_ticket_from_given_weights() -> None:
    model = nn.Linear(4, 1, bias=False)
    config = SparsityConfig(density=0.5, distribution="lottery_ticket")
    given_weights = {"weight": torch.tensor([[1.0, 4.0, -3.0, 2.0]])}
    masking = Masking(
        model, torch.optim.SGD(model.parameters(), 0.1), config, total_steps=9, initial_weights=given_weights
    )
    assert masking.masks["weight"].int().tolist() == [[0, 1, 1, 0]]


def test_resume_takes_the_nonzeros_of_the_weights() -> None:
    model = linear([0.0, 4.0, -3.0, 0.0])
    config = SparsityConfig(distribution="resume")
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    masking = Masking(model, optimizer, config, total_steps=9)
    assert masking.masks["weight"].int().tolist() == [[0, 1, 1, 0]]
    other = {"weight": torch.tensor([[5.0, 0.0, 0.0, 0.0]])}
    masking = Masking(model, optimizer, config, total_steps=9, initial_weights=other)
    assert masking.masks["weight"].int().tolist() == [[1, 0, 0, 0]]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"wieght": torch.ones(1, 4)}, "weight"),
        ({"weight": torch.ones(2, 4)}, r"\(2, 4\)"),
        ({"weight": torch.zeros(1, 4)}, "all zero"),
    ],
)
def test_resume_from_weights_that_do_not_fit(weights: dict[str, torch.Tensor], message: str) -> None:
    model = nn.Linear(4, 1, bias=False)
    with pytest.raises(ValueError, match=message):
        Masking(
            model,
            torch.optim.SGD(model.parameters(), 0.1),
            SparsityConfig(distribution="resume"),
            total_steps=9,
            initial_weights=weights,
        )


def test_a_distribution_of_ones_own() -> None:
    @DISTRIBUTIONS.register("first_twice_as_dense")
    def first_twice_as_dense(shapes: object) -> list[float]:
        assert isinstance(shapes, list)
        return [2.0] + [1.0] * (len(shapes) - 1)

    assert counts([(10, 10), (10, 20)], density=0.1, distribution="first_twice_as_dense") == [15, 15]
