"""Drawing in the terminal's own colours, of which it is not known what they look like.

Without a colour, in the terminal's own ink, turned round where there would be a background: Textual draws a monochrome
screen in greys, which it works out from the colours, and the terminal's own come out as black on black. With them,
what is written on a coloured ground does not depend on whether the terminal's ink is dark or light.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

__all__ = ["Ink", "OnGrounds"]

_PLAIN = Style(color="default", bgcolor="default")
_TURNED = _PLAIN + Style(reverse=True)
_LIGHT, _DARK = Style(color="bright_white", dim=False), Style(color="black", dim=False)
_GREY = 8
_DARK_GROUNDS = frozenset({0, 1, 4, 5, _GREY})
"""Black, red, blue, magenta and grey: white can be read on them, on the others black."""


class Ink(LineFilter):
    """Takes all colours away; what had a background of its own is shown in reverse."""

    def apply(self, segments: Sequence[Segment], background: Color) -> list[Segment]:
        """Transform the segments of a line."""
        return [
            Segment(text, None if style is None else style + (_TURNED if _has_ground(style) else _PLAIN), control)
            for text, style, control in segments
        ]


class OnGrounds(LineFilter):
    """Writes in white or black on a coloured ground what would be in the terminal's ink, or in grey."""

    def apply(self, segments: Sequence[Segment], background: Color) -> list[Segment]:
        """Transform the segments of a line."""
        return [
            Segment(text, style + _ink_on(style.bgcolor), control)
            if style is not None and style.bgcolor is not None and _has_ground(style) and _yields(style)
            else Segment(text, style, control)
            for text, style, control in segments
        ]


def _ink_on(ground: RichColor) -> Style:
    return _LIGHT if ground.number in _DARK_GROUNDS else _DARK


def _yields(style: Style) -> bool:
    return style.color is None or style.color.is_default or style.color.number == _GREY


def _has_ground(style: Style) -> bool:
    return style.bgcolor is not None and not style.bgcolor.is_default
