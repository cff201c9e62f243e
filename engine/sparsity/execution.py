"""How each masked layer is computed: masked, with its zeros, or sparse, from its active weights alone.

Both make the same decisions; what differs is time and memory. A layer can be sparse where it is an `nn.Linear` on the
CPU that nothing else shares or wraps. `auto` measures both on the layer as it is and takes the faster.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from engine.sparsity.gradients import looks_at_matrices
from engine.sparsity.kernels import products
from engine.sparsity.layers import Maskable, Modules, matrix_users, module_list, unwrap
from engine.sparsity.registry import unknown_value

__all__ = ["EXECUTIONS", "LayerExecution", "canonical_execution", "feature_major_outputs", "linear_layers", "measured"]

EXECUTIONS = ("masked", "sparse", "auto")

_WORTH = 1.1
"""How many times faster a sparse layer must be measured to be taken by `auto`: measurements vary by some per cent."""

_REPEATS = 5
_NAMED = 4
_LARGEST = 2**31 - 1
"""Weights of a layer whose places fit the kernels' numbers, however many of them are active."""

_ELEMENTWISE = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Tanh, nn.Sigmoid),
    *(nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid, nn.Softplus, nn.Softsign, nn.LogSigmoid, nn.Identity, nn.Dropout),
)
"""Modules that work on each number by itself, whatever its place in memory."""


@dataclass(frozen=True, slots=True)
class LayerExecution:
    """How a layer is computed, and why.

    Args:
        way: `masked` or `sparse`.
        speed: How many times faster sparse was measured to be than masked; None where nothing was measured.
        why: Why it is masked where sparse was asked for, in a few words; empty elsewhere.
    """

    way: str
    speed: float | None = None
    why: str = ""


def canonical_execution(name: str) -> str:
    """Returns the name of a way of execution.

    Raises:
        ValueError: There is none of that name.
    """
    if name not in EXECUTIONS:
        raise unknown_value("execution", name, EXECUTIONS)
    return name


def linear_layers(
    modules: Modules, maskable: list[Maskable], optimizer: Optimizer, *, reads_momentum: bool
) -> dict[str, nn.Linear | str]:
    """Finds the layers that can be sparse.

    Args:
        modules: The model.
        maskable: Its masked parameters.
        optimizer: What trains them.
        reads_momentum: Whether a rule ranks inactive weights by momentum, which needs their gradients at every step.

    Returns:
        Name of the parameter → its module, or why it stays masked.
    """
    users = matrix_users(modules)
    shared = ""
    wrapped = next((one for one in _given(modules) if unwrap(one) is not one), None)
    if wrapped is not None:  # a compiler or DDP holds on to what the parameters are
        shared = f"the model is wrapped ({type(wrapped).__name__})"
    elif reads_momentum:
        shared = "a rule reads the momentum of inactive weights"
    elif looks_at_matrices(optimizer):
        shared = f"{type(optimizer).__name__} looks at whole matrices"
    elif torch.distributed.is_available() and torch.distributed.is_initialized():
        shared = "the training is distributed"
    return {one.name: shared or _linear_of(one, users.get(id(one.parameter), [])) for one in maskable}


def _given(modules: Modules) -> list[nn.Module]:
    if isinstance(modules, nn.Module):
        return [modules]
    return list(modules.values() if isinstance(modules, Mapping) else modules)


def _linear_of(one: Maskable, users: list[tuple[nn.Module, str]]) -> nn.Linear | str:
    parameter = one.parameter
    if len(users) != 1:
        return "shared by several modules"
    module, attribute = users[0]
    if type(module) is not nn.Linear or attribute != "weight":
        return f"of {type(module).__name__}" if attribute == "weight" else "computed from another tensor"
    if parameter.device.type not in ("cpu", "meta"):
        return f"on {parameter.device.type}"
    if parameter.dtype not in (torch.float32, torch.float64):
        return f"of type {str(parameter.dtype).removeprefix('torch.')}"
    return module if parameter.numel() <= _LARGEST else "too large"


def feature_major_outputs(modules: Modules, sparse: Mapping[str, nn.Linear]) -> set[str]:
    """Names the sparse layers whose output goes to another one through modules that work element by element alone.

    Only `nn.Sequential` says what follows what; elsewhere an output could be used by anything.
    """
    names = {id(module): name for name, module in sparse.items()}
    found = set()
    for root in module_list(modules):
        for sequence in root.modules():
            if type(sequence) is not nn.Sequential:
                continue
            waiting: str | None = None
            for module in sequence:
                name = names.get(id(module))
                if name is not None and waiting is not None:
                    found.add(waiting)
                if name is not None:
                    waiting = name
                elif not isinstance(module, _ELEMENTWISE):
                    waiting = None
    return found


def measured(weight: Tensor, active: Tensor, samples: int, *, needs_input_gradient: bool) -> float:
    """Returns how many times faster a layer's step is sparse than masked: forward, backward, update.

    Args:
        weight: The whole matrix.
        active: Flat indices of its active weights.
        samples: Samples in a batch.
        needs_input_gradient: Whether backward computes the gradient of the inputs; that of a first layer it does not.
    """
    kernels = products()
    matrix = weight.detach().clone()
    rows, columns = matrix.shape
    inputs, up = matrix.new_ones((samples, columns)), matrix.new_ones((samples, rows))
    bits = torch.ones_like(matrix, dtype=torch.int32 if matrix.element_size() == 4 else torch.int64).neg_()
    momentum = torch.zeros_like(matrix)
    index = kernels.index(active, rows, columns)
    values = matrix.view(-1).index_select(0, active)
    small = torch.zeros_like(values)

    def masked() -> None:
        inputs @ matrix.t()
        if needs_input_gradient:
            up @ matrix
        gradient = up.t() @ inputs
        matrix.add_(momentum.mul_(0.9).add_(gradient), alpha=0.0)
        matrix.view(bits.dtype).bitwise_and_(bits)

    def sparse() -> None:
        turned, turned_up = kernels.transposed(inputs), kernels.transposed(up)
        kernels.transposed(kernels.product(index, values, None, turned))
        if needs_input_gradient:
            kernels.transposed(kernels.transposed_product(index, values, turned_up))
        gradient, _ = kernels.sampled_product(index, turned_up, turned, bias=False)
        values.add_(small.mul_(0.9).add_(gradient), alpha=0.0)

    return _seconds(masked) / _seconds(sparse)


def summary(ways: Mapping[str, LayerExecution]) -> str:
    """Says in one line how layers are computed: "2 of 3 layers sparse, fc.weight 6.1 times as fast; …".

    Args:
        ways: Name of the parameter → how it is computed.
    """
    sparse = {name: one for name, one in ways.items() if one.way == "sparse"}
    if not sparse and not any(one.why for one in ways.values()):
        return "masked"
    measured_ones = [f"{name} {one.speed:.1f} times as fast" for name, one in sparse.items() if one.speed is not None]
    masked = [f"{name} masked ({_reason(one)})" for name, one in ways.items() if one.way == "masked"]
    head = ", ".join([f"{len(sparse)} of {len(ways)} layers sparse ({products().description})", *_few(measured_ones)])
    return "; ".join([head, *_few(masked)])


def _reason(one: LayerExecution) -> str:
    return one.why if one.speed is None else f"sparse would be {one.speed:.1f} times as fast"


def _few(texts: list[str]) -> list[str]:
    return texts if len(texts) <= _NAMED else [*texts[:_NAMED], f"{len(texts) - _NAMED} more"]


def faster(speed: float) -> bool:
    """Says whether a measured speed is enough to take the sparse way."""
    return speed >= _WORTH


def _seconds(run: Callable[[], None]) -> float:
    """Returns the shortest of a few measurements: what else the machine does only adds time."""
    run()
    best = float("inf")
    for _ in range(_REPEATS):
        started = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - started)
    return best
