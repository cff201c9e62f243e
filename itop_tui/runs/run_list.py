"""The list of runs: draws only the visible lines, and keeps its place while runs are added, moved and removed.

`DataTable` keeps a cell for every row and takes a second or two for 10,000 of them. This widget holds records and
draws a line when it is looked at, so what a new snapshot costs depends on the height of the screen, not on the number
of runs. The cursor and the selection belong to runs (by id), not to lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from db.records import RunRecord
from itop_tui.figures.format import age
from itop_tui.figures.run_view import seconds_left, silence
from itop_tui.look.theme import TONES
from itop_tui.look.toned import Toned
from itop_tui.runs.marked import MarkedRuns
from itop_tui.runs.run_columns import CellContext, RunColumn
from itop_tui.runs.run_layout import ChosenColumn, Page, default_columns, place
from itop_tui.runs.run_lines import GroupLine, Row, ids_of, name_of, paint_head, paint_row


class RunList(ScrollView, Toned, can_focus=True):
    """A live list of runs, or of groups of them, with a cursor, a selection and a sort order.

    Args:
        clock: The time, in unix seconds, for ages and times left.
        id: The widget's id.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "run-table--cursor",
        "run-table--blurred",
        "run-table--hover",
        "run-table--head",
        "run-table--column",
    }
    BINDINGS: ClassVar = [
        Binding("down,j", "move(1)", show=False),
        Binding("up,k", "move(-1)", show=False),
        Binding("shift+down,J", "extend(1)", show=False),
        Binding("shift+up", "extend(-1)", show=False),
        Binding("pagedown,ctrl+f", "page(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("home", "jump(0)", show=False),
        Binding("end,G", "jump(-1)", show=False),
    ]
    ALLOW_SELECT = False

    sort: reactive[str] = reactive("id")
    """The sort key of the column whose head shows the order."""
    descending: reactive[bool] = reactive(True)
    """Whether the largest comes first."""
    chosen: reactive[tuple[ChosenColumn, ...]] = reactive(())
    """The columns a person chose; empty for the list's own."""
    page_of_columns: reactive[int] = reactive(0)
    """Which page of columns is shown."""
    held_column: reactive[str] = reactive("")
    """The selected column, which keys make wider, move or sort by; empty for none."""
    curves: reactive[Mapping[int, tuple[float, ...]]] = reactive(dict, repaint=False)
    """The loss of runs over their steps, by the run's id."""

    class LineHighlighted(Message):
        """The cursor is on another line, or its run changed."""

    class VisibleLinesChanged(Message):
        """Other lines, or other columns, are visible."""

    class SelectionChanged(Message):
        """Other runs, or another column, are selected, or another page of columns is shown."""

    def __init__(self, clock: Callable[[], float], *, id: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self._clock = clock
        self._rows: tuple[Row, ...] = ()
        self._lines: dict[int | str, int] = {}
        self._cursor = 0
        self._cursor_name: int | str | None = None
        self._wanted: int | str | None = None
        self._hover: int | None = None
        self._marks = MarkedRuns()
        self._page = Page((), 0, 1)
        self._grouped = False
        self._timed: dict[int, tuple[str, bool, str]] = {}

    # --------------------------------------------------------------------------------------------------------- data

    @property
    def lines(self) -> tuple[Row, ...]:
        """All lines: runs and groups."""
        return self._rows

    @property
    def rows(self) -> tuple[RunRecord, ...]:
        """The runs listed."""
        return tuple(row for row in self._rows if not isinstance(row, GroupLine))

    @property
    def cursor_line(self) -> int:
        """Which line the cursor is on, from 0."""
        return self._cursor

    @property
    def current_row(self) -> Row | None:
        """The line at the cursor."""
        return self._rows[self._cursor] if self._cursor < len(self._rows) else None

    @property
    def current(self) -> RunRecord | None:
        """The run at the cursor; None where it is on a group."""
        row = self.current_row
        return None if isinstance(row, GroupLine) else row

    @property
    def columns(self) -> tuple[RunColumn, ...]:
        """The visible columns."""
        return tuple(placed.column for placed in self._page.placed)

    @property
    def column_pages(self) -> tuple[int, int]:
        """Which page of columns is shown, from 0, and how many there are."""
        return self._page.number, self._page.pages

    @property
    def marked_ids(self) -> tuple[int, ...]:
        """The selected runs, in the order of the list."""
        ordered = dict.fromkeys(run_id for row in self._rows for run_id in ids_of(row))
        return tuple(run_id for run_id in ordered if run_id in self._marks.ids)

    @property
    def marked(self) -> tuple[RunRecord, ...]:
        """The selected runs that are listed, in order."""
        return tuple(run for run in self.rows if run.id in self._marks.ids)

    @property
    def marking(self) -> bool:
        """Whether moving the cursor selects runs."""
        return self._marks.marking

    @property
    def in_sight(self) -> tuple[RunRecord, ...]:
        """The runs whose lines are on the screen."""
        top = self.scroll_offset.y
        return tuple(row for row in self._rows[top : top + self._visible()] if not isinstance(row, GroupLine))

    def show_runs(self, rows: Sequence[Row]) -> None:
        """List other lines, keeping the cursor on its run and that run on its line of the screen.

        Where the line at the cursor is gone, the cursor stays at its place on the screen.
        """
        before = self.current_row
        top = self.scroll_offset.y
        drawn = (top, self._cursor, self.size, self._rows[top : top + self._visible()])
        line_on_screen = self._cursor - self.scroll_offset.y
        self._rows = tuple(rows)
        self._lines = {name_of(row): line for line, row in enumerate(self._rows)}
        self._marks.keep(run_id for row in self._rows for run_id in ids_of(row))
        self._timed = {run_id: shown for run_id, shown in self._timed.items() if run_id in self._lines}
        grouped = any(isinstance(row, GroupLine) for row in self._rows)
        if grouped != self._grouped:
            self._grouped = grouped
            self._lay_out()
        size = Size(self._width, len(self._rows) + 1)
        if size != self.virtual_size:
            self.virtual_size = size
        if self._wanted in self._lines:
            self._cursor, self._wanted = self._lines[self._wanted], None
            self._scroll_into_view()
        else:
            follow = self._line_of(self._cursor_name)
            at_top = self.scroll_offset.y == 0 and self._cursor == 0 and before is None
            self._cursor = follow if follow is not None else max(0, min(self._cursor, len(self._rows) - 1))
            if not at_top and self._cursor - self.scroll_offset.y != line_on_screen:
                # A run that moved takes the list with it, so that the eye does not have to look for it.
                if self.scroll_offset.y > 0:
                    self.scroll_to(y=self._cursor - line_on_screen, animate=False, immediate=True)
                self._scroll_into_view()
        row = self.current_row
        self._cursor_name = None if row is None else name_of(row)
        self._redraw(drawn)
        self.post_message(self.LineHighlighted())
        self.post_message(self.VisibleLinesChanged())

    def _line_of(self, name: int | str | None) -> int | None:
        """The line of a run or a group; of a run that is in a closed group, the group's."""
        if name is None or name in self._lines:
            return None if name is None else self._lines[name]
        groups = ((line, row) for line, row in enumerate(self._rows) if isinstance(row, GroupLine))
        return next((line for line, row in groups if name in row.group.run_ids), None) if self._grouped else None

    def _redraw(self, drawn: tuple[object, ...]) -> None:
        """Draw again the visible lines whose runs changed; all of them where the list moved."""
        top = self.scroll_offset.y
        if drawn[:3] != (top, self._cursor, self.size):
            self.refresh()
            return
        before = drawn[3]
        assert isinstance(before, tuple)
        after = self._rows[top : top + self._visible()]
        now = self._clock()
        for line in range(max(len(before), len(after))):
            if line >= len(before) or line >= len(after) or before[line] != after[line]:
                self.refresh_line(top + line + 1)
                if line < len(after) and not isinstance(row := after[line], GroupLine):
                    self._reads_differently(row, now)  # it is drawn with this time: the next tick need not draw it

    def go_to(self, name: int | str) -> None:
        """Put the cursor on a run (by id) or a group (by key), now or when it is listed."""
        line = self._lines.get(name)
        if line is None:
            self._wanted = name
        else:
            self._move_to(line)

    # ---------------------------------------------------------------------------------------------------- selection

    def action_mark(self) -> None:
        """Select the runs of the line at the cursor, or deselect them, and go to the next line."""
        row = self.current_row
        if row is not None:
            self._marks.toggle(ids_of(row))
            self._move_to(self._cursor + 1)
        self._selection_changed()

    def action_mark_range(self) -> None:
        """Begin to select a range at the cursor, which moving the cursor makes longer; or end it."""
        if self._marks.marking:
            self._marks.end_range()
        elif self._rows:
            self._marks.begin_range(self._cursor)
            self._marks.moved(self._cursor, [ids_of(row) for row in self._rows])
        self._selection_changed()

    def action_mark_all(self) -> None:
        """Select every run that is listed, those in groups too."""
        self._marks.add(run_id for row in self._rows for run_id in ids_of(row))
        self._selection_changed()

    def action_unmark_all(self) -> None:
        """Clear the selection."""
        self._marks.clear()
        self._selection_changed()

    def _selection_changed(self) -> None:
        self.refresh()
        self.post_message(self.SelectionChanged())

    # ------------------------------------------------------------------------------------------------------ drawing

    def on_resize(self, event: events.Resize) -> None:
        """Choose the columns that fit."""
        self._lay_out()
        self._scroll_into_view()
        self.post_message(self.VisibleLinesChanged())

    def watch_chosen(self) -> None:
        """Show the columns that were chosen."""
        self._lay_out()
        if self.held_column not in {each.key for each in self.chosen or default_columns()}:
            self.held_column = ""

    def watch_curves(self, before: Mapping[int, tuple[float, ...]], after: Mapping[int, tuple[float, ...]]) -> None:
        """Draw again the visible lines whose curves changed."""
        top = self.scroll_offset.y
        for line, row in enumerate(self._rows[top : top + self._visible()], start=top):
            if not isinstance(row, GroupLine) and before.get(row.id) != after.get(row.id):
                self.refresh_line(line + 1)

    def watch_page_of_columns(self) -> None:
        """Show other columns."""
        self._lay_out()
        self.post_message(self.VisibleLinesChanged())

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Report that other lines are visible."""
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            self.post_message(self.VisibleLinesChanged())

    def _lay_out(self) -> None:
        self._page = place(self._width, self.chosen, page=self.page_of_columns, grouped=self._grouped)
        self.virtual_size = Size(self._width, len(self._rows) + 1)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw a line of the screen: the head, a run, or a group."""
        width = self._width
        if y == 0:
            return self._head(width)
        line = self.scroll_offset.y + y - 1
        if line >= len(self._rows):
            return Strip.blank(width, self.rich_style)
        row = self._rows[line]
        base = self.rich_style
        if line == self._cursor:
            base += self.get_component_rich_style(
                "run-table--cursor" if self.has_focus else "run-table--blurred", partial=True
            )
        elif line == self._hover:
            base += self.get_component_rich_style("run-table--hover", partial=True)
        styles = {tone: base + self.tone(tone) for tone in TONES}
        edge = "▌" if line == self._cursor else " "
        mark = {True: "◆", None: "◇", False: " "}[self._marks.covers(ids_of(row))]
        scene = CellContext(self._clock(), self.curves)
        painted = paint_row(row, self._page.placed, scene, edge + mark, base, styles, member=self._grouped)
        return painted.adjust_cell_length(width, base)

    def _head(self, width: int) -> Strip:
        base = self.rich_style + self.get_component_rich_style("run-table--head", partial=True)
        styles = {tone: base + self.tone(tone) for tone in TONES}
        cursor = self.get_component_rich_style("run-table--column", partial=True)
        painted = paint_head(
            self._page.placed, self.sort, base, styles, descending=self.descending, at=self.held_column, cursor=cursor
        )
        return painted.adjust_cell_length(width, base)

    def tick(self) -> None:
        """Draw again the visible lines that read differently by now: ages, times left, silence."""
        now, top = self._clock(), self.scroll_offset.y
        for line, run in enumerate(self._rows[top : top + self._visible()], start=top):
            if not isinstance(run, GroupLine) and self._reads_differently(run, now):
                self.refresh_line(line + 1)

    def _reads_differently(self, run: RunRecord, now: float) -> bool:
        """Whether what time does to a line is another text than the last time this was asked."""
        shown = (age(now - run.created_at), silence(run, now) is None, age(seconds_left(run, now)))
        before, self._timed[run.id] = self._timed.get(run.id), shown
        return before != shown

    # ------------------------------------------------------------------------------------------------------- moving

    @property
    def _width(self) -> int:
        """The cells of a line; the stylesheet keeps the scrollbar's place free, so that nothing moves when it comes."""
        return self.scrollable_size.width

    def _visible(self) -> int:
        return max(1, self.size.height - 1)

    def _move_to(self, line: int, *, shift: bool = False) -> None:
        line = max(0, min(line, len(self._rows) - 1))
        if not self._rows or line == self._cursor:
            return
        self._cursor = line
        self._cursor_name = name_of(self._rows[line])
        if self._marks.marking:
            self._marks.moved(line, [ids_of(row) for row in self._rows], shift=shift)
        self._scroll_into_view()
        self.refresh()
        self.post_message(self.LineHighlighted())

    def _scroll_into_view(self) -> None:
        top, visible = self.scroll_offset.y, self._visible()
        if self._cursor < top:
            self.scroll_to(y=self._cursor, animate=False, immediate=True)
        elif self._cursor >= top + visible:
            self.scroll_to(y=self._cursor - visible + 1, animate=False, immediate=True)

    def action_move(self, lines: int) -> None:
        """Move the cursor by some lines."""
        self._move_to(self._cursor + lines)

    def action_extend(self, lines: int) -> None:
        """Move the cursor by some lines, selecting on the way."""
        self._marks.begin_range(self._cursor, by_shift=True)
        self._move_to(self._cursor + lines, shift=True)

    def action_page(self, pages: int) -> None:
        """Move the cursor by some pages."""
        self._move_to(self._cursor + pages * self._visible())

    def action_jump(self, line: int) -> None:
        """Move the cursor to the first (0) or the last (-1) run."""
        self._move_to(line if line >= 0 else len(self._rows) - 1)
