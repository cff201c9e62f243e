"""A loaded data set: its parts, and the batches of an epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, Self

import torch
from torch import Tensor

from engine.config.catalogue import DatasetInfo, steps_per_epoch
from engine.data.order import WHOLE, Share, batch_bounds, epoch_order
from engine.data.transforms import CropFlip, Normalisation, to_device

__all__ = ["Batch", "DataBundle", "Part", "Split", "TensorSplit"]

Batch = tuple[Tensor, Tensor]
"""Normalised float32 images `[batch, channels, height, width]` and int64 labels `[batch]`, on the bundle's device."""

Part = Literal["train", "valid", "test"]
"""The name of one part of a data set."""


class Split(Protocol):
    """One part of a data set: labels, and the batches of an epoch over it."""

    @property
    def targets(self) -> Tensor:
        """The labels, `[n]` int64, in the order of the files."""
        ...

    def __len__(self) -> int:
        """Return the number of images."""
        ...

    def to(self, device: torch.device) -> Self:
        """Return the same part, its batches made on `device`."""
        ...

    def subset(self, positions: Tensor) -> Self:
        """Return the images at `positions` only."""
        ...

    def plain(self) -> Self:
        """Return the same part without augmentation."""
        ...

    def shuffled(
        self, batch_size: int, *, seed: int, epoch: int, start: int = 0, share: Share = WHOLE
    ) -> Iterator[Batch]:
        """Yield the augmented batches of one epoch in random order, from batch `start` on: what `share` reads."""
        ...

    def in_order(self, batch_size: int, *, start: int = 0, share: Share = WHOLE) -> Iterator[Batch]:
        """Yield plain batches in the order of the files, from batch `start` on: what `share` reads of each."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class TensorSplit:
    """A part held whole in the memory of one device.

    Attributes:
        inputs: `[n, channels, height, width]` images, uint8 as in the files, or floats.
        targets: `[n]` int64 labels.
        normalise: Map from stored to model inputs; None passes floats on as they are.
        augment: What an epoch of training does to its images before that; None does nothing.
    """

    inputs: Tensor
    targets: Tensor
    normalise: Normalisation | None = None
    augment: CropFlip | None = None

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.targets)

    def to(self, device: torch.device) -> TensorSplit:
        """Return the same part with everything on `device`."""
        return replace(
            self,
            inputs=self.inputs.to(device),
            targets=self.targets.to(device),
            normalise=None if self.normalise is None else self.normalise.to(device),
        )

    def subset(self, positions: Tensor) -> TensorSplit:
        """Return the images at `positions` only, copied."""
        positions = positions.to(self.targets.device)
        return replace(self, inputs=self.inputs[positions], targets=self.targets[positions])

    def plain(self) -> TensorSplit:
        """Return the same part without augmentation."""
        return replace(self, augment=None)

    def shuffled(
        self, batch_size: int, *, seed: int, epoch: int, start: int = 0, share: Share = WHOLE
    ) -> Iterator[Batch]:
        """Yield the augmented batches of one epoch in random order, from batch `start` on.

        The order and every draw are copied to the device once, at the beginning; a batch then costs a few kernels
        there and makes the host wait for nothing.
        """
        device = self.targets.device
        order = to_device(epoch_order(len(self), seed, epoch), device)
        draws = None if self.augment is None else self.augment.draw(len(self), seed, epoch).to(device)
        for batch in batch_bounds(len(self), batch_size, start):
            first, last = share.read(*batch)
            picked = order[first:last]
            images = self.inputs.index_select(0, picked)
            if self.augment is not None and draws is not None:
                images = self.augment(images, draws[first:last])
            yield self._finish(images), self.targets.index_select(0, picked)

    def in_order(self, batch_size: int, *, start: int = 0, share: Share = WHOLE) -> Iterator[Batch]:
        """Yield plain batches in the order of the files, from batch `start` on."""
        for batch in batch_bounds(len(self), batch_size, start):
            first, last = share.read(*batch)
            yield self._finish(self.inputs[first:last]), self.targets[first:last].clone()

    def _finish(self, images: Tensor) -> Tensor:
        return images.to(torch.float32, copy=True) if self.normalise is None else self.normalise(images)


@dataclass(frozen=True, slots=True, eq=False)
class DataBundle:
    """A data set ready to train on.

    Attributes:
        info: Its facts; shape, classes and sizes are those of what was loaded.
        train: What is trained on, without the validation part.
        valid: Images held out of the training set, never augmented; None when `valid_split` was 0.
        test: The test set, never augmented.
        seed: Decides the order and the augmentation of every epoch.
        device: Where batches are made.
        share: Which part of every batch is read here.
    """

    info: DatasetInfo
    train: Split
    valid: Split | None
    test: Split
    seed: int
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    share: Share = WHOLE

    def to(self, device: torch.device | str) -> DataBundle:
        """Return the same data with its batches made on `device`; sets that fit are moved there whole."""
        device = torch.device(device)
        return replace(
            self,
            train=self.train.to(device),
            valid=None if self.valid is None else self.valid.to(device),
            test=self.test.to(device),
            device=device,
        )

    def shared(self, share: Share) -> DataBundle:
        """Return the same data, of whose batches a share is read."""
        return replace(self, share=share)

    def part(self, name: Part) -> Split:
        """Return one part.

        Raises:
            LookupError: when it is asked for the validation part and there is none.
        """
        split = {"train": self.train, "valid": self.valid, "test": self.test}[name]
        if split is None:
            raise LookupError(f"{self.info.name} was loaded with valid_split 0: there is no validation part")
        return split

    def steps(self, name: Part, batch_size: int) -> int:
        """Return the number of batches of an epoch over one part."""
        return steps_per_epoch(len(self.part(name)), batch_size)

    def batches(self, name: Part, batch_size: int, *, epoch: int = 0, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch.

        `train` is shuffled and augmented, as decided by the bundle's seed, `epoch` and the position in the epoch
        alone: started at batch k, it yields exactly what is left of the epoch after k batches. `valid` and `test`
        come in the order of the files and as they are.

        Args:
            name: Which part.
            batch_size: Images in a batch; the last takes what is left (see `steps_per_epoch`).
            epoch: Number of the epoch; only `train` differs from one to the next.
            start: Batches of the epoch to skip.
        """
        split = self.part(name)
        if name == "train":
            return split.shuffled(batch_size, seed=self.seed, epoch=epoch, start=start, share=self.share)
        return split.in_order(batch_size, start=start, share=self.share)

    def sizes(self, name: Part, batch_size: int, *, start: int = 0) -> Iterator[tuple[int, int]]:
        """Yield for each of those batches how many samples of it count here, and how many it has in all."""
        for first, last in batch_bounds(len(self.part(name)), batch_size, start):
            begin, end = self.share.part(first, last)
            yield end - begin, last - first
