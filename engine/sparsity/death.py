"""Which active weights die at an update.

A death rule is `rule(layers, counts, config) -> [indices of the dying weights of each layer]`: flat indices into the
layer, ascending, all of active weights. `counts` says how many are to go in each layer; a rule gives exactly that
many, or, where it follows another law (`global_magnitude`, `threshold`), its docstring says which.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from engine.sparsity.layers import Layer
from engine.sparsity.registry import Registry, family
from engine.sparsity.selection import smallest
from engine.sparsity.sparsity_config import SparsityConfig

DeathRule = Callable[[Sequence[Layer], Sequence[int], SparsityConfig], list[Tensor]]

DEATH: Registry[DeathRule] = family("death")


def per_layer(rule: Callable[[Layer, int], Tensor]) -> DeathRule:
    """Makes a death rule of `rule(layer, count) -> indices into layer.active`, applied to each layer by itself."""

    def death(layers: Sequence[Layer], counts: Sequence[int], config: SparsityConfig) -> list[Tensor]:
        pairs = zip(layers, counts, strict=True)
        return [
            layer.active.index_select(0, rule(layer, count)) if count else layer.active[:0] for layer, count in pairs
        ]

    return death


@DEATH.register("magnitude", "the smallest |w|")
@per_layer
def magnitude(layer: Layer, count: int) -> Tensor:
    """The smallest |w| die."""
    return smallest(layer.weights().abs(), count)


@DEATH.register("SET", "the nearest to zero of each sign")
@per_layer
def nearest_zero_of_each_sign(layer: Layer, count: int) -> Tensor:
    """Of the positive weights the count/2 nearest zero die, and the same of the negative ones, Mocanu et al. 2018.

    Weights that are exactly 0 go before either. An odd one out is taken from the positive side; what one side cannot
    give the other does, so that a layer of one sign only loses its smallest |w|.
    """
    values = layer.weights()
    zeros, positives, negatives = torch.stack([values == 0, values > 0, values < 0]).sum(dim=1).tolist()
    from_zeros = min(count, zeros)
    left = count - from_zeros
    from_positives = max(min((left + 1) // 2, positives), left - negatives)
    places = [
        _nearest_zero(values == 0, values, from_zeros),
        _nearest_zero(values > 0, values, from_positives),
        _nearest_zero(values < 0, values, left - from_positives),
    ]
    return torch.cat(places).sort().values


def _nearest_zero(side: Tensor, values: Tensor, count: int) -> Tensor:
    places = side.nonzero().view(-1)
    return places.index_select(0, smallest(values.index_select(0, places).abs(), count))


@DEATH.register("threshold", "every |w| below the threshold")
def threshold(layers: Sequence[Layer], counts: Sequence[int], config: SparsityConfig) -> list[Tensor]:
    """Every active weight with |w| < `config.threshold` dies, however many there are; the death rate has no effect."""
    return [layer.active[layer.weights().abs() < config.threshold] for layer in layers]


@DEATH.register("Taylor_FO", "the smallest (w·g)²", needs=("gradient",))
@per_layer
def taylor_first_order(layer: Layer, count: int) -> Tensor:
    """The smallest (w · g)² die: the first-order estimate of each weight's part in the loss, Molchanov et al. 2019."""
    if layer.gradient is None:
        return smallest(torch.zeros_like(layer.weights()), count)
    # |w·g| has the order of its square, and does not underflow where the square would.
    return smallest((layer.weights().double() * layer.at_active(layer.gradient).double()).abs(), count)


@DEATH.register("global_magnitude", "the smallest |w| of the whole network")
def global_magnitude(layers: Sequence[Layer], counts: Sequence[int], config: SparsityConfig) -> list[Tensor]:
    """The smallest |w| of the whole network die: as many as all counts together, each layer as many as it happens."""
    scores = torch.cat([layer.weights().abs() for layer in layers])
    dying = torch.zeros_like(scores, dtype=torch.bool)
    dying[smallest(scores, sum(counts))] = True
    parts = torch.split(dying, [layer.nonzeros for layer in layers])
    return [layer.active[part] for layer, part in zip(layers, parts, strict=True)]
