"""The list of runs under the mouse: clicks on heads and lines, and columns whose edges are dragged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from textual import events
from textual.message import Message

from itop_tui.widgets.run_columns import Column
from itop_tui.widgets.run_layout import at, edge_at, resized
from itop_tui.widgets.run_lines import GroupLine, Row, ids_of
from itop_tui.widgets.run_list import RunList


@dataclass(slots=True)
class _Drag:
    """A column whose edge is being dragged."""

    key: str
    start: int
    width: int


class RunTable(RunList):
    """A live list of runs that answers to the mouse too.

    Args:
        clock: The time, in unix seconds, for ages and times left.
        id: The widget's id.
    """

    class Opened(Message):
        """A line was chosen with the mouse."""

        def __init__(self, row: Row) -> None:
            self.row = row
            super().__init__()

    class HeadClicked(Message):
        """The head of a column was clicked."""

        def __init__(self, column: Column) -> None:
            self.column = column
            super().__init__()

    class Resized(Message):
        """The edge of a column was dragged; `RunTable.chosen` holds the new widths."""

    def __init__(self, clock: Callable[[], float], *, id: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(clock, id=id)
        self._drag: _Drag | None = None
        self._dragged = False

    def on_click(self, event: events.Click) -> None:
        """Sort by a head, go to a line, open it with a second click; with shift, mark up to it."""
        if self._dragged:
            self._dragged = False
            return
        if event.y == 0:
            column = at(self._page.placed, event.x)
            if column is not None:
                self.post_message(self.HeadClicked(column))
            return
        line = self.scroll_offset.y + event.y - 1
        if line < len(self._rows):
            if event.shift:
                self._marks.begin_range(self._cursor, by_shift=True)
            self._move_to(line, shift=event.shift)
            row = self._rows[line]
            if event.ctrl:
                self._marks.toggle(ids_of(row))
                self.refresh()
            elif event.chain == 2 or (isinstance(row, GroupLine) and event.x == 2):
                self.post_message(self.Opened(row))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Take hold of the edge of a column."""
        edge = edge_at(self._page.placed, event.x) if event.y == 0 else None
        if edge is not None:
            self._drag = _Drag(edge.column.key, event.screen_x, edge.width)
            self.capture_mouse()

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """Let go of it."""
        if self._drag is not None:
            self._drag = None
            self.release_mouse()
            if self._dragged:
                self.post_message(self.Resized())

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Drag the edge of a column, or show which line the mouse is over."""
        if self._drag is not None:
            by = event.screen_x - self._drag.start
            if by or self._dragged:
                self._dragged = True
                self.chosen = resized(self.chosen, self._drag.key, self._drag.width + by)
            return
        line = self.scroll_offset.y + event.y - 1 if event.y > 0 else None
        if line != self._hover:
            self._hover = line
            self.refresh()

    def on_leave(self) -> None:
        """Forget the mouse."""
        self._hover = None
        self.refresh()
