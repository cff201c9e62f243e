"""What an update reports, worked out by hand, and checked against masks for anything."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from engine.sparsity import Masking, SparsityConfig, UpdateStats
from engine.sparsity.layers import Geometry
from tests.engine.examples import examples
from tests.engine.sparsity.registered import GROWTHS, REDISTRIBUTIONS

from .helpers import linear, masked, train


def test_three_updates_by_hand() -> None:
    """A 2×4 layer with four active weights, of which two die at each update; gradients say which come."""
    model = linear([0.1, 5.0, 0.0, 0.0], [0.0, 6.0, 0.0, 0.2])
    config = SparsityConfig(distribution="resume", growth="gradient", death_rate=0.5, schedule="constant")
    masking = Masking(model, torch.optim.SGD(model.parameters(), 0.1), config, total_steps=10)

    def update(gradient: list[float]) -> tuple[list[int], UpdateStats]:
        model.weight.grad = torch.tensor(gradient, dtype=torch.float32).view(2, 4)
        stats = masking.update()
        return masking.masks["weight"].view(-1).nonzero().view(-1).tolist(), stats

    # 0 and 7 die; 2 and 7 have the largest gradients: 7 is chosen again, so one left and one came.
    active, stats = update([0, 0, 9, 0, 0, 0, 0, 8])
    assert active == [1, 2, 5, 7]
    assert (stats.pruned, stats.grown, stats.churn) == (1, 1, 0.25)
    assert (stats.overlap_previous, stats.overlap_first, stats.survival) == (0.75, 0.75, None)
    assert stats.itop_rate == 5 / 8
    assert (stats.layers[0].dead_inputs, stats.layers[0].dead_outputs) == (1, 0)
    assert model.weight.view(-1).tolist() == pytest.approx([0, 5, 0, 0, 0, 6, 0, 0.2])

    # 2, still 0, and 7 die; 0 and 3 come. Nothing that the first update grew is left.
    active, stats = update([9, 0, 0, 8, 0, 0, 0, 0])
    assert active == [0, 1, 3, 5]
    assert (stats.pruned, stats.grown, stats.churn) == (2, 2, 0.5)
    assert (stats.overlap_previous, stats.overlap_first, stats.survival) == (0.5, 0.75, 0.0)
    assert stats.itop_rate == 6 / 8

    # 0 and 3 die; 0 is chosen again, 6 comes: of the two that the second update grew one is left.
    active, stats = update([9, 0, 0, 0, 0, 0, 8, 0])
    assert active == [0, 1, 5, 6]
    assert (stats.pruned, stats.grown, stats.survival) == (1, 1, 0.5)
    assert stats.itop_rate == 7 / 8
    assert (stats.layers[0].dead_inputs, stats.layers[0].dead_outputs) == (1, 0)
    assert stats.layers == tuple(masking.layer_stats())
    assert (stats.update, masking.updates) == (3, 3)


@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    growth=st.sampled_from(GROWTHS),
    redistribution=st.sampled_from(REDISTRIBUTIONS),
    density=st.floats(0.02, 0.9),
    seed=st.integers(0, 1000),
)
def test_every_figure_agrees_with_the_masks(growth: str, redistribution: str, density: float, seed: int) -> None:
    config = SparsityConfig(
        density=density, growth=growth, redistribution=redistribution, update_frequency=2, seed=seed, exclude=("6",)
    )
    model, masking = masked(config)
    first = {name: mask.clone() for name, mask in masking.masks.items()}
    seen = {name: mask.clone() for name, mask in first.items()}
    before = {name: mask.clone() for name, mask in first.items()}
    came: dict[str, torch.Tensor] | None = None
    for step in range(4):
        train(model, masking, 2, start=2 * step)
        stats, masks = masking.stats, masking.masks
        new = {name: mask & ~before[name] for name, mask in masks.items()}
        totals = {"pruned": 0, "grown": 0, "kept": 0}
        for layer in stats.layers:
            mask, old, start = masks[layer.layer], before[layer.layer], first[layer.layer]
            seen[layer.layer] |= mask
            assert layer.nonzeros == int(mask.sum())
            assert layer.grown == int((mask & ~old).sum())
            assert layer.pruned == int((old & ~mask).sum())
            assert layer.explored == int(seen[layer.layer].sum())
            assert layer.overlap_previous == int((mask & old).sum()) / max(1, int(old.sum())) or not old.any()
            assert layer.overlap_first == int((mask & start).sum()) / max(1, int(start.sum())) or not start.any()
            if came is None or not came[layer.layer].any():
                assert layer.survival is None
            else:
                assert layer.survival == int((mask & came[layer.layer]).sum()) / int(came[layer.layer].sum())
            others = tuple(range(2, mask.dim()))
            assert layer.dead_outputs == int((~mask.any(dim=(1, *others))).sum())
            assert layer.dead_inputs == int((~mask.any(dim=(0, *others))).sum())
            totals["pruned"] += layer.pruned
            totals["grown"] += layer.grown
        assert (stats.pruned, stats.grown) == (totals["pruned"], totals["grown"])
        assert stats.nonzeros == masking.nonzeros == sum(int(mask.sum()) for mask in masks.values())
        assert stats.itop_rate == masking.itop_rate == sum(int(one.sum()) for one in seen.values()) / masking.maskable
        assert all(torch.equal(masking.explored[name], seen[name]) for name in seen)
        before = {name: mask.clone() for name, mask in masks.items()}
        came = new


@pytest.mark.parametrize(
    "module",
    [
        nn.Linear(3, 5, bias=False),
        nn.Conv1d(4, 6, 2, bias=False),
        nn.Conv2d(4, 6, 2, groups=2, bias=False),
        nn.Conv2d(4, 8, 3, groups=4, bias=False),
        nn.ConvTranspose2d(4, 6, 2, bias=False),
        nn.ConvTranspose2d(4, 6, 2, groups=2, bias=False),
        nn.ConvTranspose1d(6, 6, 2, groups=3, bias=False),
    ],
    ids=str,
)
def test_the_ends_of_a_weight_are_those_that_the_module_connects(module: nn.Module) -> None:
    weight = module.weight
    assert isinstance(weight, nn.Parameter)
    geometry = Geometry.of(weight.shape, module)
    spatial = () if isinstance(module, nn.Linear) else (4,) * (weight.dim() - 2)
    for index in range(weight.numel()):
        with torch.no_grad():
            weight.zero_()
            weight.view(-1)[index] = 1.0
        inputs = torch.ones(1, geometry.inputs, *spatial, requires_grad=True)
        output = module(inputs)
        output.sum().backward()
        assert inputs.grad is not None
        reads = inputs.grad.view(geometry.inputs, -1).any(dim=1).nonzero().view(-1).tolist()
        feeds = output.view(geometry.outputs, -1).any(dim=1).nonzero().view(-1).tolist()
        end_in, end_out = geometry.ends(torch.tensor([index]))
        assert (reads, feeds) == (end_in.tolist(), end_out.tolist())


def test_a_vector_has_an_input_and_an_output_for_each_weight() -> None:
    geometry = Geometry.of((5,), nn.LayerNorm(5))
    assert (geometry.inputs, geometry.outputs) == (5, 5)
    assert [end.tolist() for end in geometry.ends(torch.tensor([0, 3]))] == [[0, 3], [0, 3]]


def test_stats_survive_a_round_trip() -> None:
    model, masking = masked(SparsityConfig(density=0.2, update_frequency=2, seed=1))
    train(model, masking, 4)
    assert UpdateStats.from_dict(masking.stats.as_dict()) == masking.stats
    assert all(math.isfinite(value) for value in (masking.stats.churn, masking.stats.itop_rate))
