"""The list of runs: draws only the visible lines, and keeps its place while runs are added, moved and removed.

`DataTable` keeps a cell for every row and takes a second or two for 10,000 of them. This widget holds records and
draws a line when it is looked at, so what a new snapshot costs depends on the height of the screen, not on the number
of runs. The cursor and the selection belong to runs (by id), not to lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from db.records import RunRecord
from db.runs.silence import silence
from itop_tui.figures.differences import Called
from itop_tui.figures.format import age, age_of, duration
from itop_tui.figures.run_view import elapsed, seconds_left
from itop_tui.look.theme import TONES
from itop_tui.look.toned import Part
from itop_tui.runs.line_list import LineList
from itop_tui.runs.run_columns import SETTING, CellContext
from itop_tui.runs.run_layout import LEAD, ChosenColumn, Page, default_columns, place
from itop_tui.runs.run_lines import GroupLine, Row, cell, glyphs, ids_of, name_of


class RunList(LineList):
    """A live list of runs, or of groups of them, with a cursor, a selection and a sort order.

    Args:
        clock: The time, in unix seconds, for ages and times left.
        id: The widget's id.
    """

    HEAD = 1
    COMPONENT_CLASSES: ClassVar[set[str]] = {"run-table--hover", "run-table--head", "run-table--column"}
    BINDINGS: ClassVar = [
        Binding("shift+down", "extend(1)", show=False),
        Binding("shift+up", "extend(-1)", show=False),
    ]

    runs_of = staticmethod(ids_of)
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

    class VisibleLinesChanged(Message):
        """Other lines, or other columns, are visible."""

    def __init__(self, clock: Callable[[], float], *, id: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self._clock = clock
        self.lines: tuple[Row, ...] = ()
        self.called: Mapping[int, Called] = {}
        """What runs are called whose names do not distinguish them from the others listed, by their ids."""
        self.page = Page((), 0, 1)
        self._line_by_name: dict[int | str, int] = {}
        self._cursor_name: int | str | None = None
        self._wanted: int | str | None = None
        self._hover: int | None = None
        self._grouped = False
        self._said: frozenset[str] = frozenset()
        self._drawn: dict[int, object] = {}

    # --------------------------------------------------------------------------------------------------------- data

    @property
    def rows(self) -> tuple[RunRecord, ...]:
        """The runs listed."""
        return tuple(row for row in self.lines if not isinstance(row, GroupLine))

    @property
    def current(self) -> RunRecord | None:
        """The run at the cursor; None where it is on a group."""
        row: Row | None = self.current_row
        return None if isinstance(row, GroupLine) else row

    @property
    def marked_ids(self) -> tuple[int, ...]:
        """The selected runs, in the order of the list."""
        ordered = dict.fromkeys(run_id for row in self.lines for run_id in ids_of(row))
        return tuple(run_id for run_id in ordered if run_id in self.marks.ids)

    @property
    def runs_in_sight(self) -> tuple[RunRecord, ...]:
        """The runs whose lines are on the screen."""
        rows = (self.lines[line] for line in self.in_sight)
        return tuple(row for row in rows if not isinstance(row, GroupLine))

    def show_runs(self, rows: Sequence[Row]) -> None:
        """List other lines, keeping the cursor on its run and that run on its line of the screen.

        Where the line at the cursor is gone, the cursor stays at its place on the screen.
        """
        before = self.current_row
        drawn = (self.scroll_offset.y, self.cursor, self.size)
        line_on_screen = self.cursor - self.scroll_offset.y
        self.lines, self.stops = tuple(rows), range(len(rows))
        self._line_by_name = {name_of(row): line for line, row in enumerate(self.lines)}
        self.marks.keep(run_id for row in self.lines for run_id in ids_of(row))
        grouped = any(isinstance(row, GroupLine) for row in self.lines)
        if grouped != self._grouped:
            self._grouped = grouped
            self._lay_out()
        size = Size(self._width, len(self.lines) + 1)
        if size != self.virtual_size:
            self.virtual_size = size
        if self._wanted in self._line_by_name:
            self.cursor, self._wanted = self._line_by_name[self._wanted], None
            self._scroll_into_view()
        else:
            follow = self._line_of(self._cursor_name)
            at_top = self.scroll_offset.y == 0 and self.cursor == 0 and before is None
            self.cursor = follow if follow is not None else max(0, min(self.cursor, len(self.lines) - 1))
            if not at_top and self.cursor - self.scroll_offset.y != line_on_screen:
                # A run that moved takes the list with it, so that the eye does not have to look for it.
                if self.scroll_offset.y > 0:
                    self.scroll_to(y=self.cursor - line_on_screen, animate=False, immediate=True)
                self._scroll_into_view()
        row = self.current_row
        self._cursor_name = None if row is None else name_of(row)
        if drawn == (self.scroll_offset.y, self.cursor, self.size):
            self.tick()
        else:
            self.refresh()
        self.post_message(self.CursorMoved())
        self.post_message(self.VisibleLinesChanged())

    def _line_of(self, name: int | str | None) -> int | None:
        """The line of a run or a group; of a run that is in a closed group, the group's."""
        if name is None or name in self._line_by_name:
            return None if name is None else self._line_by_name[name]
        groups = ((line, row) for line, row in enumerate(self.lines) if isinstance(row, GroupLine))
        return next((line for line, row in groups if name in row.group.run_ids), None) if self._grouped else None

    def go_to(self, name: int | str) -> None:
        """Put the cursor on a run (by id) or a group (by key), now or when it is listed."""
        line = self._line_by_name.get(name)
        if line is None:
            self._wanted = name
        else:
            self.move_to(line)

    def move_to(self, at: int, *, shift: bool = False) -> None:
        """Put the cursor on a line; it stays on its run."""
        super().move_to(at, shift=shift)
        if self.lines:
            self._cursor_name = name_of(self.lines[self.cursor])

    # ---------------------------------------------------------------------------------------------------- selection

    def action_extend(self, lines: int) -> None:
        """Move the cursor by some lines, selecting on the way."""
        self.marks.begin_range(self.cursor, by_shift=True)
        self.move_to(self.cursor + lines, shift=True)

    def action_mark_range(self) -> None:
        """Begin to select a range at the cursor, which moving the cursor makes longer; or end it."""
        if self.marks.marking:
            self.marks.end_range()
        elif self.lines:
            self.marks.begin_range(self.cursor)
            self.marks.moved(self.cursor, [ids_of(row) for row in self.lines])
        self._selection_changed()

    def action_mark_all(self) -> None:
        """Select every run that is listed, those in groups too."""
        self.marks.add(run_id for row in self.lines for run_id in ids_of(row))
        self._selection_changed()

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
        self.page = place(self._width, self.chosen, page=self.page_of_columns, grouped=self._grouped)
        self._said = frozenset(each.column.key.removeprefix(SETTING) for each in self.page.placed)
        self.virtual_size = Size(self._width, len(self.lines) + 1)
        self.refresh()

    def tick(self) -> None:
        """Draw again the visible lines that read differently by now: runs, curves, ages, times left, silence."""
        now, top = self._clock(), self.scroll_offset.y
        for y in range(1, self._visible + 1):
            if self._drawn.get(y) != self._shown(top + y - 1, now):
                self.refresh_line(top + y)

    watch_curves = tick

    def _shown(self, line: int, now: float) -> object:
        """What tells whether a line would be drawn as before; None below the last one."""
        row = self.lines[line] if line < len(self.lines) else None
        if row is None or isinstance(row, GroupLine):
            return row
        times: tuple[object, ...] = (
            age_of(row.created_at, now),
            silence(row, now) is None,
            age(seconds_left(row, now)),
        )
        if any(each.column.key == "took" for each in self.page.placed):
            times = (*times, duration(elapsed(row, now)))
        return row, times, self.curves.get(row.id), self.called.get(row.id)

    def render_line(self, y: int) -> Strip:
        """Draw a line of the screen: the head, a run, or a group."""
        if y == 0:
            return self._head()
        line, now = self.scroll_offset.y + y - 1, self._clock()
        self._drawn[y] = self._shown(line, now)
        if line >= len(self.lines):
            return Strip.blank(self._width, self.rich_style)
        row = self.lines[line]
        base, lead = self.ground(line)
        if line == self._hover and line != self.cursor:
            base += self.get_component_rich_style("run-table--hover", partial=True)
        scene = CellContext(now, self.curves, self.called, self._said)
        cells = (cell(row, each.column, scene, each.width, member=self._grouped) for each in self.page.placed)
        return self._paint(f"{lead}{glyphs(row)} ", cells, base)

    def _head(self) -> Strip:
        """Draw the heads of the columns; the one the list is sorted by says so."""
        cells: list[list[Part]] = []
        for each in self.page.placed:
            column, width = each.column, each.width
            sorted_by = bool(column.sort) and column.sort == self.sort
            title = column.head(width)
            if sorted_by:
                arrow = "▼" if self.descending else "▲"
                title = f"{title} {arrow}" if len(title) + 2 <= width else title[: width - 1] + arrow
            shown = title.rjust(width) if column.right else title.ljust(width)
            cells.append([(shown, "accent" if sorted_by else "muted")])
        base = self.rich_style + self.get_component_rich_style("run-table--head", partial=True)
        held = self.get_component_rich_style("run-table--column", partial=True)
        return self._paint(" " * LEAD, cells, base, held)

    def _paint(self, lead: str, cells: Iterable[Sequence[Part]], base: Style, held: Style | None = None) -> Strip:
        """Put cells at their places; `held` is added to the style of the selected column's."""
        styles = {tone: base + self.tone(tone) for tone in TONES}
        segments, x = [Segment(lead, styles["accent"])], LEAD
        for each, parts in zip(self.page.placed, cells, strict=True):
            if each.x > x:
                segments.append(Segment(" " * (each.x - x), base))
            more = held if each.column.key == self.held_column else None
            segments += [Segment(text, styles[tone] + more) for text, tone in parts]
            x = each.x + each.width
        return Strip(segments).adjust_cell_length(self._width, base)
