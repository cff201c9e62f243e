"""Counts the products of a forward pass and finds the parameters whose zeros make a part of them free.

It looks at the tensor operations that run, not at modules, so that a weight counts where it is used, called or not:
attention's projections, functional calls, `@` and einsum, recurrent layers, tied weights. A weight is followed through
views, copies, casts, concatenations, and through pointwise operations that leave its zeros zero (the scaling of a
weight norm does; subtracting a mean does not, so what comes after that is work that no mask reduces).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


@dataclass(frozen=True, slots=True)
class Product:
    """One multiplication of tensors.

    Args:
        flops: Multiplications and additions, each counting as one.
        shares: Name of a parameter → share of the products that has one of its weights as a factor; what is missing
            from 1 has no parameter as a factor.
        from_input: A factor was computed from the model's input, so this is work for each sample.
    """

    flops: int
    shares: Mapping[str, float]
    from_input: bool


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where the zeros of a tensor come from.

    Args:
        shares: Name of a parameter → share of the tensor's elements that are its weights.
        layout: Equal for tensors whose elements stand at the same places.
    """

    shares: tuple[tuple[str, float], ...]
    layout: int


def _product(first: Tensor, second: Tensor) -> int:
    return 2 * first.numel() * (second.shape[-1] if second.dim() > 1 else 1)


def _convolution(arguments: Sequence[Any], output: Tensor) -> int:
    inputs, weight, transposed = arguments[0], arguments[1], arguments[6]
    places = inputs if transposed else output  # each weight is applied at every place of these
    return 2 * int(weight.numel()) * (places.numel() // max(places.shape[1], 1))


def _trilinear(arguments: Sequence[Any], output: Tensor) -> int:
    weight = arguments[1]  # (outputs, first inputs, second inputs); the inputs' own products are pointwise
    return 2 * output.numel() * int(weight.shape[1]) * int(weight.shape[2])


def _attention(arguments: Sequence[Any], output: Tensor) -> int:
    query, key, value = arguments[:3]
    rows = int(query.numel()) // max(int(query.shape[-1]), 1)
    return 2 * rows * int(key.shape[-2]) * int(query.shape[-1] + value.shape[-1])


_Formula = Callable[[Sequence[Any], Tensor], int]

_FORMULAS: dict[str, tuple[tuple[int, ...], _Formula]] = {
    **{
        name: ((0, 1), lambda a, _: _product(a[0], a[1]))
        for name in ("mm", "bmm", "mv", "dot", "vdot", "_int_mm", "_scaled_mm")
    },
    **{
        name: ((1, 2), lambda a, _: _product(a[1], a[2]))
        for name in ("addmm", "baddbmm", "addbmm", "addmv", "_addmm_activation")
    },
    **dict.fromkeys(("convolution", "_convolution", "convolution_overrideable"), ((0, 1), _convolution)),
    "_trilinear": ((0, 2, 1), _trilinear),
    **{
        f"_scaled_dot_product_{kind}": ((0, 1, 2), _attention)
        for kind in (
            "flash_attention",
            "efficient_attention",
            "cudnn_attention",
            "flash_attention_for_cpu",
            "fused_attention_overrideable",
        )
    },
    "flex_attention": ((0, 1, 2), _attention),
}
"""Name of an operation → places of its factors among the arguments (the usual place of a weight is last), and its FLOPs
from arguments and output."""

_SAME_PLACES = {"clone", "detach", "alias", "lift_fresh", "_to_copy"}
"""Copies that leave each element where it was."""

_COPIES = _SAME_PLACES | {
    *("cat", "stack", "index_select", "index", "gather", "flip", "roll", "repeat", "tril", "triu"),
    *("_unsafe_view", "unsafe_split", "unsafe_split_with_sizes", "unsafe_chunk"),
}
"""Operations whose results hold elements of their arguments, or zeros."""


class ProductCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch annotates only a part of itself
    """Notes every product that is computed while it is entered.

    Args:
        parameters: Each parameter with its name.
        inputs: The model's inputs.

    Attributes:
        products: What was computed, in order.
    """

    supports_higher_order_operators = True

    def __init__(self, parameters: Iterable[tuple[Tensor, str]], inputs: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.products: list[Product] = []
        self._layouts = 0
        # Tensors are known by identity; they are kept, because a number of a tensor that is gone may be given again.
        self._from_input: dict[int, Tensor] = {id(tensor): tensor for tensor in inputs}
        self._origins: dict[int, tuple[Tensor, _Origin]] = {}
        for tensor, name in parameters:
            self._origins[id(tensor)] = (tensor, _Origin(((name, 1.0),), self._new_layout()))

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Runs one operation and notes what it is."""
        kwargs = kwargs or {}
        ordinary = isinstance(func, torch._ops.OpOverload)
        name = func._schema.name.removeprefix("aten::") if ordinary else str(getattr(func, "__name__", func))
        if ordinary and name not in _FORMULAS and _is_composite(func):
            with self:  # in inference mode, composite operations arrive whole
                return func.decompose(*args, **kwargs)
        result = func(*args, **kwargs)
        arguments = list(_tensors((args, kwargs)))
        results = list(_tensors(result))
        from_input = any(id(tensor) in self._from_input for tensor in arguments)
        if name == "mkldnn_rnn_layer":  # a whole layer of an LSTM or GRU: two weights at each step of the sequence
            for weight in args[1:3]:
                steps = args[0].shape[0] * args[0].shape[1]
                self._note([weight], 2 * steps * weight.numel(), from_input)
        if name in _FORMULAS and results:
            places, formula = _FORMULAS[name]
            self._note([args[place] for place in places], formula(args, results[0]), from_input)
        if ordinary:
            self._follow(func, name, args, kwargs, results, from_input)
        if from_input:
            self._from_input.update((id(tensor), tensor) for tensor in results)
        return result

    def _note(self, factors: Sequence[Tensor], flops: int, from_input: bool) -> None:
        """Notes a product under the last factor that is a weight, those that no input changed before others."""
        weights = [factor for factor in factors if id(factor) in self._origins]
        weights.sort(key=lambda factor: id(factor) not in self._from_input)
        shares = dict(self._origins[id(weights[-1])][1].shares) if weights else {}
        if flops:
            self.products.append(Product(flops, shares, from_input))

    def _follow(
        self,
        func: torch._ops.OpOverload,
        name: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        results: Sequence[Tensor],
        from_input: bool,
    ) -> None:
        """Notes from which parameters the zeros of the results are."""
        known = [tensor for tensor in _tensors((args, kwargs)) if id(tensor) in self._origins]
        if not known:
            return
        origin: _Origin | None = None
        if func.is_view or name in _COPIES or name.endswith("_copy"):
            # A row that the input chose (an embedding's) is an activation; a view of a scaled weight is still a weight.
            if func.is_view or name in _SAME_PLACES or not from_input:
                origin = self._joined([tensor for tensor in _tensors((args, kwargs)) if not _is_index(tensor)])
                if name not in _SAME_PLACES:
                    origin = replace(origin, layout=self._new_layout())
        elif name == "_weight_norm_interface":
            origin = self._origin(args[0])
            results = results[:1]
        elif name == "where" and len(args) == 3 and args[0].numel() < results[0].numel() and not from_input:
            # A guard for whole rows, as where a norm is zero: the other elements are as they were.
            kept = {self._origins[id(tensor)][1] for tensor in known}
            origin = kept.pop() if len(kept) == 1 else None
        elif torch.Tag.pointwise in func.tags and results:
            origin = self._kept_zeros(func, args, kwargs, known, results[0].numel())
        for result in results:
            if origin is None:
                self._origins.pop(id(result), None)  # changed in place
            else:
                self._origins[id(result)] = (result, origin)

    def _kept_zeros(
        self,
        func: torch._ops.OpOverload,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        known: Sequence[Tensor],
        size: int,
    ) -> _Origin | None:
        """Returns the origin whose zeros stay zero, found by trying the operation on single numbers."""
        origins = dict.fromkeys(self._origins[id(tensor)][1] for tensor in known if tensor.numel() == size)
        for origin in origins:
            if all(self._is_zero(func, args, kwargs, origin, other) for other in (2, -3)):
                return origin
        return None

    def _is_zero(
        self, func: torch._ops.OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any], origin: _Origin, other: int
    ) -> bool:
        """Says whether an operation gives 0 where a weight is 0 and everything else is another number."""

        def number(value: Any) -> Any:
            if isinstance(value, Tensor):
                zero = self._origin(value) == origin
                fill = 0 if zero else other > 0 if value.dtype == torch.bool else other
                return torch.full((1,), fill, dtype=value.dtype)
            if isinstance(value, (list, tuple)):
                return type(value)(number(one) for one in value)
            return value

        settings = {key: number(value) for key, value in kwargs.items() if key != "device"}
        try:
            result = func(*number(args), **settings)
        except (RuntimeError, NotImplementedError, TypeError):
            return False
        return isinstance(result, Tensor) and not bool(result.count_nonzero())

    def _origin(self, tensor: Tensor) -> _Origin | None:
        known = self._origins.get(id(tensor))
        return known[1] if known else None

    def _joined(self, tensors: Sequence[Tensor]) -> _Origin:
        """Returns the origin of tensors that were put together, by their sizes."""
        total = sum(tensor.numel() for tensor in tensors)
        shares: dict[str, float] = {}
        origins = [self._origin(tensor) for tensor in tensors]
        for tensor, origin in zip(tensors, origins, strict=True):
            for name, share in origin.shares if origin else ():
                shares[name] = shares.get(name, 0.0) + share * (tensor.numel() / total if total else 0.0)
        return _Origin(tuple(shares.items()), next((origin.layout for origin in origins if origin), 0))

    def _new_layout(self) -> int:
        self._layouts += 1
        return self._layouts


@cache
def _is_composite(func: torch._ops.OpOverload) -> bool:
    name = func.name()  # type: ignore[no-untyped-call]
    return torch._C._dispatch_has_kernel_for_dispatch_key(name, "CompositeImplicitAutograd")


def _is_index(tensor: Tensor) -> bool:
    return not (tensor.is_floating_point() or tensor.is_complex())


def _tensors(values: Any) -> Iterator[Tensor]:
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, (list, tuple)):
        for value in values:
            yield from _tensors(value)
    elif isinstance(values, dict):
        for value in values.values():
            yield from _tensors(value)
