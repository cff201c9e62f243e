"""The state that an optimizer keeps for each weight, and how it is reset where a weight dies or grows.

Between updates an optimizer's state needs no mask: what it gathers at inactive weights reaches no active one, and it
is the dense momentum that momentum growth reads. At an update, whatever has the shape of the parameter (momentum,
moments, squared averages, a step count per weight) is set back to its first value at the weights that died or grew.
State of other shapes, such as Adam's scalar step, belongs to the whole parameter and is left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from engine.sparsity.flat_access import fill

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


def per_weight(optimizer: Optimizer, parameter: nn.Parameter, *shapes: Sequence[int]) -> dict[str, Tensor]:
    """Returns what an optimizer keeps for each weight of a parameter: whatever has its shape, or one of those given."""
    allowed = {tuple(parameter.shape), *(tuple(shape) for shape in shapes)}
    state = optimizer.state.get(parameter, {})
    return {
        key: value
        for key, value in state.items()
        if isinstance(value, Tensor) and value.dim() > 0 and tuple(value.shape) in allowed
    }


def first_values(optimizer: Optimizer, parameter: nn.Parameter, keys: Iterable[str]) -> dict[str, float]:
    """Returns where an optimizer's state of each weight of a parameter starts, by key."""
    group = group_of(optimizer, parameter) or {}
    return {key: _first_value(key, group) for key in keys}


def carry(values: Tensor, before: Tensor, after: Tensor, first: float = 0.0) -> Tensor:
    """Returns values of the weights at some places as those of other places.

    Args:
        values: One value for each place before.
        before: Flat indices of the places, ascending.
        after: Flat indices of the other places, ascending.
        first: What a place gets that was not there before.
    """
    moved = values.new_full((after.numel(),), first)
    if before.numel() and after.numel():
        found = torch.searchsorted(before, after).clamp_max_(before.numel() - 1)
        stays = before.index_select(0, found) == after
        torch.where(stays, values.index_select(0, found), moved, out=moved)
    return moved


def _first_value(key: str, group: dict[str, Any]) -> float:
    """Where a state starts: zero, but for the two of torch.optim that start elsewhere."""
    if key == "step_size":  # Rprop: a step size of 0 would never move again
        return float(group.get("lr", 0.0))
    if key == "sum":  # Adagrad
        return float(group.get("initial_accumulator_value", 0.0))
    return 0.0
