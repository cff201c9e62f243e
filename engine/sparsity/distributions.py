"""How many weights of each layer are active at first, exact to the weight.

A distribution is `rule(shapes) -> shares`: for each layer the number that its density is to be proportional to. What
a share comes to in whole weights, with no layer above its size and the total exact, is `apportion`'s work and the
same for all. The three distributions that look at weights rather than shapes (`lottery_ticket`, `resume`) or at time
(`gmp`) are registered here under their names and completed in `initial.py` and in `Masking`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from engine.sparsity import name_patterns
from engine.sparsity.registry import Registry, family
from engine.sparsity.sparsity_config import SparsityConfig

Shape = Sequence[int]
Distribution = Callable[[Sequence[Shape]], list[float]]

DISTRIBUTIONS: Registry[Distribution] = family("distribution")


@DISTRIBUTIONS.register("uniform", "the same density everywhere")
def uniform(shapes: Sequence[Shape]) -> list[float]:
    """Every layer has the same density."""
    return [1.0] * len(shapes)


@DISTRIBUTIONS.register("er", "Erdős–Rényi: (in + out) / (in · out)", shown="ER")
def erdos_renyi(shapes: Sequence[Shape]) -> list[float]:
    """Density ∝ (n_in + n_out) / (n_in · n_out), Mocanu et al. 2018; of a convolution the channels count.

    Of Bilinear the first inputs count, as of a convolution whose kernel has the size of the second.
    """
    return [sum(shape[:2]) / math.prod(shape[:2]) for shape in shapes]


@DISTRIBUTIONS.register("erk", "the same with kernel sizes, the usual choice", shown="ERK")
def erdos_renyi_kernel(shapes: Sequence[Shape]) -> list[float]:
    """Density ∝ sum(shape) / prod(shape), the kernel's extents included, Evci et al. 2020."""
    return [sum(shape) / math.prod(shape) for shape in shapes]


@DISTRIBUTIONS.register("resume", "the nonzeros of the given weights")
@DISTRIBUTIONS.register("gmp", "dense at first, pruned gradually", shown="GMP")
@DISTRIBUTIONS.register("lottery_ticket", "the largest weights of the whole network")
def by_other_means(shapes: Sequence[Shape]) -> list[float]:
    """Uniform, until weights or time decide."""
    return uniform(shapes)


def apportion(total: int, shares: Sequence[float], caps: Sequence[int]) -> list[int]:
    """Splits a whole number in proportion to shares, by largest remainders, with a cap for each.

    What would pass its cap is held there and the rest is scaled again. Where all remaining shares are zero (or NaN),
    the rest is split in proportion to the room left.

    Args:
        total: What to split, 0 to `sum(caps)`.
        shares: Non-negative numbers; NaN and negative ones count as 0.
        caps: The most each may get.

    Returns:
        Whole numbers that sum to `total`.

    Raises:
        ValueError: The caps do not hold `total`.
    """
    if not 0 <= total <= sum(caps):
        raise ValueError(f"cannot split {total} over layers that hold {sum(caps)}")
    quotas = _water_fill(total, shares, caps)
    counts = [min(math.floor(quota), cap) for quota, cap in zip(quotas, caps, strict=True)]
    missing = total - sum(counts)
    order = sorted(range(len(caps)), key=lambda i: (counts[i] - quotas[i], i))
    while missing > 0:
        for i in order:
            if missing and counts[i] < caps[i]:
                counts[i] += 1
                missing -= 1
    while missing < 0:  # only where rounding of floats lifted a quota over a whole number
        for i in reversed(order):
            if missing and counts[i] > 0:
                counts[i] -= 1
                missing += 1
    return counts


def _water_fill(total: int, shares: Sequence[float], caps: Sequence[int]) -> list[float]:
    """Scales shares to the total, holding at its cap whatever would pass it."""
    weights = [share if 0 < share < math.inf else 0.0 for share in shares]
    quotas = [0.0] * len(caps)
    free = [i for i, cap in enumerate(caps) if cap > 0]
    left = float(total)
    while free and left > 0:
        top = max(weights[i] for i in free)
        if top <= 0:
            weights, top = [float(cap) for cap in caps], max(caps)
        weights = [weight / top for weight in weights]  # else tiny shares overflow the scale
        scale = left / sum(weights[i] for i in free)
        full = [i for i in free if weights[i] * scale >= caps[i]]
        if not full:
            for i in free:
                quotas[i] = weights[i] * scale
            break
        for i in full:
            quotas[i] = float(caps[i])
            left -= caps[i]
        free = [i for i in free if quotas[i] < caps[i]]
    return quotas


def layer_counts(
    names: Sequence[str],
    shapes: Sequence[Shape],
    config: SparsityConfig,
    blocks: Sequence[Shape] | None = None,
) -> list[int]:
    """Number of active weights of each layer in the first mask.

    Their sum is exactly round(density · weights), unless `layer_densities` names every layer and so decides the total
    itself. Every layer keeps at least one weight wherever the total allows it. For `gmp` these are the counts of the
    end, its first mask being dense; for `lottery_ticket` and `resume`, whose counts follow from weights, they are
    uniform.

    Args:
        names: The layers' names, for the patterns in `layer_densities`.
        shapes: Their shapes, in the same order.
        config: Density, distribution, and which layers are fixed beforehand.
        blocks: Where a layer is a stack of matrices, as the projections of attention are, the shape of one of them:
            stacked or not, they get the same density. None: the shapes.

    Raises:
        ValueError: The layers whose density is fixed beforehand leave less or more than the others can hold.
    """
    sizes = [math.prod(shape) for shape in shapes]
    fixed = fixed_counts(names, sizes, config)
    return distribute(round(config.density * sum(sizes)), fixed, blocks or shapes, sizes, config)


def fixed_counts(names: Sequence[str], sizes: Sequence[int], config: SparsityConfig) -> dict[int, int]:
    """Counts of the layers that the user fixed: position → active weights. Of several patterns the last one decides."""
    fixed = {0: sizes[0]} if config.dense_first_layer else {}
    for position, name in enumerate(names):
        for pattern, density in config.layer_densities.items():
            if name_patterns.names(pattern, name):
                fixed[position] = round(density * sizes[position])
    return fixed


def distribute(
    total: int, fixed: dict[int, int], shapes: Sequence[Shape], sizes: Sequence[int], config: SparsityConfig
) -> list[int]:
    """Shares `total` weights out over the layers that are not fixed; see `layer_counts`."""
    free = [i for i in range(len(sizes)) if i not in fixed]
    left = total - sum(fixed.values())
    if free:
        check_room(left, sum(sizes[i] for i in free), total, fixed, config)
    shares = DISTRIBUTIONS[config.distribution]([shapes[i] for i in free])
    weights = [share * sizes[i] for share, i in zip(shares, free, strict=True)]
    counts = dict(fixed)
    if free:
        split = _none_left_empty(apportion(left, weights, [sizes[i] for i in free]))
        counts |= dict(zip(free, split, strict=True))
    return [counts[i] for i in range(len(sizes))]


def _none_left_empty(counts: list[int]) -> list[int]:
    """Moves single weights from the largest layers to empty ones: a layer without any cuts the network in two."""
    for position, count in enumerate(counts):
        if count == 0 and max(counts) > 1:
            counts[counts.index(max(counts))] -= 1
            counts[position] = 1
    return counts


def refuse_empty(names: Sequence[str], counts: Sequence[int], config: SparsityConfig) -> None:
    """Refuses a first mask that leaves a layer without an active weight: nothing passes such a layer.

    A layer that the user gave a density of 0 in `layer_densities` is meant to have none.

    Raises:
        ValueError: Some layers are empty; the message names them.
    """
    none = [pattern for pattern, density in config.layer_densities.items() if density == 0]
    meant = {name for name in names for pattern in none if name_patterns.names(pattern, name)}
    empty = [name for name, count in zip(names, counts, strict=True) if count == 0 and name not in meant]
    if empty:
        shown = ", ".join(empty[:5]) + (f" and {len(empty) - 5} more" if len(empty) > 5 else "")
        raise ValueError(
            f"density: {config.density} with distribution {config.distribution!r} leaves no active weight in {shown}; "
            "choose a higher density or another distribution, or exclude such layers"
            + ("; or set fill_empty_layers." if config.distribution == "lottery_ticket" else ".")
        )


def check_room(left: int, room: int, total: int, fixed: dict[int, int], config: SparsityConfig) -> None:
    """Refuses fixed layers that cannot be made up for.

    Raises:
        ValueError: The other layers would need fewer than no weights, or more than they have.
    """
    if 0 <= left <= room:
        return
    cause = "layer_densities" if config.layer_densities else "dense_first_layer"
    held = sum(fixed.values())
    raise ValueError(
        f"{cause}: density {config.density} allows {total} active weights in all; the layers it fixes hold {held}, "
        f"and the others cannot make up for that with {left} of their {room}."
    )
