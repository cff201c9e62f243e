"""Normalisation and augmentation, against the same thing done one image and one pixel at a time."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engine.data.transforms import CropFlip, Draws, Normalisation

_Mode = Literal["reflect", "zeros"]


def _by_hand(image: Tensor, padding: int, mode: _Mode, row: int, column: int, flip: bool) -> Tensor:
    """One image's crop, pixel by pixel."""
    channels, height, width = image.shape
    crop = torch.zeros_like(image)
    for y in range(height):
        for x in range(width):
            source_y, source_x = row + y - padding, column + (width - 1 - x if flip else x) - padding
            if mode == "reflect":
                source_y = height - 1 - abs(height - 1 - abs(source_y))
                source_x = width - 1 - abs(width - 1 - abs(source_x))
            if 0 <= source_y < height and 0 <= source_x < width:
                crop[:, y, x] = image[:, source_y, source_x]
    assert crop.shape == (channels, height, width)
    return crop


@pytest.mark.parametrize("mode", ["reflect", "zeros"])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_every_crop_is_the_one_that_was_drawn(mode: _Mode, dtype: torch.dtype) -> None:
    augment = CropFlip(2, mode)
    torch.manual_seed(0)
    images = torch.randint(1, 256, (30, 3, 6, 7)).to(dtype)
    draws = augment.draw(30, seed=1, epoch=0)
    result = augment(images, draws)
    assert result.shape == images.shape
    assert result.dtype == dtype
    for index in range(30):
        expected = _by_hand(
            images[index], 2, mode, int(draws.rows[index]), int(draws.columns[index]), bool(draws.flips[index])
        )
        assert torch.equal(result[index], expected)


def test_the_middle_crop_is_the_image_itself() -> None:
    images = torch.arange(2 * 3 * 8 * 8, dtype=torch.float32).view(2, 3, 8, 8)
    middle = torch.full((2,), 4)
    straight = Draws(middle, middle, torch.zeros(2, dtype=torch.bool))
    mirrored = Draws(middle, middle, torch.ones(2, dtype=torch.bool))
    for mode in ("reflect", "zeros"):
        assert torch.equal(CropFlip(4, mode)(images, straight), images)
        assert torch.equal(CropFlip(4, mode)(images, mirrored), images.flip(3))


def test_padding_by_hand() -> None:
    image = torch.tensor([[1, 2, 3], [4, 5, 6], [7, 8, 9]], dtype=torch.uint8).view(1, 1, 3, 3)
    assert CropFlip(1, "zeros").pad(image)[0, 0, 0].tolist() == [0, 0, 0, 0, 0]
    assert CropFlip(1, "zeros").pad(image)[0, 0, 1].tolist() == [0, 1, 2, 3, 0]
    assert CropFlip(1, "reflect").pad(image)[0, 0].tolist() == [
        [5, 4, 5, 6, 5],
        [2, 1, 2, 3, 2],
        [5, 4, 5, 6, 5],
        [8, 7, 8, 9, 8],
        [5, 4, 5, 6, 5],
    ]


def test_reflection_is_torchs_own() -> None:
    images = torch.rand(2, 3, 9, 7)
    expected = torch.nn.functional.pad(images, (4, 4, 4, 4), mode="reflect")
    assert torch.equal(CropFlip(4, "reflect").pad(images), expected)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 200), st.integers(1, 6), st.integers(0, 10**6), st.integers(0, 500))
def test_draws_are_within_bounds_and_follow_seed_and_epoch(n: int, padding: int, seed: int, epoch: int) -> None:
    augment = CropFlip(padding)
    draws, again = augment.draw(n, seed, epoch), augment.draw(n, seed, epoch)
    for offsets in (draws.rows, draws.columns):
        assert offsets.shape == (n,)
        assert bool(((offsets >= 0) & (offsets <= 2 * padding)).all())
    assert draws.flips.shape == (n,)
    assert torch.equal(draws.rows, again.rows)
    assert torch.equal(draws.columns, again.columns)
    assert torch.equal(draws.flips, again.flips)


def test_draws_are_spread_evenly_and_differ_by_epoch() -> None:
    augment = CropFlip(4)
    draws = augment.draw(45_000, seed=3, epoch=1)
    for offsets in (draws.rows, draws.columns):
        assert sorted(set(offsets.tolist())) == list(range(9))
        assert offsets.bincount().min() > 0.9 * 5_000
    assert 0.48 < draws.flips.float().mean() < 0.52
    assert not torch.equal(draws.rows, augment.draw(45_000, seed=3, epoch=2).rows)
    assert not torch.equal(draws.rows, draws.columns)


def test_normalisation_by_hand() -> None:
    images = torch.tensor([[[[0, 255]], [[51, 102]]]], dtype=torch.uint8)
    result = Normalisation.of((0.5, 0.2), (0.25, 0.1))(images)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, torch.tensor([[[[-2.0, 2.0]], [[0.0, 2.0]]]]))
    assert images.tolist() == [[[[0, 255]], [[51, 102]]]]


def test_normalisation_leaves_floats_that_it_was_given_alone() -> None:
    images = torch.ones(1, 1, 2, 2)
    Normalisation.of((0.5,), (0.5,))(images)
    assert torch.equal(images, torch.ones(1, 1, 2, 2))
