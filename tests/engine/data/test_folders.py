"""Folders of images: layouts, crops, worker processes, and that an epoch repeats exactly."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engine.config.image_folders import problem
from engine.data import DataBundle, DataCorruptError, DataMissingError, Part, load_dataset
from engine.data.folders import FolderSplit, crop_box
from engine.data.order import Share
from tests.engine.data.files import TINY_CLASSES, write_image, write_imagenet, write_tiny_imagenet


def _reds(bundle: DataBundle, part: Part, batch_size: int = 4, **options: int) -> list[tuple[int, int]]:
    """The red of the middle of each image, to the nearest 40, and its label."""
    split = bundle.part(part)
    assert isinstance(split, FolderSplit)
    scale, shift = split.normalise.scale[0, 0, 0, 0], split.normalise.shift[0, 0, 0, 0]
    pairs = []
    for images, labels in bundle.batches(part, batch_size, **options):
        middle = images[:, 0, images.shape[2] // 2, images.shape[3] // 2]
        reds = ((middle - shift) / scale / 40).round().long()
        pairs += list(zip((reds * 40).tolist(), labels.tolist(), strict=True))
    return pairs


def _expected(labels: list[int]) -> list[tuple[int, int]]:
    return [(40 * (label + 1), label) for label in labels]


@pytest.mark.parametrize("folder", ["tiny-imagenet-200", "tiny-imagenet", "."])
def test_tiny_imagenet_as_its_archive_lays_it_out(tmp_path: Path, folder: str) -> None:
    write_tiny_imagenet(tmp_path / folder)
    bundle = load_dataset("tiny-imagenet", valid_split=1 / 3, seed=0, data_dir=tmp_path, workers=0)
    assert (bundle.info.classes, bundle.info.train_size, bundle.info.test_size) == (3, 18, 6)
    assert (len(bundle.train), len(bundle.part("valid")), len(bundle.test)) == (12, 6, 6)
    assert _reds(bundle, "test") == _expected([0, 1, 2, 0, 1, 2])
    assert _reds(bundle, "valid") == _expected([0, 0, 1, 1, 2, 2])
    shuffled = _reds(bundle, "train", epoch=1)
    assert sorted(shuffled) == _expected([0] * 4 + [1] * 4 + [2] * 4)
    assert shuffled != sorted(shuffled)


def test_tiny_imagenet_with_its_validation_images_put_in_folders(tmp_path: Path) -> None:
    write_tiny_imagenet(tmp_path / "tiny-imagenet-200")
    val = tmp_path / "tiny-imagenet-200" / "val"
    for line in (val / "val_annotations.txt").read_text().splitlines():
        file, name = line.split("\t")[:2]
        (val / name).mkdir(exist_ok=True)
        (val / "images" / file).rename(val / name / file)
    (val / "images").rmdir()
    bundle = load_dataset("tiny-imagenet", valid_split=0.0, seed=0, data_dir=tmp_path, workers=0)
    assert _reds(bundle, "test") == _expected([0, 0, 1, 1, 2, 2])


@pytest.mark.parametrize("folder", ["imagenet", "ILSVRC/Data/CLS-LOC", "."])
def test_imagenet(tmp_path: Path, folder: str) -> None:
    write_imagenet(tmp_path / folder)
    bundle = load_dataset("imagenet", valid_split=0.25, seed=0, data_dir=tmp_path, workers=0)
    assert (bundle.info.classes, len(bundle.train), len(bundle.part("valid")), len(bundle.test)) == (3, 9, 3, 6)
    for part in ("train", "valid", "test"):
        images, labels = next(iter(bundle.batches(part, 3)))
        assert images.shape == (3, 3, 224, 224)
        assert images.dtype == torch.float32
        assert labels.shape == (3,)
    assert _reds(bundle, "test") == _expected([0, 0, 1, 1, 2, 2])


def test_the_two_are_not_taken_for_each_other(tmp_path: Path) -> None:
    write_tiny_imagenet(tmp_path / "tiny")
    write_imagenet(tmp_path / "large")
    with pytest.raises(DataMissingError):
        load_dataset("imagenet", valid_split=0.0, seed=0, data_dir=tmp_path / "tiny")
    with pytest.raises(DataMissingError):
        load_dataset("tiny-imagenet", valid_split=0.0, seed=0, data_dir=tmp_path / "large")


def _epoch(bundle: DataBundle, epoch: int, start: int = 0) -> list[tuple[Tensor, Tensor]]:
    return list(bundle.batches("train", 5, epoch=epoch, start=start))


def _same(one: list[tuple[Tensor, Tensor]], other: list[tuple[Tensor, Tensor]]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(x, z) and torch.equal(y, w) for (x, y), (z, w) in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("name", ["imagenet", "tiny-imagenet"])
def test_an_epoch_entered_in_the_middle_goes_on_bit_for_bit(tmp_path: Path, name: str) -> None:
    _textured(tmp_path, name)
    bundle = load_dataset(name, valid_split=0.0, seed=0, data_dir=tmp_path, workers=0)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    whole = _epoch(bundle, 2)
    assert torch.equal(before, torch.get_rng_state())
    for start in range(len(whole) + 1):
        assert _same(_epoch(bundle, 2, start), whole[start:])
    assert not _same(_epoch(bundle, 3), whole)
    alone = bundle.train.subset(torch.tensor([0]))
    views = [next(alone.shuffled(1, seed=0, epoch=epoch))[0] for epoch in range(4)]
    assert not all(torch.equal(view, views[0]) for view in views[1:])
    plain = load_dataset(name, valid_split=0.0, seed=0, data_dir=tmp_path, workers=0, augment=False)
    assert not _same(_epoch(plain, 2), whole)
    assert torch.equal(_epoch(plain, 2)[0][1], whole[0][1])


@pytest.mark.parametrize("name", ["imagenet", "tiny-imagenet"])
def test_two_ranks_read_the_halves_of_each_batch(tmp_path: Path, name: str) -> None:
    _textured(tmp_path, name)
    bundle = load_dataset(name, valid_split=0.0, seed=0, data_dir=tmp_path, workers=0)
    halves = [_epoch(bundle.shared(Share(rank, 2)), 2) for rank in (0, 1)]
    joined = [
        (torch.cat((one[0], other[0])), torch.cat((one[1], other[1]))) for one, other in zip(*halves, strict=True)
    ]
    assert _same(joined, _epoch(bundle, 2))


def test_worker_processes_change_nothing(tmp_path: Path) -> None:
    _textured(tmp_path, "imagenet")
    alone, helped = (
        load_dataset("imagenet", valid_split=0.0, seed=0, data_dir=tmp_path, workers=workers) for workers in (0, 2)
    )
    torch.manual_seed(0)
    before = torch.get_rng_state()
    assert _same(_epoch(alone, 1), _epoch(helped, 1))
    assert torch.equal(before, torch.get_rng_state())
    (tmp_path / "imagenet" / "train" / "a" / "3.png").write_bytes(b"\x89PNG, or so it says")
    with pytest.raises(DataCorruptError, match=r"a/3\.png is not a readable image") as caught:
        _epoch(helped, 1)
    assert "Traceback" not in str(caught.value)


def _textured(folder: Path, name: str) -> None:
    """Pictures whose every crop is another."""
    from PIL import Image

    size = 64 if name == "tiny-imagenet" else 232
    source = random.Random(0)
    for part in ("train", "val"):
        for label in "ab":
            for number in range(4):
                path = folder / name / part / label / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.frombytes("RGB", (8, 8), source.randbytes(192)).resize((size, size)).save(path)


def test_grey_and_transparent_images_become_colour(tmp_path: Path) -> None:
    from PIL import Image

    for part in ("train", "val"):
        (tmp_path / "imagenet" / part / "a").mkdir(parents=True)
        Image.new("L", (300, 300), 40).save(tmp_path / "imagenet" / part / "a" / "grey.png")
        Image.new("RGBA", (300, 300), (40, 40, 40, 128)).save(tmp_path / "imagenet" / part / "a" / "clear.png")
    bundle = load_dataset("imagenet", valid_split=0.0, seed=0, data_dir=tmp_path, workers=0)
    assert _reds(bundle, "test") == [(40, 0), (40, 0)]


def test_what_is_wrong_with_the_folders_is_told(tmp_path: Path) -> None:
    root = tmp_path / "imagenet"
    (root / "train").mkdir(parents=True)
    (root / "val").mkdir()

    def message() -> str:
        with pytest.raises(DataCorruptError) as caught:
            load_dataset("imagenet", valid_split=0.0, seed=0, data_dir=tmp_path)
        return str(caught.value)

    assert message() == f"{root}/train holds no folders, one for each class"
    (root / "train" / "a").mkdir()
    assert message() == f"{root}/val holds no folders, one for each class"
    write_image(root / "val" / "a" / "1.jpg", (20, 20), (0, 0, 0))
    kinds = "put its images there (jpeg, jpg, png, bmp, webp, ppm), or remove the folder"
    assert message() == f"{root}/train/a is a class without images: it is empty; {kinds}"
    (root / "train" / "a" / "1.gif").write_bytes(b"GIF89a")
    assert message() == f"{root}/train/a is a class without images: it holds 1.gif; {kinds}"
    write_image(root / "train" / "a" / "1.jpg", (20, 20), (0, 0, 0))
    (root / "val" / "b").mkdir()
    assert message() == f"{root}/val has the class b that {root}/train does not have"
    (root / "train" / "B").mkdir()
    assert message() == f"{root}/val has the class b that {root}/train does not have (did you mean 'B'?)"
    (root / "val" / "b").rename(root / "val" / "B")
    assert message() == f"{root}/train/B is a class without images: it is empty; {kinds}"
    write_image(root / "train" / "B" / "1.jpg", (20, 20), (0, 0, 0))
    assert message() == f"{root}/val/B is a class without images: it is empty; {kinds}"
    (root / "val" / "B").rmdir()
    untested = f"{root}/train has the class B that {root}/val does not have"
    assert message() == untested


_LEFT_BY_OTHERS = (".ipynb_checkpoints", ".git", "__pycache__", "__MACOSX", "@eaDir", "lost+found")


@pytest.mark.parametrize("name", ["imagenet", "tiny-imagenet"])
def test_hidden_folders_and_companion_files_are_no_classes_and_no_images(tmp_path: Path, name: str) -> None:
    _textured(tmp_path, name)
    clean = load_dataset(name, valid_split=0.0, seed=0, data_dir=tmp_path, workers=0)
    for part in ("train", "val"):
        folder = tmp_path / name / part
        for left in _LEFT_BY_OTHERS:
            write_image(folder / left / "0.png", (8, 8), (0, 0, 0))
        for file in ("._0.png", ".hidden.jpg", "Thumbs.db", ".DS_Store", "desktop.ini", "notes.txt", "0.png.txt"):
            (folder / "a" / file).write_bytes(b"no image")
        (folder / "a" / "thumbs.png").mkdir()
    dirty = load_dataset(name, valid_split=0.0, seed=0, data_dir=tmp_path, workers=0)
    assert dirty.info == clean.info
    assert dirty.info.classes == 2
    for first, second in ((clean.train, dirty.train), (clean.test, dirty.test)):
        assert isinstance(first, FolderSplit)
        assert isinstance(second, FolderSplit)
        assert first.paths.tolist() == second.paths.tolist()
        assert torch.equal(first.targets, second.targets)
    assert problem(tmp_path / name) is None


def test_a_link_to_an_image_that_is_gone_is_named_when_it_is_read(tmp_path: Path) -> None:
    _textured(tmp_path, "imagenet")
    gone = tmp_path / "imagenet" / "train" / "a" / "9.png"
    gone.symlink_to(tmp_path / "gone.png")
    bundle = load_dataset("imagenet", valid_split=0.0, seed=0, data_dir=tmp_path, workers=0)
    assert len(bundle.train) == 9
    with pytest.raises(DataCorruptError, match=r"a/9\.png is not a readable image"):
        _epoch(bundle, 1)


def test_what_a_few_files_tell_is_known_without_the_loader(tmp_path: Path) -> None:
    root = tmp_path / "imagenet"
    _textured(tmp_path, "imagenet")
    assert problem(root) is None
    (root / "train" / "c").mkdir()
    assert problem(root) == f"{root}/train has the class c that {root}/val does not have"
    (root / "val" / "c").mkdir()
    assert problem(root) == _loading_fails(tmp_path)
    for content, why in ((b"", "the file is empty"), (b"<!DOCTYPE html>", "its content is of no known format")):
        for part in ("train", "val"):
            (root / part / "c" / "1.png").write_bytes(content)
        assert problem(root) == f"{root}/train/c/1.png is not a readable image: {why}"
    (root / "train" / "c" / "1.png").unlink()
    (root / "train" / "c" / "1.png").symlink_to(root / "nowhere.png")
    assert problem(root) == f"{root}/train/c/1.png is not a readable image: it is a link to a file that is not there"


def _loading_fails(folder: Path) -> str:
    with pytest.raises(DataCorruptError) as caught:
        load_dataset("imagenet", valid_split=0.0, seed=0, data_dir=folder)
    return str(caught.value)


def test_annotations_that_leave_a_class_untested_are_refused(tmp_path: Path) -> None:
    write_tiny_imagenet(tmp_path, test=2)
    with pytest.raises(DataCorruptError, match=f"has the class {TINY_CLASSES[2]} that .*val_annotations.txt does not"):
        load_dataset("tiny-imagenet", valid_split=0.0, seed=0, data_dir=tmp_path)


def test_annotations_of_what_is_not_there_are_told(tmp_path: Path) -> None:
    write_tiny_imagenet(tmp_path)
    annotations = tmp_path / "val" / "val_annotations.txt"

    def message() -> str:
        with pytest.raises(DataCorruptError) as caught:
            load_dataset("tiny-imagenet", valid_split=0.0, seed=0, data_dir=tmp_path)
        return str(caught.value)

    annotations.write_text(f"val_99.JPEG\t{TINY_CLASSES[0]}\t0\t0\t1\t1\n")
    assert "names val_99.JPEG of class n01443537, which is not there" in message()
    annotations.write_text("val_0.JPEG\tn0\t0\t0\t1\t1\n")
    assert "names class 'n0' for val_0.JPEG, which is not there" in message()
    annotations.write_text("\n")
    assert "names no images" in message()


def test_the_evaluation_crop_is_224_of_256() -> None:
    assert crop_box(512, 256, 224, 256, None) == (144.0, 16.0, 368.0, 240.0)
    assert crop_box(64, 64, 64, 64, None) == (0.0, 0.0, 64.0, 64.0)


@settings(deadline=None)
@given(st.integers(1, 600), st.integers(1, 600), st.integers(0, 2**63 - 1))
def test_random_crops_lie_in_the_image(width: int, height: int, seed: int) -> None:
    left, top, right, bottom = crop_box(width, height, 224, 256, random.Random(seed))
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert crop_box(width, height, 224, 256, random.Random(seed)) == (left, top, right, bottom)


def test_random_crops_cover_the_published_range() -> None:
    boxes = [crop_box(400, 400, 224, 256, random.Random(seed)) for seed in range(3_000)]
    shares = [(right - left) * (bottom - top) / 160_000 for left, top, right, bottom in boxes]
    ratios = [(right - left) / (bottom - top) for left, top, right, bottom in boxes]
    assert min(shares) < 0.1
    assert min(shares) > 0.07
    assert max(shares) > 0.9
    assert 0.74 < min(ratios) < 0.78
    assert 1.28 < max(ratios) < 1.35
