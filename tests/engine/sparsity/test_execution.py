"""A network computed from its active weights alone makes the decisions of the masked one, and each reads the other's
state."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from torch import nn

from engine.sparsity import Masking, SparsityConfig
from engine.sparsity.execution import EXECUTIONS, linear_layers
from engine.sparsity.growth import GROWTH
from engine.sparsity.kernels import products
from engine.sparsity.layers import find_maskable
from engine.sparsity.sparse_linear import SparseLinear
from tests.engine.examples import examples
from tests.engine.sparsity.registered import DEATHS, GROWTHS, REDISTRIBUTIONS, STEADY

from .helpers import OPTIMIZERS, make_optimizer, train
from .test_resume import assert_same, everything

STEPS = 24


def network(*, seed: int = 0) -> nn.Module:
    """A convolution, which stays masked, and three linear layers; in float64."""
    torch.manual_seed(seed)
    linear = (nn.Linear(27, 12), nn.ReLU(inplace=True), nn.Linear(12, 9), nn.Tanh(), nn.Linear(9, 5))
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), *linear).double()


def perceptron() -> nn.Module:
    """Two linear layers, which make quick steps; in float64."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(50, 12), nn.ReLU(), nn.Linear(12, 5)).double()


def masked(
    config: SparsityConfig,
    optimizer: str,
    execution: str,
    *,
    total_steps: int = STEPS,
    model: nn.Module | None = None,
) -> tuple[nn.Module, Masking]:
    model = network() if model is None else model
    made = make_optimizer(optimizer, model)
    return model, Masking(model, made, config, total_steps=total_steps, execution=execution, batch_size=12)


def settings_of(**chosen: Any) -> SparsityConfig:
    chosen = {"density": 0.3, "update_frequency": 5, "threshold": 0.03, "seed": 8} | chosen
    chosen["fill_empty_layers"] = chosen.get("distribution") == "lottery_ticket"
    if chosen.get("distribution") == "gmp":
        chosen["redistribution"] = "none"
        chosen["death"] = "magnitude" if chosen.get("death") == "threshold" else chosen.get("death", "magnitude")
    return SparsityConfig(**chosen)


def double_train(model: nn.Module, masking: Masking, steps: int, *, start: int = 0) -> None:
    """As `train`, in float64."""
    handle = model.register_forward_pre_hook(lambda _, inputs: (inputs[0].double(),))
    train(model, masking, steps, start=start)
    handle.remove()


def assert_close(runs: Sequence[tuple[nn.Module, Masking]], tolerance: float = 1e-9) -> None:
    """The same masks, bit for bit, and weights and optimizer states of active weights within a tolerance."""
    (model, masking), (other, other_masking) = runs
    for kind in ("masks", "explored", "first_masks"):
        assert_same(getattr(masking, kind), getattr(other_masking, kind), kind)
    assert masking.stats == other_masking.stats
    for (name, one), two in zip(model.state_dict().items(), other.state_dict().values(), strict=True):
        torch.testing.assert_close(two, one, rtol=0, atol=tolerance, msg=name)
    masks = masking.masks
    names = [name for name, _ in model.named_parameters()]
    states = [one.optimizer.state_dict()["state"] for one in (masking, other_masking)]
    for place, name in enumerate(names):
        for key, value in states[0].get(place, {}).items():
            two = states[1][place][key]
            if isinstance(value, torch.Tensor) and name in masks and value.shape == masks[name].shape:
                value, two = value[masks[name]], two[masks[name]]
            torch.testing.assert_close(two, value, rtol=0, atol=tolerance)


def is_sparse(masking: Masking) -> list[str]:
    return [name for name, one in masking.execution.items() if one.way == "sparse"]


def check_equal(optimizer: str, **chosen: Any) -> None:
    """Trains both ways and compares.

    The convolution has no mask: the outputs of an empty channel would all be equal, and so would be, but for their
    rounding, the gradients of the weights that read them.
    """
    config = settings_of(exclude=("0",), **chosen)
    runs = [masked(config, optimizer, execution) for execution in ("masked", "sparse")]
    for model, masking in runs:
        double_train(model, masking, STEPS)
    assert is_sparse(runs[0][1]) == []
    reads_momentum = "momentum" in GROWTH.needs(config.growth) or config.redistribution == "momentum"
    if config.distribution == "gmp" or not reads_momentum:
        assert is_sparse(runs[1][1]) == ["2.weight", "4.weight", "6.weight"]
    assert_close(runs)


@pytest.mark.parametrize("growth", GROWTHS)
@pytest.mark.parametrize("death", DEATHS)
def test_every_pair_of_rules_makes_the_same_decisions(growth: str, death: str) -> None:
    check_equal("adam", growth=growth, death=death)


@pytest.mark.parametrize(("growth", "death"), [("random", "SET"), ("gradient", "magnitude")])
def test_a_thousand_steps_make_the_same_decisions(growth: str, death: str) -> None:
    config = settings_of(growth=growth, death=death)
    ways = ("masked", "sparse")
    runs = [masked(config, "sgd-nesterov", way, total_steps=1000, model=perceptron()) for way in ways]
    for model, masking in runs:
        double_train(model, masking, 1000)
    assert is_sparse(runs[1][1]) == ["1.weight", "3.weight"]
    assert runs[1][1].updates == 199
    assert_close(runs)


@settings(max_examples=examples(10), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    growth=st.sampled_from(GROWTHS),
    death=st.sampled_from(DEATHS),
    redistribution=st.sampled_from(REDISTRIBUTIONS),
    distribution=st.sampled_from([*STEADY, "gmp"]),
    optimizer=st.sampled_from(sorted(OPTIMIZERS)),
    density=st.sampled_from([0.1, 0.5, 1.0]),
)
def test_any_configuration_makes_the_same_decisions(
    growth: str, death: str, redistribution: str, distribution: str, optimizer: str, density: float
) -> None:
    check_equal(
        optimizer,
        growth=growth,
        death=death,
        redistribution=redistribution,
        distribution=distribution,
        density=density,
    )


@settings(max_examples=examples(10), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    before=st.sampled_from(["masked", "sparse"]),
    after=st.sampled_from(["masked", "sparse"]),
    growth=st.sampled_from(["random", "gradient"]),
    distribution=st.sampled_from(["erk", "gmp"]),
    optimizer=st.sampled_from(sorted(OPTIMIZERS)),
    optimizer_first=st.booleans(),
    stop=st.integers(0, STEPS),
)
@example(  # an update is due in the step after
    before="masked",
    after="sparse",
    growth="gradient",
    distribution="erk",
    optimizer="adam",
    optimizer_first=False,
    stop=4,
)
def test_a_training_resumes_in_either_way(
    before: str, after: str, growth: str, distribution: str, optimizer: str, optimizer_first: bool, stop: int
) -> None:
    config = settings_of(growth=growth, distribution=distribution, density=0.2)
    model, masking = masked(config, optimizer, before)
    double_train(model, masking, stop)
    file = io.BytesIO()
    torch.save(everything(model, masking), file)
    double_train(model, masking, STEPS - stop, start=stop)

    file.seek(0)
    state = torch.load(file, weights_only=True)
    again, again_masking = masked(config, optimizer, after, model=network(seed=99))
    again.load_state_dict(state["model"])
    if optimizer_first:
        again_masking.optimizer.load_state_dict(state["optimizer"])
    again_masking.load_state_dict(state["masking"])
    if not optimizer_first:
        again_masking.optimizer.load_state_dict(state["optimizer"])
    double_train(again, again_masking, STEPS - stop, start=stop)
    assert_close([(model, masking), (again, again_masking)])
    if before == after:
        assert_same(everything(model, masking), everything(again, again_masking))


def test_gradients_are_summed_over_the_batches_of_a_step() -> None:
    config = settings_of(growth="gradient", update_frequency=2)
    runs = [masked(config, "sgd", execution) for execution in ("masked", "sparse")]
    for model, masking in runs:
        for step in range(6):
            masking.optimizer.zero_grad()
            for part in range(3):
                generator = torch.Generator().manual_seed(10 * step + part)
                inputs = torch.randn(4, 2, 5, 5, generator=generator, dtype=torch.float64)
                torch.autograd.backward(model(inputs).square().mean())
            masking.clip_grad_norm_(model.parameters(), 0.1)
            masking.step()
    assert runs[0][1].updates > 1
    assert_close(runs)


def test_an_update_at_any_time_has_to_be_expected() -> None:
    config = settings_of(growth="gradient", update_frequency=1000)
    runs = [masked(config, "sgd", execution, total_steps=5000) for execution in ("masked", "sparse")]
    inputs = torch.ones(4, 2, 5, 5, dtype=torch.float64)
    for model, masking in runs:
        masking.expect_update()
        torch.autograd.backward(model(inputs).square().mean())
        masking.update()
    assert_close(runs)
    model, masking = runs[1]
    model[0].weight.requires_grad_(requires_grad=False)  # type: ignore[index]
    masking.step()
    masking.optimizer.zero_grad()
    torch.autograd.backward(model(inputs).square().mean())
    with pytest.raises(RuntimeError, match=r"call expect_update\(\) before the backward pass"):
        masking.update()


def test_auto_takes_the_way_that_is_measured_to_be_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    speeds = iter([3.0, 0.5, 1.5])
    monkeypatch.setattr("engine.sparsity.sparse_layers.measured", lambda *_, **__: next(speeds))
    model, masking = masked(settings_of(), "sgd-momentum", "auto")
    assert {name: (one.way, one.speed) for name, one in masking.execution.items()} == {
        "0.weight": ("masked", None),
        "2.weight": ("sparse", 3.0),
        "4.weight": ("masked", 0.5),
        "6.weight": ("sparse", 1.5),
    }
    described = masking.execution_summary
    assert described == (
        f"2 of 4 layers sparse ({products().description}), 2.weight 3.0 times as fast, 6.weight 1.5 times as fast; "
        "0.weight masked (of Conv2d); 4.weight masked (sparse would be 0.5 times as fast)"
    )
    double_train(model, masking, 7)
    state = everything(model, masking)
    file = io.BytesIO()
    torch.save(state, file)
    double_train(model, masking, STEPS - 7, start=7)

    others = iter([0.5, 3.0, 0.5])
    monkeypatch.setattr("engine.sparsity.sparse_layers.measured", lambda *_, **__: next(others))
    again, again_masking = masked(settings_of(), "sgd-momentum", "auto", model=network(seed=5))
    assert is_sparse(again_masking) == ["4.weight"]
    file.seek(0)
    state = torch.load(file, weights_only=True)
    again.load_state_dict(state["model"])
    again_masking.optimizer.load_state_dict(state["optimizer"])
    again_masking.load_state_dict(state["masking"])
    assert again_masking.execution == masking.execution
    double_train(again, again_masking, STEPS - 7, start=7)
    assert_same(everything(model, masking), everything(again, again_masking))


def test_auto_measures_again_where_the_density_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []

    def measured(weight: torch.Tensor, active: torch.Tensor, *_: object, **__: object) -> float:
        density = active.numel() / weight.numel()
        seen.append(density)
        return 0.5 / density

    monkeypatch.setattr("engine.sparsity.sparse_layers.measured", measured)
    config = settings_of(distribution="gmp", density=0.1, update_frequency=3)
    runs = [masked(config, "sgd-momentum", execution) for execution in ("masked", "auto")]
    assert is_sparse(runs[1][1]) == []
    for model, masking in runs:
        double_train(model, masking, STEPS)
    assert is_sparse(runs[1][1]) == ["2.weight", "4.weight", "6.weight"]
    assert_close(runs)
    assert len(seen) <= 9, "not at every update"


def test_measuring_a_layer_gives_the_ratio_of_its_times() -> None:
    from engine.sparsity.execution import measured

    torch.manual_seed(0)
    weight = torch.randn(512, 512)
    few, all_of_them = torch.arange(0, weight.numel(), 2000), torch.arange(weight.numel())
    assert measured(weight, few, 64, needs_input_gradient=True) > measured(
        weight, all_of_them, 64, needs_input_gradient=True
    )


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 6)
        self.two.weight = self.one.weight
        self.normed = nn.utils.parametrizations.weight_norm(nn.Linear(6, 6))
        self.attention = nn.MultiheadAttention(6, 2)
        self.coarse = nn.Linear(6, 6, dtype=torch.bfloat16)


def test_what_cannot_be_sparse_stays_masked_and_says_why() -> None:
    model = Tied()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    masking = Masking(model, optimizer, SparsityConfig(density=0.5), total_steps=10, execution="sparse")
    assert {name: one.why for name, one in masking.execution.items()} == {
        "one.weight": "shared by several modules",
        "three.weight": "",
        "normed.parametrizations.weight.original1": "computed from another tensor",
        "attention.in_proj_weight": "computed from another tensor",
        "attention.out_proj.weight": "of NonDynamicallyQuantizableLinear",
        "coarse.weight": "of type bfloat16",
    }
    assert isinstance(model.three, SparseLinear)
    rules = SparsityConfig(density=0.5, growth="momentum")
    masking = Masking(model, optimizer, rules, total_steps=10, execution="sparse")
    assert type(model.three) is nn.Linear, "a model that is masked again is dense before"
    assert masking.execution["three.weight"].why == "a rule reads the momentum of inactive weights"
    adafactor = torch.optim.Adafactor(model.three.parameters())
    one = find_maskable(model.three, rules)
    found = linear_layers(model.three, one, adafactor, reads_momentum=False)
    assert found == {"weight": "Adafactor looks at whole matrices"}
    found = linear_layers([nn.DataParallel(model.three)], one, optimizer, reads_momentum=False)
    assert found == {"weight": "the model is wrapped (DataParallel)"}


def test_outputs_stay_feature_major_between_sparse_layers_alone() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 7), nn.ReLU(), nn.Linear(7, 6), nn.LayerNorm(6), nn.Linear(6, 5), nn.ReLU())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    Masking(model, optimizer, SparsityConfig(density=0.5), total_steps=10, execution="sparse")
    outputs = {}
    for name, module in model.named_children():
        module.register_forward_hook(lambda _, __, output, name=name: outputs.update({name: output.is_contiguous()}))
    model(torch.randn(4, 8))
    assert outputs == {"0": False, "1": False, "2": True, "3": True, "4": True, "5": True}


def test_a_copy_of_the_model_is_brought_to_the_masks() -> None:
    import copy

    model, masking = masked(settings_of(), "sgd", "sparse")
    average = copy.deepcopy(model)
    plain = network(seed=3)
    double_train(model, masking, STEPS)
    for other in (average, plain):
        masking.apply_to(other)
        for name, mask in masking.masks.items():
            assert not other.state_dict()[name][~mask].any()
    with torch.no_grad():
        average.load_state_dict(model.state_dict())
    assert_same(average.state_dict(), model.state_dict())


def test_an_unknown_execution_is_refused() -> None:
    with pytest.raises(ValueError, match=r"execution: 'spars'.*sparse"):
        masked(settings_of(), "sgd", "spars")
    assert EXECUTIONS == ("masked", "sparse", "auto")
