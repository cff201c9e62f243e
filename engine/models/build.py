"""From a name to a module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from torch import nn

from engine.catalogue import MODELS, canonical_model, is_reference
from engine.models import fully_connected
from engine.models.errors import ModelError
from engine.models.shape import InputShape

__all__ = ["BUILDERS", "build_model"]

BUILDERS: Mapping[str, Callable[[InputShape], nn.Module]] = MappingProxyType(
    {
        "lenet300-100": fully_connected.lenet300_100,
        "mlp-cifar10": fully_connected.mlp_cifar10,
    }
)
"""One builder for each model of `engine.catalogue.MODELS`."""


def build_model(name: str, *, classes: int, channels: int, height: int, width: int) -> nn.Module:
    """Build a model for images of a given shape, with freshly drawn weights (torch's global generator).

    Args:
        name: A name of `engine.catalogue.MODELS`, in any spelling of it, or `package.module:function`.
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
    if is_reference(name):
        raise ModelError(f"model {name!r} cannot be built")
    if problem := MODELS[name].size_problem(height, width):
        raise ModelError(problem)
    return BUILDERS[name](InputShape(classes, channels, height, width))
