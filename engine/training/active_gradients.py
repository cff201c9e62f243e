"""Ranks that exchange the gradients of active weights only.

An inactive weight takes no step, so its gradient is needed only where an update ranks weights by it. A hook of
DistributedDataParallel packs what is active of each bucket, adds that up over the ranks, and leaves zeros elsewhere; a
step whose update reads gradients exchanges all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, distributed
from torch.futures import Future
from torch.nn.parallel import DistributedDataParallel

from engine.sparsity import Masking
from engine.sparsity.flat_access import storage_index

if TYPE_CHECKING:
    from torch.distributed import GradBucket  # type: ignore[attr-defined]  # torch does not say that it is exported

__all__ = ["ActiveGradients"]


class ActiveGradients:
    """Adds up gradients over the ranks, and counts how many numbers that takes.

    Args:
        masking: Gives the masks as they are; None where the model is dense.
    """

    def __init__(self, masking: Callable[[], Masking | None]) -> None:
        self._masking = masking
        self._active: dict[int, tuple[Masking, int, Tensor]] = {}
        self._sent = self._whole = 0

    def attach(self, model: DistributedDataParallel) -> None:
        """Add up the gradients of this model, once for each."""
        # DDP reads annotations of a hook, and takes none that are written as text: a lambda has none.
        model.register_comm_hook(None, lambda _state, bucket: self._reduce(bucket))

    def share(self) -> float:
        """Return the numbers exchanged since the last call, as a share of all gradients."""
        share = self._sent / self._whole if self._whole else 1.0
        self._sent = self._whole = 0
        return share

    def _reduce(self, bucket: GradBucket) -> Future[Tensor]:
        buffer, masking = bucket.buffer(), self._masking()
        ranks = distributed.get_world_size()
        self._whole += buffer.numel()
        if masking is None or masking.next_step_reads_gradients:
            self._sent += buffer.numel()
            return _all_reduced(buffer.div_(ranks))
        active = self._index(masking, bucket)
        packed = buffer.index_select(0, active).div_(ranks)
        self._sent += packed.numel()
        return _all_reduced(packed).then(lambda sums: buffer.zero_().index_copy_(0, active, sums.value()))

    def _index(self, masking: Masking, bucket: GradBucket) -> Tensor:
        """Where in a bucket the gradients of active weights and of all other parameters are; until masks change."""
        known = self._active.get(bucket.index())
        if known is not None and known[:2] == (masking, masking.updates):
            return known[2]
        masks, begin = masking.masks_by_parameter(), bucket.buffer().storage_offset()
        places = []
        for parameter, gradient in zip(bucket.parameters(), bucket.gradients(), strict=True):
            mask = masks.get(id(parameter))
            if mask is None:
                place = torch.arange(gradient.numel(), device=gradient.device)
            else:
                place = storage_index(gradient, mask.nonzero().view(-1)).sort().values
            places.append(place + (gradient.storage_offset() - begin))
        index = torch.cat(places)
        self._active[bucket.index()] = masking, masking.updates, index
        return index


def _all_reduced(values: Tensor) -> Future[Tensor]:
    work = distributed.all_reduce(values, async_op=True)
    assert work is not None
    future: Future[Tensor] = work.get_future().then(lambda done: done.value()[0])
    return future
