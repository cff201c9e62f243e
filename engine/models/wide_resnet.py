"""Wide residual networks (Zagoruyko and Komodakis, 2016), with a dropout of 0.3 as in the ITOP code."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from engine.models.shape import InputShape

__all__ = ["DROPOUT", "WideResNet"]

DROPOUT = 0.3
"""Share of activations dropped between the two convolutions of a block."""


class _WideBlock(nn.Module):
    """Two 3×3 convolutions, each normalised and rectified before it, added to the block's input."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, out, 3, stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out)
        self.dropout = nn.Dropout(DROPOUT)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.shortcut = None if channels == out else nn.Conv2d(channels, out, 1, stride, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        active = functional.relu(self.norm1(images))
        residual = self.dropout(functional.relu(self.norm2(self.conv1(active))))
        # A projection reads the rectified input, an identity the raw one.
        skipped = images if self.shortcut is None else self.shortcut(active)
        summed: Tensor = skipped + self.conv2(residual)
        return summed


class WideResNet(nn.Module):
    """WRN-depth-width: three groups of (depth − 4) / 6 blocks of 16, 32 and 64 × width channels.

    Args:
        shape: Images and classes; any image size will do.
        depth: Number of layers, 4 more than a multiple of 6.
        width: How many times wider than the original residual network.
    """

    def __init__(self, shape: InputShape, depth: int, width: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(shape.channels, 16, 3, padding=1, bias=False)
        channels = 16
        self.blocks = nn.Sequential()
        for group, out in enumerate((16 * width, 32 * width, 64 * width), start=1):
            for number in range(1, (depth - 4) // 6 + 1):
                block = _WideBlock(channels, out, stride=2 if group > 1 and number == 1 else 1)
                self.blocks.add_module(f"block{group}_{number}", block)
                channels = out
        self.norm = nn.BatchNorm2d(channels)
        self.classifier = nn.Linear(channels, shape.classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.classifier.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Return `[batch, classes]` logits of `[batch, channels, height, width]` images."""
        features = functional.relu(self.norm(self.blocks(self.stem(images))))
        logits: Tensor = self.classifier(features.mean(dim=(2, 3)))
        return logits
