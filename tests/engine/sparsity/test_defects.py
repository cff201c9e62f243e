"""One test for each defect of the official implementation that touches sparsity: it would have caught it there."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from engine.sparsity import SCHEDULES, Masking, SparsityConfig
from engine.sparsity.death import DEATH
from engine.sparsity.growth import GROWTH
from tests.patience import PATIENCE

from .helpers import active, batch, by_hand, make_optimizer, masked, network, train


def lenet() -> nn.Sequential:
    """LeNet-300-100: 266 200 maskable weights."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(784, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(), nn.Linear(100, 10))


def test_defect_02_random_masks_and_growth_are_exact_not_coin_flips() -> None:
    model = lenet()
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    config = SparsityConfig(density=0.075, growth="random", seed=3, update_frequency=1)
    masking = Masking(model, optimizer, config, total_steps=100)
    assert active(masking) == 19_965
    before = [int(mask.sum()) for mask in masking.masks.values()]
    for _ in range(5):
        masking.update()
        assert [int(mask.sum()) for mask in masking.masks.values()] == before


def test_defect_03_gradient_growth_never_picks_an_active_weight_when_gradients_are_zero() -> None:
    model = lenet()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    masking = Masking(model, optimizer, SparsityConfig(density=0.05, growth="gradient", seed=3), total_steps=100)
    before = [int(mask.sum()) for mask in masking.masks.values()]
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    stats = masking.update()
    assert [int(mask.sum()) for mask in masking.masks.values()] == before
    assert [layer.nonzeros for layer in stats.layers] == before


def test_defect_04_set_death_takes_negative_weights_near_zero_and_copes_with_one_sign() -> None:
    layer = by_hand([-0.1, -0.9, -0.2, 0.8, 0.1, 0.9])
    assert DEATH["SET"]([layer], [4], SparsityConfig())[0].tolist() == [0, 2, 3, 4]
    for sign in (1.0, -1.0):
        one_sided = by_hand([sign * value for value in (0.3, 0.1, 0.2, 0.4)])
        assert DEATH["SET"]([one_sided], [2], SparsityConfig())[0].tolist() == [1, 2]


@pytest.mark.parametrize("optimizer", ["sgd", "sgd-momentum", "adam", "rmsprop"])
def test_defect_05_momentum_growth_sees_momentum_where_it_could_grow(optimizer: str) -> None:
    model, masking = masked(SparsityConfig(density=0.2, growth="momentum", update_frequency=1000, seed=1), optimizer)
    train(model, masking, 4)
    masking._evidence.provide(expected=True)
    for layer in masking._layers:
        assert layer.momentum is not None
        inactive = layer.momentum.view(-1)[~layer.mask]
        assert (inactive != 0).float().mean() > 0.5, layer.name
        wanted = inactive.abs().topk(3).values.min()
        grown = GROWTH["momentum"](layer, 3, torch.Generator())
        assert (layer.momentum.view(-1)[grown].abs() >= wanted).all()


def test_defect_06_ties_never_go_beyond_the_count_and_rate_zero_kills_nothing() -> None:
    layer = by_hand([0.5] * 8)
    assert DEATH["magnitude"]([layer], [3], SparsityConfig())[0].tolist() == [0, 1, 2]
    config = SparsityConfig(density=0.3, death_rate=0.0, seed=1)
    model, masking = masked(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    first = {name: mask.clone() for name, mask in masking.masks.items()}
    stats = masking.update()
    assert stats.pruned == stats.grown == 0
    assert all(torch.equal(first[name], mask) for name, mask in masking.masks.items())


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "adam-fused"])
def test_defect_07_no_stale_adam_moment_reaches_an_active_weight(optimizer: str) -> None:
    model, masking = masked(SparsityConfig(density=0.2, growth="random", update_frequency=1000, seed=1), optimizer)
    train(model, masking, 5)
    before = {name: mask.clone() for name, mask in masking.masks.items()}
    masking.update()
    for name, mask in masking.masks.items():
        parameter = dict(model.named_parameters())[name]
        state = masking.optimizer.state[parameter]
        grown = mask & ~before[name]
        assert grown.any()
        assert (state["exp_avg"][grown] == 0).all()
        assert (state["exp_avg_sq"][grown] == 0).all()
        assert int((parameter[~mask] != 0).sum()) == 0


@pytest.mark.parametrize("field", ["growth", "death", "distribution", "redistribution", "schedule"])
def test_defect_08_an_unknown_name_is_refused_before_anything_trains(field: str) -> None:
    with pytest.raises(ValueError, match=rf"{field}: 'nonsense' is not known\..* Allowed: "):
        SparsityConfig.create(**{field: "nonsense"})


@pytest.mark.parametrize(
    ("field", "value", "other"),
    [
        ("redistribution", "magnitude", "none"),
        ("redistribution", "momentum", "none"),
        ("redistribution", "nonzeros", "none"),
        ("schedule", "linear", "cosine"),
        ("schedule", "constant", "cosine"),
        ("death", "threshold", "magnitude"),
        ("growth", "momentum_neuron", "momentum"),
        ("distribution", "gmp", "erk"),
    ],
)
def test_defect_09_every_setting_does_something(field: str, value: str, other: str) -> None:
    counts = []
    for choice in (value, other):
        config = (
            SparsityConfig.create(
                density=0.2, growth="momentum", threshold=0.05, seed=1, update_frequency=3, **{field: choice}
            )
            if field != "growth"
            else SparsityConfig(density=0.2, growth=choice, seed=1, update_frequency=3)
        )
        model, masking = masked(config, total_steps=20)
        train(model, masking, 20)
        counts.append(torch.cat([mask.view(-1) for mask in masking.masks.values()]))
    assert not torch.equal(*counts)
    assert int(counts[0].sum()) == int(counts[1].sum()) == 88


def test_defect_10_no_schedule_turns_up_or_raises_after_its_end() -> None:
    for name in ("cosine", "linear", "constant"):
        end = SCHEDULES[name](0.5, 1000, 1000)
        assert [SCHEDULES[name](0.5, step, 1000) for step in (1001, 1500, 2000, 10**7)] == [end] * 4
    assert SCHEDULES["cosine"](0.5, 1000, 1000) == pytest.approx(0.005)


def test_defect_11_the_state_holds_masks_explored_sets_schedule_and_step() -> None:
    config = SparsityConfig(density=0.2, update_frequency=2, seed=1)
    model, masking = masked(config, total_steps=30)
    train(model, masking, 7)
    other_model = network(seed=5)
    other = Masking(other_model, make_optimizer("sgd-momentum", other_model), config, total_steps=30)
    other.load_state_dict(masking.state_dict())
    assert (other.steps, other.updates, other.death_rate) == (7, 3, masking.death_rate)
    for name in masking.masks:
        assert torch.equal(other.masks[name], masking.masks[name])
        assert torch.equal(other.explored[name], masking.explored[name])
        assert torch.equal(other.first_masks[name], masking.first_masks[name])


RANK = """
import os, sys, torch, torch.distributed as dist
from torch import nn
from engine.sparsity import Masking, SparsityConfig
rank = int(sys.argv[1])
dist.init_process_group("gloo", rank=rank, world_size=2)
torch.manual_seed(100 + rank)  # every rank draws something else from torch's own generator
model = nn.parallel.DistributedDataParallel(nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 4)))
result = []
for growth, seed in (("random", 5), ("random", None), ("gradient", 5), ("random", 5 + rank)):
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    config = SparsityConfig(density=0.2, growth=growth, update_frequency=2, seed=seed)
    masking = Masking(model, optimizer, config, total_steps=20)
    for _ in range(6):
        optimizer.zero_grad()
        model(torch.randn(8, 20)).square().mean().backward()  # other data on every rank
        masking.step()
    result.append(masking.masks)
torch.save(result, sys.argv[2])
dist.destroy_process_group()
"""


def test_defect_15_the_ranks_of_a_distributed_run_have_the_same_masks(tmp_path: Path) -> None:
    if not torch.distributed.is_gloo_available():
        pytest.skip("this torch has no gloo")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    root = Path(__file__).parents[3]
    commands = [[sys.executable, "-c", RANK, str(rank), str(tmp_path / f"{rank}.pt")] for rank in (0, 1)]
    ranks = [subprocess.Popen(command, cwd=root, env=environment) for command in commands]
    try:
        assert [rank.wait(timeout=PATIENCE) for rank in ranks] == [0, 0]
    finally:
        for rank in ranks:
            rank.kill()
            rank.wait()
    ours, theirs = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert len(ours) == 4
    for one, other in zip(ours, theirs, strict=True):
        assert list(one) == ["0.weight", "2.weight"]
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_defect_16_masks_depend_on_their_own_seed_alone() -> None:
    masks = []
    for noise in (1, 2):
        model = network()
        torch.manual_seed(noise)
        masking = Masking(model, make_optimizer("sgd", model), SparsityConfig(density=0.2, seed=4), total_steps=9)
        torch.rand(noise)
        masking.update()
        masks.append(masking.masks)
    assert all(torch.equal(masks[0][name], masks[1][name]) for name in masks[0])
    torch.manual_seed(7)
    first, second = (masked(SparsityConfig(density=0.2))[1].masks["4.weight"] for _ in range(2))
    assert torch.equal(first, second)  # without a seed, torch's own decides: `masked` sets it


class Named(nn.Module):
    """A layer with 'bias' in its name, and layers that must not be masked."""

    def __init__(self) -> None:
        super().__init__()
        self.unbiased = nn.Linear(4, 4)
        self.debias_conv = nn.Conv2d(1, 2, 3)
        self.weight_norm = nn.LayerNorm(4)
        self.group = nn.GroupNorm(1, 4)
        self.batch = nn.BatchNorm2d(4)
        self.embedding = nn.Embedding(5, 4)


def test_defect_17_layers_are_chosen_by_type_and_not_by_name() -> None:
    model = Named()
    masking = Masking(
        model, torch.optim.SGD(model.parameters(), 0.1), SparsityConfig(density=0.5, seed=1), total_steps=9
    )
    assert list(masking.masks) == ["unbiased.weight", "debias_conv.weight"]
    assert (model.weight_norm.weight == 1).all()
    assert (model.embedding.weight != 0).all()


def test_defect_01_a_batch_trains_where_the_model_is() -> None:
    model, masking = masked(SparsityConfig(density=0.2, growth="gradient", update_frequency=1, seed=1))
    inputs, targets = batch()
    torch.autograd.backward(nn.functional.cross_entropy(model(inputs), targets))
    masking.step()
    assert {mask.device.type for mask in masking.masks.values()} == {"cpu"}
