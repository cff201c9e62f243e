"""Reading and writing a tensor at flat indices, in the order of `tensor.flatten()`, however it lies in memory."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["fill", "gather", "storage_index", "storage_view"]


def storage_view(tensor: Tensor) -> Tensor:
    """Returns the stretch of memory that a tensor lies in as a flat view."""
    if tensor.is_contiguous():
        return tensor.view(-1)
    span = 1 + sum((extent - 1) * stride for extent, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return tensor.as_strided((span,), (1,))


def storage_index(tensor: Tensor, index: Tensor) -> Tensor:
    """Translates flat logical indices into those of `storage_view` (the same for contiguous tensors).

    Channels-last weights are dense but permuted in memory; copying them to look at a few elements would cost a pass
    over all of them.
    """
    if tensor.is_contiguous():
        return index
    place = torch.zeros_like(index)
    rest = index
    for extent, stride in zip(reversed(tensor.shape), reversed(tensor.stride()), strict=True):
        place += rest % extent * stride
        rest = rest // extent
    return place


def gather(tensor: Tensor, index: Tensor) -> Tensor:
    """Reads a tensor at flat logical indices."""
    return storage_view(tensor).index_select(0, storage_index(tensor, index))


def fill(tensor: Tensor, index: Tensor, value: float) -> None:
    """Writes one value into a tensor at flat logical indices, in place."""
    storage_view(tensor).index_fill_(0, storage_index(tensor, index), value)
