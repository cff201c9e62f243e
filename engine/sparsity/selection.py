"""Exact selections from a tensor: the k smallest, the k largest, a uniform random k. Never k ± ties.

All of them work on flat tensors and answer with flat indices. Where scores tie at the border, the lowest indices win,
on every device, so a selection is a function of its input alone.
"""

from __future__ import annotations

import torch
from torch import Tensor

SAMPLE = 4096
"""Scores looked at to guess the border of a large selection before the exact selection among what lies beyond it."""


def largest(scores: Tensor, count: int) -> Tensor:
    """Selects the `count` largest scores; of equal scores at the border, those with the lowest index.

    Args:
        scores: A flat tensor of floating-point scores. NaN counts below every number but above −inf, which callers
            give to what must not be selected.
        count: How many to select, 0 to `scores.numel()`.

    Returns:
        Their indices, ascending, int64, exactly `count` of them.

    Raises:
        ValueError: More are asked for than there are.
    """
    total = scores.numel()
    if not 0 <= count <= total:
        raise ValueError(f"cannot select {count} of {total} scores")
    if count == 0:
        return torch.empty(0, dtype=torch.int64, device=scores.device)
    if count == total:
        return torch.arange(total, device=scores.device)
    if scores.dtype in (torch.float16, torch.bfloat16):
        scores = scores.float()
    candidates = _beyond_a_guess(scores, count)
    if candidates is not None:
        return candidates[_border(scores[candidates], count)]
    return _border(scores, count)


def smallest(scores: Tensor, count: int) -> Tensor:
    """Selects the `count` smallest scores; ties go to the lowest index, NaN counts above every number."""
    return largest(-scores, count)


def _beyond_a_guess(scores: Tensor, count: int) -> Tensor | None:
    """Narrows a small selection from many scores down to a few candidates that surely hold it.

    A strided sample gives a border that leaves somewhat more than `count` scores above it. Whether it did is counted,
    not assumed, so the sample decides the time taken and never the result.
    """
    total = scores.numel()
    if total < 16 * SAMPLE or count * 4 > total:
        return None
    sample = scores[:: total // SAMPLE]
    wanted = count / total * sample.numel()
    rank = min(sample.numel(), int(wanted + 4 * wanted**0.5) + 2)
    guess = _kth_largest(sample, rank)
    candidates = (scores >= guess).nonzero().view(-1)
    return candidates if count <= candidates.numel() < total else None


def _border(scores: Tensor, count: int) -> Tensor:
    """Selects by the exact value at the border: all beyond it, then the first of those that equal it."""
    scores = scores.nan_to_num(torch.finfo(scores.dtype).min, posinf=torch.inf, neginf=-torch.inf)
    border = _kth_largest(scores, count)
    beyond = scores > border
    chosen = beyond.nonzero().view(-1)
    missing = count - chosen.numel()
    level = (scores == border).nonzero().view(-1)[:missing]
    return torch.cat((chosen, level)).sort().values


def _kth_largest(scores: Tensor, rank: int) -> Tensor:
    if scores.device.type == "cpu":
        return scores.kthvalue(scores.numel() - rank + 1).values
    return scores.topk(rank).values[-1]  # kthvalue is refused on CUDA under use_deterministic_algorithms


def random_subset(available: Tensor, room: int, count: int, generator: torch.Generator) -> Tensor:
    """Draws `count` of the available positions uniformly, without replacement.

    Few of many are drawn by rejection: positions are drawn until enough distinct available ones have come up, in
    batches that can never overshoot, which leaves every subset equally likely and costs in proportion to `count`
    rather than to the sort of a whole permutation. Many of few are drawn by a random order of the available ones.

    Args:
        available: Flat bool tensor of the positions that may be drawn; left as it is.
        room: How many of them there are (known to every caller, so that the device need not be asked).
        count: How many to draw, 0 to `room`.
        generator: On the device of `available`.

    Returns:
        Their indices, ascending, int64, exactly `count` of them.

    Raises:
        ValueError: More are asked for than are available.
    """
    if not 0 <= count <= room:
        raise ValueError(f"cannot draw {count} of {room} positions")
    device, total = available.device, available.numel()
    if count == 0:
        return torch.empty(0, dtype=torch.int64, device=device)
    if count == room:
        return available.nonzero().view(-1)
    if count * 4 > room or room * 4 < total:
        places = available.nonzero().view(-1)
        order = torch.randperm(room, generator=generator, device=device)
        return places[order[:count]].sort().values
    drawn = torch.zeros(total, dtype=torch.bool, device=device)
    kept = 0
    while kept < count:
        draws = torch.randint(total, (count - kept,), generator=generator, device=device)
        drawn[draws[available[draws]]] = True
        kept = int(torch.count_nonzero(drawn))
    return drawn.nonzero().view(-1)
