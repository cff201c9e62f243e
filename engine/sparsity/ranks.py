"""What the ranks of a distributed training must have in common: they take it from rank 0, and check that they do."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.sparsity.layers import Layer

_MIX = (-7046029254386353131, -4658895280553007687)  # odd constants of splitmix64, as signed numbers of 64 bits


class MasksDifferError(RuntimeError):
    """The ranks of a distributed training have different masks; the message names them."""


def from_rank_0(value: Tensor) -> Tensor:
    """Returns the tensor that rank 0 has; outside a distributed training the tensor itself.

    Args:
        value: Any tensor, of the same shape and type on every rank.
    """
    if not _distributed():
        return value
    shared = value.to(_device(), torch.uint8 if value.dtype == torch.bool else value.dtype, copy=True)
    torch.distributed.broadcast(shared, src=0)
    return shared.to(value)


def shared_seed(seed: int | None) -> int:
    """Returns rank 0's seed; without one, a number that torch's global generator of rank 0 draws."""
    if seed is not None and not _distributed():
        return seed
    drawn = torch.randint(2**63 - 1, (), device="cpu") if seed is None else torch.tensor(seed % 2**63)
    return int(from_rank_0(drawn))


def check_same_masks(layers: Sequence[Layer], when: str) -> None:
    """Compares the masks of all ranks by a hash of eight bytes; outside a distributed training does nothing.

    Ranks whose masks differ would go on training, each another network, and nothing would show it.

    Args:
        layers: The masked layers.
        when: For the message: after which update.

    Raises:
        MasksDifferError: They differ, on every rank.
    """
    if not _distributed():
        return
    mine = masks_hash(layers).to(_device()).view(1)
    found = [torch.empty_like(mine) for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather(found, mine)
    hashes = [int(one) for one in found]
    if len(set(hashes)) == 1:
        return
    groups: dict[int, list[int]] = {}
    for rank, value in enumerate(hashes):
        groups.setdefault(value, []).append(rank)
    parts = [f"rank{'s' if len(ranks) > 1 else ''} {', '.join(map(str, ranks))}" for ranks in groups.values()]
    raise MasksDifferError(f"the ranks have different masks {when}: {' against '.join(parts)}")


def masks_hash(layers: Sequence[Layer]) -> Tensor:
    """Returns a hash of all masks: one whole number of 64 bits, on the device of the first layer.

    The sum of a mix of the number of every active weight. It costs a few operations on the active weights alone, is
    computed where they are, and does not depend on the order in which a device adds up.
    """
    total, begin = torch.zeros((), dtype=torch.int64, device=layers[0].mask.device), 0
    for layer in layers:
        mixed = (layer.active + (begin + 1)) * _MIX[0]
        mixed = (mixed ^ (mixed >> 31)) * _MIX[1]
        total += (mixed ^ (mixed >> 29)).sum().to(total.device)
        begin += layer.size
    return total


def _device() -> torch.device:
    return torch.device("cuda" if torch.distributed.get_backend() == "nccl" else "cpu")


def _distributed() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()
