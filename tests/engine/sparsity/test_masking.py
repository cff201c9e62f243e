"""Which parameters are masked, under which names, and that layout does not matter."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from engine.sparsity import Masking, SparsityConfig
from engine.sparsity.flat_access import fill, gather
from engine.sparsity.layers import Modules, find_maskable

from .helpers import batch, make_optimizer, masked, network, train


def names(modules: Modules, **settings: object) -> list[str]:
    return [one.name for one in find_maskable(modules, SparsityConfig.create(**settings))]


class Zoo(nn.Module):
    """One of everything that has weights; some names hold 'bias' or 'weight' in odd places."""

    def __init__(self) -> None:
        super().__init__()
        self.bias_head = nn.Linear(3, 2)
        self.conv1 = nn.Conv1d(2, 2, 3)
        self.conv3 = nn.Conv3d(2, 2, 3)
        self.up = nn.ConvTranspose2d(2, 4, 3)
        self.norm = nn.LayerNorm(3)
        self.group = nn.GroupNorm(1, 3)
        self.words = nn.Embedding(7, 3)
        self.gru = nn.GRUCell(3, 3)


def test_layers_are_chosen_by_type() -> None:
    by_default = ["bias_head.weight", "conv1.weight", "conv3.weight", "up.weight", "gru.weight_ih", "gru.weight_hh"]
    assert names(Zoo()) == by_default


def test_include_names_others_and_exclude_wins() -> None:
    few = names(Zoo(), include="norm.weight", exclude=("conv?", "gru"))
    assert few == ["bias_head.weight", "up.weight", "norm.weight"]
    both = names(Zoo(), include="*.weight", exclude=("words.weight",))
    assert both == [
        "bias_head.weight",
        "conv1.weight",
        "conv3.weight",
        "up.weight",
        "norm.weight",
        "group.weight",
        "gru.weight_ih",
        "gru.weight_hh",
    ]


@pytest.mark.parametrize("field", ["include", "exclude", "layer_densities"])
def test_a_pattern_that_matches_nothing_is_refused_with_the_nearest_name(field: str) -> None:
    value: object = {"cnov1.weight": 0.5} if field == "layer_densities" else ("cnov1.weight",)
    with pytest.raises(ValueError, match=rf"{field}: 'cnov1.weight' is not known. Did you mean 'conv1.weight'\?"):
        names(Zoo(), **{field: value})


def test_a_model_with_nothing_to_mask_is_refused() -> None:
    with pytest.raises(ValueError, match="no trainable Linear"):
        names(nn.LayerNorm(3))


def test_frozen_weights_are_left_alone() -> None:
    model = network()
    model[0].weight.requires_grad_(False)
    assert names(model) == ["4.weight", "6.weight"]


def test_a_lazy_module_is_refused_before_its_first_batch() -> None:
    with pytest.raises(ValueError, match="lazy"):
        names(nn.LazyLinear(3))


def test_included_parameters_are_masked_and_counted() -> None:
    model = Zoo()
    config = SparsityConfig(density=0.5, include=("words.weight", "norm.weight"), exclude=("conv3", "gru"), seed=1)
    masking = Masking(model, torch.optim.Adam(model.parameters()), config, total_steps=9)
    assert masking.maskable == 6 + 12 + 72 + 21 + 3
    assert masking.nonzeros == 57
    stats = masking.update()
    assert [layer.layer for layer in stats.layers][-2:] == ["norm.weight", "words.weight"]


def test_tied_weights_share_one_mask() -> None:
    model = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6))
    model[2].weight = model[0].weight
    masking = Masking(
        model, torch.optim.SGD(model.parameters(), 0.1), SparsityConfig(density=0.5, seed=1), total_steps=9
    )
    assert list(masking.masks) == ["0.weight"]
    assert masking.maskable == 36
    assert int(next(model[2].parameters()).count_nonzero()) == 18


def test_several_modules_are_told_apart() -> None:
    a, b = nn.Linear(2, 3), nn.Sequential(nn.Linear(3, 2))
    assert names([a, b]) == ["0.weight", "1.0.weight"]
    assert names({"encoder": a, "decoder": b}) == ["encoder.weight", "decoder.0.weight"]
    assert names([b]) == ["0.weight"]
    optimizer = torch.optim.SGD([*a.parameters(), *b.parameters()], 0.1)
    masking = Masking([a, b], optimizer, SparsityConfig(density=0.5, seed=1), total_steps=9)
    assert masking.maskable == 12
    assert masking.nonzeros == 6


def test_wrappers_do_not_show_in_names() -> None:
    model = network()
    compiled = torch.compile(model)
    assert isinstance(compiled, nn.Module)
    assert names(compiled) == names(model) == names(nn.DataParallel(model))


def test_masks_are_those_of_the_parameters_shapes() -> None:
    model, masking = masked(SparsityConfig(density=0.2, seed=1))
    shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
    for name, mask in masking.masks.items():
        assert mask.dtype == torch.bool
        assert mask.shape == shapes[name] == masking.explored[name].shape == masking.first_masks[name].shape


def test_channels_last_gives_the_same_masks_and_weights() -> None:
    results = []
    for layout in (torch.contiguous_format, torch.channels_last):
        model = network().to(memory_format=layout)
        config = SparsityConfig(density=0.3, growth="gradient", death="SET", update_frequency=2, seed=1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        masking = Masking(model, optimizer, config, total_steps=30)
        train(model, masking, 7)
        assert masking.nonzeros == round(0.3 * 441)
        for name, mask in masking.masks.items():
            assert (dict(model.named_parameters())[name][~mask] == 0).all()
        results.append((masking.masks, next(model.parameters()).detach().clone()))
    (masks, weight), (other_masks, other_weight) = results
    assert not other_weight.is_contiguous()
    assert all(torch.equal(masks[name], other_masks[name]) for name in masks)
    torch.testing.assert_close(weight, other_weight)


def test_reading_and_writing_in_any_layout() -> None:
    tensor = torch.arange(2 * 3 * 4 * 5, dtype=torch.float32).view(2, 3, 4, 5)
    index = torch.tensor([0, 7, 59, 60, 119])
    for stored in (
        tensor.clone(),
        tensor.clone(memory_format=torch.channels_last),
        torch.empty(5, 4, 3, 2).permute(3, 2, 1, 0),
    ):
        stored.copy_(tensor)
        assert gather(stored, index).tolist() == index.tolist()
        fill(stored, index, -1.0)
        expected = tensor.clone()
        expected.view(-1)[index] = -1.0
        assert torch.equal(stored, expected)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("growth", ["gradient", "momentum_neuron"])
def test_other_types_of_weights(dtype: torch.dtype, growth: str) -> None:
    model = network().to(dtype)
    config = SparsityConfig(density=0.2, growth=growth, redistribution="magnitude", update_frequency=2, seed=1)
    masking = Masking(model, make_optimizer("sgd-momentum", model), config, total_steps=30)
    for step in range(5):
        inputs, targets = batch(step)
        masking.optimizer.zero_grad()
        torch.autograd.backward(nn.functional.cross_entropy(model(inputs.to(dtype)).float(), targets))
        masking.step()
        assert sum(int(mask.sum()) for mask in masking.masks.values()) == round(0.2 * 441)
    assert model[0].weight.dtype == dtype


def test_the_first_mask_is_update_zero() -> None:
    _, masking = masked(SparsityConfig(density=0.2, seed=1))
    stats = masking.stats
    assert (stats.update, stats.step, stats.pruned, stats.grown, stats.churn) == (0, 0, 0, 0, 0.0)
    assert (stats.nonzeros, stats.density, stats.itop_rate) == (88, 88 / 441, 88 / 441)
    assert (stats.overlap_previous, stats.overlap_first, stats.survival) == (1.0, 1.0, None)
    assert [layer.layer for layer in masking.layer_stats()] == list(masking.masks)


def test_step_says_when_it_updated() -> None:
    model, masking = masked(SparsityConfig(density=0.2, update_frequency=3, last_update=6, seed=1), total_steps=11)
    updated = []
    for step in range(1, 13):
        inputs, targets = batch(step)
        masking.optimizer.zero_grad()
        torch.autograd.backward(nn.functional.cross_entropy(model(inputs), targets))
        if (stats := masking.step()) is not None:
            updated.append((step, stats.update, stats.step))
    assert updated == [(3, 1, 3), (6, 2, 6)]


READS = {"aten::_local_scalar_dense", "aten::item", "aten::nonzero", "aten::masked_select", "aten::is_nonzero"}
"""Operations that read a value from the device: on CUDA each makes the program wait for it."""


def operations(action: Callable[[], object]) -> set[str]:
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        action()
    return {event.key for event in profiler.key_averages()}


@pytest.mark.parametrize("growth", ["random", "gradient", "momentum"])
def test_steps_between_updates_read_nothing_from_the_device(growth: str) -> None:
    model, masking = masked(SparsityConfig(density=0.2, growth=growth, update_frequency=1000, seed=1), "sgd")
    train(model, masking, 2)

    def step_and_look() -> None:
        assert masking.step() is None
        assert 0 < masking.density < masking.itop_rate + 1 < masking.nonzeros < masking.maskable
        assert masking.death_rate > 0

    made = operations(step_and_look)
    assert "aten::bitwise_and_" in made
    assert not made & READS
    assert operations(masking.update) & READS


def test_fixed_masks_never_move() -> None:
    model, masking = masked(SparsityConfig(density=0.2, fixed=True, update_frequency=2, seed=1))
    first = {name: mask.clone() for name, mask in masking.masks.items()}
    train(model, masking, 9)
    assert all(torch.equal(mask, first[name]) for name, mask in masking.masks.items())
    assert masking.itop_rate == masking.density
    assert masking.death_rate == 0.0


def test_a_model_moved_after_masking_is_still_masked() -> None:
    model, masking = masked(SparsityConfig(density=0.2, seed=1))
    model.to(memory_format=torch.channels_last)
    train(model, masking, 3)
    for name, mask in masking.masks.items():
        assert (dict(model.named_parameters())[name][~mask] == 0).all()
