"""The list of runs under the mouse, and its columns: ordered and resized by keys, and by dragging heads and edges."""

from __future__ import annotations

from dataclasses import dataclass

from textual import events
from textual.message import Message

from itop_tui.runs.column_chooser import ColumnChooser
from itop_tui.runs.run_columns import RunColumn
from itop_tui.runs.run_layout import ChosenColumn, Placed, at, default_columns, edge_at, moved, order, resized
from itop_tui.runs.run_lines import GroupLine, Row, ids_of
from itop_tui.runs.run_list import RunList


@dataclass(slots=True)
class _Drag:
    """A column whose edge, or whose head, is being dragged."""

    key: str
    start: int
    """The cell of the screen where the drag began."""
    width: int | None
    """Its width then; None where it is its head, which goes to another place."""


class RunTable(RunList):
    """A live list of runs that answers to the mouse too."""

    @dataclass
    class RowOpened(Message):
        """A run was clicked twice, or the runs of a group are to be listed, or no longer."""

        row: Row

    @dataclass
    class SortChosen(Message):
        """The list is to be sorted in another way."""

        sort: str
        descending: bool

    class ColumnsChanged(Message):
        """There are other columns, or one has another width or place; `RunTable.chosen` holds them."""

    _drag: _Drag | None = None
    _dragged = False

    # -------------------------------------------------------------------------------------------------------- order

    def action_sort_reverse(self) -> None:
        """Reverse sort."""
        self.post_message(self.SortChosen(self.sort, descending=not self.descending))

    def action_sort_beside(self, by: int) -> None:
        """Sort by the visible column beside the one that the list is sorted by."""
        columns = {each.column.sort: each.column for each in self.page.placed if each.column.sort}
        keys = list(columns)
        if keys:
            here = keys.index(self.sort) if self.sort in keys else 0
            self._sort_by(columns[keys[(here + by) % len(keys)]])

    def action_sort_here(self) -> None:
        """Sort by the selected column, or reverse the order where the list is sorted by it."""
        selected = self.column_held
        if selected is None:
            self.notify("No column is selected: ] selects one.", severity="warning", markup=False)
        elif not selected.column.sort:
            problem = f"The list cannot be sorted by {selected.column.title}."
            self.notify(problem, severity="warning", markup=False)
        else:
            self._sort_or_reverse(selected.column)

    def _sort_or_reverse(self, column: RunColumn) -> None:
        if column.sort == self.sort:
            self.action_sort_reverse()
        else:
            self._sort_by(column)

    def _sort_by(self, column: RunColumn) -> None:
        self.post_message(self.SortChosen(column.sort, descending=not column.ascending))

    # ------------------------------------------------------------------------------------------------------ columns

    def action_choose_columns(self) -> None:
        """Choose the columns; where new ones do not fit beside the first, the page with the first of them is shown."""

        def decided(choice: tuple[ChosenColumn, ...] | None) -> None:
            if choice is not None:
                before = {each.key for each in self.chosen or default_columns()}
                new = [each.key for each in choice if each.key not in before]
                self.page_of_columns = 0
                self._change(choice)
                if new:
                    self.page_of_columns = dict(self._order).get(new[0], 0)

        self.app.push_screen(ColumnChooser(self.chosen, at=self.held_column), decided)

    @property
    def column_held(self) -> Placed | None:
        """The selected column, as it stands on the line; None where none is."""
        return next((each for each in self.page.placed if each.column.key == self.held_column), None)

    def action_hold_column(self, by: int) -> None:
        """Select the column beside the selected one, on another page where necessary; first of all, the name."""
        keys = [key for key, _ in self._order]
        if self.held_column in keys:
            self._hold(keys[max(0, min(keys.index(self.held_column) + by, len(keys) - 1))])
        elif keys:
            self._hold("name" if "name" in keys else keys[0])

    def action_widen_column(self, by: int) -> None:
        """Make the selected column wider by some cells, or narrower."""
        here = self._some_column()
        if here is not None:
            self._change(resized(self.chosen, here.column.key, here.width + by))

    def action_fit_column(self) -> None:
        """Make the selected column as wide as it needs, and wider where there is room."""
        here = self._some_column()
        if here is not None:
            self._change(resized(self.chosen, here.column.key, None))

    def action_shift_column(self, by: int) -> None:
        """Move the selected column to the right, or to the left."""
        here = self._some_column()
        if here is not None:
            keys = [key for key, _ in self._order]
            self._change(moved(self.chosen, keys, here.column.key, keys.index(here.column.key) + by))

    def action_go_right(self) -> None:
        """Open the group at the cursor, or show the columns that did not fit."""
        row = self.current_row
        if isinstance(row, GroupLine) and not row.open:
            self.post_message(self.RowOpened(row))
        else:
            self._turn_columns(1)

    def action_go_left(self) -> None:
        """Go back through the columns; from the first ones, close the group at the cursor or go up to it."""
        row = self.current_row
        if self.page.number > 0 or not self._grouped:
            self._turn_columns(-1)
        elif isinstance(row, GroupLine):
            if row.open:
                self.post_message(self.RowOpened(row))
        elif row is not None:
            groups = (line for line in self.lines if isinstance(line, GroupLine) and row.id in line.group.run_ids)
            group = next(groups, None)
            if group is not None:
                self.go_to(group.group.key)

    def _turn_columns(self, by: int) -> None:
        self.page_of_columns = max(0, min(self.page.number + by, self.page.pages - 1))
        self.post_message(self.SelectionChanged())

    def escape(self) -> bool:
        """Deselect the selected column, or end the range that is being selected; False where there is neither."""
        if self.column_held is not None:
            self._hold("")
        elif self.marks.marking:
            self.action_mark_range()
        else:
            return False
        return True

    @property
    def _order(self) -> tuple[tuple[str, int], ...]:
        return order(self._width, self.chosen, grouped=self._grouped)

    def _some_column(self) -> Placed | None:
        """The selected column; where none is, one is selected."""
        if self.column_held is None:
            self.action_hold_column(0)
        return self.column_held

    def _hold(self, key: str) -> None:
        """Select a column, and turn to a page that shows it."""
        self.held_column = key
        if key and self.column_held is None:
            self.page_of_columns = dict(self._order).get(key, 0)
        self.refresh()
        self.post_message(self.SelectionChanged())

    def _change(self, chosen: tuple[ChosenColumn, ...]) -> None:
        self.chosen = chosen
        self.post_message(self.ColumnsChanged())
        self._hold(self.held_column)

    # -------------------------------------------------------------------------------------------------------- mouse

    def on_click(self, event: events.Click) -> None:
        """Sort by a head, go to a line, open it with a second click; with shift, select up to it."""
        if self._dragged:
            self._dragged = False
            return
        if event.y == 0:
            column = at(self.page.placed, event.x)
            if column is not None and column.sort:
                self._sort_or_reverse(column)
            return
        line = self.scroll_offset.y + event.y - 1
        if line < len(self.lines):
            if event.shift:
                self.marks.begin_range(self.cursor, by_shift=True)
            self.move_to(line, shift=event.shift)
            row = self.lines[line]
            if event.ctrl:
                self.marks.toggle(ids_of(row))
                self.refresh()
            elif event.chain == 2 or (isinstance(row, GroupLine) and event.x == 2):
                self.post_message(self.RowOpened(row))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Begin to drag the edge or the head of a column."""
        self._dragged = False
        if event.y != 0:
            return
        edge, head = edge_at(self.page.placed, event.x), at(self.page.placed, event.x)
        if edge is not None:
            self._drag = _Drag(edge.column.key, event.screen_x, edge.width)
        elif head is not None:
            self._drag = _Drag(head.key, event.screen_x, None)
        if self._drag is not None:
            self.capture_mouse()

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """End the drag."""
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
        placed = {each.column.key: each for each in self.page.placed}
        over = at(self.page.placed, event.x)
        here, there = placed.get(drag.key), placed.get(over.key if over else "")
        if here is None or there is None or here is there:
            return
        # Only as far as the column stays under the mouse: else it would jump back and forth over a wider one.
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
