"""Products with sparse matrices on the CPU, in time that follows the number of active weights.

They are written in C (`products.c`) and compiled when they are first used, by the system's `cc`, which takes two
seconds, and called by ctypes, which lets other Python threads run meanwhile. Where there is no compiler, torch's own
operations take their place. `ITOP_KERNELS=c` or `torch` chooses.

Why C: of a matrix of 1024 × 1024 and density 0.05, batch 128, one thread of an AMD EPYC (Zen 3, AVX2), the product
takes 0.45 ms in C, 1.09 ms compiled by numba 0.68 from the same loops, 0.46 ms by torch's embedding bag, 0.92 ms by
torch's CSR matrix and 3.5 ms dense; the gradient of the weights 0.69 ms in C, 0.75 ms by numba, and torch has no
operation for it. numba would bring llvmlite (60 MB) and bound the versions of numpy that can be installed; a torch C++
extension takes a minute to compile and needs ninja and torch's headers.
"""

from __future__ import annotations

import os
import sys
from functools import cache

from engine.sparsity.kernels.library import LibraryError, load
from engine.sparsity.kernels.products import CompiledProducts, Products, TorchProducts
from engine.sparsity.kernels.weight_index import WeightIndex

__all__ = ["KINDS", "LibraryError", "Products", "WeightIndex", "products"]

KINDS = ("c", "torch")


@cache
def products() -> Products:
    """Returns what computes the products in this process; compiles it where that has not been done.

    Raises:
        LibraryError: `ITOP_KERNELS` is c and they cannot be compiled, or it is something else than c or torch.
    """
    wanted = os.environ.get("ITOP_KERNELS", "")
    if wanted not in ("", *KINDS):
        raise LibraryError(f"ITOP_KERNELS = {wanted!r}: must be {' or '.join(KINDS)}")
    if wanted == "torch":
        return TorchProducts()
    try:
        return CompiledProducts(load())
    except LibraryError as error:
        if wanted == "c":
            raise
        sys.stderr.write(f"the sparse kernels are torch's own, which are slower: {error}\n")
        return TorchProducts()
