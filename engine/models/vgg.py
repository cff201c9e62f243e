"""VGG for small images, with batch normalisation (SNIP: Lee, Ajanthan and Torr, 2019; after Simonyan, 2015)."""

from __future__ import annotations

from collections import OrderedDict

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
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    channels, height, width = shape.channels, shape.height, shape.width
    for block, convolutions in enumerate(blocks, start=1):
        for number, (out, kernel) in enumerate(convolutions, start=1):
            name = f"conv{block}_{number}"
            # The published 1×1 convolutions keep the padding of the 3×3 ones, and so make the image grow by 2.
            layers[name] = nn.Conv2d(channels, out, kernel, padding=1)
            layers[f"{name}_norm"] = nn.BatchNorm2d(out)
            layers[f"{name}_relu"] = nn.ReLU(inplace=True)
            channels = out
            height, width = windows(height, kernel, padding=1), windows(width, kernel, padding=1)
        layers[f"pool{block}"] = nn.MaxPool2d(2)
        height, width = windows(height, 2, 2), windows(width, 2, 2)
    layers["flatten"] = nn.Flatten()
    features = channels * height * width
    for number in range(1, hidden_layers + 1):
        # As published, the normalisation stands where dropout was: after the rectification.
        layers[f"hidden{number}"] = nn.Linear(features, 512)
        layers[f"hidden{number}_relu"] = nn.ReLU(inplace=True)
        layers[f"hidden{number}_norm"] = nn.BatchNorm1d(512)
        features = 512
    layers["classifier"] = nn.Linear(features, shape.classes)
    return nn.Sequential(layers)
