"""LeNet-5 as Caffe ships it: no padding, maximum pooling, rectified units (after LeCun et al., 1998)."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from engine.models.shape import InputShape, windows

__all__ = ["lenet5"]


def lenet5(shape: InputShape) -> nn.Module:
    """Build Caffe's LeNet-5: 5×5 convolutions of 20 and 50 channels, each pooled, then 500 units."""

    def shrink(size: int) -> int:
        for _ in range(2):
            size = windows(windows(size, 5), 2, 2)
        return size

    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(shape.channels, 20, 5),
            relu1=nn.ReLU(inplace=True),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(20, 50, 5),
            relu2=nn.ReLU(inplace=True),
            pool2=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            hidden=nn.Linear(50 * shrink(shape.height) * shrink(shape.width), 500),
            relu3=nn.ReLU(inplace=True),
            classifier=nn.Linear(500, shape.classes),
        )
    )
