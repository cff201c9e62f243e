"""Exact selections from a tensor: the k smallest, the k largest, a uniform random k. Never k ± ties.

All of them work on flat tensors and answer with flat indices. Where scores tie at the border, the lowest indices win,
on every device, so a selection is a function of its input alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

SAMPLE = 4096
"""Scores looked at to guess the border of a large selection before the exact selection among what lies beyond it."""

ROW_STRIDE = 8
"""Distance between the scores of a long row that are looked at for the same purpose."""


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
        return candidates[_border(scores[candidates], count)]
    return _border(scores, count)


def smallest(scores: Tensor, count: int) -> Tensor:
    """Selects the `count` smallest scores; ties go to the lowest index, NaN counts above every number."""
    return largest(-scores, count)


def largest_of_each_row(scores: Tensor, counts: Sequence[int]) -> Tensor:
    """Selects from each row its own number of largest scores; ties go to the lowest index, NaN as in `largest`.

    The value at a row's border comes from a partial ordering; only what reaches it is looked at again.

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
    most = max(counts, default=0)
    if most == 0:
        return torch.empty(0, dtype=torch.int64, device=scores.device)
    scores = _at_least_single(scores).contiguous()
    wanted = torch.tensor(counts, device=scores.device)
    reaching = _beyond_row_guesses(scores, wanted, most)
    if reaching is None:
        scores = _comparable(scores)
        border = _row_borders(scores, wanted, most)
        reaching = (scores >= border.unsqueeze(1)).view(-1).nonzero().view(-1)
    else:
        border = _row_borders(_gathered_rows(scores, reaching), wanted, most)
        reaching = reaching[scores.view(-1)[reaching] >= border[reaching // columns]]
    row = reaching // columns
    beyond = scores.view(-1)[reaching] > border[row]
    # Of those level with the border, which lie in ascending order, each row takes the first that it still misses.
    missing = wanted - torch.bincount(row[beyond], minlength=rows)
    level = torch.bincount(row[~beyond], minlength=rows)
    rank = (~beyond).cumsum(0) - (level.cumsum(0) - level)[row]
    return reaching[beyond | (rank <= missing[row])]


def _row_borders(scores: Tensor, wanted: Tensor, most: int) -> Tensor:
    """Returns the value of the last one wanted in each row; above every number where none is."""
    last = scores.topk(most, dim=1).values.gather(1, (wanted - 1).clamp_min(0).unsqueeze(1)).view(-1)
    return torch.where(wanted > 0, last, torch.inf)


def _beyond_row_guesses(scores: Tensor, wanted: Tensor, most: int) -> Tensor | None:
    """Narrows small selections from long rows as `_beyond_a_guess` does; flat indices, or None where it cannot."""
    rows, columns = scores.shape
    if columns < 16 * ROW_STRIDE or most * 4 > columns:
        return None
    sample = scores[:, ::ROW_STRIDE]
    share = wanted * (sample.shape[1] / columns)
    ranks = (share + 4 * share.sqrt() + 2).long().clamp_max(sample.shape[1])
    guess = _row_borders(sample, torch.where(wanted > 0, ranks, 0), int(ranks.max()))
    reaching = (scores >= guess.unsqueeze(1)).view(-1).nonzero().view(-1)
    enough = (torch.bincount(reaching // columns, minlength=rows) >= wanted) & (guess > -torch.inf)
    return reaching if bool(enough.all()) else None


def _gathered_rows(scores: Tensor, index: Tensor) -> Tensor:
    """Returns the scores at ascending flat indices moved up in their rows, with −inf behind them."""
    rows, columns = scores.shape
    row = index // columns
    lengths = torch.bincount(row, minlength=rows)
    column = torch.arange(index.numel(), device=index.device) - (lengths.cumsum(0) - lengths)[row]
    moved = scores.new_full((rows, int(lengths.max())), -torch.inf)
    moved[row, column] = scores.view(-1)[index]
    return moved


def _at_least_single(scores: Tensor) -> Tensor:
    return scores.float() if scores.dtype in (torch.float16, torch.bfloat16) else scores


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
