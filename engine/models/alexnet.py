"""AlexNet for small images, without pooling and with batch normalisation (SNIP: Lee, Ajanthan and Torr, 2019)."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from engine.models.shape import InputShape, windows

__all__ = ["alexnet_b", "alexnet_s"]

# Output channels, kernel and padding of the convolutions; each one halves the image by its stride of 2.
_CONVOLUTIONS = ((96, 11, 2), (256, 5, 2), (384, 3, 1), (384, 3, 1), (256, 3, 1))


def alexnet_s(shape: InputShape) -> nn.Module:
    """Build the small AlexNet, with hidden linear layers of 1,024 units."""
    return _alexnet(shape, 1024)


def alexnet_b(shape: InputShape) -> nn.Module:
    """Build the big AlexNet, with hidden linear layers of 2,048 units."""
    return _alexnet(shape, 2048)


def _alexnet(shape: InputShape, width: int) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    channels, rows, columns = shape.channels, shape.height, shape.width
    for number, (out, kernel, padding) in enumerate(_CONVOLUTIONS, start=1):
        layers[f"conv{number}"] = nn.Conv2d(channels, out, kernel, 2, padding)
        layers[f"conv{number}_norm"] = nn.BatchNorm2d(out)
        layers[f"conv{number}_relu"] = nn.ReLU(inplace=True)
        channels = out
        rows, columns = windows(rows, kernel, 2, padding), windows(columns, kernel, 2, padding)
    layers["flatten"] = nn.Flatten()
    features = channels * rows * columns
    for number in (1, 2):
        layers[f"hidden{number}"] = nn.Linear(features, width)
        layers[f"hidden{number}_norm"] = nn.BatchNorm1d(width)
        layers[f"hidden{number}_relu"] = nn.ReLU(inplace=True)
        features = width
    layers["classifier"] = nn.Linear(features, shape.classes)
    return nn.Sequential(layers)
