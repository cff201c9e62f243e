"""Optimizers: the one asked for, and the fused form the same as the plain one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from engine.sparsity import Masking, SparsityConfig
from engine.training.optim import build_optimizer, l1_penalty, penalised
from tests.engine.training.helpers import config


def network(channels_last: bool) -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8 * 36, 4))
    return model.to(memory_format=torch.channels_last) if channels_last else model


PLAIN: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, 0.1, momentum=0.9, nesterov=True, weight_decay=5e-4),
    "adam": lambda parameters: torch.optim.Adam(parameters, 0.1, weight_decay=5e-4),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, 0.1, weight_decay=5e-4),
    "rmsprop": lambda parameters: torch.optim.RMSprop(parameters, 0.1, momentum=0.9, weight_decay=5e-4),
}


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("name", PLAIN)
def test_same_steps_as_the_textbook_optimizer(name: str, channels_last: bool) -> None:
    mine = network(channels_last)
    theirs = copy.deepcopy(mine)
    pairs = [
        (mine, build_optimizer(mine, config(optimizer=name, lr=0.1))),
        (theirs, PLAIN[name](theirs.parameters())),
    ]
    for step in range(4):
        inputs = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(step))
        for model, optimizer in pairs:
            optimizer.zero_grad()
            model(inputs).square().mean().backward()
            optimizer.step()
    for left, right in zip(mine.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-5)


def test_momentum_starts_at_zero_where_fp16_skips_the_first_step() -> None:
    """The fused form would keep uninitialised memory as its momentum; filled here with what must not be read."""
    model = nn.Linear(4, 2)
    optimizer = build_optimizer(model, config(lr=0.1, l2=0.0))
    before = [parameter.detach().clone() for parameter in model.parameters()]
    scaler = torch.amp.GradScaler("cpu")
    scaler.scale(model(torch.full((1, 4), 1e38)).sum() * 1e38).backward()
    scaler.step(optimizer)
    scaler.update()
    for parameter, value in zip(model.parameters(), before, strict=True):
        assert torch.equal(parameter, value)
        assert not optimizer.state[parameter]["momentum_buffer"].any()


def test_nesterov_without_momentum_is_plain_descent() -> None:
    optimizer = build_optimizer(nn.Linear(2, 2), config(momentum=0.0))
    assert optimizer.param_groups[0]["nesterov"] is False


def test_frozen_parameters_are_left_out() -> None:
    model = nn.Linear(2, 2)
    model.bias.requires_grad_(False)
    assert [len(group["params"]) for group in build_optimizer(model, config()).param_groups] == [1]


def test_l1_counts_weights_once_and_neither_biases_nor_norms() -> None:
    first, last = nn.Linear(2, 2), nn.Linear(2, 2)
    last.weight = first.weight
    model = nn.Sequential(first, nn.LayerNorm(2), last)
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[1.0, -2.0], [3.0, -4.0]]))
    assert float(l1_penalty(penalised(model, None)).detach()) == 10.0


def test_l1_counts_what_is_masked() -> None:
    model = nn.ModuleDict({"words": nn.Embedding(3, 2), "body": nn.LSTM(2, 1), "head": nn.Linear(1, 2)})
    chosen = SparsityConfig(density=0.9, include=("words",), exclude=("head",))
    masking = Masking(model, build_optimizer(model, config()), chosen, total_steps=9)
    expected = sum(weight.detach().abs().sum() for name, weight in model.named_parameters() if name in masking.masks)
    assert list(masking.masks) == ["words.weight", "body.weight_ih_l0", "body.weight_hh_l0"]
    assert float(l1_penalty(penalised(model, masking)).detach()) == pytest.approx(float(expected))
