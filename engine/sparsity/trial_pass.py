"""Runs a model forward once to see what it computes, without a trace in it."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from engine.sparsity.layers import MASKABLE
from engine.sparsity.product_counter import Product, ProductCounter

Inputs = Sequence[int] | Tensor | Sequence[Tensor] | Mapping[str, Tensor]
"""Shape of one sample; or what the model is called with: a tensor, several, or several by keyword."""


def products_of(model: nn.Module, inputs: Inputs, samples: int) -> list[Product]:
    """Returns the products of a forward pass in evaluation mode that are made for each sample.

    The pass runs on a copy of the model on the meta device, where tensors have shapes and no values. A model that
    cannot run there (it looks at its values) or cannot be copied runs for real. Products that no input takes part in
    (of a spectral norm's estimate, of an orthogonal parametrization) are made once a batch, not once a sample: a second
    pass with twice the samples tells them from those of learned queries, and they are left out.

    Args:
        model: The module, on any device.
        inputs: See `Inputs`; a shape gets a batch dimension of one.
        samples: Number of samples that given tensors hold.
    """
    products = _run(model, inputs, 1)
    doubled = _doubled(inputs, samples)
    if doubled is None or all(product.from_input for product in products):
        return products
    try:
        again = _run(model, doubled, 2)
    except Exception:  # a model for this one number of samples; what it computes is known
        return products
    if len(again) != len(products):
        return products
    return [one for one, two in zip(products, again, strict=True) if one.from_input or two.flops != one.flops]


def weight_names(model: nn.Module) -> dict[str, str]:
    """Maps each name of each parameter to the one that it is reported under.

    A tied parameter has several: the first that is the weight of a Linear or convolution counts, else the first.
    Names are without the prefixes of `torch.compile`.
    """
    found: dict[int, list[tuple[str, bool]]] = {}
    for name, parameter, natural in _parameters(model):
        found.setdefault(id(parameter), []).append((name, natural))
    names: dict[str, str] = {}
    for several in found.values():
        chosen = next((name for name, natural in several if natural), several[0][0])
        names |= {name: chosen for name, _ in several}
    return names


def _parameters(model: nn.Module) -> Iterator[tuple[str, nn.Parameter, bool]]:
    for path, module in model.named_modules(remove_duplicate=False):
        parts = [part for part in path.split(".") if part and part != "_orig_mod"]
        for attribute, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
            yield ".".join((*parts, attribute)), parameter, isinstance(module, MASKABLE) and attribute == "weight"


def _doubled(inputs: Inputs, samples: int) -> Inputs | None:
    """Returns inputs of twice the samples; None where it is not known which dimension is the batch."""
    if isinstance(inputs, Tensor):
        return torch.cat([inputs, inputs]) if inputs.dim() and inputs.shape[0] == samples else None
    if isinstance(inputs, Mapping):
        values = _doubled(list(inputs.values()), samples)
        return None if values is None else dict(zip(inputs, values, strict=True))  # type: ignore[arg-type]
    if not any(isinstance(one, Tensor) for one in inputs):
        return inputs
    several = [_doubled(one, samples) if isinstance(one, Tensor) else one for one in inputs]
    return None if any(one is None for one in several) else several  # type: ignore[return-value]


def _run(model: nn.Module, inputs: Inputs, batch: int) -> list[Product]:
    """Runs on the meta device, or for real where that fails."""
    tensors = [*model.parameters(), *model.buffers()]
    first = next((tensor for tensor in tensors if tensor.is_floating_point()), torch.zeros(()))
    try:
        return _counted(_on_meta(model), inputs, batch, first.dtype, torch.device("meta"))
    except Exception:  # a user's model may raise anything where tensors have no values
        pass
    try:
        twin = copy.deepcopy(model)
    except Exception:  # as some hold what cannot be copied
        with _restored(model):
            return _counted(model, inputs, batch, first.dtype, first.device)
    return _counted(twin, inputs, batch, first.dtype, first.device)


@torch.no_grad()
def _counted(model: nn.Module, inputs: Inputs, batch: int, dtype: torch.dtype, device: torch.device) -> list[Product]:
    positional, named = _arguments(inputs, batch, dtype, device)
    names = weight_names(model)
    parameters = [(parameter, names[name]) for name, parameter, _ in _parameters(model)]
    counter = ProductCounter(parameters, [one for one in (*positional, *named.values()) if isinstance(one, Tensor)])
    model.eval()
    with _plain_operations(), _kept_random_state(model), counter:
        model(*positional, **named)
    return counter.products


def _arguments(
    inputs: Inputs, batch: int, dtype: torch.dtype, device: torch.device
) -> tuple[list[Any], dict[str, Any]]:
    """Returns positional and keyword arguments on a device; given tensors stay where they are for a real run."""

    def placed(value: Any) -> Any:
        return value.to("meta") if isinstance(value, Tensor) and device.type == "meta" else value

    if isinstance(inputs, Tensor):
        return [placed(inputs)], {}
    if isinstance(inputs, Mapping):
        return [], {name: placed(value) for name, value in inputs.items()}
    if any(isinstance(one, Tensor) for one in inputs):
        return [placed(value) for value in inputs], {}
    shape = [int(extent) for extent in inputs]
    return [torch.zeros((batch, *shape), dtype=dtype, device=device)], {}


def _on_meta(model: nn.Module) -> nn.Module:
    """Returns a copy of a model on the meta device; nothing of the size of a weight is copied."""
    memo: dict[int, Any] = {}
    for module in model.modules():
        for tensor in (*module._parameters.values(), *module._buffers.values(), *vars(module).values()):
            if isinstance(tensor, Tensor) and id(tensor) not in memo:
                memo[id(tensor)] = _meta(tensor)
    with _CopiesToMeta():
        return copy.deepcopy(model, memo)


def _meta(tensor: Tensor) -> Tensor:
    empty = torch.empty_like(tensor.detach(), device="meta")
    return nn.Parameter(empty, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else empty


class _CopiesToMeta(TorchFunctionMode):
    """Lets tensors that are no parameter or buffer be copied to the meta device too."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is Tensor.__deepcopy__:
            return args[1].setdefault(id(args[0]), _meta(args[0]))
        return func(*args, **(kwargs or {}))


@contextmanager
def _plain_operations() -> Iterator[None]:
    """Keeps attention, recurrent layers and compiled parts from running as one operation that hides its products."""
    fused = torch.backends.mha.get_fastpath_enabled()
    with ExitStack() as stack:
        stack.callback(torch.backends.mha.set_fastpath_enabled, fused)
        torch.backends.mha.set_fastpath_enabled(False)
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            stack.enter_context(torch.backends.cudnn.flags(enabled=False))
        stack.enter_context(torch.compiler.set_stance("force_eager"))
        yield


@contextmanager
def _kept_random_state(model: nn.Module) -> Iterator[None]:
    """Gives back the state of torch's, NumPy's and Python's random numbers."""
    devices = {tensor.device for tensor in model.parameters() if tensor.device.type == "cuda"}
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=list(devices)):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


@contextmanager
def _restored(model: nn.Module) -> Iterator[None]:
    """Gives a model that ran itself its attributes, modes and buffers back."""
    attributes = [(module, dict(vars(module)), dict(module._buffers)) for module in model.modules()]
    training = [module for module in model.modules() if module.training]
    buffers = [(buffer, buffer.clone(), buffer._version) for buffer in model.buffers()]
    try:
        yield
    finally:
        for module, values, held in attributes:
            vars(module).clear()
            vars(module).update(values)
            module._buffers.clear()
            module._buffers.update(held)
        for module in training:
            module.training = True
        with torch.no_grad():
            for buffer, value, version in buffers:
                if buffer._version != version:
                    buffer.copy_(value)
