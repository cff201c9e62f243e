"""The history of masks gives back each mask exactly, and what died, grew and came back; whatever was cut off."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.training.mask_history import MaskHistory, read_blocks, replayed
from tests.engine.examples import examples

Masks = dict[str, NDArray[np.bool_]]
ROOM = 2**20


def flat(*active: int, size: int = 8) -> Masks:
    mask = np.zeros(size, dtype=bool)
    mask[list(active)] = True
    return {"fc": mask.reshape(2, -1)}


def written(path: Path, masks: list[Masks], *, limit: int = ROOM) -> MaskHistory:
    """Record masks, one every ten steps."""
    history = MaskHistory(path, limit)
    history.begin(masks[0], masks[0], update=0, step=0)
    for number, mask in enumerate(masks[1:], 1):
        history.add(mask, update=number, step=10 * number)
    return history


def places(mask: NDArray[np.bool_]) -> list[int]:
    return np.flatnonzero(mask).tolist()


def test_what_died_grew_and_came_back_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "run" / "masks"  # the folder of a run need not be there yet
    written(path, [flat(0, 1, 2), flat(0, 1, 5), flat(1, 2, 5), flat(1, 2, 5)])
    blocks = list(read_blocks(path))
    assert [(block.update, block.step) for block in blocks] == [(0, 0), (1, 10), (2, 20), (3, 30)]
    found = []
    for update in range(4):
        made = replayed(blocks, update)
        assert made is not None
        sets = (made.active, made.died, made.grown, made.returned, made.explored)
        found.append(tuple(places(each["fc"]) for each in sets))
    assert found == [
        ([0, 1, 2], [], [], [], [0, 1, 2]),
        ([0, 1, 5], [2], [5], [], [0, 1, 2, 5]),
        ([1, 2, 5], [0], [2], [2], [0, 1, 2, 5]),  # 2 had died before
        ([1, 2, 5], [], [], [], [0, 1, 2, 5]),
    ]


@settings(max_examples=examples(20), deadline=None)
@given(st.data())
def test_any_masks_come_back_exactly(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("history") / "masks"
    sizes = data.draw(st.lists(st.integers(1, 70_000), min_size=1, max_size=3))
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    masks: list[Masks] = [
        {f"layer{number}": generator.random(size) < generator.random() for number, size in enumerate(sizes)}
        for _ in range(data.draw(st.integers(1, 4)))
    ]
    written(path, masks, limit=2**30)
    blocks = list(read_blocks(path))
    for update, mask in enumerate(masks):
        made = replayed(blocks, update)
        assert made is not None
        assert all(np.array_equal(made.active[name], each) for name, each in mask.items())


MASKS = [flat(0, 1, 2), flat(0, 1, 5), flat(1, 2, 5), flat(1, 2, 3)]


def test_a_resume_cuts_off_what_came_after_its_step(tmp_path: Path) -> None:
    path = tmp_path / "masks"
    written(path, MASKS)
    again = MaskHistory(path, ROOM)
    again.begin(MASKS[1], flat(0, 1, 2, 5), update=1, step=15)
    assert [block.update for block in read_blocks(path)] == [0, 1]
    again.add(flat(0, 5, 6), update=2, step=20)
    made = replayed(list(read_blocks(path)), 2)
    assert made is not None
    assert (places(made.active["fc"]), made.step) == ([0, 5, 6], 20)


@pytest.mark.parametrize("lost", [1, 7, 40])
def test_a_file_that_was_not_finished_goes_on_from_a_whole_mask(tmp_path: Path, lost: int) -> None:
    path = tmp_path / "masks"
    written(path, MASKS)
    path.write_bytes(path.read_bytes()[:-lost])
    before = [block.update for block in read_blocks(path)]
    assert before in ([0, 1], [0, 1, 2])
    again = MaskHistory(path, ROOM)
    again.begin(MASKS[3], flat(0, 1, 2, 3, 5), update=3, step=30)
    again.add(flat(0, 1, 2), update=4, step=40)
    blocks = list(read_blocks(path))
    assert [block.update for block in blocks] == [*before, 3, 4]
    made = replayed(blocks, 4)
    assert made is not None
    assert (places(made.active["fc"]), places(made.returned["fc"])) == ([0, 1, 2], [0])


def test_damage_ends_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "masks"
    written(path, MASKS)
    data = bytearray(path.read_bytes())
    ends = [block.end for block in read_blocks(path)]
    data[ends[1] + 30] ^= 1
    path.write_bytes(data)
    assert [block.update for block in read_blocks(path)] == [0, 1]
    path.write_bytes(b"no history of ours" * 9)
    assert list(read_blocks(path)) == []


def test_it_ends_before_its_limit_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "masks"
    written(path, MASKS)
    ends = [block.end for block in read_blocks(path)]
    history = written(tmp_path / "less", MASKS, limit=ends[2])
    assert history.full
    assert [block.update for block in read_blocks(tmp_path / "less")] == [0, 1, 2]
    assert (tmp_path / "less").stat().st_size <= ends[2]


def test_of_no_file_there_is_no_history(tmp_path: Path) -> None:
    assert list(read_blocks(tmp_path / "none")) == []
    assert replayed([], 3) is None
