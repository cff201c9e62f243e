"""Optimizers by the names of the configuration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from engine.sparsity import Masking, SparsityConfig
from engine.sparsity.layers import find_maskable, parameters_by_name

if TYPE_CHECKING:
    from engine.config.run_config import RunConfig

__all__ = ["OPTIMIZERS", "build_optimizer", "l1_penalty", "penalised", "set_learning_rate"]

Parameters = Sequence[nn.Parameter]


def _sgd(parameters: Parameters, config: RunConfig, fused: bool) -> Optimizer:
    # Nesterov without momentum is an error in torch; it means plain gradient descent.
    nesterov = config.nesterov and config.momentum > 0
    optimizer = SGD(
        parameters,
        lr=config.lr,
        momentum=config.momentum,
        weight_decay=config.l2,
        nesterov=nesterov,
        fused=fused,
    )
    if fused and config.momentum > 0:
        # Left to itself the fused form makes its buffers of uninitialised memory in its first step, and where fp16
        # skips that step they stay so. From zero the first step comes out the same.
        for parameter in parameters:
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer


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


def build_optimizer(model: nn.Module, config: RunConfig) -> Optimizer:
    """Make the optimizer a configuration asks for, over all parameters that train.

    Call it when the model is on its device. ``l2`` is the weight decay: coupled for sgd, adam and rmsprop, decoupled
    for adamw. The fused forms are taken: besides being faster, only they let fp16 on CUDA skip an overflowed step
    without asking the device about it.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    fused = all(parameter.is_floating_point() for parameter in parameters)  # it knows no complex numbers
    return OPTIMIZERS[config.optimizer](parameters, config, fused)


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Give all parameter groups one learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def penalised(model: nn.Module, masking: Masking | None) -> list[nn.Parameter]:
    """Return the weights that the L1 penalty applies to: those with a mask, or that would have one in a dense model."""
    if masking is not None:
        parameters = parameters_by_name(model)
        return [parameters[name] for name in masking.masks]
    return [one.parameter for one in find_maskable(model, SparsityConfig())]


def l1_penalty(weights: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the sum of |w| over weights: a scalar on their device."""
    return torch.stack([weight.abs().sum() for weight in weights]).sum()
