"""A weight counts where it is used, called or not, and a zero of it only where it stays one."""

from __future__ import annotations

import copy
import random
import warnings
from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from engine.sparsity import flops


class Uses(nn.Module):
    """Computes any function of its parameters and inputs."""

    def __init__(self, function: Callable[..., Any], **parts: nn.Parameter | nn.Module | Tensor | list[Tensor]) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            if isinstance(part, Tensor) and not isinstance(part, nn.Parameter):
                self.register_buffer(name, part)
            else:
                setattr(self, name, part)

    def forward(self, *inputs: Tensor, **named: Tensor) -> Any:
        return self.function(self, *inputs, **named)


def weight(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(shape))


def autocast(model: Any, inputs: Tensor) -> Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output: Tensor = model.layer(inputs)
    return output


@torch.inference_mode()
def in_inference_mode(model: Any, inputs: Tensor) -> Tensor:
    output: Tensor = model.layer(inputs)
    return output


@pytest.mark.parametrize(
    ("function", "name", "part", "expected"),
    [
        (lambda m, x: functional.linear(x, m.layer.weight), "layer.weight", nn.Linear(4, 3), 24),
        (lambda m, x: functional.conv1d(x[:, None], m.layer.weight), "layer.weight", nn.Conv1d(1, 3, 2), 2 * 6 * 3),
        (lambda m, x: torch.addmm(torch.zeros(3, device=x.device), x, m.w), "w", weight(4, 3), 24),
        (lambda m, x: (m.w @ x.T).T, "w", weight(3, 4), 24),
        (lambda m, x: x @ m.w, "w", weight(4), 8),
        (lambda m, x: torch.matmul(x[:, None, None], m.w), "w", weight(5, 4, 3), 2 * 60),
        (lambda m, x: torch.einsum("bi,kij->bkj", x, m.w), "w", weight(5, 4, 3), 2 * 60),
        (lambda m, x: torch.stack([functional.linear(x, w) for w in m.w.chunk(3)]), "w", weight(9, 4), 2 * 36),
        (lambda m, x: functional.linear(x, m.w[1:, ::2].repeat(1, 2)), "w", weight(4, 4), 24),
        (lambda m, x: functional.linear(functional.linear(x, m.w), m.w), "w", weight(4, 4), 64),
        (autocast, "layer.weight", nn.Linear(4, 3), 24),
        (in_inference_mode, "layer.weight", nn.Linear(4, 3), 24),
        (lambda m, x: functional.linear(x, m.w * (m.w.abs() > 0.1)), "w", weight(3, 4), 24),
        (lambda m, x: functional.linear(x, m.w + (m.w.round().clamp(-8, 7) - m.w).detach()), "w", weight(3, 4), 24),
        (lambda m, x: functional.linear(x, m.w * x.mean()), "w", weight(3, 4), 24),
    ],
    ids=[
        *("functional linear", "functional convolution", "Hugging Face's Conv1D", "left factor", "vector", "batched"),
        *("einsum", "chunks", "slices", "twice", "autocast", "inference mode", "own mask", "quantised", "scaled"),
    ],
)
def test_a_weight_counts_without_being_called(
    function: Callable[..., Any], name: str, part: nn.Parameter | nn.Module, expected: int
) -> None:
    model = Uses(function, **{"w" if isinstance(part, Tensor) else "layer": part})
    report = flops.count(model, (4,), {name: 0.25})
    assert {one.layer for one in report.per_layer} == {name}
    assert (report.dense_forward, report.forward) == (expected, expected / 4)


@pytest.mark.parametrize(
    "function",
    [
        lambda m, x: functional.linear(x, m.w - m.w.mean()),
        lambda m, x: functional.linear(x, m.w + torch.randn_like(m.w)),
        lambda m, x: functional.linear(x, functional.softplus(m.w)),
        lambda m, x: functional.linear(x, m.w + m.w.T),
        lambda m, x: functional.linear(x, m.w + m.up @ m.down),
    ],
    ids=["mean subtracted", "noise added", "softplus", "made symmetric", "low-rank part added"],
)
def test_a_product_is_dense_where_zeros_of_the_weight_do_not_stay_zero(function: Callable[..., Any]) -> None:
    model = Uses(function, w=weight(4, 4), up=weight(4, 1), down=weight(1, 4))
    report = flops.count(model, (4,), {"w": 0.25})
    assert report.dense_forward == report.forward == report.without_parameter == 32


def test_weights_that_are_put_together_count_by_their_sizes() -> None:
    model = Uses(lambda m, x: functional.linear(x, torch.cat([m.a, m.b])), a=weight(3, 4), b=weight(9, 4))
    report = flops.count(model, (4,), {"a": 0.5})
    assert [(one.layer, one.dense) for one in report.per_layer] == [("a", 24), ("b", 72)]
    assert report.forward == 12 + 72


def test_attention_counts_its_projections() -> None:
    tokens = [torch.zeros(1, 5, 8)] * 3
    model = nn.MultiheadAttention(8, 2, batch_first=True)
    report = flops.count(model, tokens, {"in_proj_weight": 0.1, "out_proj.weight": 0.5})
    assert report.without_parameter == 2 * 2 * 5 * 5 * 8
    assert report.dense_forward == 2 * 5 * 4 * 64 + 800
    assert report.forward == pytest.approx(0.1 * 2 * 5 * 192 + 0.5 * 2 * 5 * 64 + 800)


def test_attention_with_other_sizes_of_keys_and_values() -> None:
    model = nn.MultiheadAttention(8, 2, batch_first=True, kdim=4, vdim=6)
    report = flops.count(model, [torch.zeros(1, 5, 8), torch.zeros(1, 7, 4), torch.zeros(1, 7, 6)])
    assert [(one.layer, one.dense) for one in report.per_layer] == [
        ("q_proj_weight", 2 * 5 * 64),
        ("k_proj_weight", 2 * 7 * 32),
        ("v_proj_weight", 2 * 7 * 48),
        ("out_proj.weight", 2 * 5 * 64),
    ]
    assert report.without_parameter == 2 * 2 * 5 * 7 * 8


def test_a_bilinear_layer_counts_each_weight_once() -> None:
    """As published: x₁W x₂ with the inputs' outer product, which is pointwise, left out."""
    report = flops.count(nn.Bilinear(3, 4, 5), [torch.zeros(2, 3), torch.zeros(2, 4)], {"weight": 0.5}, samples=2)
    assert (report.dense_forward, report.forward) == (2 * 60, 60)


def weight_norm_by_hook(layer: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return nn.utils.weight_norm(layer)


@pytest.mark.parametrize(
    ("wrap", "name"),
    [
        (weight_norm_by_hook, "weight_v"),
        (nn.utils.spectral_norm, "weight_orig"),
        (parametrizations.weight_norm, "parametrizations.weight.original1"),
        (parametrizations.spectral_norm, "parametrizations.weight.original"),
    ],
    ids=["weight norm by a hook", "spectral norm by a hook", "weight norm", "spectral norm"],
)
def test_a_normed_weight_counts_at_its_product_and_not_where_it_is_normed(
    wrap: Callable[[nn.Module], nn.Module], name: str
) -> None:
    model = wrap(nn.Conv2d(4, 3, 3))
    before = model.weight
    report = flops.count(model, (4, 5, 5), {name: 0.5})
    assert [(one.layer, one.dense) for one in report.per_layer] == [(name, 2 * 108 * 9)]
    assert report.forward == 108 * 9
    assert isinstance(before, Tensor)
    assert isinstance(model.weight, Tensor)
    assert model.weight.device == before.device


def guarded(model: Any, inputs: Tensor) -> Tensor:
    """A weight norm that gives zero for a row without an active weight."""
    dead = model.w.norm(dim=1, keepdim=True) == 0
    alive = torch._weight_norm(torch.where(dead, torch.ones_like(model.w), model.w), model.scale, 0)
    return functional.linear(inputs, torch.where(dead, model.w * model.scale, alive))


def test_a_guard_for_rows_without_a_weight_leaves_the_others_sparse() -> None:
    report = flops.count(Uses(guarded, w=weight(3, 4), scale=weight(3, 1)), (4,), {"w": 0.25})
    assert [(one.layer, one.dense, one.density) for one in report.per_layer] == [("w", 24, 0.25)]


def test_what_is_computed_once_a_batch_is_not_counted_for_each_sample() -> None:
    model = parametrizations.orthogonal(nn.Linear(6, 6))
    assert flops.count(model, (6,)).dense_forward == 2 * 36


def test_products_of_learned_queries_are_made_for_each_sample() -> None:
    model = Uses(lambda m, x: functional.linear(m.q.expand(len(x), -1, -1), m.w), q=weight(1, 6, 4), w=weight(4, 4))
    report = flops.count(model, (5,), {"w": 0.5})
    assert [(one.layer, one.dense, one.density) for one in report.per_layer] == [("w", 2 * 6 * 16, 0.5)]


@pytest.mark.parametrize("samples", [1, 3, 8])
def test_the_flops_of_a_sample_do_not_depend_on_the_batch(samples: int) -> None:
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3),
        nn.BatchNorm2d(4),
        nn.Flatten(2),
        parametrizations.spectral_norm(nn.Linear(9, 6)),
        nn.TransformerEncoderLayer(6, 2, 8, batch_first=True),
        nn.GRU(6, 5, batch_first=True),
    )
    report = flops.count(model, torch.zeros(samples, 2, 5, 5), samples=samples)
    assert report.dense_forward == flops.count(model, (2, 5, 5)).dense_forward > 0
    assert report.without_parameter == 2 * 2 * 4 * 4 * 6


def test_several_inputs_by_place_and_by_name() -> None:
    model = Uses(lambda m, a, b: functional.linear(a, m.w) + b, w=weight(3, 4))
    a, b = torch.zeros(1, 4), torch.zeros(1, 3)
    for inputs in ([a, b], (a, b), {"b": b, "a": a}):
        assert flops.count(model, inputs).dense_forward == 24


def test_a_name_that_is_no_parameters_is_refused() -> None:
    model = nn.Linear(4, 3)
    with pytest.raises(ValueError, match=r"masks: 'wieght' is not known\. Did you mean 'weight'"):
        flops.count(model, (4,), {"wieght": 0.5})
    with pytest.raises(ValueError, match="samples = 0: must be 1 or more"):
        flops.count(model, (4,), samples=0)


class Restless(nn.Module):
    """Changes everything it can while it runs, and looks at values or cannot be copied if it is asked to."""

    seen: Tensor

    def __init__(self, *, values: bool, copied: bool) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.norm = nn.BatchNorm1d(4)
        self.frozen = nn.Dropout(0.5).eval()
        self.register_buffer("seen", torch.zeros(1))
        self.calls = 0
        self.values = values
        if not copied:
            self.steps: Iterator[int] = (number for number in range(3))

    def forward(self, inputs: Tensor) -> Tensor:
        self.calls += 1
        self.last = inputs
        self.seen += 1
        hidden = self.norm(self.layer(inputs + torch.rand(4).to(inputs.device)))
        if self.values:
            random.random()
            np.random.rand()
            assert hidden.sum().item() == hidden.sum().item()
        output: Tensor = self.frozen(hidden)
        return output


@pytest.mark.parametrize("values", [False, True], ids=["on the meta device", "for real"])
@pytest.mark.parametrize("copied", [True, False], ids=["on a copy", "on itself"])
def test_counting_changes_neither_the_model_nor_random_numbers(values: bool, copied: bool) -> None:
    model = Restless(values=values, copied=copied)
    model(torch.randn(3, 4)).sum().backward()
    gradients = [None if one.grad is None else one.grad.clone() for one in model.parameters()]
    state = copy.deepcopy(model.state_dict())
    attributes = {name: value for name, value in vars(model).items() if not name.startswith("_")}
    modes = [module.training for module in model.modules()]
    parameters = [id(one) for one in model.parameters()]
    numbers = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index]

    assert flops.count(model, (4,)).dense_forward == 32

    assert torch.equal(torch.get_rng_state(), numbers[0])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == numbers[1:]  # type: ignore[index]
    assert [id(one) for one in model.parameters()] == parameters
    assert [module.training for module in model.modules()] == modes
    assert {name: value for name, value in vars(model).items() if not name.startswith("_")} == attributes
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    for one, gradient in zip(model.parameters(), gradients, strict=True):
        assert (one.grad is None) == (gradient is None)
        assert gradient is None or (one.grad is not None and torch.equal(one.grad, gradient))


def test_a_model_that_fails_says_why_and_keeps_its_mode() -> None:
    model = nn.Sequential(nn.Linear(4, 3)).train()
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        flops.count(model, (5,))
    assert model.training


def test_a_compiled_part_counts_under_its_own_name() -> None:
    model = nn.Sequential(nn.Linear(4, 4), cast(nn.Module, torch.compile(nn.Linear(4, 3), backend="eager")))
    report = flops.count(model, (4,), {"1.weight": 0.5})
    assert [(one.layer, one.dense, one.density) for one in report.per_layer] == [
        ("0.weight", 32, 1.0),
        ("1.weight", 24, 0.5),
    ]
