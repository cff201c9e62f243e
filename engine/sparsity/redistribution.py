"""Where the weights that died are grown again: how many in which layer.

A redistribution rule is `rule(layer) -> share`, as a tensor of a single element so that those of all layers are read
from the device at once. Budgets are in proportion to the shares, capped at each layer's room, and sum exactly to what
died.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from engine.sparsity.distributions import apportion
from engine.sparsity.layers import Layer
from engine.sparsity.registry import Registry, family

RedistributionRule = Callable[[Layer], Tensor]

REDISTRIBUTION: Registry[RedistributionRule] = family("redistribution")


@REDISTRIBUTION.register("none", "each layer grows what it lost")
def none(layer: Layer) -> Tensor:
    """Each layer gets back what it lost; `budgets` never asks for a share."""
    return torch.zeros(())


@REDISTRIBUTION.register("magnitude", "by the mean |w|")
def magnitude(layer: Layer) -> Tensor:
    """In proportion to the mean |w| of the active weights."""
    return layer.weights().abs().float().mean()


@REDISTRIBUTION.register("momentum", "by the mean |momentum|", needs=("momentum",))
def momentum(layer: Layer) -> Tensor:
    """In proportion to the mean |momentum| of the active weights (SNFS)."""
    if layer.momentum is None:
        return torch.zeros(())
    return layer.at_active(layer.momentum).abs().float().mean()


@REDISTRIBUTION.register("nonzeros", "by the number of active weights")
def nonzeros(layer: Layer) -> Tensor:
    """In proportion to the number of active weights."""
    return torch.tensor(float(layer.nonzeros))


def shares(name: str, layers: Sequence[Layer]) -> list[float]:
    """Reads every layer's share in one transfer; to be called before anything dies."""
    rule = REDISTRIBUTION[name]
    device = layers[0].mask.device
    read: list[float] = torch.stack([rule(layer).to(device, torch.float32) for layer in layers]).tolist()
    return read


def budgets(
    name: str, layer_shares: Sequence[float], died: Sequence[int], rooms: Sequence[int], left: Sequence[int]
) -> list[int]:
    """Says how many weights each layer grows.

    A layer that has just lost its last weight gets one back, whatever its share: without any it would cut the network
    in two.

    Args:
        name: The redistribution; `none` gives each layer what it lost.
        layer_shares: From `shares`; not read for `none`.
        died: How many weights each layer has just lost.
        rooms: How many inactive weights each layer has now, those just lost included.
        left: How many active weights each layer still has.

    Returns:
        Whole numbers, each within its room, that sum exactly to what died.
    """
    if name == "none":
        return list(died)
    kept = [int(lost > 0 and not active) for lost, active in zip(died, left, strict=True)]
    free = [room - one for room, one in zip(rooms, kept, strict=True)]
    shared = apportion(sum(died) - sum(kept), layer_shares, free)
    return [part + one for part, one in zip(shared, kept, strict=True)]
