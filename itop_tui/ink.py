"""Drawing without a colour: in the terminal's own ink, turned round where there would be a background.

Textual draws a monochrome screen in greys, which it works out from the colours. The terminal's own sixteen colours are
not known to it, and come out as black on black.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

__all__ = ["Ink"]

_PLAIN = Style(color="default", bgcolor="default")
_TURNED = _PLAIN + Style(reverse=True)


class Ink(LineFilter):
    """Takes all colours away; what had a background of its own is shown in reverse."""

    def apply(self, segments: Sequence[Segment], background: Color) -> list[Segment]:
        """Transform the segments of a line.

        Args:
            segments: The segments.
            background: What they are drawn on.
        """
        return [
            Segment(text, None if style is None else style + (_TURNED if _has_ground(style) else _PLAIN), control)
            for text, style, control in segments
        ]


def _has_ground(style: Style) -> bool:
    return style.bgcolor is not None and not style.bgcolor.is_default
