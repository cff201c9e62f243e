"""Residual networks (He et al., 2016): with a stem for small images, and as published for ImageNet."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn import functional

from engine.models.shape import InputShape

__all__ = ["ResNet", "resnet18", "resnet34", "resnet50", "resnet50_imagenet"]

_STAGE_WIDTHS = (64, 128, 256, 512)


def _convolution(channels: int, out: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps the size, up to its stride; a normalisation follows, so it has no bias."""
    return nn.Conv2d(channels, out, kernel, stride, padding=kernel // 2, bias=False)


class _Block(nn.Module):
    """A chain of convolutions added to its own input, rectified; a projection where the shapes differ.

    Args:
        channels: Input channels.
        chain: (output channels, kernel, stride) of each convolution.
    """

    def __init__(self, channels: int, chain: tuple[tuple[int, int, int], ...]) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        fan_in, stride = channels, 1
        for number, (out, kernel, step) in enumerate(chain, start=1):
            layers[f"conv{number}"] = _convolution(fan_in, out, kernel, step)
            layers[f"norm{number}"] = nn.BatchNorm2d(out)
            if number < len(chain):
                layers[f"relu{number}"] = nn.ReLU(inplace=True)
            fan_in, stride = out, stride * step
        self.residual = nn.Sequential(layers)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or fan_in != channels:
            projection = _convolution(channels, fan_in, 1, stride)
            self.shortcut = nn.Sequential(OrderedDict(conv=projection, norm=nn.BatchNorm2d(fan_in)))

    def forward(self, images: Tensor) -> Tensor:
        return functional.relu(self.residual(images) + self.shortcut(images))


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
        stem = _convolution(shape.channels, 64, 7, 2) if imagenet else _convolution(shape.channels, 64, 3)
        self.stem = nn.Sequential(OrderedDict(conv=stem, norm=nn.BatchNorm2d(64), relu=nn.ReLU(inplace=True)))
        if imagenet:
            self.stem.add_module("pool", nn.MaxPool2d(3, 2, padding=1))
        channels = 64
        self.blocks = nn.Sequential()
        for stage, (width, count) in enumerate(zip(_STAGE_WIDTHS, blocks, strict=True), start=1):
            for number in range(1, count + 1):
                stride = 2 if stage > 1 and number == 1 else 1
                if bottleneck:
                    block = _Block(channels, ((width, 1, 1), (width, 3, stride), (4 * width, 1, 1)))
                else:
                    block = _Block(channels, ((width, 3, stride), (width, 3, 1)))
                self.blocks.add_module(f"block{stage}_{number}", block)
                channels = 4 * width if bottleneck else width
        self.classifier = nn.Linear(channels, shape.classes, bias=imagenet)
        if imagenet:
            for module in self.modules():
                if isinstance(module, nn.Conv2d):
                    nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Return `[batch, classes]` logits of `[batch, channels, height, width]` images."""
        logits: Tensor = self.classifier(self.blocks(self.stem(images)).mean(dim=(2, 3)))
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
