"""Everything random about an epoch, as a function of the run's seed and the epoch's number alone.

Nothing here is drawn from a running generator. The order of an epoch and the augmentation of its images can so be
made again at any step: a run resumed in the middle of an epoch sees exactly what it would have seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import torch
from torch import Tensor

from engine.config.catalogue import steps_per_epoch

__all__ = ["batch_bounds", "derive_seed", "epoch_order", "generator"]


def derive_seed(seed: int, *parts: str | int) -> int:
    """Mix a seed with labels into an independent one of 63 bits; equal arguments give equal seeds everywhere."""
    text = "/".join(str(part) for part in (seed, *parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(seed: int, *parts: str | int) -> torch.Generator:
    """Return a CPU generator seeded by `derive_seed`; on the CPU, so that every device sees the same draws."""
    return torch.Generator().manual_seed(derive_seed(seed, *parts))


def epoch_order(n: int, seed: int, epoch: int) -> Tensor:
    """Return the order in which an epoch visits `n` images: an int64 permutation of 0 … n − 1 on the CPU."""
    return torch.randperm(n, generator=generator(seed, "order", epoch))


def batch_bounds(n: int, batch_size: int, start: int = 0) -> Iterator[tuple[int, int]]:
    """Yield the (first, past-the-last) positions of each batch of an epoch, from batch `start` on.

    There are `steps_per_epoch(n, batch_size)` batches; the last takes what is left.
    """
    steps = steps_per_epoch(n, batch_size)
    for batch in range(start, steps):
        yield batch * batch_size, n if batch == steps - 1 else (batch + 1) * batch_size
