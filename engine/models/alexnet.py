"""AlexNet for small images, without pooling and with batch normalisation (SNIP: Lee, Ajanthan and Torr, 2019)."""

from __future__ import annotations

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


def _alexnet(shape: InputShape, hidden: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    channels, height, width = shape.channels, shape.height, shape.width
    for out, kernel, padding in _CONVOLUTIONS:
        layers += [nn.Conv2d(channels, out, kernel, 2, padding), nn.BatchNorm2d(out), nn.ReLU(inplace=True)]
        channels = out
        height, width = windows(height, kernel, 2, padding), windows(width, kernel, 2, padding)
    layers.append(nn.Flatten())
    features = channels * height * width
    for _ in range(2):
        layers += [nn.Linear(features, hidden), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True)]
        features = hidden
    return nn.Sequential(*layers, nn.Linear(hidden, shape.classes))
