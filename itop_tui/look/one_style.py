"""A widget that draws its lines itself asks Textual once for its own style, not once a line."""

from __future__ import annotations

from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

__all__ = ["OneStyle"]


class OneStyle(Widget):
    """Has one style for all lines that are drawn at once: to find its own, a widget walks up the tree each time."""

    _style_of_lines: Style | None = None

    def render_lines(self, crop: Region) -> list[Strip]:
        """Draw lines, all with one style."""
        self._style_of_lines = super().rich_style
        try:
            return super().render_lines(crop)
        finally:
            self._style_of_lines = None

    @property
    def rich_style(self) -> Style:
        """The widget's style."""
        return super().rich_style if self._style_of_lines is None else self._style_of_lines
