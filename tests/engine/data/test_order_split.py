"""The order of an epoch, the bounds of its batches, and the parts a set is divided into."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config.catalogue import steps_per_epoch
from engine.data.order import batch_bounds, derive_seed, epoch_order
from engine.data.split import evenly_spaced_split, stratified_split


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 300), st.integers(0, 2**31), st.integers(0, 1000))
def test_an_order_is_a_permutation(n: int, seed: int, epoch: int) -> None:
    order = epoch_order(n, seed, epoch)
    assert order.sort().values.tolist() == list(range(n))
    assert torch.equal(order, epoch_order(n, seed, epoch))


def test_orders_differ_by_seed_and_by_epoch_and_touch_no_other_generator() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    orders = [epoch_order(500, seed, epoch) for seed in (1, 2) for epoch in (0, 1, 2)]
    assert torch.equal(before, torch.get_rng_state())
    for position, one in enumerate(orders):
        for other in orders[:position]:
            assert not torch.equal(one, other)


def test_derived_seeds_are_distinct_and_fit_every_generator() -> None:
    seeds = {
        derive_seed(seed, what, epoch) for seed in range(20) for what in ("order", "augment") for epoch in range(20)
    }
    assert len(seeds) == 800
    assert all(0 <= seed < 2**63 for seed in seeds)
    # Pinned: a change would silently give every stored run another order when it is resumed.
    assert derive_seed(17, "order", 3) == 3_178_534_147_823_897_157


@settings(deadline=None)
@given(st.integers(1, 400), st.integers(1, 80), st.data())
def test_batches_cover_an_epoch_once_and_in_order(n: int, batch_size: int, data: st.DataObject) -> None:
    bounds = list(batch_bounds(n, batch_size))
    assert len(bounds) == steps_per_epoch(n, batch_size)
    assert [position for first, last in bounds for position in range(first, last)] == list(range(n))
    assert all(batch_size <= last - first <= batch_size + 1 for first, last in bounds[:-1])
    if batch_size > 1 and n > 1:
        assert all(last - first > 1 for first, last in bounds)
    start = data.draw(st.integers(0, len(bounds)))
    assert list(batch_bounds(n, batch_size, start)) == bounds[start:]


def _labels() -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, 6), min_size=1, max_size=120)


@settings(deadline=None)
@given(_labels(), st.data(), st.integers(0, 1000), st.booleans())
def test_a_split_is_a_partition_in_proportion(
    labels: list[int], data: st.DataObject, seed: int, by_chance: bool
) -> None:
    targets = torch.tensor(labels)
    held_out = data.draw(st.integers(0, len(labels)))
    kept, held = stratified_split(targets, held_out, seed) if by_chance else evenly_spaced_split(targets, held_out)
    assert len(held) == held_out
    assert sorted(kept.tolist() + held.tolist()) == list(range(len(labels)))
    assert kept.tolist() == sorted(kept.tolist())
    assert held.tolist() == sorted(held.tolist())
    for label in set(labels):
        exact = labels.count(label) * held_out / len(labels)
        assert abs(int((targets[held] == label).sum()) - exact) < 1


def test_a_split_follows_its_seed_alone() -> None:
    targets = torch.arange(1000) % 10
    one = stratified_split(targets, 100, seed=1)[1]
    assert torch.equal(one, stratified_split(targets, 100, seed=1)[1])
    assert not torch.equal(one, stratified_split(targets, 100, seed=2)[1])


def test_even_spacing_by_hand() -> None:
    targets = torch.tensor([0, 0, 0, 0, 0, 0, 1, 1, 1])
    kept, held = evenly_spaced_split(targets, 3)
    assert held.tolist() == [0, 3, 6]
    assert kept.tolist() == [1, 2, 4, 5, 7, 8]


@pytest.mark.parametrize("held_out", [0, 3])
def test_all_or_nothing_can_be_held_out(held_out: int) -> None:
    kept, held = stratified_split(torch.tensor([0, 1, 1]), held_out, seed=0)
    assert (len(kept), len(held)) == (3 - held_out, held_out)
