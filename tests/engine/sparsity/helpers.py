"""Layers and networks small enough to check by eye."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from engine.sparsity import Masking, SparsityConfig
from engine.sparsity.layers import Geometry, Layer

__all__ = ["OPTIMIZERS", "active", "batch", "by_hand", "linear", "make_optimizer", "masked", "network", "train"]

OPTIMIZERS: dict[str, tuple[type[torch.optim.Optimizer], dict[str, Any]]] = {
    "sgd": (torch.optim.SGD, {"lr": 0.1, "weight_decay": 5e-4}),
    "sgd-momentum": (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4}),
    "sgd-nesterov": (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "foreach": True}),
    "adam": (torch.optim.Adam, {"lr": 1e-2}),
    "adam-fused": (torch.optim.Adam, {"lr": 1e-2, "fused": True}),
    "adamw": (torch.optim.AdamW, {"lr": 1e-2, "weight_decay": 0.1}),
    "rmsprop": (torch.optim.RMSprop, {"lr": 1e-3}),
}


def by_hand(
    weights: Sequence[float],
    mask: Sequence[int] | None = None,
    *,
    shape: tuple[int, ...] | None = None,
    gradient: Sequence[float] | None = None,
    momentum: Sequence[float] | None = None,
    explored: Sequence[int] | None = None,
    name: str = "layer",
    position: int = 0,
) -> Layer:
    """Builds a layer from lists; without a mask all its weights are active."""
    shape = shape or (1, len(weights))
    flat = torch.ones(len(weights), dtype=torch.bool) if mask is None else torch.tensor(mask, dtype=torch.bool)
    seen = flat.clone() if explored is None else torch.tensor(explored, dtype=torch.bool)
    places = flat.nonzero().view(-1)

    def shaped(values: Sequence[float] | None) -> Tensor | None:
        return None if values is None else torch.tensor(values, dtype=torch.float32).view(shape)

    return Layer(
        name=name,
        position=position,
        parameter=nn.Parameter(torch.tensor(weights, dtype=torch.float32).view(shape)),
        geometry=Geometry.of(shape),
        mask=flat,
        explored=seen,
        first=flat.clone(),
        active=places,
        fresh=places[:0],
        nonzeros=places.numel(),
        explored_count=int(seen.sum()),
        gradient=shaped(gradient),
        momentum=shaped(momentum),
    )


def linear(*rows: Sequence[float]) -> nn.Linear:
    """A linear layer without bias, of the given weights."""
    layer = nn.Linear(len(rows[0]), len(rows), bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(rows))
    return layer


def network(seed: int = 0) -> nn.Sequential:
    """A small network with a convolution, a norm and two linear layers: 4·9·2 + 36·9 + 9·5 = 441 maskable weights."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(36, 9), nn.ReLU(), nn.Linear(9, 5)
    )


def batch(step: int = 0, size: int = 12) -> tuple[Tensor, Tensor]:
    """A batch that depends on the step alone."""
    generator = torch.Generator().manual_seed(1000 + step)
    inputs = torch.randn(size, 2, 5, 5, generator=generator)
    return inputs, torch.randint(5, (size,), generator=generator)


def make_optimizer(name: str, model: nn.Module) -> torch.optim.Optimizer:
    """Makes one of `OPTIMIZERS`."""
    kind, options = OPTIMIZERS[name]
    return kind(model.parameters(), **options)


def train(model: nn.Module, masking: Masking, steps: int, *, start: int = 0) -> None:
    """Trains some steps."""
    for step in range(start, start + steps):
        inputs, targets = batch(step)
        masking.optimizer.zero_grad()
        torch.autograd.backward(nn.functional.cross_entropy(model(inputs), targets))
        masking.step()


def active(masking: Masking) -> int:
    """Counts the active weights from the masks themselves."""
    return sum(int(mask.sum()) for mask in masking.masks.values())


def masked(config: SparsityConfig, optimizer: str = "sgd-momentum", total_steps: int = 40) -> tuple[nn.Module, Masking]:
    """A masked `network`."""
    model = network()
    return model, Masking(model, make_optimizer(optimizer, model), config, total_steps=total_steps)
