"""The list of runs under the mouse, and its columns: ordered and resized by keys, and by dragging heads and edges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from textual import events
from textual.message import Message

from itop_tui.runs.run_columns import Column
from itop_tui.runs.run_layout import Chosen, Placed, at, edge_at, fitted, moved, order, resized
from itop_tui.runs.run_lines import GroupLine, Row, ids_of
from itop_tui.runs.run_list import RunList


@dataclass(slots=True)
class _Drag:
    """A column whose edge, or whose head, is being dragged.

    Attributes:
        key: The column.
        start: The cell of the screen where it was taken hold of.
        width: Its width then; None where it is its head, which goes to another place.
    """

    key: str
    start: int
    width: int | None


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

    class ColumnsChanged(Message):
        """A column has another width or place; `RunTable.chosen` holds them."""

    class ColumnHeld(Message):
        """Another column is held, or none."""

    def __init__(self, clock: Callable[[], float], *, id: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(clock, id=id)
        self._drag: _Drag | None = None
        self._dragged = False

    # ------------------------------------------------------------------------------------------------------ columns

    @property
    def column_held(self) -> Placed | None:
        """The column that is held, as it stands on the line; None where none is."""
        return next((each for each in self._page.placed if each.column.key == self.held_column), None)

    def hold_column(self, by: int) -> None:
        """Hold a column beside the one that is held, on another page where need be; first of all, the name.

        Args:
            by: How far, to the right.
        """
        keys = [key for key, _ in self._order]
        if self.held_column in keys:
            self._hold(keys[max(0, min(keys.index(self.held_column) + by, len(keys) - 1))])
        elif keys:
            self._hold("name" if "name" in keys else keys[0])

    def let_go(self) -> None:
        """Hold no column any more."""
        self._hold("")

    def widen_column(self, by: int) -> None:
        """Make the held column wider by some cells, or narrower."""
        here = self._some_column()
        if here is not None:
            self._change(resized(self.chosen, here.column.key, here.width + by))

    def fit_column(self) -> None:
        """Let the held column be as wide as it needs, and wider where there is room."""
        here = self._some_column()
        if here is not None:
            self._change(fitted(self.chosen, here.column.key))

    def shift_column(self, by: int) -> None:
        """Move the held column to the right, or to the left."""
        here = self._some_column()
        if here is not None:
            keys = [key for key, _ in self._order]
            self._change(moved(self.chosen, keys, here.column.key, keys.index(here.column.key) + by))

    @property
    def _order(self) -> tuple[tuple[str, int], ...]:
        return order(self._width, self.chosen, grouped=self._grouped)

    def _some_column(self) -> Placed | None:
        """The held column; where none is, one is taken."""
        if self.column_held is None:
            self.hold_column(0)
        return self.column_held

    def _hold(self, key: str) -> None:
        """Hold a column, and turn to a page that shows it."""
        self.held_column = key
        if key and self.column_held is None:
            self.page_of_columns = dict(self._order).get(key, 0)
        self.refresh()
        self.post_message(self.ColumnHeld())

    def _change(self, chosen: tuple[Chosen, ...]) -> None:
        self.chosen = chosen
        self.post_message(self.ColumnsChanged())
        self._hold(self.held_column)

    # -------------------------------------------------------------------------------------------------------- mouse

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
        """Take hold of a column by its edge or its head."""
        self._dragged = False
        if event.y != 0:
            return
        edge, head = edge_at(self._page.placed, event.x), at(self._page.placed, event.x)
        if edge is not None:
            self._drag = _Drag(edge.column.key, event.screen_x, edge.width)
        elif head is not None:
            self._drag = _Drag(head.key, event.screen_x, None)
        if self._drag is not None:
            self.capture_mouse()

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """Let go of it."""
        if self._drag is not None:
            self._drag = None
            self.release_mouse()
            if self._dragged:
                self.post_message(self.ColumnsChanged())

    def _drag_to(self, drag: _Drag, event: events.MouseMove) -> None:
        by = event.screen_x - drag.start
        if drag.width is not None:
            if by or self._dragged:
                self._dragged = True
                self.chosen = resized(self.chosen, drag.key, drag.width + by)
            return
        placed = {each.column.key: each for each in self._page.placed}
        over = at(self._page.placed, event.x)
        here, there = placed.get(drag.key), placed.get(over.key if over else "")
        if here is None or there is None or here is there:
            return
        # Only as far as the column stays under the mouse: else it would jump to and fro over a wider one.
        last = there.x + there.width
        if event.x >= last - here.width if there.x > here.x else event.x < there.x + here.width:
            self._dragged = True
            keys = [key for key, _ in self._order]
            self.chosen = moved(self.chosen, keys, drag.key, keys.index(there.column.key))

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Drag a column, or show which line the mouse is over."""
        if self._drag is not None:
            self._drag_to(self._drag, event)
            return
        line = self.scroll_offset.y + event.y - 1 if event.y > 0 else None
        if line != self._hover:
            self._hover = line
            self.refresh()

    def on_leave(self) -> None:
        """Forget the mouse."""
        self._hover = None
        self.refresh()
