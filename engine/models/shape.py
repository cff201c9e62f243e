"""What a model is given and has to answer."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["InputShape"]


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
