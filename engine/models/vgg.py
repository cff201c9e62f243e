"""VGG for small images, with batch normalisation (SNIP: Lee, Ajanthan and Torr, 2019; after Simonyan, 2015)."""

from __future__ import annotations

from torch import nn

from engine.models.shape import InputShape, windows

__all__ = ["vgg_c", "vgg_d", "vgg_like"]

# Output channels and kernel of the convolutions of each block; each block ends with a pooling that halves.
_BLOCKS_D = (
    ((64, 3), (64, 3)),
    ((128, 3), (128, 3)),
    ((256, 3), (256, 3), (256, 3)),
    ((512, 3), (512, 3), (512, 3)),
    ((512, 3), (512, 3), (512, 3)),
)
_BLOCKS_C = (*_BLOCKS_D[:2], *((*block[:2], (block[2][0], 1)) for block in _BLOCKS_D[2:]))


def vgg_c(shape: InputShape) -> nn.Module:
    """Build VGG-C: the last convolution of its last three blocks is 1×1, and two hidden layers of 512 units."""
    return _vgg(shape, _BLOCKS_C, hidden_layers=2)


def vgg_d(shape: InputShape) -> nn.Module:
    """Build VGG-D: 13 convolutions of 3×3 and two hidden layers of 512 units."""
    return _vgg(shape, _BLOCKS_D, hidden_layers=2)


def vgg_like(shape: InputShape) -> nn.Module:
    """Build the VGG-like network: as VGG-D, with one hidden layer of 512 units."""
    return _vgg(shape, _BLOCKS_D, hidden_layers=1)


def _vgg(shape: InputShape, blocks: tuple[tuple[tuple[int, int], ...], ...], hidden_layers: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    channels, height, width = shape.channels, shape.height, shape.width
    for block in blocks:
        for out, kernel in block:
            # The published 1×1 convolutions keep the padding of the 3×3 ones, and so make the image grow by 2.
            layers += [nn.Conv2d(channels, out, kernel, padding=1), nn.BatchNorm2d(out), nn.ReLU(inplace=True)]
            channels = out
            height, width = windows(height, kernel, padding=1), windows(width, kernel, padding=1)
        layers.append(nn.MaxPool2d(2))
        height, width = windows(height, 2, 2), windows(width, 2, 2)
    layers.append(nn.Flatten())
    features = channels * height * width
    for _ in range(hidden_layers):
        # As published, the normalisation stands where dropout was: after the rectification.
        layers += [nn.Linear(features, 512), nn.ReLU(inplace=True), nn.BatchNorm1d(512)]
        features = 512
    return nn.Sequential(*layers, nn.Linear(features, shape.classes))
