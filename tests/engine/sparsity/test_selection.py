"""Exact selections: never k ± ties, uniform draws."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engine.sparsity.selection import SAMPLE, largest, largest_of_each_row, random_subset, smallest
from tests.engine.examples import examples


def test_largest_by_hand() -> None:
    scores = torch.tensor([3.0, 9.0, 1.0, 7.0, 5.0])
    assert largest(scores, 2).tolist() == [1, 3]
    assert smallest(scores, 2).tolist() == [0, 2]
    assert largest(scores, 0).tolist() == []
    assert largest(scores, 5).tolist() == [0, 1, 2, 3, 4]


def test_ties_go_to_the_lowest_index_and_never_beyond_the_count() -> None:
    scores = torch.tensor([1.0, 2.0, 2.0, 2.0, 0.0])
    assert largest(scores, 2).tolist() == [1, 2]
    assert smallest(scores, 3).tolist() == [0, 1, 4]
    assert largest(torch.zeros(6), 4).tolist() == [0, 1, 2, 3]


def test_nan_is_chosen_after_every_number_but_before_what_is_excluded() -> None:
    scores = torch.tensor([torch.nan, 1.0, -torch.inf, -5.0])
    assert largest(scores, 2).tolist() == [1, 3]
    assert largest(scores, 3).tolist() == [0, 1, 3]


def test_infinities_are_numbers() -> None:
    assert largest(torch.tensor([torch.inf, 1.0, torch.inf, 2.0]), 3).tolist() == [0, 2, 3]


@pytest.mark.parametrize("count", [-1, 4])
def test_asking_for_more_than_there_is(count: int) -> None:
    with pytest.raises(ValueError, match="3"):
        largest(torch.zeros(3), count)
    with pytest.raises(ValueError, match="3"):
        random_subset(torch.ones(3, dtype=torch.bool), 3, count, torch.Generator())


@settings(deadline=None)
@given(st.lists(st.sampled_from([0.0, -0.0, 1.0, 2.0, 2.5, -1.0]), min_size=1, max_size=40), st.data())
def test_largest_is_a_stable_sort(values: list[float], data: st.DataObject) -> None:
    count = data.draw(st.integers(0, len(values)))
    order = sorted(range(len(values)), key=lambda i: (-values[i], i))
    assert largest(torch.tensor(values), count).tolist() == sorted(order[:count])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("levels", [3, 10**6])
@pytest.mark.parametrize("poison", [False, True])
def test_a_selection_from_many_agrees_with_a_full_sort(dtype: torch.dtype, levels: int, poison: bool) -> None:
    """The short cut by a sampled border must never show in the result, whatever the sample happens to hit."""
    size = 20 * SAMPLE
    generator = torch.Generator().manual_seed(levels)
    scores = torch.randint(levels, (size,), generator=generator).to(dtype)
    if poison:
        scores[:: size // SAMPLE] = torch.nan  # every single sampled place
    ranks = scores.double().nan_to_num(-1.0, posinf=torch.inf)
    expected = ranks.sort(descending=True, stable=True).indices
    for count in (1, 17, 1000, size // 5, size - 3):
        assert torch.equal(largest(scores, count), expected[:count].sort().values), count


def test_a_random_subset_is_exact_distinct_and_available() -> None:
    generator = torch.Generator().manual_seed(3)
    available = torch.rand(5000, generator=generator) < 0.9
    room = int(available.sum())
    for count in (0, 1, 50, 1000, 2000, room - 1, room):
        chosen = random_subset(available, room, count, generator)
        assert chosen.numel() == count == len(set(chosen.tolist()))
        assert available[chosen].all()
        assert torch.equal(chosen, chosen.sort().values)


@pytest.mark.parametrize(("room", "count"), [(10, 2), (5, 2)], ids=["rejection", "permutation"])
def test_every_random_subset_is_equally_likely(room: int, count: int) -> None:
    available = torch.zeros(11, dtype=torch.bool)
    available[1 : 1 + room] = True
    generator = torch.Generator().manual_seed(11)
    seen = dict.fromkeys(itertools.combinations(range(1, 1 + room), count), 0)
    trials = 200 * len(seen)
    for _ in range(trials):
        seen[tuple(random_subset(available, room, count, generator).tolist())] += 1
    expected = trials / len(seen)
    chi_squared = sum((times - expected) ** 2 / expected for times in seen.values())
    freedom = len(seen) - 1
    assert chi_squared < freedom + 4 * (2 * freedom) ** 0.5


def row_by_row(scores: Tensor, counts: list[int]) -> list[int]:
    """The same selection by `largest`, one row at a time."""
    starts = range(0, scores.numel(), scores.shape[1])
    chosen = [largest(row, count) + start for row, count, start in zip(scores, counts, starts, strict=True)]
    return [int(index) for index in torch.cat(chosen)]


def test_each_row_gives_its_own_number() -> None:
    scores = torch.tensor([[3.0, 1.0, 2.0], [5.0, 5.0, 5.0], [9.0, 8.0, 7.0]])
    assert largest_of_each_row(scores, [2, 1, 0]).tolist() == [0, 2, 3]
    assert largest_of_each_row(scores, [0, 0, 0]).tolist() == []
    assert largest_of_each_row(scores, [3, 3, 3]).tolist() == list(range(9))
    assert largest_of_each_row(torch.full((2, 3), torch.inf), [0, 2]).tolist() == [3, 4]


@pytest.mark.parametrize("counts", [[4], [1, 1], [-1]])
def test_more_than_a_row_has_is_refused(counts: list[int]) -> None:
    with pytest.raises(ValueError, match="rows of 3 scores"):
        largest_of_each_row(torch.zeros(1, 3), counts)


@settings(deadline=None, max_examples=examples(60))
@given(
    seed=st.integers(0, 10**6),
    columns=st.sampled_from([1, 7, 500, 1100]),
    levels=st.sampled_from([2, 20, 10**6]),
    most=st.sampled_from([0.02, 0.2, 1.0]),
    odd=st.sampled_from([0.0, 0.01, 0.9]),
)
def test_rows_are_selected_as_one_row_is(seed: int, columns: int, levels: int, most: float, odd: float) -> None:
    """Ties, NaN, infinities and excluded scores, in rows short and long, by way of a guess and without."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randint(levels, (5, columns), generator=generator).float()
    strange = torch.tensor([torch.nan, torch.inf, -torch.inf])
    places = torch.rand(5, columns, generator=generator) < odd
    scores[places] = strange[torch.randint(3, (int(places.sum()),), generator=generator)]
    room = (scores != -torch.inf).sum(dim=1).tolist()
    counts = [int(int(torch.randint(int(places) + 1, (), generator=generator)) * most) for places in room]
    assert largest_of_each_row(scores, counts).tolist() == row_by_row(scores, counts)


@pytest.mark.parametrize("missing", [torch.nan, -torch.inf])
def test_a_row_that_wants_nearly_all_beside_rows_that_want_few(missing: float) -> None:
    generator = torch.Generator().manual_seed(5)
    scores = torch.randint(10**4, (8, 2048), generator=generator).float()
    counts = [1900, 0, 20, 20, 20, 1, 20, 20]
    assert largest_of_each_row(scores, counts).tolist() == row_by_row(scores, counts)
    scores[0, 5:160] = missing  # leaves 1,893 numbers, which NaN comes after
    counts[0] = 1890 if missing == -torch.inf else 1900
    assert largest_of_each_row(scores, counts).tolist() == row_by_row(scores, counts)
