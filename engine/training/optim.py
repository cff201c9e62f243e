"""Optimizers by the names of the configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from engine.sparsity.layers import MASKABLE

if TYPE_CHECKING:
    from engine.config import RunConfig

__all__ = ["OPTIMIZERS", "build_optimizer", "l1_penalty", "set_learning_rate"]

Parameters = Iterable[nn.Parameter]


def _sgd(parameters: Parameters, config: RunConfig, fused: bool) -> Optimizer:
    # Nesterov without momentum is an error in torch; it means plain gradient descent.
    nesterov = config.nesterov and config.momentum > 0
    return SGD(
        parameters, lr=config.lr, momentum=config.momentum, weight_decay=config.l2, nesterov=nesterov, fused=fused
    )


def _adam(parameters: Parameters, config: RunConfig, fused: bool) -> Optimizer:
    return Adam(parameters, lr=config.lr, weight_decay=config.l2, fused=fused)


def _adamw(parameters: Parameters, config: RunConfig, fused: bool) -> Optimizer:
    return AdamW(parameters, lr=config.lr, weight_decay=config.l2, fused=fused)


def _rmsprop(parameters: Parameters, config: RunConfig, fused: bool) -> Optimizer:
    # torch has no fused form of it.
    return RMSprop(parameters, lr=config.lr, momentum=config.momentum, weight_decay=config.l2)


OPTIMIZERS: dict[str, Callable[[Parameters, RunConfig, bool], Optimizer]] = {
    "sgd": _sgd,
    "adam": _adam,
    "adamw": _adamw,
    "rmsprop": _rmsprop,
}


def build_optimizer(model: nn.Module, config: RunConfig, device: torch.device) -> Optimizer:
    """Make the optimizer a configuration asks for, over all parameters that train.

    ``l2`` is its weight decay: coupled for sgd, adam and rmsprop, decoupled for adamw. On CUDA the fused forms are
    taken: besides being faster, only they let fp16 skip an overflowed step without asking the device about it.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return OPTIMIZERS[config.optimizer](parameters, config, device.type == "cuda")


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Give all parameter groups one learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def l1_penalty(model: nn.Module) -> torch.Tensor:
    """Return the sum of |w| over the weights of linear and convolutional layers: a scalar on their device."""
    weights = {id(m.weight): m.weight for m in model.modules() if isinstance(m, MASKABLE)}  # tied ones count once
    return torch.stack([weight.abs().sum() for weight in weights.values()]).sum()
