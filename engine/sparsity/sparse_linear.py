"""A linear layer that stores its active weights alone, and the products with them in autograd.

`make_sparse` turns an `nn.Linear` of a model into one, and `make_dense` turns it back. The module stays the same
object, and so does its parameter, which holds the active weights as a flat tensor in the order of their places: hooks,
references and the optimizer's groups need no change, and an optimizer keeps state for the active weights alone.

    module._parameters["weight"]   the parameter: active weights, flat (`module.values`)
    module.weight                  the whole matrix, computed when it is read, and differentiable
    module.state_dict()            the whole matrix, as a masked layer has it, so that either reads the other's state

Between two sparse layers activations stay feature-major, (features, samples) in memory, where only modules that work
element by element come between; elsewhere they are as `nn.Linear` has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.optim import Optimizer

from engine.sparsity.kernels import WeightIndex, products
from engine.sparsity.optimizer_state import carry, first_values, per_weight

__all__ = ["Keeping", "SparseLinear", "dense_state", "make_dense", "make_sparse", "number_of_parameters"]

_ROWS = 1 << 22
"""Elements of a dense gradient that are computed at once."""


@dataclass(slots=True)
class Keeping:
    """Whether backward is to keep what the dense gradient is computed from; shared by all layers of a `Masking`.

    Args:
        on: Whether it is.
        scale: What gradients were multiplied by since backward: by clipping, or by a gradient scaler's `unscale_`.
    """

    on: bool = False
    scale: float = 1.0


@dataclass(slots=True)
class _Loaded:
    """Weights of another mask, as a loaded state had them: used until the layer gets a mask that fits, or trains."""

    index: WeightIndex
    values: Tensor


@dataclass(slots=True)
class _Compact:
    """What a sparse layer has beside its parameters.

    Args:
        index: The places of the active weights.
        keeping: Whether backward keeps inputs and gradients.
        feature_major: Whether the output is left feature-major.
        loaded: Weights of another mask that were loaded.
        kept: Inputs and gradients of the output, feature-major, of the backward passes of this step.
    """

    index: WeightIndex
    keeping: Keeping
    feature_major: bool = False
    loaded: _Loaded | None = None
    kept: list[tuple[Tensor, Tensor]] = field(default_factory=list)


class SparseLinear(nn.Linear):
    """A linear layer that stores its active weights alone. Made of an `nn.Linear` by `make_sparse`."""

    compact: _Compact

    @property
    def values(self) -> nn.Parameter:
        """The active weights, flat, in the order of their places."""
        parameter = self._parameters["weight"]
        assert parameter is not None
        return parameter

    @property
    def weight(self) -> Tensor:  # type: ignore[override]  # a parameter in nn.Linear
        """The whole matrix, zero where a weight is inactive; gradients reach the active weights through it."""
        index, values = self._present()
        dense = values.new_zeros(self.out_features * self.in_features)
        return dense.index_put((index.flat.to(values.device),), values).view(self.out_features, self.in_features)

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the whole matrix."""
        return self.out_features, self.in_features

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - as nn.Linear has it
        """Returns input · Wᵀ + bias.

        Args:
            input: Of shape (…, in_features).
        """
        values = self.values
        if values.is_meta:  # a pass that looks at shapes alone
            return nn.functional.linear(input, values[:1].expand(self.shape), self.bias)
        if values.device.type != "cpu" or values.dtype not in (torch.float32, torch.float64):
            return nn.functional.linear(input, self.weight, self.bias)
        samples = input if input.dim() == 2 else input.reshape(-1, self.in_features)
        samples = samples.to(values.dtype)  # of autocast's
        compact = self.compact
        feature_major = compact.feature_major and input.dim() == 2
        if torch.is_grad_enabled():
            self.settle()
            output: Tensor = _SparseProduct.apply(samples, values, self.bias, compact, feature_major)
        else:
            index, present = self._present()
            output = _product(index, present, self.bias, _feature_major(samples), feature_major)
        return output if input.dim() == 2 else output.view(*input.shape[:-1], self.out_features)

    def _present(self) -> tuple[WeightIndex, Tensor]:
        loaded = self.compact.loaded
        return (self.compact.index, self.values) if loaded is None else (loaded.index, loaded.values)

    @torch.no_grad()
    def settle(self) -> None:
        """Takes the active weights from a loaded state of another mask, and drops the others."""
        loaded = self.compact.loaded
        if loaded is not None:
            values = carry(loaded.values, loaded.index.flat, self.compact.index.flat)
            self.compact.loaded = None
            self.values.copy_(values)

    @torch.no_grad()
    def move(self, active: Tensor, optimizer: Optimizer | None) -> None:
        """Gives the layer other active weights: those that stay keep value and optimizer state, new ones start at 0.

        Args:
            active: Their flat indices, ascending.
            optimizer: Whose state follows; None: no optimizer's.
        """
        index, present = self._present()
        before = self.compact.index.flat
        self.compact.loaded = None
        state = {} if optimizer is None else per_weight(optimizer, self.values, self.shape)
        firsts = {} if optimizer is None else first_values(optimizer, self.values, state)
        moved = {
            key: value.view(-1).index_select(0, active)  # as a masked layer's state has it
            if value.shape == self.shape
            else carry(value, before, active, firsts[key])
            for key, value in state.items()
        }
        _put(self.values, carry(present, index.flat, active))
        if optimizer is not None and moved:  # looking would make an entry
            optimizer.state[self.values].update(moved)
        if not torch.equal(active, before):
            self.compact.index = products().index(active, *self.shape)

    @torch.no_grad()
    def dense_gradient(self, at_active: Tensor | None) -> Tensor | None:
        """Returns the gradient of the whole matrix in this step; None where backward kept nothing.

        It is computed by blocks of rows from the inputs and gradients that backward kept.

        Args:
            at_active: The parameter's own gradient, which may hold more than the loss: the part of a penalty.
        """
        kept, values = self.compact.kept, self.values
        if not kept or at_active is None:
            return None
        dense = values.new_empty(self.shape)
        rows = max(1, _ROWS // self.in_features)
        for first in range(0, self.out_features, rows):
            block = dense[first : first + rows]
            inputs, gradient = kept[0]
            torch.mm(gradient[first : first + rows], inputs.t(), out=block)
            for inputs, gradient in kept[1:]:
                block.addmm_(gradient[first : first + rows], inputs.t())
        if self.compact.keeping.scale != 1.0:
            dense.mul_(self.compact.keeping.scale)
        dense.view(-1).index_copy_(0, self.compact.index.flat, at_active)
        return dense

    def extra_repr(self) -> str:
        """Says what an `nn.Linear` says, and how many weights are active."""
        return f"{super().extra_repr()}, active={self.values.numel()}"

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[f"{prefix}weight"] = self.weight if keep_vars else self.weight.detach()

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        weight = state_dict.get(f"{prefix}weight")
        if isinstance(weight, Tensor) and weight.shape == self.shape:
            self._load_matrix(weight)
            state_dict = {**state_dict, f"{prefix}weight": self.values.detach()}
        super()._load_from_state_dict(state_dict, prefix, *rest)

    @torch.no_grad()
    def _load_matrix(self, weight: Tensor) -> None:
        flat = weight.detach().reshape(-1).to(self.values)
        inside = flat.index_select(0, self.compact.index.flat.to(flat.device))
        nonzero = flat.nonzero().view(-1)
        if int(inside.count_nonzero()) == nonzero.numel():
            self.compact.loaded = None
            self.values.copy_(inside)
        else:
            index = products().index(nonzero, *self.shape)
            self.compact.loaded = _Loaded(index, flat.index_select(0, nonzero))


@torch.no_grad()
def make_sparse(module: nn.Linear, active: Tensor, optimizer: Optimizer, keeping: Keeping) -> SparseLinear:
    """Turns a linear layer into a sparse one, in place.

    Args:
        module: An `nn.Linear`, no subclass of it.
        active: Flat indices of the active weights, ascending; the other weights are dropped.
        optimizer: Whose state of the weight is made smaller too.
        keeping: Whether backward keeps what the dense gradient is computed from.
    """
    parameter = module._parameters["weight"]
    assert parameter is not None
    shape = parameter.shape
    for key, value in per_weight(optimizer, parameter, shape).items():
        optimizer.state[parameter][key] = value.reshape(-1).index_select(0, active)
    values = parameter.detach().reshape(-1).index_select(0, active)
    module.__class__ = SparseLinear
    assert isinstance(module, SparseLinear)
    module.compact = _Compact(products().index(active, *shape), keeping)
    _put(parameter, values)
    return module


@torch.no_grad()
def make_dense(module: SparseLinear, optimizer: Optimizer | None = None) -> nn.Linear:
    """Turns a sparse layer back into the linear layer that it was made of, in place.

    Args:
        module: The layer.
        optimizer: Whose state of the weight becomes a matrix again; None: no optimizer's.
    """
    weight, parameter = module.weight.detach(), module.values
    if optimizer is not None:
        state = optimizer.state.get(parameter, {})
        for key, value in dense_state(module, state, first_values(optimizer, parameter, state)).items():
            state[key] = value
    del module.compact
    module.__class__ = nn.Linear  # type: ignore[assignment]  # as it was
    _put(parameter, weight)
    return module


def number_of_parameters(model: nn.Module) -> int:
    """Counts the parameters of a model, the inactive weights of its sparse layers among them."""
    sparse = {id(module.values): module for module in model.modules() if isinstance(module, SparseLinear)}
    sizes = (
        sparse[id(one)].in_features * sparse[id(one)].out_features if id(one) in sparse else one.numel()
        for one in model.parameters()
    )
    return sum(sizes)


def dense_state(module: SparseLinear, state: Mapping[str, Any], firsts: Mapping[str, float]) -> dict[str, Any]:
    """Returns an optimizer's state of a sparse layer as a masked layer has it: as matrices.

    Inactive weights have the first value there, as a weight has that has just grown.

    Args:
        module: The layer.
        state: Its state in the optimizer; left as it is.
        firsts: Where each key starts.
    """
    shape, flat = module.values.shape, module.compact.index.flat
    dense = dict(state)
    for key, value in state.items():
        if isinstance(value, Tensor) and value.dim() == 1 and value.shape == shape:
            matrix = value.new_full((module.out_features * module.in_features,), firsts.get(key, 0.0))
            dense[key] = matrix.index_copy_(0, flat.to(value.device), value).view(module.shape)
    return dense


def _put(parameter: nn.Parameter, values: Tensor) -> None:
    """Gives a parameter other values, of whatever shape.

    A parameter remembers the shape of its gradient as long as an older loss is alive; torch forgets it only where the
    type of the parameter changes, so it is changed for a moment.
    """
    if parameter.shape == values.shape:
        parameter.copy_(values)
        return
    parameter.grad = None
    parameter.data = torch.empty(0, dtype=torch.float16, device=values.device)
    parameter.data = values.contiguous()


def _feature_major(samples: Tensor) -> Tensor:
    """Returns (samples, features) as (features, samples), contiguous; a view where it lies so in memory already."""
    turned = samples.t()
    return turned if turned.is_contiguous() else products().transposed(samples.contiguous())


def _product(index: WeightIndex, values: Tensor, bias: Tensor | None, inputs: Tensor, feature_major: bool) -> Tensor:
    """Returns the layer's output, (samples, rows). No view of another tensor: modules may change it in place."""
    if not feature_major:
        return products().transposed(products().product(index, values, bias, inputs))
    samples = inputs.shape[1]
    output = values.new_empty_strided((samples, index.rows), (1, samples))
    products().product(index, values, bias, inputs, output.t())
    return output


class _SparseProduct(torch.autograd.Function):
    """samples · Wᵀ + bias of the active weights."""

    @staticmethod
    def forward(
        ctx: Any, samples: Tensor, values: Tensor, bias: Tensor | None, compact: _Compact, feature_major: bool
    ) -> Tensor:
        inputs = _feature_major(samples)
        ctx.save_for_backward(inputs, values)
        ctx.compact, ctx.index = compact, compact.index
        ctx.turned_back = inputs.data_ptr() != samples.data_ptr()
        return _product(compact.index, values, bias, inputs, feature_major)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None]:
        inputs, values = ctx.saved_tensors
        wants_inputs, wants_values, wants_bias = ctx.needs_input_grad[:3]
        up = _feature_major(gradient)
        down = weights = offset = None
        if wants_inputs:
            down = products().transposed_product(ctx.index, values, up)
            down = products().transposed(down) if ctx.turned_back else down.t()
        if wants_values:
            weights, offset = products().sampled_product(ctx.index, up, inputs, bias=wants_bias)
            if ctx.compact.keeping.on:
                ctx.compact.kept.append((inputs, up))
        elif wants_bias:
            offset = up.sum(1)
        return down, weights, offset, None, None
