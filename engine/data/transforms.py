"""Normalisation and augmentation of whole batches, on the device that holds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from engine.data.order import generator

__all__ = ["CropFlip", "Draws", "Normalisation", "to_device"]


@dataclass(frozen=True, slots=True, eq=False)
class Normalisation:
    """The map (x / levels − mean) / std of each channel, folded into one multiplication and one addition.

    Attributes:
        scale: `[1, channels, 1, 1]` float32, 1 / (levels · std).
        shift: `[1, channels, 1, 1]` float32, −mean / std.
    """

    scale: Tensor
    shift: Tensor

    @classmethod
    def of(cls, mean: Sequence[float], std: Sequence[float], levels: float = 255.0) -> Normalisation:
        """Build it from the channels' means and standard deviations, on a scale where `levels` is 1."""
        means = torch.tensor(mean, dtype=torch.float64).view(1, -1, 1, 1)
        stds = torch.tensor(std, dtype=torch.float64).view(1, -1, 1, 1)
        return cls((1.0 / (levels * stds)).float(), (-means / stds).float())

    def to(self, device: torch.device) -> Normalisation:
        """Return the same map on another device."""
        return Normalisation(self.scale.to(device), self.shift.to(device))

    def __call__(self, images: Tensor) -> Tensor:
        """Return `[batch, channels, height, width]` images of any type as normalised float32."""
        return images.to(torch.float32, copy=True).mul_(self.scale).add_(self.shift)


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """The random draws for each position of an epoch.

    Attributes:
        rows: `[n]` int64, first row of the crop in the padded image.
        columns: `[n]` int64, first column of the crop.
        flips: `[n]` bool, whether the crop is mirrored left to right.
    """

    rows: Tensor
    columns: Tensor
    flips: Tensor

    def to(self, device: torch.device) -> Draws:
        """Return the same draws on another device."""
        return Draws(*(to_device(part, device) for part in (self.rows, self.columns, self.flips)))

    def __getitem__(self, positions: slice) -> Draws:
        return Draws(self.rows[positions], self.columns[positions], self.flips[positions])


@dataclass(frozen=True, slots=True)
class CropFlip:
    """The CIFAR augmentation of the literature: pad, crop at random to the old size, flip every second image.

    Attributes:
        padding: Pixels added on each side.
        mode: What they hold: mirrored pixels, or zeros (black).
    """

    padding: int = 4
    mode: Literal["reflect", "zeros"] = "zeros"

    def draw(self, n: int, seed: int, epoch: int) -> Draws:
        """Draw offsets and flips for the `n` positions of an epoch, on the CPU.

        A position's draws depend on nothing but (seed, epoch, position), neither on the batch size nor on where
        the epoch was entered.
        """
        source = generator(seed, "augment", epoch)
        offsets = torch.randint(2 * self.padding + 1, (2, n), generator=source)
        return Draws(offsets[0], offsets[1], torch.randint(2, (n,), generator=source).bool())

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Crop and flip `[batch, channels, height, width]` images of any type, each as its draws say."""
        batch, _, height, width = images.shape
        windows = self.pad(images).unfold(2, height, 1).unfold(3, width, 1)
        every = torch.arange(batch, device=images.device)
        crops = windows[every, :, draws.rows, draws.columns]
        return torch.where(draws.flips.view(-1, 1, 1, 1), crops.flip(3), crops)

    def pad(self, images: Tensor) -> Tensor:
        """Return the images with `padding` pixels more on each side."""
        if self.mode == "zeros":
            return torch.nn.functional.pad(images, (self.padding,) * 4)
        # torch's reflection padding does not support uint8; indexing rows and columns does.
        height, width = images.shape[2:]
        rows, columns = (_reflected(size, self.padding, images.device) for size in (height, width))
        return images.index_select(2, rows).index_select(3, columns)


def _reflected(size: int, padding: int, device: torch.device) -> Tensor:
    """Indices −padding … size + padding − 1, mirrored at both edge pixels without repeating them."""
    around = torch.arange(-padding, size + padding, device=device).abs()
    return size - 1 - (size - 1 - around).abs()


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy to a device without waiting: from pinned memory for a CUDA device."""
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
