"""Residual networks (He et al., 2016): with a stem for small images, and as published for ImageNet."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from engine.models.shape import InputShape

__all__ = ["ResNet", "resnet18", "resnet34", "resnet50", "resnet50_imagenet"]

_STAGE_WIDTHS = (64, 128, 256, 512)


def _convolution(channels: int, out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """A convolution that keeps the size (up to its stride), without bias, and its normalisation."""
    return nn.Sequential(nn.Conv2d(channels, out, kernel, stride, padding=kernel // 2, bias=False), nn.BatchNorm2d(out))


class _Residual(nn.Module):
    """A chain of convolutions added to its own input, rectified; a projection where the shapes differ.

    Args:
        channels: Input channels.
        chain: (output channels, kernel, stride) of each convolution.
    """

    def __init__(self, channels: int, chain: tuple[tuple[int, int, int], ...]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        fan_in, stride = channels, 1
        for position, (out, kernel, step) in enumerate(chain):
            if position > 0:
                layers.append(nn.ReLU(inplace=True))
            layers.append(_convolution(fan_in, out, kernel, step))
            fan_in, stride = out, stride * step
        self.chain = nn.Sequential(*layers)
        same = stride == 1 and fan_in == channels
        self.shortcut = nn.Identity() if same else _convolution(channels, fan_in, 1, stride)

    def forward(self, images: Tensor) -> Tensor:
        return functional.relu(self.chain(images) + self.shortcut(images))


class ResNet(nn.Module):
    """A residual network of four stages.

    Args:
        shape: Images and classes; any image size will do.
        blocks: Number of blocks in each stage.
        bottleneck: Blocks of 1×1, 3×3 and 1×1 convolutions instead of two 3×3 ones.
        imagenet: A 7×7 stem with pooling, a biased last layer and He initialisation, instead of a 3×3 stem, a
            last layer without bias and torch's initialisation.
    """

    def __init__(
        self, shape: InputShape, blocks: tuple[int, int, int, int], *, bottleneck: bool, imagenet: bool
    ) -> None:
        super().__init__()
        self.stem = _convolution(shape.channels, 64, 7, 2) if imagenet else _convolution(shape.channels, 64, 3)
        self.stem.append(nn.ReLU(inplace=True))
        if imagenet:
            self.stem.append(nn.MaxPool2d(3, 2, padding=1))
        channels = 64
        stages: list[nn.Module] = []
        for width, count in zip(_STAGE_WIDTHS, blocks, strict=True):
            stage: list[nn.Module] = []
            for position in range(count):
                stride = 2 if width > _STAGE_WIDTHS[0] and position == 0 else 1
                if bottleneck:
                    stage.append(_Residual(channels, ((width, 1, 1), (width, 3, stride), (4 * width, 1, 1))))
                    channels = 4 * width
                else:
                    stage.append(_Residual(channels, ((width, 3, stride), (width, 3, 1))))
                    channels = width
            stages.append(nn.Sequential(*stage))
        self.stages = nn.Sequential(*stages)
        self.classifier = nn.Linear(channels, shape.classes, bias=imagenet)
        if imagenet:
            for module in self.modules():
                if isinstance(module, nn.Conv2d):
                    nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Return `[batch, classes]` logits of `[batch, channels, height, width]` images."""
        logits: Tensor = self.classifier(self.stages(self.stem(images)).mean(dim=(2, 3)))
        return logits


def resnet18(shape: InputShape) -> nn.Module:
    """Build ResNet-18 with the stem for small images."""
    return ResNet(shape, (2, 2, 2, 2), bottleneck=False, imagenet=False)


def resnet34(shape: InputShape) -> nn.Module:
    """Build ResNet-34 with the stem for small images."""
    return ResNet(shape, (3, 4, 6, 3), bottleneck=False, imagenet=False)


def resnet50(shape: InputShape) -> nn.Module:
    """Build ResNet-50 with the stem for small images."""
    return ResNet(shape, (3, 4, 6, 3), bottleneck=True, imagenet=False)


def resnet50_imagenet(shape: InputShape) -> nn.Module:
    """Build ResNet-50 as published for ImageNet."""
    return ResNet(shape, (3, 4, 6, 3), bottleneck=True, imagenet=True)
