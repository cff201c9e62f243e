"""A loaded set: its parts, its batches, and that an epoch entered in the middle goes on as it would have."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.config.catalogue import DATASETS
from engine.data import Batch, DataBundle, Part, TensorSplit, load_dataset
from engine.data.load import is_here
from engine.data.order import Share
from engine.data.transforms import CropFlip, Normalisation


def _numbered(n: int, *, augment: CropFlip | None = None, first: int = 0) -> TensorSplit:
    """Images that can be distinguished: number i everywhere, and label i mod 5."""
    inputs = torch.arange(first, first + n).view(-1, 1, 1, 1).expand(n, 1, 10, 10).float().contiguous()
    return TensorSplit(inputs, torch.arange(n) % 5, None, augment)


@pytest.fixture
def bundle() -> DataBundle:
    return DataBundle(DATASETS["digits"], _numbered(53), _numbered(10, first=100), _numbered(11, first=200), seed=4)


def _numbers(batches: Iterable[Batch]) -> list[int]:
    return [int(image.max()) for images, _ in batches for image in images]


def test_an_epoch_shows_every_image_once_with_its_label(bundle: DataBundle) -> None:
    batches = list(bundle.batches("train", 10, epoch=0))
    assert [len(labels) for _, labels in batches] == [10, 10, 10, 10, 10, 3]
    assert bundle.steps("train", 10) == 6
    assert sorted(_numbers(batches)) == list(range(53))
    for images, labels in batches:
        assert images.dtype == torch.float32
        assert labels.dtype == torch.int64
        assert torch.equal(images[:, 0, 0, 0].long() % 5, labels)


def test_a_single_image_left_over_joins_the_batch_before(bundle: DataBundle) -> None:
    assert [len(labels) for _, labels in bundle.batches("train", 13)] == [13, 13, 13, 14]
    assert bundle.steps("train", 13) == 4


def test_epochs_differ_and_repeat(bundle: DataBundle) -> None:
    first, second, again = (_numbers(bundle.batches("train", 10, epoch=epoch)) for epoch in (1, 2, 1))
    assert first != second
    assert first == again
    assert first != sorted(first)


def test_validation_and_test_come_in_order(bundle: DataBundle) -> None:
    for _ in range(2):
        assert _numbers(bundle.batches("valid", 4, epoch=3)) == list(range(100, 110))
        assert _numbers(bundle.batches("test", 4, start=1)) == list(range(204, 211))


@pytest.mark.parametrize("start", range(9))
def test_an_epoch_entered_in_the_middle_goes_on_bit_for_bit(start: int) -> None:
    torch.manual_seed(1)
    images = torch.randint(0, 256, (64, 3, 12, 12), dtype=torch.uint8)
    split = TensorSplit(images, torch.arange(64), Normalisation.of((0.4,) * 3, (0.2,) * 3), CropFlip(4, "reflect"))
    bundle = DataBundle(DATASETS["cifar10"], split, None, split.plain(), seed=9)
    whole = list(bundle.batches("train", 8, epoch=5))
    torch.manual_seed(start)  # what the rest of the program draws plays no part
    rest = list(bundle.batches("train", 8, epoch=5, start=start))
    assert len(rest) == 8 - start
    for (images_one, labels_one), (images_other, labels_other) in zip(whole[start:], rest, strict=True):
        assert torch.equal(images_one, images_other)
        assert torch.equal(labels_one, labels_other)


def test_augmentation_depends_on_the_position_not_on_the_batch_size() -> None:
    images = torch.randint(0, 256, (60, 3, 12, 12), dtype=torch.uint8)
    split = TensorSplit(images, torch.arange(60), None, CropFlip())
    ten, six = (torch.cat([x for x, _ in split.shuffled(size, seed=1, epoch=2)]) for size in (10, 6))
    assert torch.equal(ten, six)
    next_epoch = torch.cat([x for x, _ in split.shuffled(10, seed=1, epoch=3)])
    assert not torch.equal(ten, next_epoch)


@pytest.mark.parametrize("ranks", [1, 2, 3, 7])
def test_the_shares_of_the_ranks_are_the_batches_bit_for_bit(ranks: int) -> None:
    images = torch.randint(0, 256, (50, 3, 12, 12), dtype=torch.uint8)
    split = TensorSplit(images, torch.arange(50), Normalisation.of((0.4,) * 3, (0.2,) * 3), CropFlip(4, "reflect"))
    bundle = DataBundle(DATASETS["cifar10"], split, None, split.plain(), seed=9)
    shared = [bundle.shared(Share(rank, ranks)) for rank in range(ranks)]
    parts: tuple[Part, ...] = ("train", "test")
    for part in parts:
        whole = list(bundle.batches(part, 6, epoch=5, start=2))
        assert len(whole[-1][1]) == 2, "the last batch has fewer images than there are ranks, for 3 and 7"
        read = [list(one.batches(part, 6, epoch=5, start=2)) for one in shared]
        sizes = [list(one.sizes(part, 6, start=2)) for one in shared]
        for number, (images_of_all, labels_of_all) in enumerate(whole):
            own = [sizes[rank][number][0] for rank in range(ranks)]
            assert {sizes[rank][number][1] for rank in range(ranks)} == {len(labels_of_all)}
            assert max(own) - min(own) <= 1
            counted = [(read[rank][number], own[rank]) for rank in range(ranks)]
            assert torch.equal(torch.cat([each[:count] for (each, _), count in counted]), images_of_all)
            assert torch.equal(torch.cat([each[:count] for (_, each), count in counted]), labels_of_all)
            assert all(len(each) == max(count, 1) for (_, each), count in counted), "no model gets an empty batch"


def test_only_training_images_are_augmented() -> None:
    images = torch.randint(0, 256, (40, 3, 12, 12), dtype=torch.uint8)
    split = TensorSplit(images, torch.arange(40), None, CropFlip())
    originals = {tuple(image.flatten().tolist()) for image in images.float()}

    def untouched(batches: Iterable[Batch]) -> int:
        return sum(tuple(image.flatten().tolist()) in originals for x, _ in batches for image in x)

    assert untouched(split.shuffled(10, seed=0, epoch=0)) < 10
    assert untouched(split.in_order(10)) == 40
    assert untouched(split.plain().shuffled(10, seed=0, epoch=0)) == 40


def test_an_absent_validation_part_is_none() -> None:
    bundle = load_dataset("digits", valid_split=0.0, seed=1)
    assert bundle.valid is None
    assert len(bundle.train) == 1_500
    with pytest.raises(LookupError, match="digits was loaded with valid_split 0"):
        bundle.batches("valid", 10)


def test_moving_keeps_everything(bundle: DataBundle) -> None:
    moved = bundle.to("cpu")
    assert moved.device == torch.device("cpu")
    assert moved.info == bundle.info
    for part in ("train", "valid", "test"):
        assert _numbers(moved.batches(part, 7)) == _numbers(bundle.batches(part, 7))


def test_inputs_of_a_step_may_be_changed_in_place(bundle: DataBundle) -> None:
    parts: tuple[Part, ...] = ("train", "valid")
    before = [sorted(_numbers(bundle.batches(part, 10))) for part in parts]
    for part in parts:
        for images, labels in bundle.batches(part, 10):
            images.sub_(1_000)
            labels.mul_(0)
    assert [sorted(_numbers(bundle.batches(part, 10))) for part in parts] == before
    assert [int(bundle.part(part).targets.max()) for part in parts] == [4, 4]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_device_sees_what_the_cpu_sees_and_no_batch_waits_for_it() -> None:
    images = torch.randint(0, 256, (500, 3, 32, 32), dtype=torch.uint8)
    split = TensorSplit(images, torch.arange(500), Normalisation.of((0.4,) * 3, (0.2,) * 3), CropFlip(4, "reflect"))
    bundle = DataBundle(DATASETS["cifar10"], split, None, split, seed=9)
    there = bundle.to("cuda")
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        batches: list[tuple[Tensor, Tensor]] = [*there.batches("train", 64, epoch=1), *there.batches("test", 64)]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    here = [*bundle.batches("train", 64, epoch=1), *bundle.batches("test", 64)]
    for (x, y), (cpu_x, cpu_y) in zip(batches, here, strict=True):
        assert x.device.type == "cuda"
        torch.testing.assert_close(x.cpu(), cpu_x)
        assert torch.equal(y.cpu(), cpu_y)


def test_what_needs_no_download_is_here(tmp_path: Path) -> None:
    assert is_here("digits", tmp_path)
    assert is_here("package.module:function", tmp_path)
    assert not is_here("cifar10", tmp_path)
