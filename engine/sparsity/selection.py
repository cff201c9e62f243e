"""Exact selections from a tensor: the k smallest, the k largest, a uniform random k. Never k ± ties.

All of them work on flat tensors and answer with flat indices. Where scores tie at the border, the lowest indices win,
on every device, so a selection is a function of its input alone.

On a CPU the values at a border come from numpy, whose vectorised sort and partition take a tenth of torch's time or
less; they are values only, so it does not matter how they order what is equal.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

SAMPLE = 4096
"""Scores looked at to guess the border of a large selection before the exact selection among what lies beyond it."""

ROW_STRIDE = 8
"""Distance between the scores of a long row that are looked at for the same purpose."""

LONG_ROW = 1024
"""Rows of fewer scores are sorted whole sooner than guessed at."""


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
    scores = _at_least_single(scores)
    candidates = _beyond_a_guess(scores, count)
    if candidates is not None:
        return candidates.index_select(0, _border(scores.index_select(0, candidates), count))
    return _border(scores, count)


def smallest(scores: Tensor, count: int) -> Tensor:
    """Selects the `count` smallest scores; ties go to the lowest index, NaN counts above every number."""
    return largest(-scores, count)


def largest_of_each_row(scores: Tensor, counts: Sequence[int]) -> Tensor:
    """Selects from each row its own number of largest scores; ties go to the lowest index, NaN as in `largest`.

    Args:
        scores: Rows of floating-point scores.
        counts: How many to select in each row, 0 to `scores.shape[1]`.

    Returns:
        Their indices into `scores.view(-1)`, ascending, int64, exactly `sum(counts)` of them.

    Raises:
        ValueError: A row is asked for more than it has.
    """
    rows, columns = scores.shape
    if len(counts) != rows or not all(0 <= count <= columns for count in counts):
        raise ValueError(f"cannot select {list(counts)} of {rows} rows of {columns} scores")
    if not any(counts):
        return torch.empty(0, dtype=torch.int64, device=scores.device)
    scores = _at_least_single(scores).contiguous()
    wanted = torch.tensor(counts, device=scores.device)
    candidates = _beyond_row_guesses(scores, wanted, sum(counts))
    if candidates is None:
        scores = _comparable(scores)
        candidates = _reaching(scores, _row_borders(scores, wanted))
    # Each row's candidates are moved up to its beginning, in a narrower matrix with −inf behind them.
    starts = _row_starts(candidates, rows, columns)
    lengths = starts.diff()
    width = int(lengths.max())
    shifts = torch.arange(rows, device=scores.device) * width - starts[:-1]
    places = torch.arange(candidates.numel(), device=scores.device) + shifts.repeat_interleave(lengths)
    narrow = scores.new_full((rows * width,), -torch.inf)
    narrow.index_copy_(0, places, scores.view(-1).index_select(0, candidates))
    narrow = narrow.view(rows, width)
    # All beyond a row's border are chosen, and of those level with it the first that are still missing.
    border = _row_borders(narrow, wanted).unsqueeze(1)
    beyond, level = narrow > border, narrow == border
    missing = wanted - beyond.sum(dim=1)
    chosen = beyond | (level & (level.cumsum(1) <= missing.unsqueeze(1)))
    return candidates.masked_select(chosen.view(-1).index_select(0, places))


def _row_borders(scores: Tensor, wanted: Tensor) -> Tensor:
    """Returns the value of the last one wanted in each row; above every number where none is."""
    if scores.device.type == "cpu":
        ordered = torch.from_numpy(np.sort(scores.numpy(), axis=1))
    else:
        ordered = scores.sort(dim=1).values
    last = ordered.gather(1, (scores.shape[1] - wanted.clamp_min(1)).unsqueeze(1)).view(-1)
    return torch.where(wanted > 0, last, torch.inf)


def _row_starts(index: Tensor, rows: int, columns: int) -> Tensor:
    """Returns where in ascending flat indices each row begins, and behind the last where it ends."""
    return torch.searchsorted(index, torch.arange(rows + 1, device=index.device) * columns)


def _reaching(scores: Tensor, border: Tensor) -> Tensor:
    """Returns the flat indices of the scores that reach their row's border."""
    return (scores >= border.unsqueeze(1)).view(-1).nonzero().view(-1)


def _beyond_row_guesses(scores: Tensor, wanted: Tensor, count: int) -> Tensor | None:
    """Narrows small selections from long rows as `_beyond_a_guess` does; flat indices, or None where it cannot."""
    rows, columns = scores.shape
    if columns < LONG_ROW or count * 4 > scores.numel():
        return None
    sample = scores[:, ::ROW_STRIDE]
    share = wanted * (sample.shape[1] / columns)
    ranks = (share + 4 * share.sqrt() + 2).long()
    guess = _row_borders(sample, torch.where(wanted > 0, ranks, 0).clamp_max(sample.shape[1]))
    lowest = torch.finfo(scores.dtype).min  # every number reaches it; NaN, which comes after them, and −inf do not
    reaching = _reaching(scores, torch.where(ranks < sample.shape[1], guess.clamp_min(lowest), lowest))
    enough = _row_starts(reaching, rows, columns).diff() >= wanted
    return reaching if bool(enough.all()) else None


def _at_least_single(scores: Tensor) -> Tensor:
    return scores.detach().float() if scores.dtype in (torch.float16, torch.bfloat16) else scores.detach()


def _comparable(scores: Tensor) -> Tensor:
    """Returns the scores with NaN below every number, but above the −inf of what must not be selected."""
    return scores.nan_to_num(torch.finfo(scores.dtype).min, posinf=torch.inf, neginf=-torch.inf)


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
    scores = _comparable(scores)
    border = _kth_largest(scores, count)
    chosen = scores > border
    missing = count - int(chosen.count_nonzero())
    chosen.index_fill_(0, (scores == border).nonzero().view(-1)[:missing], True)
    return chosen.nonzero().view(-1)


def _kth_largest(scores: Tensor, rank: int) -> Tensor:
    if scores.device.type == "cpu":
        return torch.from_numpy(np.partition(scores.numpy(), scores.numel() - rank))[-rank]
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
        return places.index_select(0, order[:count]).sort().values
    drawn = torch.zeros(total, dtype=torch.bool, device=device)
    kept = 0
    while kept < count:
        draws = torch.randint(total, (count - kept,), generator=generator, device=device)
        drawn.index_fill_(0, draws.masked_select(available.index_select(0, draws)), True)
        kept = int(torch.count_nonzero(drawn))
    return drawn.nonzero().view(-1)
