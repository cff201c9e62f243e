"""The number of active weights, at every step of every combination."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from engine.sparsity import Masking, SparsityConfig
from engine.sparsity.schedules import gmp_density, update_steps
from tests.engine.examples import examples
from tests.engine.sparsity.registered import DEATHS, EXACT_DEATHS, GROWTHS, REDISTRIBUTIONS, SCHEDULE_NAMES, STEADY

from .helpers import OPTIMIZERS, active, linear, make_optimizer, masked, train


def check_step(model: nn.Module, masking: Masking, nonzeros: int) -> None:
    assert active(masking) == masking.nonzeros == nonzeros
    weights = dict(model.named_parameters())
    for name, mask in masking.masks.items():
        assert (weights[name][~mask] == 0).all(), name
        assert (masking.explored[name] | ~mask).all(), name
    explored = sum(int(seen.sum()) for seen in masking.explored.values())
    assert masking.itop_rate == explored / masking.maskable
    assert masking.density == nonzeros / masking.maskable


@pytest.mark.parametrize(
    ("growth", "death", "redistribution"), list(itertools.product(GROWTHS, DEATHS, REDISTRIBUTIONS)), ids="-".join
)
def test_active_weights_are_constant_in_every_combination(growth: str, death: str, redistribution: str) -> None:
    config = SparsityConfig(
        density=0.2,
        growth=growth,
        death=death,
        redistribution=redistribution,
        update_frequency=2,
        threshold=0.02,
        seed=5,
    )
    model, masking = masked(config)
    for step in range(9):
        train(model, masking, 1, start=step)
        check_step(model, masking, round(0.2 * 441))
    assert masking.updates == 4
    assert masking.itop_rate > masking.density


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    hidden=st.lists(st.integers(1, 24), min_size=1, max_size=3),
    density=st.floats(0.001, 1.0),
    distribution=st.sampled_from(STEADY),
    growth=st.sampled_from(GROWTHS),
    death=st.sampled_from(DEATHS),
    redistribution=st.sampled_from(REDISTRIBUTIONS),
    optimizer=st.sampled_from(sorted(OPTIMIZERS)),
    death_rate=st.floats(0, 1),
    schedule=st.sampled_from(SCHEDULE_NAMES),
    seed=st.integers(0, 2**32),
)
def test_active_weights_are_constant_for_any_shape_density_method_and_optimizer(
    hidden: list[int],
    density: float,
    distribution: str,
    growth: str,
    death: str,
    redistribution: str,
    optimizer: str,
    death_rate: float,
    schedule: str,
    seed: int,
) -> None:
    torch.manual_seed(seed)
    sizes = [7, *hidden, 3]
    model = nn.Sequential(*(nn.Linear(a, b) for a, b in itertools.pairwise(sizes)))
    config = SparsityConfig(
        density=density,
        distribution=distribution,
        growth=growth,
        death=death,
        redistribution=redistribution,
        death_rate=death_rate,
        schedule=schedule,
        update_frequency=2,
        threshold=0.1,
        fill_empty_layers=True,
        seed=seed,
    )
    nonzeros = round(density * sum(a * b for a, b in itertools.pairwise(sizes)))
    if nonzeros < len(model):  # some layer would have no active weight
        with pytest.raises(ValueError, match="no active weight"):
            Masking(model, make_optimizer(optimizer, model), config, total_steps=8)
        return
    masking = Masking(model, make_optimizer(optimizer, model), config, total_steps=8)
    assert nonzeros == round(density * masking.maskable)
    check_step(model, masking, nonzeros)
    for _ in range(5):
        masking.optimizer.zero_grad()
        torch.autograd.backward(nn.functional.cross_entropy(model(torch.randn(6, 7)), torch.randint(3, (6,))))
        masking.step()
        check_step(model, masking, nonzeros)


@pytest.mark.parametrize("death", EXACT_DEATHS)
@pytest.mark.parametrize("dense_first_layer", [False, True])
def test_gmp_follows_its_cubic_law_to_the_weight(death: str, dense_first_layer: bool) -> None:
    config = SparsityConfig(
        density=0.3,
        distribution="gmp",
        death=death,
        update_frequency=3,
        last_update=20,
        dense_first_layer=dense_first_layer,
    )
    model, masking = masked(config, total_steps=40)
    assert masking.density == 1.0
    expected = 441
    sizes = {name: mask.numel() for name, mask in masking.masks.items()}
    for step in range(1, 31):
        train(model, masking, 1, start=step)
        if step in update_steps(config, 40):
            expected = round(gmp_density(0.3, step, 18) * 441)
            assert masking.stats.grown == 0
            left = {name: int(mask.sum()) for name, mask in masking.masks.items()}
            assert all(left[name] <= sizes[name] for name in left)
            sizes = left
        check_step(model, masking, expected)
    assert expected == round(0.3 * 441)
    assert masking.itop_rate == 1.0
    if dense_first_layer:
        assert masking.masks["0.weight"].all()


def test_threshold_exchanges_what_lies_below_it_and_keeps_the_total() -> None:
    config = SparsityConfig(density=0.5, death="threshold", threshold=0.05, update_frequency=1000, seed=1)
    model, masking = masked(config)
    weights = dict(model.named_parameters())
    below = {name: mask & (weights[name].abs() < 0.05) for name, mask in masking.masks.items()}
    stats = masking.update()
    again = sum(int((below[name] & mask).sum()) for name, mask in masking.masks.items())
    assert stats.pruned == stats.grown == sum(int(one.sum()) for one in below.values()) - again
    assert stats.pruned > 0
    assert masking.nonzeros == round(0.5 * 441)


def test_dense_first_layer_stays_dense_whatever_moves() -> None:
    config = SparsityConfig(
        density=0.4,
        dense_first_layer=True,
        redistribution="magnitude",
        death="global_magnitude",
        update_frequency=1,
        seed=1,
    )
    model, masking = masked(config)
    for step in range(6):
        train(model, masking, 1, start=step)
        assert masking.masks["0.weight"].all()
        check_step(model, masking, round(0.4 * 441))


def test_layers_of_a_fixed_density_keep_it_under_redistribution() -> None:
    config = SparsityConfig(
        density=0.3, layer_densities={"4.weight": 0.25}, redistribution="nonzeros", update_frequency=1, seed=1
    )
    model, masking = masked(config)
    for step in range(6):
        train(model, masking, 1, start=step)
        assert int(masking.masks["4.weight"].sum()) == 81
        check_step(model, masking, round(0.3 * 441))


def test_redistribution_moves_weights_between_layers_by_hand() -> None:
    model = nn.Sequential(linear([1.0] * 4, [0.0] * 4), linear([3.0] * 2, [3.0] * 2, [0.0] * 2, [0.0] * 2))
    config = SparsityConfig(
        distribution="resume", redistribution="magnitude", death_rate=0.5, schedule="constant", seed=1
    )
    masking = Masking(model, torch.optim.SGD(model.parameters(), 0.1), config, total_steps=10)
    masking.update()
    # Two die in each; the four are split in proportion to the means 1 : 3.
    assert [int(mask.sum()) for mask in masking.masks.values()] == [3, 5]


def test_a_rule_that_breaks_its_contract_is_named() -> None:
    from engine.sparsity import GROWTH

    @GROWTH.register("greedy")
    def greedy(layer: object, count: int, generator: torch.Generator) -> torch.Tensor:
        return torch.arange(count + 1)

    _, masking = masked(SparsityConfig(density=0.2, growth="greedy", seed=1))
    with pytest.raises(RuntimeError, match="greedy"):
        masking.update()
