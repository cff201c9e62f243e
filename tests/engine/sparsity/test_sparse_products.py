"""Products with sparse matrices are those of the dense ones, in both forms, for every shape, density and batch."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engine.sparsity.kernels import Products, products
from engine.sparsity.kernels.library import compiler, load
from engine.sparsity.kernels.products import LITTLE_WORK, CompiledProducts, TorchProducts
from tests.engine.examples import examples

KERNELS: dict[str, Callable[[], Products]] = {"c": lambda: CompiledProducts(load()), "torch": TorchProducts}

SIZES = st.one_of(st.integers(1, 40), st.sampled_from([63, 64, 65, 130]))
"""Sizes around the vectors and blocks of the compiled kernels, and others."""


@pytest.fixture(scope="module", params=sorted(KERNELS))
def kernels(request: pytest.FixtureRequest) -> Products:
    if request.param == "c" and compiler() is None:
        pytest.skip("there is no C compiler (cc)")
    return KERNELS[request.param]()


def matrix_of(rows: int, columns: int, density: float, dtype: torch.dtype, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    kept = torch.rand(rows, columns, generator=generator) < density
    return torch.randn(rows, columns, generator=generator, dtype=dtype) * kept


def whole(index_flat: Tensor, values: Tensor, matrix: Tensor) -> Tensor:
    return torch.zeros(matrix.numel(), dtype=matrix.dtype).index_copy_(0, index_flat, values).view_as(matrix)


@settings(max_examples=examples(60), deadline=None)
@given(
    rows=SIZES,
    columns=SIZES,
    samples=SIZES,
    density=st.sampled_from([0.0, 0.02, 0.3, 1.0]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    bias=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_products_are_those_of_the_dense_matrix(
    kernels: Products,
    rows: int,
    columns: int,
    samples: int,
    density: float,
    dtype: torch.dtype,
    bias: bool,
    seed: int,
) -> None:
    matrix = matrix_of(rows, columns, density, dtype, seed)
    flat = matrix.view(-1).nonzero().view(-1)
    values = matrix.view(-1)[flat]
    generator = torch.Generator().manual_seed(seed + 1)
    inputs, up = (torch.randn(size, samples, generator=generator, dtype=dtype) for size in (columns, rows))
    offset = torch.randn(rows, generator=generator, dtype=dtype) if bias else None
    tolerance = 1e-4 if dtype == torch.float32 else 1e-11

    index = kernels.index(flat, rows, columns)
    product = kernels.product(index, values, offset, inputs)
    torch.testing.assert_close(
        product, matrix @ inputs + (0 if offset is None else offset[:, None]), rtol=0, atol=tolerance
    )
    down = kernels.transposed_product(index, values, up)
    torch.testing.assert_close(down, matrix.t() @ up, rtol=0, atol=tolerance)
    gradient, offset_gradient = kernels.sampled_product(index, up, inputs, bias=bias)
    torch.testing.assert_close(gradient, (up @ inputs.t()).view(-1)[flat], rtol=0, atol=tolerance)
    if bias:
        torch.testing.assert_close(offset_gradient, up.sum(1), rtol=0, atol=tolerance)
    else:
        assert offset_gradient is None
    assert torch.equal(kernels.transposed(inputs), inputs.t())


@pytest.mark.skipif(compiler() is None, reason="there is no C compiler (cc)")
@pytest.mark.parametrize("samples", [1, 13, 128])
def test_threads_change_no_bit(samples: int) -> None:
    kernels = CompiledProducts(load())
    matrix = matrix_of(600, 700, 0.9, torch.float32, 3)
    flat = matrix.view(-1).nonzero().view(-1)
    values = matrix.view(-1)[flat]
    assert flat.numel() > LITTLE_WORK, "or one thread does it all"
    index = kernels.index(flat, 600, 700)
    inputs, up = torch.randn(700, samples), torch.randn(600, samples)
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            results.append(
                (
                    kernels.product(index, values, None, inputs),
                    kernels.transposed_product(index, values, up),
                    *kernels.sampled_product(index, up, inputs, bias=True),
                )
            )
    finally:
        torch.set_num_threads(before)
    for others in results[1:]:
        for one, other in zip(results[0], others, strict=True):
            assert one is not None
            assert other is not None
            assert torch.equal(one, other)


def test_this_process_uses_the_compiled_kernels_where_there_is_a_compiler() -> None:
    expected = os.environ.get("ITOP_KERNELS") or ("torch" if compiler() is None else "c")
    assert products().name == expected
