"""Optimizers by the names of the configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

if TYPE_CHECKING:
    from engine.config import RunConfig

__all__ = ["OPTIMIZERS", "build_optimizer", "l1_penalty", "set_learning_rate"]

Parameters = Iterable[nn.Parameter]


def _sgd(parameters: Parameters, config: RunConfig) -> Optimizer:
    # Nesterov without momentum is an error in torch; it means plain gradient descent.
    nesterov = config.nesterov and config.momentum > 0
    return SGD(parameters, lr=config.lr, momentum=config.momentum, weight_decay=config.l2, nesterov=nesterov)


def _adam(parameters: Parameters, config: RunConfig) -> Optimizer:
    return Adam(parameters, lr=config.lr, weight_decay=config.l2)


def _adamw(parameters: Parameters, config: RunConfig) -> Optimizer:
    return AdamW(parameters, lr=config.lr, weight_decay=config.l2)


def _rmsprop(parameters: Parameters, config: RunConfig) -> Optimizer:
    return RMSprop(parameters, lr=config.lr, momentum=config.momentum, weight_decay=config.l2)


OPTIMIZERS: dict[str, Callable[[Parameters, RunConfig], Optimizer]] = {
    "sgd": _sgd,
    "adam": _adam,
    "adamw": _adamw,
    "rmsprop": _rmsprop,
}


def build_optimizer(model: nn.Module, config: RunConfig) -> Optimizer:
    """Make the optimizer a configuration asks for, over all parameters that train.

    ``l2`` is its weight decay: coupled for sgd, adam and rmsprop, decoupled for adamw.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return OPTIMIZERS[config.optimizer](parameters, config)


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Give all parameter groups one learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def l1_penalty(model: nn.Module) -> torch.Tensor:
    """Return the sum of absolute weights: matrices and kernels, neither biases nor norms. Shape: scalar."""
    terms = [parameter.abs().sum() for parameter in model.parameters() if parameter.ndim > 1]
    return torch.stack(terms).sum() if terms else torch.zeros(())
