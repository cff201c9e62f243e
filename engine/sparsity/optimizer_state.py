"""The state that an optimizer keeps for each weight, and how it is reset where a weight dies or grows.

Between updates an optimizer's state needs no mask: what it gathers at inactive weights reaches no active one, and it
is the dense momentum that momentum growth reads. At an update, whatever has the shape of the parameter (momentum,
moments, squared averages, a step count per weight) is set back to its first value at the weights that died or grew.
State of other shapes, such as Adam's scalar step, belongs to the whole parameter and is left alone.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from engine.sparsity.layers import fill

MOMENTUM_KEYS = ("momentum_buffer", "exp_avg")
"""Where optimizers of torch.optim keep a momentum of the gradient."""


def group_of(optimizer: Optimizer, parameter: nn.Parameter) -> dict[str, Any] | None:
    """Returns the parameter group that holds a parameter, or None."""
    for group in optimizer.param_groups:
        if any(held is parameter for held in group["params"]):
            return group
    return None


def keeps_momentum(optimizer: Optimizer, parameter: nn.Parameter) -> bool:
    """Says whether the optimizer will keep a dense momentum of this parameter itself."""
    group = group_of(optimizer, parameter) or {}
    if "momentum" in group:
        return bool(group["momentum"])
    return any(key in optimizer.state.get(parameter, {}) for key in MOMENTUM_KEYS) or "betas" in group


def momentum_of(optimizer: Optimizer, parameter: nn.Parameter) -> Tensor | None:
    """Returns the optimizer's own dense momentum of a parameter, or None where there is none (yet).

    Under Adam and its relatives it is m / (√v + 1e-8), the direction of the step, as SNFS has it (Dettmers &
    Zettlemoyer 2019): m alone would rank a weight by the size of its gradients, which the step divides out.
    """
    state = optimizer.state.get(parameter, {})
    for key in MOMENTUM_KEYS:
        value = state.get(key)
        if isinstance(value, Tensor) and value.shape == parameter.shape:
            squares = state.get("exp_avg_sq")
            if isinstance(squares, Tensor) and squares.shape == parameter.shape:
                return value / (squares.sqrt() + 1e-8)
            return value
    return None


def all_finite(optimizer: Optimizer, like: Tensor) -> Tensor:
    """Returns 1 where every gradient the optimizer holds is finite, else 0: a scalar tensor that is not read here."""
    gradients = [held.grad for group in optimizer.param_groups for held in group["params"] if held.grad is not None]
    finite = [gradient.isfinite().all().to(like.device) for gradient in gradients]
    return torch.stack(finite).all().to(like)


def wipe(optimizer: Optimizer, parameter: nn.Parameter, index: Tensor) -> None:
    """Sets a parameter's per-weight state back to its first value at flat indices, in place."""
    state = optimizer.state.get(parameter)
    if not state or not index.numel():
        return
    group = group_of(optimizer, parameter) or {}
    for key, value in state.items():
        if isinstance(value, Tensor) and value.shape == parameter.shape and value.dim() > 0:
            fill(value, index, _first_value(key, group))


def _first_value(key: str, group: dict[str, Any]) -> float:
    """Where a state starts: zero, but for the two of torch.optim that start elsewhere."""
    if key == "step_size":  # Rprop: a step size of 0 would never move again
        return float(group.get("lr", 0.0))
    if key == "sum":  # Adagrad
        return float(group.get("initial_accumulator_value", 0.0))
    return 0.0
