"""What the ranks of a distributed training must have in common: they take it from rank 0."""

from __future__ import annotations

import torch
from torch import Tensor


def from_rank_0(value: Tensor) -> Tensor:
    """Returns the tensor that rank 0 has; outside a distributed training the tensor itself.

    Args:
        value: Any tensor, of the same shape and type on every rank.
    """
    if not _distributed():
        return value
    device = "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
    shared = value.to(device, torch.uint8 if value.dtype == torch.bool else value.dtype, copy=True)
    torch.distributed.broadcast(shared, src=0)
    return shared.to(value)


def shared_seed(seed: int | None) -> int:
    """Returns rank 0's seed; without one, a number that torch's global generator of rank 0 draws."""
    if seed is not None and not _distributed():
        return seed
    drawn = torch.randint(2**63 - 1, (), device="cpu") if seed is None else torch.tensor(seed % 2**63)
    return int(from_rank_0(drawn))


def _distributed() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()
