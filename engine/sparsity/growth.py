"""Which inactive weights grow at an update.

A growth rule is `rule(layer, count, generator) -> flat indices`, ascending and exactly `count` of them, among the
weights for which `layer.mask` is False. At that moment the mask is already without the weights that died in this
update, so those may be chosen again. Active weights are excluded outright, not by a low score.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from engine.sparsity.distributions import apportion
from engine.sparsity.layers import Layer
from engine.sparsity.registry import Registry
from engine.sparsity.selection import largest, random_subset

GrowthRule = Callable[[Layer, int, torch.Generator], Tensor]

GROWTH: Registry[GrowthRule] = Registry("growth")


@GROWTH.register("random")
def random(layer: Layer, count: int, generator: torch.Generator) -> Tensor:
    """Uniform among the inactive, without replacement (SET, Mocanu et al. 2018)."""
    return random_subset(~layer.mask, layer.room, count, generator)


@GROWTH.register("random_unfired")
def random_unfired(layer: Layer, count: int, generator: torch.Generator) -> Tensor:
    """Uniform among those never active so far; where these are too few, all of them and the rest among the inactive."""
    unfired = layer.size - layer.explored_count
    grown = random_subset(~layer.explored, unfired, min(count, unfired), generator)
    if count <= unfired:
        return grown
    left = layer.explored & ~layer.mask
    return torch.cat((grown, random_subset(left, layer.room - unfired, count - unfired, generator))).sort().values


@GROWTH.register("gradient", needs=("gradient",))
def gradient(layer: Layer, count: int, generator: torch.Generator) -> Tensor:
    """The largest |gradient| of the dense gradient among the inactive (RigL, Evci et al. 2020)."""
    return largest(_inactive_scores(layer, layer.gradient), count)


@GROWTH.register("momentum", needs=("momentum",))
def momentum(layer: Layer, count: int, generator: torch.Generator) -> Tensor:
    """The largest |momentum| among the inactive (SNFS, Dettmers & Zettlemoyer 2019)."""
    return largest(_inactive_scores(layer, layer.momentum), count)


@GROWTH.register("momentum_neuron", needs=("momentum",))
def momentum_neuron(layer: Layer, count: int, generator: torch.Generator) -> Tensor:
    """Output neurons get a share in proportion to their mean |momentum|; within each the largest |momentum| grow."""
    if count == 0:
        return layer.active[:0]
    dimension = 1 if layer.geometry.transposed and len(layer.shape) > 1 else 0
    scores = _by_neuron(_inactive_scores(layer, layer.momentum), layer.shape, dimension)
    places = _by_neuron(torch.arange(layer.size, device=scores.device), layer.shape, dimension)
    whole = torch.zeros(layer.shape) if layer.momentum is None else layer.momentum
    means = _by_neuron(whole.abs().reshape(-1), layer.shape, dimension).float().mean(dim=1)
    room = _by_neuron(~layer.mask, layer.shape, dimension).sum(dim=1)
    shares = apportion(count, means.tolist(), room.tolist())
    order = scores.sort(dim=1, descending=True, stable=True).indices
    rank = torch.arange(order.shape[1], device=order.device)
    chosen = rank < torch.tensor(shares, device=order.device).unsqueeze(1)
    return places.gather(1, order)[chosen].sort().values


def _by_neuron(flat: Tensor, shape: tuple[int, ...], dimension: int) -> Tensor:
    return flat.view(shape).movedim(dimension, 0).reshape(shape[dimension], -1)


def _inactive_scores(layer: Layer, quantity: Tensor | None) -> Tensor:
    """Absolute values in logical order, −inf at every active weight; 0 throughout where there is nothing to read."""
    if quantity is None:
        scores = torch.zeros(layer.size, device=layer.mask.device)
    else:
        scores = quantity.detach().abs().reshape(-1)
    return scores.masked_fill_(layer.mask, -torch.inf)
