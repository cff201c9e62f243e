"""What an optimizer remembers where weights die and grow."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from engine.sparsity import Masking, SparsityConfig
from engine.sparsity.optimizer_state import keeps_momentum, wipe

from .helpers import OPTIMIZERS, batch, make_optimizer, masked, network, train


def per_weight_state(masking: Masking, parameter: nn.Parameter) -> dict[str, Tensor]:
    state = masking.optimizer.state[parameter]
    return {key: one for key, one in state.items() if isinstance(one, Tensor) and one.shape == parameter.shape}


@pytest.mark.parametrize("optimizer", [name for name in OPTIMIZERS if name != "sgd"])
@pytest.mark.parametrize("growth", ["random", "gradient", "momentum"])
def test_state_is_zero_where_a_weight_died_or_grew_and_untouched_elsewhere(optimizer: str, growth: str) -> None:
    model, masking = masked(SparsityConfig(density=0.3, growth=growth, update_frequency=10**6, seed=2), optimizer)
    train(model, masking, 3)
    parameters = dict(model.named_parameters())
    before = {name: mask.clone() for name, mask in masking.masks.items()}
    states = {n: {k: v.clone() for k, v in per_weight_state(masking, parameters[n]).items()} for n in before}
    weights = {name: parameters[name].detach().clone() for name in before}
    steps = {name: masking.optimizer.state[parameters[name]].get("step") for name in before}
    stats = masking.update()
    assert stats.grown > 0
    for name, mask in masking.masks.items():
        moved = mask != before[name]
        state = per_weight_state(masking, parameters[name])
        assert state
        for key, value in state.items():
            assert (value[moved] == 0).all(), key
            assert torch.equal(value[~moved], states[name][key][~moved]), key
        # Grown weights start at 0, dead ones are 0, all others keep their value, those that died and returned included.
        assert (parameters[name][moved] == 0).all()
        assert torch.equal(parameters[name][~moved], weights[name][~moved])
        step = masking.optimizer.state[parameters[name]].get("step")
        assert step is None or float(step) == float(steps[name]) == 3


def test_a_step_count_per_weight_is_state_as_well() -> None:
    parameter = nn.Parameter(torch.ones(2, 3))
    optimizer = torch.optim.Adam([parameter])
    optimizer.state[parameter] = {"step": torch.tensor(7.0), "count": torch.full((2, 3), 7.0)}
    wipe(optimizer, parameter, torch.tensor([1, 5]))
    assert optimizer.state[parameter]["count"].tolist() == [[7, 0, 7], [7, 7, 0]]
    assert optimizer.state[parameter]["step"] == 7


@pytest.mark.parametrize(
    ("optimizer", "key", "first"),
    [
        (lambda p: torch.optim.Rprop(p, lr=0.01), "step_size", 0.01),
        (lambda p: torch.optim.Adagrad(p, initial_accumulator_value=0.5), "sum", 0.5),
        (lambda p: torch.optim.Adadelta(p), "square_avg", 0.0),
        (lambda p: torch.optim.Adam(p, amsgrad=True), "max_exp_avg_sq", 0.0),
    ],
)
def test_state_goes_back_to_where_that_optimizer_starts_it(optimizer: object, key: str, first: float) -> None:
    assert callable(optimizer)
    model = network()
    masking = Masking(model, optimizer(model.parameters()), SparsityConfig(density=0.3, seed=1), total_steps=99)
    train(model, masking, 2)
    before = {name: mask.clone() for name, mask in masking.masks.items()}
    masking.update()
    for name, mask in masking.masks.items():
        value = masking.optimizer.state[dict(model.named_parameters())[name]][key]
        assert (value[mask != before[name]] == first).all()


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_masked_weights_stay_exactly_zero(optimizer: str) -> None:
    model, masking = masked(SparsityConfig(density=0.1, growth="gradient", update_frequency=3, seed=1), optimizer)
    for step in range(8):
        train(model, masking, 1, start=step)
        for name, parameter in model.named_parameters():
            if name in masking.masks:
                assert int((parameter[~masking.masks[name]] != 0).sum()) == 0


def test_momentum_is_the_optimizers_own_where_it_keeps_one() -> None:
    for name, own in {"sgd": True, "sgd-momentum": False, "adamw": False, "rmsprop": True}.items():
        model = network()
        optimizer = make_optimizer(name, model)
        assert keeps_momentum(optimizer, next(model.parameters())) is not own
        config = SparsityConfig(density=0.2, growth="momentum", seed=1)
        masking = Masking(model, optimizer, config, total_steps=9)
        assert bool(masking.state_dict()["momentum"]) is own


def test_own_momentum_is_a_moving_average_of_the_dense_gradient() -> None:
    model = nn.Linear(3, 1, bias=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    config = SparsityConfig(density=0.34, growth="momentum", update_frequency=100, seed=1)
    masking = Masking(model, optimizer, config, total_steps=1000)
    for gradient in ([1.0, 2.0, 3.0], [10.0, 0.0, -10.0]):
        model.weight.grad = torch.tensor([gradient])
        masking.step()
    # 0.9 · 0.1 · g₁ + 0.1 · g₂
    expected = torch.tensor([[1.09, 0.18, -0.73]])
    torch.testing.assert_close(masking.state_dict()["momentum"]["weight"], expected)


def test_gradient_growth_before_any_gradient_is_refused() -> None:
    _, masking = masked(SparsityConfig(density=0.2, growth="gradient", seed=1))
    with pytest.raises(RuntimeError, match="after backward"):
        masking.update()


def test_a_parameter_the_optimizer_does_not_hold_is_refused() -> None:
    model = network()
    optimizer = torch.optim.SGD(model[0].parameters(), 0.1)
    with pytest.raises(ValueError, match=r"optimizer: it does not hold 4\.weight"):
        Masking(model, optimizer, SparsityConfig(seed=1), total_steps=9)
    masking = Masking(model, optimizer, SparsityConfig(exclude=("4", "6.*"), seed=1), total_steps=9)
    assert list(masking.masks) == ["0.weight"]


@pytest.mark.parametrize("overflow", [False, True])
def test_a_gradient_scaler_makes_the_step_and_an_overflow_spoils_nothing(overflow: bool) -> None:
    config = SparsityConfig(density=0.3, growth="momentum", update_frequency=2, seed=1)
    model, masking = masked(config, "sgd")
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    before = model[0].weight.detach().clone()  # type: ignore[index]
    for step in range(4):
        inputs, targets = batch(step)
        masking.optimizer.zero_grad()
        torch.autograd.backward(scaler.scale(nn.functional.cross_entropy(model(inputs), targets)))
        if overflow and step == 1:
            model[0].weight.grad[0, 0, 0, 0] = torch.inf  # type: ignore[index]
        masking.step(scaler)
        scaler.update()
    assert masking.steps == 4
    assert masking.nonzeros == round(0.3 * 441)
    assert not torch.equal(before, model[0].weight)  # type: ignore[index]
    assert all(torch.isfinite(value).all() for value in masking.state_dict()["momentum"].values())
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())


def test_a_scaled_run_chooses_the_same_masks_as_an_unscaled_one() -> None:
    masks = []
    for scale in (None, 4096.0):
        model, masking = masked(SparsityConfig(density=0.3, growth="momentum", update_frequency=2, seed=1), "sgd")
        scaler = None if scale is None else torch.amp.GradScaler("cpu", init_scale=scale)
        for step in range(6):
            inputs, targets = batch(step)
            masking.optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), targets)
            torch.autograd.backward(loss if scaler is None else scaler.scale(loss))
            masking.step(scaler)
            if scaler is not None:
                scaler.update()
        masks.append(masking.masks)
    assert all(torch.equal(masks[0][name], masks[1][name]) for name in masks[0])


@pytest.mark.parametrize("fused", [False, True])
def test_a_skipped_step_leaves_no_trace_in_the_momentum_kept_here(fused: bool) -> None:
    """Where a step overflows a fused optimizer leaves its gradients scaled: 2¹⁶ times too large, and finite."""
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.1, fused=fused)
    config = SparsityConfig(density=0.2, growth="momentum", update_frequency=100, seed=1)
    masking = Masking(model, optimizer, config, total_steps=100)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**16)
    kept: list[dict[str, torch.Tensor]] = []
    for step in range(3):
        inputs, targets = batch(step)
        optimizer.zero_grad()
        torch.autograd.backward(scaler.scale(nn.functional.cross_entropy(model(inputs), targets)))
        if step == 1:  # in a bias: every masked weight's own gradient stays finite
            bias = dict(model.named_parameters())["6.bias"]
            assert bias.grad is not None
            bias.grad[0] = torch.inf
        masking.step(scaler)
        scaler.update()
        kept.append(masking.state_dict()["momentum"])
    for name, first in kept[0].items():
        assert first.any()
        assert torch.equal(kept[1][name], first)
        assert not torch.equal(kept[2][name], first)
        assert kept[2][name].abs().max() < 1
