"""Where the caret is: the terminal's own cursor stands there, for input methods and screen readers.

Textual notes the place when the caret moves, before the field has scrolled to it, and a cell too far at the end of a
line; it is worked out here when a frame is written.
"""

from __future__ import annotations

from textual.geometry import Offset
from textual.widget import Widget
from textual.widgets import Input, TextArea

__all__ = ["caret_of"]


def caret_of(widget: Widget | None) -> Offset | None:
    """The place of a widget's caret on the screen; None where it has none.

    A widget with a caret that is no `Input` and no `TextArea` says where on its content it is, by a property `caret`.
    """
    at: Offset | None
    if isinstance(widget, Input):
        at = Offset(widget._position_to_cell(widget.cursor_position) - widget.scroll_offset.x, 0)
    elif isinstance(widget, TextArea):
        at = widget.cursor_screen_offset - widget.content_region.offset
    else:
        at = getattr(widget, "caret", None)
    if widget is None or at is None:
        return None
    content = widget.content_region
    x, y = max(0, min(at.x, content.width - 1)), max(0, min(at.y, content.height - 1))
    return content.offset + Offset(x, y)
