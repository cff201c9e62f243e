"""Where the caret is: the terminal's own cursor stands there, for input methods and screen readers.

Textual notes the place when the caret moves, before the field has scrolled to it, and a cell too far at the end of a
line; it is worked out here when a frame is written.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from textual.geometry import Offset
from textual.widget import Widget
from textual.widgets import Input, TextArea

__all__ = ["HasCaret", "caret_of"]


@runtime_checkable
class HasCaret(Protocol):
    """A widget with a caret that is no `Input` and no `TextArea`."""

    @property
    def caret(self) -> Offset | None:
        """Where it is on the widget's content, in cells; None while there is none."""


def caret_of(widget: Widget | None) -> Offset | None:
    """The place of a widget's caret on the screen; None where it has none."""
    if isinstance(widget, Input):
        return widget.content_region.offset + _within(
            widget, widget._position_to_cell(widget.cursor_position) - widget.scroll_offset.x, 0
        )
    if isinstance(widget, TextArea):
        at = widget.cursor_screen_offset - widget.content_region.offset
        return widget.content_region.offset + _within(widget, at.x, at.y)
    caret = widget.caret if isinstance(widget, HasCaret) else None
    if widget is None or caret is None:
        return None
    return widget.content_region.offset + _within(widget, caret.x, caret.y)


def _within(widget: Widget, x: int, y: int) -> Offset:
    size = widget.content_region.size
    return Offset(max(0, min(x, size.width - 1)), max(0, min(y, size.height - 1)))
