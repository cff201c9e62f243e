"""Everything random about an epoch, as a function of the run's seed and the epoch's number alone.

Nothing here is drawn from a running generator. The order of an epoch and the augmentation of its images can so be
made again at any step: a run resumed in the middle of an epoch sees exactly what it would have seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.config.catalogue import steps_per_epoch

__all__ = ["WHOLE", "Share", "batch_bounds", "derive_seed", "epoch_order", "generator"]


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


@dataclass(frozen=True, slots=True)
class Share:
    """Which part of every batch one of several ranks computes: contiguous, in the order of ranks, as equal as can be.

    Attributes:
        rank: Which rank, from 0.
        ranks: How many there are.
    """

    rank: int = 0
    ranks: int = 1

    def part(self, first: int, last: int) -> tuple[int, int]:
        """Return the part of a batch from `first` to before `last`; empty for some where the ranks are more.

        >>> [Share(rank, 3).part(100, 108) for rank in range(3)]
        [(100, 103), (103, 106), (106, 108)]
        """
        least, over = divmod(last - first, self.ranks)
        begin = first + self.rank * least + min(self.rank, over)
        return begin, begin + least + (self.rank < over)

    def read(self, first: int, last: int) -> tuple[int, int]:
        """Return what is read for that part: where it is empty, the batch's first sample, which then counts nothing.

        A model is never given an empty batch, which not every model computes.
        """
        begin, end = self.part(first, last)
        return (begin, end) if begin < end else (first, first + 1)


WHOLE = Share()
"""All of every batch, as one process computes it."""
