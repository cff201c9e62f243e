"""Models, optimizers and gradients at the edge: each works as a user expects, or is refused in one sentence."""

from __future__ import annotations

import copy
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from engine.sparsity import GROWTH, Masking, SparsityConfig
from engine.sparsity.layers import find_maskable
from engine.sparsity.optimizer_state import momentum_of
from engine.sparsity.schedules import dying

from .helpers import active, batch, make_optimizer, masked, network, train

NEEDS = [(name, need) for name in sorted(GROWTH) for need in sorted(GROWTH.needs(name))]


def names(model: nn.Module, **settings: object) -> list[str]:
    return [one.name for one in find_maskable(model, SparsityConfig.create(**settings))]


def backward(model: nn.Module, masking: Masking, step: int = 0) -> None:
    inputs, targets = batch(step)
    masking.optimizer.zero_grad()
    torch.autograd.backward(nn.functional.cross_entropy(model(inputs), targets))


# What the rules read.


@pytest.mark.parametrize("value", [torch.inf, -torch.inf, torch.nan])
@pytest.mark.parametrize("optimizer", ["sgd", "sgd-momentum", "adam"])
def test_a_gradient_that_is_no_number_at_an_inactive_weight_stays_outside_the_network(
    optimizer: str, value: float
) -> None:
    model, masking = masked(SparsityConfig(density=0.3, update_frequency=1000, seed=3), optimizer)
    weight, mask = model.get_parameter("4.weight"), masking.masks["4.weight"]
    for step in range(3):
        backward(model, masking, step)
        assert weight.grad is not None
        weight.grad[~mask] = value
        masking.step()
        assert (weight[~mask] == 0).all()
        assert weight[mask].isfinite().all()


def test_momentum_under_adam_is_the_direction_of_its_step() -> None:
    # m = 0.1 g and v = 0.001 g² after one step: m/√v is the same for every gradient but 0, where m alone is not.
    weight = nn.Parameter(torch.tensor([[1.0, 1.0, 1.0]]))
    optimizer = torch.optim.Adam([weight])
    weight.grad = torch.tensor([[4.0, -1.0, 0.0]])
    optimizer.step()
    momentum = momentum_of(optimizer, weight)
    assert momentum is not None
    assert momentum[0, :2].tolist() == pytest.approx([0.1 / 0.001**0.5, -0.1 / 0.001**0.5], rel=1e-4)
    assert momentum[0, 2] == 0


def test_momentum_growth_under_adam_prefers_steady_gradients_to_large_ones() -> None:
    layer = nn.Linear(3, 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 0.0, 0.0]]))
    optimizer = torch.optim.Adam(layer.parameters(), lr=1e-3)
    config = SparsityConfig(distribution="resume", growth="momentum", death_rate=1.0, schedule="constant", seed=1)
    masking = Masking(layer, optimizer, config, total_steps=100)
    for step in range(4):  # the second is large and changes its sign, the third is small and steady
        layer.weight.grad = torch.tensor([[0.0, 100.0 * (-1) ** step, 0.01]])
        masking.step()
    masking.update()
    assert masking.masks["weight"].tolist() == [[False, False, True]]


# Layers that take no part.


@pytest.mark.parametrize(("growth", "need"), NEEDS)
@pytest.mark.parametrize("optimizer", ["sgd", "sgd-momentum", "adam"])
def test_a_layer_without_what_the_rule_ranks_by_is_left_alone(growth: str, need: str, optimizer: str) -> None:
    class Detour(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = network()
            self.unused = nn.Linear(20, 20)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.body(inputs)
            return out

    model = Detour()
    config = SparsityConfig(density=0.3, growth=growth, redistribution="nonzeros", update_frequency=2, seed=1)
    masking = Masking(model, make_optimizer(optimizer, model), config, total_steps=40)
    first = {name: mask.clone() for name, mask in masking.masks.items()}
    train(model, masking, 6)
    assert torch.equal(masking.masks["unused.weight"], first["unused.weight"])
    assert not torch.equal(masking.masks["body.4.weight"], first["body.4.weight"])
    assert active(masking) == round(0.3 * masking.maskable)


@pytest.mark.parametrize(("growth", "need"), NEEDS)
@pytest.mark.parametrize("optimizer", ["sgd", "sgd-momentum", "adam"])
def test_a_rule_with_nothing_to_rank_by_anywhere_is_refused(growth: str, need: str, optimizer: str) -> None:
    _, masking = masked(SparsityConfig(density=0.3, growth=growth, seed=1), optimizer)
    with pytest.raises(RuntimeError, match=f"growth '{growth}'.*read (gradients|momenta)"):
        masking.update()


@pytest.mark.parametrize("death", ["magnitude", "SET", "global_magnitude", "threshold"])
@pytest.mark.parametrize("redistribution", ["none", "magnitude"])
def test_a_layer_that_is_frozen_later_is_left_alone(death: str, redistribution: str) -> None:
    config = SparsityConfig(
        density=0.3, death=death, redistribution=redistribution, threshold=0.1, update_frequency=2, seed=1
    )
    model, masking = masked(config)
    train(model, masking, 3)
    model.get_parameter("4.weight").requires_grad_(False)
    frozen = model.get_parameter("4.weight").detach().clone()
    mask = masking.masks["4.weight"].clone()
    others = {name: masking.masks[name].clone() for name in ("0.weight", "6.weight")}
    train(model, masking, 6, start=3)
    assert torch.equal(masking.masks["4.weight"], mask)
    assert torch.equal(model.get_parameter("4.weight"), frozen)
    assert any(not torch.equal(masking.masks[name], other) for name, other in others.items())
    assert active(masking) == round(0.3 * 441)


def test_pruning_gradually_makes_up_for_a_frozen_layer_as_far_as_it_can() -> None:
    config = SparsityConfig(density=0.5, distribution="gmp", update_frequency=2, last_update=20)
    model, masking = masked(config)
    train(model, masking, 5)
    model.get_parameter("6.weight").requires_grad_(False)
    held = int(masking.masks["6.weight"].sum())
    train(model, masking, 25, start=5)
    assert int(masking.masks["6.weight"].sum()) == held
    assert active(masking) == round(0.5 * 441)
    model.get_parameter("4.weight").requires_grad_(False)  # now nothing is left to make up with: no error


# Models.


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = nn.Linear(4, 4)
        self.second.weight = self.first.weight
        self.again = self.first
        self.other = nn.Linear(4, 4)


@pytest.mark.parametrize("pattern", ["first.weight", "second.weight", "again.weight", "first", "second", "again"])
def test_any_name_of_a_tied_weight_excludes_it(pattern: str) -> None:
    assert names(Tied()) == ["first.weight", "other.weight"]
    assert names(Tied(), exclude=pattern) == ["other.weight"]


def test_a_layer_of_size_zero_is_left_out() -> None:
    model = nn.ModuleDict({"empty": nn.Linear(0, 3), "full": nn.Linear(3, 3)})
    assert names(model) == ["full.weight"]
    masking = Masking(model, torch.optim.SGD(model.parameters(), 0.1), SparsityConfig(density=0.5), total_steps=9)
    assert masking.maskable == 9


def test_a_compiled_part_of_a_model_keeps_its_names() -> None:
    model = network()
    plain = names(model)
    compiled = torch.compile(model[4])
    assert isinstance(compiled, nn.Module)
    model[4] = compiled
    assert names(model) == plain
    assert names(model, exclude="4") == ["0.weight", "6.weight"]


def test_a_sharded_model_is_refused() -> None:
    class FullyShardedDataParallel(nn.Linear):
        """Stands for torch's own, which cannot be made without a process group."""

    model = nn.Sequential(nn.Linear(3, 3), FullyShardedDataParallel(3, 3))
    with pytest.raises(ValueError, match=r"model: 1\.weight is sharded by FSDP.*DDP"):
        names(model)


# Optimizers.


def test_a_closure_reaches_the_optimizer() -> None:
    config = SparsityConfig(density=0.3, growth="gradient", update_frequency=3, seed=1)
    model, masking = masked(config)
    other, expected = masked(config)
    other.load_state_dict(copy.deepcopy(model.state_dict()))
    for step in range(7):
        inputs, targets = batch(step)

        def closure(inputs: torch.Tensor = inputs, targets: torch.Tensor = targets) -> torch.Tensor:
            masking.optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), targets)
            torch.autograd.backward(loss)
            return loss

        masking.step(closure)
    train(other, expected, 7)
    for mine, theirs in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_closure_and_a_scaler_together_are_refused() -> None:
    _, masking = masked(SparsityConfig(density=0.3, seed=1))
    with pytest.raises(ValueError, match=r"closure: .*scaler"):
        masking.step(lambda: 0.0, scaler=torch.amp.GradScaler("cpu"))


def test_lbfgs_is_refused() -> None:
    model = network()
    with pytest.raises(ValueError, match=r"optimizer: LBFGS cannot train a masked network"):
        Masking(model, torch.optim.LBFGS(model.parameters()), SparsityConfig(density=0.3), total_steps=9)


# Arithmetic.


@given(st.integers(0, 10**9), st.integers(1, 12), st.integers(0, 10**10))
def test_what_dies_is_exact(digits: int, places: int, count: int) -> None:
    rate = min(Fraction(digits, 10**places), Fraction(1))
    expected = -((-rate.numerator * count) // rate.denominator)
    assert dying(float(rate), count) == expected


# Gradients of the sparse network.


def test_clipping_counts_only_the_gradients_of_active_weights() -> None:
    layer = nn.Linear(2, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    optimizer = torch.optim.SGD(layer.parameters(), 0.1)
    masking = Masking(layer, optimizer, SparsityConfig(distribution="resume", seed=1), total_steps=9)
    layer.weight.grad = torch.tensor([[2.0, 50.0], [torch.inf, 0.0]])
    layer.bias.grad = torch.tensor([1.0, 2.0])
    norm = masking.clip_grad_norm_(layer.parameters(), 1.5)
    assert float(norm) == 3.0  # of 2, 0, 1 and 2
    torch.testing.assert_close(layer.weight.grad, torch.tensor([[1.0, 25.0], [torch.inf, 0.0]]))
    torch.testing.assert_close(layer.bias.grad, torch.tensor([0.5, 1.0]))


@pytest.mark.parametrize("name", ["Adafactor", "Muon"])
@pytest.mark.parametrize("growth", sorted(GROWTH))
def test_an_optimizer_that_looks_at_matrices_sees_the_sparse_network_alone(name: str, growth: str) -> None:
    kind = getattr(torch.optim, name, None)
    if kind is None:
        pytest.skip(f"this torch has no {name}")

    def trained(noise: float) -> tuple[nn.Module, Masking]:
        """Trains with some noise on the gradients of inactive weights, up to the first update."""
        torch.manual_seed(2)
        model = nn.Sequential(nn.Linear(8, 12, bias=False), nn.Linear(12, 5, bias=False))
        optimizer = kind(model.parameters(), lr=0.01)
        config = SparsityConfig(density=0.3, growth=growth, update_frequency=4, seed=1)
        masking = Masking(model, optimizer, config, total_steps=20)
        generator = torch.Generator().manual_seed(5)
        for _ in range(3):
            optimizer.zero_grad()
            inputs = torch.randn(6, 8, generator=generator)
            torch.autograd.backward(model(inputs).square().mean())
            for layer, mask in masking.masks.items():
                gradient = model.get_parameter(layer).grad
                assert gradient is not None
                gradient[~mask] += noise
            masking.step()
        return model, masking

    (calm, masking), (noisy, _) = trained(0.0), trained(7.0)
    for mine, theirs in zip(calm.parameters(), noisy.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    before = {name: mask.clone() for name, mask in masking.masks.items()}
    torch.autograd.backward(calm(torch.randn(6, 8)).square().mean())
    assert masking.step() is not None
    assert active(masking) == round(0.3 * masking.maskable)
    assert any(not torch.equal(mask, before[name]) for name, mask in masking.masks.items())


def test_growth_by_gradient_reads_the_dense_gradient_where_gradients_are_masked() -> None:
    layer = nn.Linear(3, 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 0.0, 0.0]]))
    config = SparsityConfig(
        distribution="resume", growth="gradient", death_rate=1.0, schedule="constant", update_frequency=1, seed=1
    )
    optimizer = torch.optim.SGD(layer.parameters(), 0.0)
    masking = Masking(layer, optimizer, config, total_steps=9, mask_gradients=True)
    layer.weight.grad = torch.tensor([[0.1, 0.2, -0.3]])
    masking.step()
    assert masking.masks["weight"].tolist() == [[False, False, True]]
