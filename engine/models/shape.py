"""The shape of a model's input and output, and how images shrink in its layers."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["InputShape", "windows"]


@dataclass(frozen=True, slots=True)
class InputShape:
    """The images a model receives and the number of its logits.

    Attributes:
        classes: Number of logits for an image.
        channels: Colour channels.
        height: Rows in pixels.
        width: Columns in pixels.
    """

    classes: int
    channels: int
    height: int
    width: int


def windows(size: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    """Return the length of one side of an image of `size` pixels after a convolution or pooling."""
    return (size + 2 * padding - kernel) // stride + 1
