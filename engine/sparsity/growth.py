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
from engine.sparsity.registry import Registry, family
from engine.sparsity.selection import largest, largest_of_each_row, random_subset

GrowthRule = Callable[[Layer, int, torch.Generator], Tensor]

GROWTH: Registry[GrowthRule] = family("growth")


@GROWTH.register("random", "SET")
def random(layer: Layer, count: int, generator: torch.Generator) -> Tensor:
    """Uniform among the inactive, without replacement (SET, Mocanu et al. 2018)."""
    return random_subset(~layer.mask, layer.room, count, generator)


@GROWTH.register("random_unfired", "never active weights first")
def random_unfired(layer: Layer, count: int, generator: torch.Generator) -> Tensor:
    """Uniform among those never active so far; where these are too few, all of them and the rest among the inactive."""
    unfired = layer.size - layer.explored_count
    grown = random_subset(~layer.explored, unfired, min(count, unfired), generator)
    if count <= unfired:
        return grown
    left = layer.explored & ~layer.mask
    return torch.cat((grown, random_subset(left, layer.room - unfired, count - unfired, generator))).sort().values


@GROWTH.register("gradient", "RigL: the largest dense gradient", needs=("gradient",))
def gradient(layer: Layer, count: int, generator: torch.Generator) -> Tensor:
    """The largest |gradient| of the dense gradient among the inactive (RigL, Evci et al. 2020)."""
    return largest(_inactive_scores(layer, layer.gradient), count)


@GROWTH.register("momentum", "SNFS: the largest momentum", needs=("momentum",))
def momentum(layer: Layer, count: int, generator: torch.Generator) -> Tensor:
    """The largest |momentum| among the inactive (SNFS, Dettmers & Zettlemoyer 2019)."""
    return largest(_inactive_scores(layer, layer.momentum), count)


@GROWTH.register("momentum_neuron", "the same, shared among the neurons", needs=("momentum",))
def momentum_neuron(layer: Layer, count: int, generator: torch.Generator) -> Tensor:
    """Output neurons get a share in proportion to their mean |momentum|; within each the largest |momentum| grow."""
    if count == 0:
        return layer.active[:0]
    magnitudes = _magnitudes(layer, layer.momentum)
    means = _by_output(layer, magnitudes).float().mean(dim=1)
    room = (~_by_output(layer, layer.mask)).sum(dim=1)
    mean_list, room_list = torch.stack((means, room.to(means))).tolist()
    shares = apportion(count, mean_list, [int(places) for places in room_list])
    scores = _by_output(layer, _without_active(layer, magnitudes))
    return _from_output_order(layer, largest_of_each_row(scores, shares))


def _outputs_are_columns(layer: Layer) -> bool:
    return layer.geometry.transposed and len(layer.shape) > 1


def _by_output(layer: Layer, flat: Tensor) -> Tensor:
    """Returns values in logical order as one row for each output neuron or channel."""
    if _outputs_are_columns(layer):
        return flat.view(layer.shape).transpose(0, 1).reshape(layer.shape[1], -1)
    return flat.view(layer.shape[0], -1)


def _from_output_order(layer: Layer, index: Tensor) -> Tensor:
    """Maps flat indices into `_by_output` to those of the weight itself, ascending."""
    if not _outputs_are_columns(layer):
        return index
    rows, columns, kernel = layer.geometry.rows, layer.geometry.columns, layer.geometry.kernel
    column, row, place = index // (rows * kernel), index // kernel % rows, index % kernel
    return ((row * columns + column) * kernel + place).sort().values


def _inactive_scores(layer: Layer, quantity: Tensor | None) -> Tensor:
    """Absolute values in logical order, −inf at every active weight; 0 throughout where there is nothing to read."""
    return _without_active(layer, _magnitudes(layer, quantity))


def _without_active(layer: Layer, scores: Tensor) -> Tensor:
    """Sets the scores of the active weights to −inf, in place; looks only at those that were active before death."""
    still = layer.mask.index_select(0, layer.active)
    values = scores.index_select(0, layer.active).masked_fill_(still, -torch.inf)
    return scores.index_copy_(0, layer.active, values)


def _magnitudes(layer: Layer, quantity: Tensor | None) -> Tensor:
    if quantity is None:
        return torch.zeros(layer.size, device=layer.mask.device)
    return quantity.detach().abs().reshape(-1)
