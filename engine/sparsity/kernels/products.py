"""The products that a sparse layer is made of, by the compiled kernels or by torch.

Matrices of activations are feature-major: (features, samples), contiguous.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from engine.sparsity.kernels.weight_index import WeightIndex

LITTLE_WORK = 200_000
"""Multiplications below which one thread makes a product: to wake others takes longer."""

_BLOCK = 1 << 22
"""Elements of an intermediate result of torch's products."""

_TYPES = {torch.float32: "float32", torch.float64: "float64"}


class Products(Protocol):
    """What computes with a sparse matrix W. All gradients and results are new tensors."""

    name: str
    description: str

    def index(self, flat: Tensor, rows: int, columns: int) -> WeightIndex:
        """Returns the index arrays of the weights at ascending flat indices (int64)."""

    def product(
        self, index: WeightIndex, values: Tensor, bias: Tensor | None, inputs: Tensor, output: Tensor | None = None
    ) -> Tensor:
        """Returns W · inputs + bias, of shape (rows, samples); in `output`, contiguous, where that is given."""

    def transposed_product(self, index: WeightIndex, values: Tensor, gradient: Tensor) -> Tensor:
        """Returns Wᵀ · gradient, of shape (columns, samples)."""

    def sampled_product(
        self, index: WeightIndex, gradient: Tensor, inputs: Tensor, *, bias: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Returns gradient · inputsᵀ at the active weights alone, flat; and the gradient of the bias where asked."""

    def transposed(self, matrix: Tensor) -> Tensor:
        """Returns the transposed of a contiguous matrix, contiguous."""


class CompiledProducts:
    """The kernels of `products.c`.

    Args:
        library: From `engine.sparsity.kernels.library.load`.
    """

    name = "c"
    description = "kernels in C"

    def __init__(self, library: ctypes.CDLL) -> None:
        self._index_arrays = _function(library, "index_arrays", numbers=3, pointers=6, threads=False)
        self._product = _functions(library, "product", numbers=2, pointers=6)
        self._transposed_product = _functions(library, "transposed_product", numbers=2, pointers=6)
        self._sampled_product = _functions(library, "sampled_product", numbers=2, pointers=6)
        self._transpose = _functions(library, "transpose", numbers=2, pointers=2)

    def index(self, flat: Tensor, rows: int, columns: int) -> WeightIndex:
        """Returns the index arrays of the weights at ascending flat indices (int64)."""
        active = flat.numel()
        start, column_start = (torch.empty(size + 1, dtype=torch.int64) for size in (rows, columns))
        column, row, place = (torch.empty(active, dtype=torch.int32) for _ in range(3))
        arrays = (start, column, column_start, row, place)
        self._index_arrays(active, rows, columns, flat.data_ptr(), *(one.data_ptr() for one in arrays))
        return WeightIndex(rows, columns, flat, *arrays)

    def product(
        self, index: WeightIndex, values: Tensor, bias: Tensor | None, inputs: Tensor, output: Tensor | None = None
    ) -> Tensor:
        """Returns W · inputs + bias, of shape (rows, samples); in `output`, contiguous, where that is given."""
        samples = inputs.shape[1]
        if output is None:
            output = values.new_empty((index.rows, samples))
        self._product[values.dtype](
            index.rows,
            samples,
            index.start.data_ptr(),
            index.column.data_ptr(),
            values.data_ptr(),
            None if bias is None else bias.data_ptr(),
            inputs.data_ptr(),
            output.data_ptr(),
            _threads(index.active * samples),
        )
        return output

    def transposed_product(self, index: WeightIndex, values: Tensor, gradient: Tensor) -> Tensor:
        """Returns Wᵀ · gradient, of shape (columns, samples)."""
        samples = gradient.shape[1]
        result = values.new_empty((index.columns, samples))
        self._transposed_product[values.dtype](
            index.columns,
            samples,
            index.column_start.data_ptr(),
            index.row.data_ptr(),
            index.place.data_ptr(),
            values.data_ptr(),
            gradient.data_ptr(),
            result.data_ptr(),
            _threads(index.active * samples),
        )
        return result

    def sampled_product(
        self, index: WeightIndex, gradient: Tensor, inputs: Tensor, *, bias: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Returns gradient · inputsᵀ at the active weights alone, flat; and the gradient of the bias where asked."""
        samples = inputs.shape[1]
        values = gradient.new_empty(index.active)
        offset = gradient.new_empty(index.rows) if bias else None
        self._sampled_product[gradient.dtype](
            index.rows,
            samples,
            index.start.data_ptr(),
            index.column.data_ptr(),
            gradient.data_ptr(),
            inputs.data_ptr(),
            values.data_ptr(),
            None if offset is None else offset.data_ptr(),
            _threads(index.active * samples),
        )
        return values, offset

    def transposed(self, matrix: Tensor) -> Tensor:
        """Returns the transposed of a contiguous matrix, contiguous."""
        rows, columns = matrix.shape
        result = matrix.new_empty((columns, rows))
        threads = _threads(rows * columns)
        self._transpose[matrix.dtype](rows, columns, matrix.data_ptr(), result.data_ptr(), threads)
        return result


class TorchProducts:
    """The same by torch's own operations, on any device; slower, above all the gradient of the weights.

    The product is torch's embedding bag with weights: a bag is a row, and its words are the row's columns. It is twice
    as fast as torch's product with a CSR matrix.
    """

    name = "torch"
    description = "torch's own operations"

    def index(self, flat: Tensor, rows: int, columns: int) -> WeightIndex:
        """Returns the index arrays of the weights at ascending flat indices (int64)."""
        row, column = flat // columns, flat % columns
        place = column.argsort(stable=True)
        ends = (_starts(row, rows), column, _starts(column, columns), row.index_select(0, place), place)
        return WeightIndex(rows, columns, flat, *ends)

    def product(
        self, index: WeightIndex, values: Tensor, bias: Tensor | None, inputs: Tensor, output: Tensor | None = None
    ) -> Tensor:
        """Returns W · inputs + bias, of shape (rows, samples); in `output`, contiguous, where that is given."""
        result = _bags(index.column, index.start, values, inputs)
        if bias is not None:
            result.add_(bias.unsqueeze(1))
        return result if output is None else output.copy_(result)

    def transposed_product(self, index: WeightIndex, values: Tensor, gradient: Tensor) -> Tensor:
        """Returns Wᵀ · gradient, of shape (columns, samples)."""
        return _bags(index.row, index.column_start, values.index_select(0, index.place), gradient)

    def sampled_product(
        self, index: WeightIndex, gradient: Tensor, inputs: Tensor, *, bias: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Returns gradient · inputsᵀ at the active weights alone, flat; and the gradient of the bias where asked."""
        rows = torch.arange(index.rows, device=gradient.device).repeat_interleave(index.start.diff())
        size = max(1, _BLOCK // max(inputs.shape[1], 1))
        parts = [
            torch.linalg.vecdot(gradient.index_select(0, row), inputs.index_select(0, column))
            for row, column in zip(torch.split(rows, size), torch.split(index.column, size), strict=True)
        ]
        return torch.cat(parts), gradient.sum(1) if bias else None

    def transposed(self, matrix: Tensor) -> Tensor:
        """Returns the transposed of a contiguous matrix, contiguous."""
        return matrix.t().contiguous()


def _bags(index: Tensor, start: Tensor, values: Tensor, table: Tensor) -> Tensor:
    if not index.numel():  # torch refuses empty bags only
        return table.new_zeros((start.numel() - 1, table.shape[1]))
    return torch.nn.functional.embedding_bag(
        index, table, start, mode="sum", per_sample_weights=values, include_last_offset=True
    )


def _starts(sorted_or_not: Tensor, rows: int) -> Tensor:
    start = torch.zeros(rows + 1, dtype=torch.int64, device=sorted_or_not.device)
    torch.cumsum(torch.bincount(sorted_or_not, minlength=rows), 0, out=start[1:])
    return start


def _threads(multiplications: int) -> int:
    return 1 if multiplications < LITTLE_WORK else torch.get_num_threads()


def _functions(
    library: ctypes.CDLL, name: str, *, numbers: int, pointers: int
) -> dict[torch.dtype, Callable[..., Any]]:
    return {
        dtype: _function(library, f"{name}_{suffix}", numbers=numbers, pointers=pointers, threads=True)
        for dtype, suffix in _TYPES.items()
    }


def _function(library: ctypes.CDLL, name: str, *, numbers: int, pointers: int, threads: bool) -> Callable[..., Any]:
    function = library[name]
    function.restype = None
    function.argtypes = [ctypes.c_int64] * numbers + [ctypes.c_void_p] * pointers + [ctypes.c_int] * threads
    return function
