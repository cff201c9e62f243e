"""The columns of the list of runs and its order, by keys and by mouse."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from textual import on

from itop_tui.keys import find
from itop_tui.runs.column_chooser import Choice, ColumnChooser
from itop_tui.runs.list_views import ListViews
from itop_tui.runs.run_columns import Column
from itop_tui.runs.run_lines import GroupLine
from itop_tui.runs.run_table import RunTable
from itop_tui.widgets.key_bar import KeyHint

_COLUMN_KEYS = (
    ("column", "column_previous", "column_next"),
    ("width", "column_narrower", "column_wider"),
    ("move", "column_left", "column_right"),
    ("sort", "sort_here"),
    ("fit", "column_fit"),
)
"""What the key bar says while a column is held: a word, and the actions."""


class ListColumns(ListViews):
    """A list of runs whose columns are chosen, ordered, resized and sorted by."""

    # ------------------------------------------------------------------------------------------------------ the order

    @on(RunTable.HeadClicked)
    def _head_clicked(self, event: RunTable.HeadClicked) -> None:
        if event.column.sort:
            self._sort_or_reverse(event.column)

    def _sort_or_reverse(self, column: Column) -> None:
        if column.sort == self.view.sort:
            self.action_sort_reverse()
        else:
            self._sort_by(column)

    def _sort_by(self, column: Column) -> None:
        self.ask(keep=True, sort=column.sort, descending=not column.ascending)

    def _sort_beside(self, direction: int) -> None:
        columns = [column for column in self.table.columns if column.sort]
        if not columns:
            return
        keys = [column.sort for column in columns]
        here = keys.index(self.view.sort) if self.view.sort in keys else 0
        self._sort_by(columns[(here + direction) % len(columns)])

    def action_sort_next(self) -> None:
        """Sort by the next column."""
        self._sort_beside(1)

    def action_sort_previous(self) -> None:
        """Sort by the column before."""
        self._sort_beside(-1)

    def action_sort_reverse(self) -> None:
        """Turn the order round."""
        self.ask(keep=True, descending=not self.view.descending)

    # ---------------------------------------------------------------------------------------------------- the columns

    def action_choose_columns(self) -> None:
        """Choose the columns."""

        def decided(choice: Choice | None) -> None:
            if choice is not None:
                self.table.chosen = choice
                self.table.page_of_columns = 0
                # Groups show means of other figures now.
                self.ask(keep=True)

        self.app.push_screen(ColumnChooser(self.table.chosen, at=self.table.held_column), decided)

    @on(RunTable.ColumnsChanged)
    def _columns_changed(self) -> None:
        self.keep()
        self.show_heading()

    @on(RunTable.ColumnHeld)
    def _column_held(self) -> None:
        self.show_heading()
        self.refresh_keys()

    def action_column_next(self) -> None:
        """Take hold of a column, or of the next one."""
        self.table.hold_column(1)

    def action_column_previous(self) -> None:
        """Take hold of a column, or of the one before."""
        self.table.hold_column(-1)

    def action_column_wider(self) -> None:
        """Make the column one holds wider."""
        self.table.widen_column(1)

    def action_column_narrower(self) -> None:
        """Make the column one holds narrower."""
        self.table.widen_column(-1)

    def action_column_fit(self) -> None:
        """Make the column one holds as wide as it needs."""
        self.table.fit_column()

    def action_column_right(self) -> None:
        """Move the column one holds to the right."""
        self.table.shift_column(1)

    def action_column_left(self) -> None:
        """Move the column one holds to the left."""
        self.table.shift_column(-1)

    def action_sort_here(self) -> None:
        """Sort by the column one holds, or turn the order round where the list is sorted by it."""
        held = self.table.column_held
        if held is None:
            self.notify("No column is held: ] takes hold of one.", severity="warning", markup=False)
        elif not held.column.sort:
            told = f"The list cannot be sorted by {held.column.title}."
            self.notify(told, severity="warning", markup=False)
        else:
            self._sort_or_reverse(held.column)

    def key_hints(self) -> Iterable[KeyHint]:
        """While a column is held, what can be done with it; of several runs, what is done to several first."""
        if self.table.column_held is not None:
            yield KeyHint("esc", "let go", "screen.clear_filter")
            for label, *names in _COLUMN_KEYS:
                keys = " ".join(find(self.SCOPE, name).key_shown for name in names)
                yield KeyHint(keys, label, f"screen.{names[-1]}")
            yield from (hint for hint in super().key_hints() if hint.pinned)
            return
        first: tuple[str, ...] = ("compare_runs",) if len(self.chosen.ids) > 1 else ()
        first += ("unmark_all",) if self.table.marked_ids else ()
        for name in first:
            action = find(self.SCOPE, name)
            yield KeyHint(action.key_shown, action.label, f"screen.{name}")
        told = {f"screen.{name}" for name in (*first, "compare_runs")}
        yield from (self._on_group(hint) for hint in super().key_hints() if hint.action not in told)

    def _on_group(self, hint: KeyHint) -> KeyHint:
        """What a key does at the head of a group, where that is something else."""
        row = self.table.current_row
        if hint.action == "screen.open_run" and isinstance(row, GroupLine):
            return replace(hint, label="close" if row.open else "its runs")
        return hint

    def _turn_columns(self, by: int) -> None:
        number, pages = self.table.column_pages
        self.table.page_of_columns = max(0, min(number + by, pages - 1))
        self.show_heading()

    def action_go_right(self) -> None:
        """Open the group at the cursor, or show the columns that did not fit."""
        row = self.table.current_row
        if isinstance(row, GroupLine) and not row.open:
            self.open_group(row, True)
        else:
            self._turn_columns(1)

    def action_go_left(self) -> None:
        """Go back through the columns; from the first ones, close the group at the cursor or go up to it."""
        row = self.table.current_row
        if self.table.column_pages[0] > 0 or not self.view.by:
            self._turn_columns(-1)
        elif isinstance(row, GroupLine):
            self.open_group(row, False)
        elif row is not None:
            groups = [line for line in self.table.lines if isinstance(line, GroupLine) and row.id in line.group.run_ids]
            if groups:
                self.table.go_to(groups[0].group.key)

    def action_clear_filter(self) -> None:
        """Let go of a held column; where none is, clear the filter."""
        if self.table.has_focus and self.table.column_held is not None:
            self.table.let_go()
        else:
            super().action_clear_filter()
