"""Dividing a labelled set in two, every class in proportion."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.data.order import generator

__all__ = ["evenly_spaced_split", "stratified_split"]


def stratified_split(targets: Tensor, held_out: int, seed: int) -> tuple[Tensor, Tensor]:
    """Divide the positions of a labelled set at random, each class in proportion.

    Args:
        targets: `[n]` labels.
        held_out: How many positions the second part gets, exactly; 0 … n.
        seed: Equal seeds give equal parts.

    Returns:
        The positions that stay and those held out, both ascending int64; together they are 0 … n − 1.
    """
    order = torch.randperm(len(targets), generator=generator(seed, "validation"))
    return _take_by_class(targets, order, held_out)


def evenly_spaced_split(targets: Tensor, held_out: int) -> tuple[Tensor, Tensor]:
    """Divide the positions of a labelled set without randomness: of each class, positions at even distances.

    As `stratified_split`, but the same on every version of every library.
    """
    order = torch.arange(len(targets))
    kept, held = [], []
    for positions, share in _shares(targets, order, held_out):
        chosen = torch.zeros(len(positions), dtype=torch.bool)
        chosen[torch.arange(share) * len(positions) // max(share, 1)] = True
        held.append(positions[chosen])
        kept.append(positions[~chosen])
    return _join(kept), _join(held)


def _take_by_class(targets: Tensor, order: Tensor, held_out: int) -> tuple[Tensor, Tensor]:
    parts = list(_shares(targets, order, held_out))
    return _join([places[share:] for places, share in parts]), _join([places[:share] for places, share in parts])


def _shares(targets: Tensor, order: Tensor, held_out: int) -> list[tuple[Tensor, int]]:
    """Each class's positions, in the order given, and how many of them are held out.

    Shares are rounded down and what is missing goes to the largest remainders, the lower label first on a tie, so
    that the total is exact.
    """
    labels = targets.cpu()[order]
    grouped = order[torch.argsort(labels, stable=True)]
    counts = torch.unique(labels, return_counts=True)[1]
    exact = counts * held_out
    shares = exact // max(len(targets), 1)
    remainders = exact - shares * len(targets)
    missing = held_out - int(shares.sum())
    shares[torch.argsort(remainders, descending=True, stable=True)[:missing]] += 1
    return list(zip(torch.split(grouped, counts.tolist()), shares.tolist(), strict=True))


def _join(parts: list[Tensor]) -> Tensor:
    return torch.cat([*parts, torch.empty(0, dtype=torch.int64)]).sort().values
