"""One prune-and-grow: which weights go, which come, and what that means for weights and optimizer.

The order is: read what the rules asked for, let weights die in every layer, distribute what died over the layers, grow
in every layer. All weights of all layers have died before any grows, and nothing is written to a weight before both are
known: a weight that died and was chosen again has never left, and keeps its value and its optimizer state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import Optimizer

from engine.sparsity import redistribution
from engine.sparsity.death import DEATH
from engine.sparsity.distributions import distribute
from engine.sparsity.growth import GROWTH
from engine.sparsity.layers import Layer
from engine.sparsity.redistribution import REDISTRIBUTION
from engine.sparsity.schedules import dying
from engine.sparsity.sparsity_config import SparsityConfig
from engine.sparsity.stats import Change


def needs_of(config: SparsityConfig) -> frozenset[str]:
    """Returns what the rules of a configuration read at an update: `"gradient"`, `"momentum"`, both or neither."""
    needs = DEATH.needs(config.death) | REDISTRIBUTION.needs(config.redistribution)
    return needs if config.distribution == "gmp" else needs | GROWTH.needs(config.growth)


@dataclass(frozen=True, slots=True)
class Updater:
    """Applies a configuration's rules to the layers.

    Args:
        layers: All masked layers, in order.
        config: Names the rules.
        optimizer: Whose per-weight state is wiped where a weight dies or grows.
        fixed: Positions of the layers whose number of active weights the user fixed, with that number.
        generator_on: Gives the masks' generator for a device.
    """

    layers: Sequence[Layer]
    config: SparsityConfig
    optimizer: Optimizer
    fixed: dict[int, int]
    generator_on: Callable[[torch.device], torch.Generator]

    def prune_and_grow(self, counts: Sequence[int]) -> list[Change]:
        """Makes one update.

        Args:
            counts: How many weights are to die in each layer; see `regular_counts` and `gmp_counts`.

        Returns:
            What changed in each layer, with nothing yet read from the device.

        Raises:
            RuntimeError: A rule broke its contract: an active weight grew, an inactive one died, or the number is
            wrong.
        """
        moving = self._moving()
        moved = self.config.redistribution != "none"
        shares = redistribution.shares(self.config.redistribution, self.layers) if moved else []
        before = [layer.nonzeros for layer in self.layers]
        past = [layer.mask.clone() for layer in self.layers]
        died = self._let_die(moving, counts)
        for layer, gone in zip(self.layers, died, strict=True):
            layer.mask.index_fill_(0, gone, False)
            layer.nonzeros -= gone.numel()
        budgets = self._budgets(moving, shares, [gone.numel() for gone in died])
        changes = []
        for layer, was, count, gone, budget in zip(self.layers, past, before, died, budgets, strict=True):
            grown = self._grow(layer, was, gone, budget)
            changes.append(Change(layer, count, gone, grown, layer.fresh))
            layer.fresh = grown
        return changes

    def regular_counts(self, rate: float) -> list[int]:
        """Returns ceil(ζ · n) for each layer.

        A full layer that gets back what it loses is left alone: it could only regrow the same weights.
        """
        stays = self.config.redistribution == "none"
        return [0 if stays and layer.room == 0 else dying(rate, layer.nonzeros) for layer in self.layers]

    def gmp_counts(self, density: float) -> list[int]:
        """Returns how many weights of each layer gradual magnitude pruning takes to bring the network to a density.

        What stays is shared out evenly over what there is, so no layer ever has to grow. Layers that do not move keep
        what they have, and the others make up for it as far as they can.
        """
        sizes = [layer.nonzeros for layer in self.layers]
        moving = {layer.position for layer in self._moving()}
        held = self.fixed | {layer.position: layer.nonzeros for layer in self.layers if layer.position not in moving}
        wanted = round(density * sum(layer.size for layer in self.layers))
        total = max(min(wanted, sum(sizes)), sum(held.values()))
        left = distribute(total, held, [layer.shape for layer in self.layers], sizes, self.config)
        return [size - count for size, count in zip(sizes, left, strict=True)]

    def _moving(self) -> list[Layer]:
        """Returns the layers that take part in an update.

        A first layer that is to stay dense does not, nor does one that was frozen meanwhile, nor one that has no
        gradient or momentum where a rule ranks by it: a rule would rank nothing but positions there.
        """
        needs = needs_of(self.config)
        return [
            layer
            for layer in self.layers
            if layer.parameter.requires_grad
            and not (self.config.dense_first_layer and layer.position == 0)
            and not ("gradient" in needs and layer.gradient is None)
            and not ("momentum" in needs and layer.momentum is None)
        ]

    def _let_die(self, moving: Sequence[Layer], counts: Sequence[int]) -> list[Tensor]:
        """Chooses the dying weights of every layer that moves."""
        if not moving:
            return [layer.active[:0] for layer in self.layers]
        chosen = DEATH[self.config.death](moving, [counts[layer.position] for layer in moving], self.config)
        died = [layer.active[:0] for layer in self.layers]
        for layer, indices in zip(moving, chosen, strict=True):
            died[layer.position] = indices
        return died

    def _budgets(self, moving: Sequence[Layer], shares: Sequence[float], died: Sequence[int]) -> list[int]:
        """How many weights each layer grows; layers of a density fixed by the user get back what they lost."""
        if self.config.distribution == "gmp":
            return [0] * len(died)
        grown = list(died)
        free = [layer.position for layer in moving if layer.position not in self.fixed]
        if shares and free:
            parts = redistribution.budgets(
                self.config.redistribution,
                [shares[i] for i in free],
                [died[i] for i in free],
                [self.layers[i].room for i in free],
                [self.layers[i].nonzeros for i in free],
            )
            for position, part in zip(free, parts, strict=True):
                grown[position] = part
        return grown

    def _grow(self, layer: Layer, was: Tensor, gone: Tensor, budget: int) -> Tensor:
        """Grows one layer and settles its weights and optimizer state; returns the newly active weights."""
        grown = layer.active[:0]
        if budget:
            chosen = GROWTH[self.config.growth](layer, budget, self.generator_on(layer.mask.device))
            layer.mask.index_fill_(0, chosen, True)
            layer.nonzeros += budget
            grown = chosen.masked_select(~was.index_select(0, chosen))
            layer.explored.index_fill_(0, grown, True)
        if gone.numel() or budget:
            layer.active = layer.mask.nonzero().view(-1)
            if layer.active.numel() != layer.nonzeros:
                raise RuntimeError(
                    f"{layer.name}: {layer.active.numel()} weights are active where death {self.config.death!r} and "
                    f"growth {self.config.growth!r} should leave {layer.nonzeros}."
                )
            changed = torch.cat((gone.masked_select(~layer.mask.index_select(0, gone)), grown))
            if changed.numel():
                layer.move(changed, self.optimizer)
        return grown
