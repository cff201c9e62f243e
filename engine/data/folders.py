"""Data sets that are folders of image files, too large for memory: read by worker processes, batch by batch.

Which image comes when, and how it is cropped, depends on (seed, epoch, position) alone, as for the sets in memory;
the number of workers changes nothing but the speed.
"""

from __future__ import annotations

import io
import math
import multiprocessing
import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from engine.config.catalogue import DatasetInfo
from engine.config.image_folders import annotated, class_names, class_problem, images_in, unlike
from engine.data.bundle import Batch
from engine.data.data_errors import DataCorruptError
from engine.data.order import WHOLE, Share, batch_bounds, derive_seed, epoch_order
from engine.data.transforms import CropFlip, Normalisation

__all__ = ["FolderSplit", "crop_box", "read_folder_set"]

_Crop = Literal["centre", "random"]


@dataclass(frozen=True, slots=True, eq=False)
class FolderSplit:
    """A part whose images stay in their files.

    Attributes:
        paths: `[n]` file names as bytes (a numpy array, so that workers get it cheaply).
        targets: `[n]` int64 labels.
        size: Side in pixels of the squares that are made of the images.
        enlarge: For the centre crop: the shorter side is scaled to this many pixels first.
        normalise: Map from bytes to model inputs.
        augment: How training images are varied: "random" crops and flips each at reading (ImageNet), a `CropFlip`
            does it on the device (Tiny ImageNet), None leaves them.
        workers: Number of processes that read; 0 reads in this one.
        device: Where batches are made.
    """

    paths: np.ndarray[tuple[int], np.dtype[np.bytes_]]
    targets: Tensor
    size: int
    enlarge: int
    normalise: Normalisation
    augment: CropFlip | Literal["random"] | None
    workers: int
    device: torch.device

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.targets)

    def to(self, device: torch.device) -> FolderSplit:
        """Return the same part, its batches made on `device`."""
        return replace(self, normalise=self.normalise.to(device), device=device)

    def subset(self, positions: Tensor) -> FolderSplit:
        """Return the images at `positions` only."""
        return replace(self, paths=self.paths[positions.numpy()], targets=self.targets[positions])

    def plain(self) -> FolderSplit:
        """Return the same part without augmentation."""
        return replace(self, augment=None)

    def shuffled(
        self, batch_size: int, *, seed: int, epoch: int, start: int = 0, share: Share = WHOLE
    ) -> Iterator[Batch]:
        """Yield the augmented batches of one epoch in random order, from batch `start` on."""
        order = epoch_order(len(self), seed, epoch)
        bounds = [share.read(*batch) for batch in batch_bounds(len(self), batch_size, start)]
        crop_seed = partial(derive_seed, seed, "augment", epoch) if self.augment == "random" else None
        augment = self.augment if isinstance(self.augment, CropFlip) else None
        draws = None if augment is None else augment.draw(len(self), seed, epoch).to(self.device)
        for (first, last), images in zip(bounds, self._read(_Batches(order, bounds, crop_seed)), strict=True):
            if augment is not None and draws is not None:
                images = augment(images, draws[first:last])
            yield self.normalise(images), self._labels(order[first:last])

    def in_order(self, batch_size: int, *, start: int = 0, share: Share = WHOLE) -> Iterator[Batch]:
        """Yield plain batches in the order of the files, from batch `start` on."""
        order = torch.arange(len(self))
        bounds = [share.read(*batch) for batch in batch_bounds(len(self), batch_size, start)]
        for (first, last), images in zip(bounds, self._read(_Batches(order, bounds, None)), strict=True):
            yield self.normalise(images), self._labels(order[first:last])

    def _labels(self, positions: Tensor) -> Tensor:
        return self.targets[positions].to(self.device, non_blocking=True)

    def _read(self, batches: _Batches) -> Iterator[Tensor]:
        workers = min(self.workers, len(batches))
        loader: DataLoader[Tensor | str] = DataLoader(
            _Reader(self.paths, self.size, self.enlarge),
            batch_sampler=batches,
            num_workers=workers,
            collate_fn=_stack,
            pin_memory=self.device.type == "cuda",
            # Forking a process with threads and an open database is not safe; starting a new one is.
            multiprocessing_context=_fresh_processes() if workers else None,
            # Without its own generator a loader draws from the global one, and so changes the run.
            generator=torch.Generator(),
        )
        for images in loader:
            if isinstance(images, str):
                raise DataCorruptError(images)
            yield images.to(self.device, non_blocking=True)


_Key = tuple[int, int | None]
"""Which image, and the seed of its random crop; None takes the centre."""


def _fresh_processes() -> BaseContext:
    """How reading processes start: forked from a clean server that has imported this module, where there is one."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


class _Batches(Sampler[list[_Key]]):
    """Which images make each batch, and how they are cropped: computed when the loader asks for them.

    Args:
        order: `[n]` the image at each position of the epoch.
        bounds: The first and past-the-last position of each batch.
        crop_seed: The seed of the random crop at a position; None crops none at random.
    """

    def __init__(
        self, order: Tensor, bounds: Sequence[tuple[int, int]], crop_seed: Callable[[int], int] | None
    ) -> None:
        self.order = order
        self.bounds = bounds
        self.crop_seed = crop_seed

    def __len__(self) -> int:
        return len(self.bounds)

    def __iter__(self) -> Iterator[list[_Key]]:
        for first, last in self.bounds:
            seeds = [None if self.crop_seed is None else self.crop_seed(position) for position in range(first, last)]
            yield list(zip(self.order[first:last].tolist(), seeds, strict=True))


class _Reader(Dataset["Tensor | str"]):
    """Reads one image as `[3, size, size]` uint8; returns a message instead if that fails."""

    def __init__(self, paths: np.ndarray[tuple[int], np.dtype[np.bytes_]], size: int, enlarge: int) -> None:
        self.paths = paths
        self.size = size
        self.enlarge = enlarge

    def __getitem__(self, key: _Key) -> Tensor | str:
        # Imported here: only these data sets need it.
        from PIL import Image

        index, seed = key
        path = Path(os.fsdecode(self.paths[index]))
        try:
            with Image.open(io.BytesIO(path.read_bytes())) as opened:
                image = opened.convert("RGB")
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            return f"{path} is not a readable image: {error}"
        chance = None if seed is None else random.Random(seed)
        box = crop_box(image.width, image.height, self.size, self.enlarge, chance)
        if (image.width, image.height) != (self.size, self.size) or chance is not None:
            image = image.resize((self.size, self.size), Image.Resampling.BILINEAR, box=box)
        pixels = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)
        return pixels.flip(2) if chance is not None and chance.random() < 0.5 else pixels


def crop_box(
    width: int, height: int, size: int, enlarge: int, chance: random.Random | None
) -> tuple[float, float, float, float]:
    """Return the part (left, top, right, bottom) of an image that becomes a square of `size` pixels.

    Without chance it is the middle square that remains when the shorter side is scaled to `enlarge` pixels and `size`
    of them are kept (the evaluation crop of the ImageNet literature: 224 of 256). With it, 8 % to 100 % of the
    area at an aspect ratio from 3/4 to 4/3 (Szegedy et al., 2015); after ten draws that do not fit, the middle.
    """
    if chance is None:
        side = min(width, height) * size / enlarge
        left, top = (width - side) / 2, (height - side) / 2
        return left, top, left + side, top + side
    for _ in range(10):
        area = width * height * chance.uniform(0.08, 1.0)
        ratio = math.exp(chance.uniform(math.log(3 / 4), math.log(4 / 3)))
        across, down = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < across <= width and 0 < down <= height:
            left, top = chance.randint(0, width - across), chance.randint(0, height - down)
            return left, top, left + across, top + down
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def _stack(images: Sequence[Tensor | str]) -> Tensor | str:
    good = [image for image in images if isinstance(image, Tensor)]
    return torch.stack(good) if len(good) == len(images) else next(x for x in images if isinstance(x, str))


_IMAGENET_NORMALISE = Normalisation.of((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_TINY_NORMALISE = Normalisation.of((0.4802, 0.4481, 0.3975), (0.2770, 0.2691, 0.2821))


def read_folder_set(
    info: DatasetInfo, folder: Path, *, augment: bool, workers: int
) -> tuple[FolderSplit, FolderSplit, int]:
    """Find the images of an ImageNet in `folder/train` and `folder/val`, whose labelled images are the test set.

    Classes are the folders of `train` in alphabetical order, without hidden ones and those that other programs leave
    (`engine.config.image_folders`). Both the layout of the archive (Tiny ImageNet: `images` in each class, and one
    `val/images` with `val_annotations.txt`) and one folder for each class are read.

    Returns:
        The training part, the test part and the number of classes.

    Raises:
        DataCorruptError: when there are no classes, a class has no images, the classes of the two parts differ, or test
            images have a class that is not known.
    """
    names = _classes(folder / "train")
    labels = {name: label for label, name in enumerate(names)}
    tiny = info.name == "tiny-imagenet"

    def part(pairs: list[tuple[str, int]], augmentation: CropFlip | Literal["random"] | None) -> FolderSplit:
        return FolderSplit(
            np.array([os.fsencode(path) for path, _ in pairs]),
            torch.tensor([label for _, label in pairs]),
            size=info.height,
            enlarge=info.height if tiny else info.height * 256 // 224,
            normalise=_TINY_NORMALISE if tiny else _IMAGENET_NORMALISE,
            augment=augmentation,
            workers=workers,
            device=torch.device("cpu"),
        )

    published: CropFlip | Literal["random"] = CropFlip() if tiny else "random"
    annotations = annotated(folder / "val")
    if annotations is None:
        tested = _classes(folder / "val")
        if (problem := unlike(folder / "train", names, folder / "val", tested)) is not None:
            raise DataCorruptError(problem)
    train = part(_in_class_folders(folder / "train", labels), published if augment else None)
    pairs = _in_class_folders(folder / "val", labels) if annotations is None else _annotated(annotations, labels)
    test = part(pairs, None)
    return train, test, len(names)


def _classes(part: Path) -> list[str]:
    if names := class_names(part):
        return names
    raise DataCorruptError(f"{part} holds no folders, one for each class")


def _in_class_folders(folder: Path, labels: dict[str, int]) -> list[tuple[str, int]]:
    pairs: list[tuple[str, int]] = []
    for name, label in labels.items():
        found = sorted(images_in(folder / name))
        if not found:
            raise DataCorruptError(class_problem(folder / name))
        pairs += [(path, label) for path in found]
    return pairs


def _annotated(annotations: Path, labels: dict[str, int]) -> list[tuple[str, int]]:
    pairs: list[tuple[str, int]] = []
    for line in annotations.read_text(encoding="utf-8", errors="replace").splitlines():
        file, _, rest = line.partition("\t")
        name = rest.split("\t")[0]
        if not line.strip():
            continue
        path = annotations.parent / "images" / file
        if name not in labels or not path.is_file():
            what = f"{file} of class {name}" if name in labels else f"class {name!r} for {file}"
            raise DataCorruptError(f"{annotations} names {what}, which is not there")
        pairs.append((str(path), labels[name]))
    if not pairs:
        raise DataCorruptError(f"{annotations} names no images")
    tested = {label for _, label in pairs}
    names = [name for name, label in labels.items() if label in tested]
    if (problem := unlike(annotations.parent.parent / "train", labels, annotations, names)) is not None:
        raise DataCorruptError(problem)
    return sorted(pairs)
