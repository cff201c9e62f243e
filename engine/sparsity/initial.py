"""The first masks: exact counts from the distribution, positions at random or from weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.sparsity.distributions import check_room, fixed_counts, layer_counts, refuse_empty
from engine.sparsity.layers import Maskable, Modules, find_maskable
from engine.sparsity.registry import unknown_value
from engine.sparsity.selection import largest, random_subset
from engine.sparsity.sparsity_config import SparsityConfig

GeneratorOn = Callable[[torch.device], torch.Generator]


@dataclass(frozen=True, slots=True)
class LayerPlan:
    """A layer before training: its name, shape and the number of weights that will be active at first."""

    name: str
    shape: tuple[int, ...]
    size: int
    nonzeros: int

    @property
    def density(self) -> float:
        """Active weights as a share of the layer's."""
        return self.nonzeros / self.size


def plan_layers(modules: Modules, config: SparsityConfig) -> list[LayerPlan]:
    """Works out the layers' densities from shapes alone, so also for a model on the meta device.

    For `gmp` these are the densities of the end rather than of the dense start. For `lottery_ticket` and `resume`,
    which only weights decide, they are uniform.

    Raises:
        ValueError: The configuration does not fit the model.
    """
    maskable = find_maskable(modules, config)
    names = [one.name for one in maskable]
    shapes = [one.shape for one in maskable]
    counts = _counts(names, maskable, config)
    refuse_empty(names, counts, config)
    sizes = [math.prod(shape) for shape in shapes]
    rows = zip(names, shapes, sizes, counts, strict=True)
    return [LayerPlan(name, shape, size, count) for name, shape, size, count in rows]


@torch.no_grad()
def initial_masks(
    maskable: Sequence[Maskable],
    config: SparsityConfig,
    generator_on: GeneratorOn,
    initial_weights: Mapping[str, Tensor] | None = None,
) -> list[Tensor]:
    """Makes the first mask of every layer: flat bool tensors on the weights' devices.

    Args:
        maskable: The layers.
        config: Distribution and density.
        generator_on: Gives a generator for a device.
        initial_weights: What `lottery_ticket` and `resume` look at; None: the weights themselves.

    Raises:
        ValueError: Weights are missing, of another shape, or all zero; or a layer would have no active weight.
    """
    names = [one.name for one in maskable]
    masks = _first_masks(names, maskable, config, generator_on, initial_weights)
    if config.distribution == "gmp":  # starts dense: what counts is the end
        counts = _counts(names, maskable, config)
    else:
        counts = [int(mask.count_nonzero()) for mask in masks]
    refuse_empty(names, counts, config)
    return masks


def _first_masks(
    names: Sequence[str],
    maskable: Sequence[Maskable],
    config: SparsityConfig,
    generator_on: GeneratorOn,
    initial_weights: Mapping[str, Tensor] | None,
) -> list[Tensor]:
    if config.distribution == "gmp":
        return [torch.ones(one.parameter.numel(), dtype=torch.bool, device=one.parameter.device) for one in maskable]
    if config.distribution in ("lottery_ticket", "resume"):
        weights = [_weights_of(one, initial_weights) for one in maskable]
        if config.distribution == "resume":
            return _nonzeros(weights)
        return _lottery_ticket(maskable, weights, config)
    counts = _counts(names, maskable, config)
    masks = []
    for one, count in zip(maskable, counts, strict=True):
        device, size = one.parameter.device, one.parameter.numel()
        everywhere = torch.ones(size, dtype=torch.bool, device=device)
        masks.append(_mask_of(random_subset(everywhere, size, count, generator_on(device)), size))
    return masks


def _counts(names: Sequence[str], maskable: Sequence[Maskable], config: SparsityConfig) -> list[int]:
    return layer_counts(names, [one.shape for one in maskable], config, [one.block for one in maskable])


def _nonzeros(weights: Sequence[Tensor]) -> list[Tensor]:
    masks = [weight != 0 for weight in weights]
    if not any(bool(mask.any()) for mask in masks):
        raise ValueError("distribution: resume takes the nonzeros of the weights as masks, and they are all zero.")
    return masks


def _lottery_ticket(maskable: Sequence[Maskable], weights: Sequence[Tensor], config: SparsityConfig) -> list[Tensor]:
    """The largest |w| of the whole network; layers fixed by the user keep their own largest."""
    sizes = [weight.numel() for weight in weights]
    fixed = fixed_counts([one.name for one in maskable], sizes, config)
    free = [i for i in range(len(sizes)) if i not in fixed]
    total = round(config.density * sum(sizes))
    masks = [_mask_of(largest(weights[i].abs(), fixed.get(i, 0)), sizes[i]) for i in range(len(sizes))]
    if free:
        left = total - sum(fixed.values())
        check_room(left, sum(sizes[i] for i in free), total, fixed, config)
        device = weights[free[0]].device
        scores = torch.cat([_ranked(weights[i], config).to(device) for i in free])
        chosen = _mask_of(largest(scores, left), scores.numel())
        for i, part in zip(free, torch.split(chosen, [sizes[i] for i in free]), strict=True):
            masks[i] = part.to(weights[i].device, copy=True)
    return masks


def _ranked(weight: Tensor, config: SparsityConfig) -> Tensor:
    """Returns |w| as `lottery_ticket` ranks it: a layer's largest before all others where no layer may be empty."""
    scores = weight.abs()
    if config.fill_empty_layers:
        scores[largest(scores, 1)] = torch.inf
    return scores


def _weights_of(one: Maskable, initial_weights: Mapping[str, Tensor] | None) -> Tensor:
    if initial_weights is None:
        return one.parameter.detach().reshape(-1)
    if one.name not in initial_weights:
        raise unknown_value("initial_weights", one.name, initial_weights)
    weight = initial_weights[one.name].detach()
    if weight.shape != one.parameter.shape:
        shapes = f"{tuple(weight.shape)}, and the model's is {tuple(one.parameter.shape)}"
        raise ValueError(f"initial_weights: the shape of {one.name} is {shapes}.")
    return weight.to(one.parameter.device).reshape(-1)


def _mask_of(index: Tensor, size: int) -> Tensor:
    mask = torch.zeros(size, dtype=torch.bool, device=index.device)
    mask[index] = True
    return mask
