"""Attention, recurrent, bilinear and re-parametrised layers: masked, counted and resumed like any other."""

from __future__ import annotations

import copy
import io

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from engine.sparsity import Masking, SparsityConfig, plan_layers
from engine.sparsity.layers import find_maskable
from engine.sparsity.name_patterns import own_names
from tests.engine.examples import examples
from tests.engine.sparsity.registered import DEATHS, GROWTHS, REDISTRIBUTIONS, STEADY

from .helpers import OPTIMIZERS, make_optimizer
from .networks import KINDS, Conv1D, kind_of_network, sequences, train_on_sequences
from .test_exactness import check_step
from .test_resume import assert_same, everything


def names(model: nn.Module, **chosen: object) -> list[str]:
    return [one.name for one in find_maskable(model, SparsityConfig.create(**chosen))]


# Which parameters.

EXPECTED = {
    "encoder": ["self_attn.in_proj_weight", "self_attn.out_proj.weight", "linear1.weight", "linear2.weight"],
    "attention": ["layer.in_proj_weight", "layer.out_proj.weight", "key.weight"],
    "attention-kdim": [
        *(f"layer.{part}_proj_weight" for part in "qkv"),
        "layer.out_proj.weight",
        "key.weight",
    ],
    "lstm": [f"layer.weight_{part}_l{number}" for number in (0, 1) for part in ("ih", "hh")],
    "lstm-both-ways": [f"layer.weight_{part}_l0{way}" for way in ("", "_reverse") for part in ("ih", "hh", "hr")],
    "gru": ["layer.weight_ih_l0", "layer.weight_hh_l0"],
    "rnn": ["layer.weight_ih_l0", "layer.weight_hh_l0"],
    "lstm-cell": ["layer.weight_ih", "layer.weight_hh"],
    "gru-cell": ["layer.weight_ih", "layer.weight_hh"],
    "bilinear": ["layer.weight"],
    "conv1d-of-transformers": ["weight"],
    "weight-norm": ["parametrizations.weight.original1"],
    "weight-norm-all": ["parametrizations.weight.original1"],
    "weight-norm-conv": ["layer.parametrizations.weight.original1"],
    "weight-norm-transposed": ["layer.parametrizations.weight.original1"],
    "weight-norm-hook": ["weight_v"],
    "weight-norm-hook-lstm": ["layer.weight_hh_l0_v", "layer.weight_ih_l0_v"],
    "weight-norm-lstm": ["layer.weight_ih_l0", "layer.parametrizations.weight_hh_l0.original1"],
    "weight-norm-attention": [
        "layer.out_proj.weight",
        "layer.parametrizations.in_proj_weight.original1",
        "key.weight",
    ],
    "spectral-norm": ["parametrizations.weight.original"],
    "spectral-norm-conv": ["layer.parametrizations.weight.original"],
    "spectral-norm-hook": ["weight_orig"],
    "both-norms": ["parametrizations.weight.original1"],
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_weights_of_every_kind_are_masked(kind: str) -> None:
    model = kind_of_network(kind)
    assert names(model) == ["0.weight", *(f"1.{name}" for name in EXPECTED[kind]), "4.weight"]
    assert names(model, exclude="1") == ["0.weight", "4.weight"]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "norm" in kind and len(EXPECTED[kind]) == 1])
def test_a_weight_is_excluded_by_its_own_name_or_by_that_of_the_tensor_behind_it(kind: str) -> None:
    model = kind_of_network(kind)
    (behind,) = names(model)[1:-1]
    inner = "1.layer" if isinstance(getattr(model[1], "layer", None), nn.Module) else "1"
    for pattern in (behind, f"{inner}.weight", inner, "1*"):
        assert names(model, exclude=pattern) == ["0.weight", "4.weight"], pattern


def test_a_parametrization_that_mixes_weights_is_left_alone() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.utils.parametrizations.orthogonal(nn.Linear(4, 4)))
    assert names(model) == ["0.weight"]


def test_conv1d_of_transformers_is_known_by_its_structure() -> None:
    class Other(nn.Module):
        """Has a matrix, and is of another name."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3, 5))

    odd = type("Conv1D", (Other,), {})()
    odd.bias = nn.Parameter(torch.ones(3))  # (outputs, inputs): not theirs
    three = type("Conv1D", (Other,), {})()
    three.weight = nn.Parameter(torch.ones(3, 5, 2))
    model = nn.ModuleDict({"theirs": Conv1D(5, 3), "other": Other(), "odd": odd, "three": three})
    (layer,) = find_maskable(model, SparsityConfig())
    assert layer.name == "theirs.weight"
    assert (layer.geometry.inputs, layer.geometry.outputs) == (3, 5)


# How the density is distributed.


@pytest.mark.parametrize("distribution", ["er", "erk"])
def test_projections_get_one_density_packed_or_not(distribution: str) -> None:
    config = SparsityConfig(density=0.2, distribution=distribution)

    def densities(**options: int) -> dict[str, float]:
        model = nn.ModuleDict({"attention": nn.MultiheadAttention(32, 4, **options), "other": nn.Linear(300, 100)})
        if options:  # three weights of the same shapes as the packed ones
            for part in "kv":
                setattr(model["attention"], f"{part}_proj_weight", nn.Parameter(torch.zeros(32, 32)))
        return {one.name: one.nonzeros / one.size for one in plan_layers(model, config)}

    packed, apart = densities(), densities(kdim=16)
    assert packed["attention.in_proj_weight"] == pytest.approx(apart["attention.q_proj_weight"], abs=0.002)
    assert packed["other.weight"] == pytest.approx(apart["other.weight"], abs=0.002)


@pytest.mark.parametrize(("kind", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
def test_gates_get_the_density_of_a_single_matrix(kind: str, gates: int) -> None:
    model = nn.ModuleDict(
        {"recurrent": getattr(nn, kind)(20, 30), "same": nn.Linear(20, 30), "large": nn.Linear(500, 90)}
    )
    plan = {one.name: one for one in plan_layers(model, SparsityConfig(density=0.1))}
    assert plan["recurrent.weight_ih_l0"].shape == (gates * 30, 20)
    density = plan["recurrent.weight_ih_l0"].density
    assert density < 1
    assert density == pytest.approx(plan["same.weight"].density, abs=0.003)


# Exact at every step.


def masked_kind(kind: str, config: SparsityConfig, optimizer: str, total_steps: int = 12) -> tuple[nn.Module, Masking]:
    model = kind_of_network(kind)
    return model, Masking(model, make_optimizer(optimizer, model), config, total_steps=total_steps)


def check_kind(kind: str, optimizer: str = "sgd-momentum", **rules: object) -> None:
    config = SparsityConfig.create(**{"density": 0.15, "update_frequency": 2, "threshold": 0.05, "seed": 5, **rules})
    model, masking = masked_kind(kind, config, optimizer)
    nonzeros = round(config.density * masking.maskable)
    for step in range(7):
        check_step(model, masking, nonzeros)
        train_on_sequences(model, masking, 1, start=step)
        assert all(parameter.isfinite().all() for parameter in model.parameters())
    check_step(model, masking, nonzeros)
    assert model.eval()(sequences(0)[0]).isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_active_weights_are_constant_and_finite_for_every_kind(kind: str) -> None:
    check_kind(kind, death_rate=0.9, growth="gradient")


RULES = [
    *(("growth", rule) for rule in GROWTHS),
    *(("death", rule) for rule in DEATHS),
    *(("redistribution", rule) for rule in REDISTRIBUTIONS),
]


@pytest.mark.parametrize(("field", "rule"), RULES)
@pytest.mark.parametrize("kind", ["encoder", "lstm", "both-norms"])
def test_active_weights_are_constant_under_every_rule(kind: str, field: str, rule: str) -> None:
    check_kind(kind, **{field: rule})


@settings(max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    kind=st.sampled_from(sorted(KINDS)),
    density=st.floats(0.03, 1.0),
    distribution=st.sampled_from(STEADY),
    growth=st.sampled_from(GROWTHS),
    death=st.sampled_from(DEATHS),
    redistribution=st.sampled_from(REDISTRIBUTIONS),
    optimizer=st.sampled_from(sorted(OPTIMIZERS)),
    death_rate=st.floats(0, 1),
)
def test_active_weights_are_constant_and_finite_for_any_kind_density_and_method(**chosen: object) -> None:
    check_kind(fill_empty_layers=True, **chosen)  # type: ignore[arg-type]


@settings(max_examples=examples(15), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    kind=st.sampled_from(sorted(KINDS)),
    growth=st.sampled_from(GROWTHS),
    death=st.sampled_from(DEATHS),
    redistribution=st.sampled_from(REDISTRIBUTIONS),
    optimizer=st.sampled_from(sorted(OPTIMIZERS)),
    stop=st.integers(0, 8),
)
def test_stopping_any_kind_changes_nothing(
    kind: str, growth: str, death: str, redistribution: str, optimizer: str, stop: int
) -> None:
    check_stopping_kind(kind, optimizer, stop, growth=growth, death=death, redistribution=redistribution)


@pytest.mark.parametrize("kind", KINDS)
def test_stopping_every_kind_changes_nothing(kind: str) -> None:
    check_stopping_kind(kind, "sgd-momentum", 5, growth="gradient", death="magnitude", redistribution="none")


def check_stopping_kind(kind: str, optimizer: str, stop: int, **rules: str) -> None:
    config = SparsityConfig.create(density=0.2, update_frequency=3, threshold=0.02, seed=8, **rules)
    model, masking = masked_kind(kind, config, optimizer)
    train_on_sequences(model, masking, stop)
    file = io.BytesIO()
    torch.save(everything(model, masking), file)
    train_on_sequences(model, masking, 8 - stop, start=stop)

    file.seek(0)
    state = torch.load(file, weights_only=True)
    again = kind_of_network(kind, seed=99)
    again_masking = Masking(again, make_optimizer(optimizer, again), config, total_steps=12)
    again.load_state_dict(state["model"])
    again_masking.optimizer.load_state_dict(state["optimizer"])
    again_masking.load_state_dict(state["masking"])
    train_on_sequences(again, again_masking, 8 - stop, start=stop)
    assert_same(everything(model, masking), everything(again, again_masking))


@pytest.mark.parametrize("kind", ["encoder", "lstm", "weight-norm", "spectral-norm-hook"])
def test_pruning_gradually_ends_at_its_density(kind: str) -> None:
    config = SparsityConfig(density=0.1, distribution="gmp", update_frequency=2, seed=1)
    model, masking = masked_kind(kind, config, "sgd-momentum")
    train_on_sequences(model, masking, 12)
    assert masking.nonzeros == round(0.1 * masking.maskable)
    check_step(model, masking, masking.nonzeros)


# Where a norm would divide by zero.


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "norm" in kind and "attention" not in kind])
def test_weights_that_are_all_zero_come_back(kind: str) -> None:
    model = kind_of_network(kind)
    config = SparsityConfig(density=0.5, death_rate=1.0, schedule="constant", update_frequency=2, seed=1)
    masking = Masking(model, make_optimizer("sgd", model), config, total_steps=20)
    behind = [name for name in names(model) if len(own_names(name)) > 1]
    for name in behind:
        model.get_parameter(name).detach().zero_()
    train_on_sequences(model, masking, 1)
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    assert behind
    assert all(model.get_parameter(name).any() for name in behind)
    train_on_sequences(model, masking, 9, start=1)
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    assert model.eval()(sequences(0)[0]).isfinite().all()


def weight_of(layer: nn.Module) -> torch.Tensor:
    """The weight that a layer computes with, worked out now."""
    weight = layer.weight
    assert isinstance(weight, torch.Tensor)
    return weight


def test_a_row_without_an_active_weight_is_zero_and_the_others_are_those_of_torch() -> None:
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(6, 4))
    plain = copy.deepcopy(layer)
    config = SparsityConfig(distribution="resume", fixed=True)
    with torch.no_grad():
        for one in (layer, plain):
            one.get_parameter("parametrizations.weight.original1")[0] = 0
            one.get_parameter("parametrizations.weight.original1")[1, 2:] = 0
    masking = Masking(layer, torch.optim.SGD(layer.parameters(), 0.1), config, total_steps=3)
    assert (weight_of(layer)[0] == 0).all()
    assert torch.equal(weight_of(layer)[1:], weight_of(plain)[1:])
    torch.autograd.backward(weight_of(layer).square().sum() + weight_of(layer).sum())
    for name, parameter in layer.named_parameters():
        if parameter.grad is not None:
            assert parameter.grad.isfinite().all(), name
    masking.step()
    assert (weight_of(layer)[0] == 0).all()


def test_spectral_norm_finds_weights_that_moved_to_other_rows() -> None:
    layer = nn.utils.parametrizations.spectral_norm(nn.Linear(4, 4, bias=False))
    original = layer.get_parameter("parametrizations.weight.original")
    with torch.no_grad():
        original.zero_()
        original[0, 0] = 2.0
    masking = Masking(
        layer,
        torch.optim.SGD(layer.parameters(), 0.1),
        SparsityConfig(distribution="resume", fixed=True),
        total_steps=3,
    )
    assert masking.nonzeros == 1
    for _ in range(3):
        assert float(weight_of(layer).detach()[0, 0]) == pytest.approx(1.0)
    with torch.no_grad():
        original.zero_()
        original[3, 2] = -5.0
    assert float(weight_of(layer).detach()[3, 2]) == pytest.approx(-1.0)
    with torch.no_grad():
        original.zero_()
    assert not weight_of(layer).any()
    with torch.no_grad():
        original[1, 1] = 3.0
    assert float(weight_of(layer).detach()[1, 1]) == pytest.approx(1.0)


def test_weights_behind_a_norm_can_be_taken_out_of_it() -> None:
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(8, 8))
    masking = Masking(
        layer, torch.optim.SGD(layer.parameters(), 0.1), SparsityConfig(density=0.1, seed=1), total_steps=3
    )
    (mask,) = masking.masks.values()
    nn.utils.parametrize.remove_parametrizations(layer, "weight")
    assert torch.equal(layer.get_parameter("weight") != 0, mask)


# Statistics.


def test_dead_inputs_and_outputs_by_hand() -> None:
    bilinear = nn.Bilinear(2, 3, 2)
    with torch.no_grad():
        bilinear.weight.zero_()
        bilinear.weight[0, 1, 2] = 1.0  # reads x1[1] and x2[2], feeds output 0
    conv = Conv1D(3, 2)
    with torch.no_grad():
        conv.weight.zero_()
        conv.weight[1, :2] = 1.0
    for layer, inputs, outputs in ((bilinear, 3, 1), (conv, 1, 1)):
        optimizer = torch.optim.SGD(layer.parameters(), 0.1)
        (stats,) = Masking(layer, optimizer, SparsityConfig(distribution="resume"), total_steps=3).layer_stats()
        assert (stats.dead_inputs, stats.dead_outputs) == (inputs, outputs)
