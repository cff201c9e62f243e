"""From a name to a module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from torch import nn

from engine.config.catalogue import MODELS, canonical_model, is_reference
from engine.models import alexnet, fully_connected, lenet, resnet, vgg
from engine.models.model_error import ModelError
from engine.models.shape import InputShape
from engine.models.user_model import build_user_model
from engine.models.wide_resnet import WideResNet

__all__ = ["BUILDERS", "build_model"]

BUILDERS: Mapping[str, Callable[[InputShape], nn.Module]] = MappingProxyType(
    {
        "lenet300-100": fully_connected.lenet300_100,
        "mlp-cifar10": fully_connected.mlp_cifar10,
        "lenet5": lenet.lenet5,
        "alexnet-s": alexnet.alexnet_s,
        "alexnet-b": alexnet.alexnet_b,
        "vgg-c": vgg.vgg_c,
        "vgg-d": vgg.vgg_d,
        "vgg-like": vgg.vgg_like,
        "wrn-28-2": partial(WideResNet, depth=28, width=2),
        "wrn-22-8": partial(WideResNet, depth=22, width=8),
        "wrn-16-8": partial(WideResNet, depth=16, width=8),
        "wrn-16-10": partial(WideResNet, depth=16, width=10),
        "resnet-18": resnet.resnet18,
        "resnet-34": resnet.resnet34,
        "resnet-50": resnet.resnet50,
        "resnet50-imagenet": resnet.resnet50_imagenet,
    }
)
"""One builder for each model of `engine.config.catalogue.MODELS`."""


def build_model(name: str, *, classes: int, channels: int, height: int, width: int) -> nn.Module:
    """Build a model for images of a given shape, with freshly drawn weights (torch's global generator).

    Args:
        name: A name of `engine.config.catalogue.MODELS`, in any spelling of it, `package.module:function`, or
            `path/to/file.py:function`.
        classes: Number of logits for an image.
        channels: Colour channels of an image.
        height: Rows of an image in pixels.
        width: Columns of an image in pixels.

    Returns:
        A module from `[batch, channels, height, width]` floats to `[batch, classes]` logits.

    Raises:
        ModelError: when there is no such model or it cannot take such images.
    """
    try:
        name = canonical_model(name)
    except LookupError as error:
        raise ModelError(str(error)) from None
    shape = InputShape(classes, channels, height, width)
    if is_reference(name):
        return build_user_model(name, shape)
    if problem := MODELS[name].size_problem(height, width):
        raise ModelError(problem)
    return BUILDERS[name](shape)
