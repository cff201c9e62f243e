"""The list of runs: draws only the lines in sight, and keeps its place while runs come, move and go.

`DataTable` keeps a cell for every row and takes a second or two for 10,000 of them. This widget holds records and
draws a line when it is looked at, so what a new snapshot costs depends on the height of the screen, not on the number
of runs. The cursor and the marks belong to runs (by id), not to lines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from db.records import RunRecord
from itop_tui.format import age
from itop_tui.run_view import seconds_left, silence
from itop_tui.theme import TONES
from itop_tui.widgets.run_columns import LEAD, Column, Placed, at, place
from itop_tui.widgets.toned import Toned


class RunTable(ScrollView, Toned, can_focus=True):
    """A live list of runs with a cursor, marks and a sort order.

    Args:
        clock: The time, in unix seconds, for ages and times left.
        id: The widget's id.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "run-table--cursor",
        "run-table--blurred",
        "run-table--hover",
        "run-table--head",
    }
    BINDINGS: ClassVar = [
        Binding("down,j", "move(1)", show=False),
        Binding("up,k", "move(-1)", show=False),
        Binding("pagedown,ctrl+f", "page(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("home,g", "jump(0)", show=False),
        Binding("end,G", "jump(-1)", show=False),
    ]
    ALLOW_SELECT = False

    sort: reactive[str] = reactive("id")
    """The sort key of the column whose head shows the order."""
    descending: reactive[bool] = reactive(True)
    """Whether the largest comes first."""

    class Highlighted(Message):
        """The cursor is on another run, or its run changed."""

        def __init__(self, run: RunRecord | None) -> None:
            self.run = run
            super().__init__()

    class Opened(Message):
        """A run was chosen with the mouse."""

        def __init__(self, run: RunRecord) -> None:
            self.run = run
            super().__init__()

    class HeadClicked(Message):
        """The head of a column was clicked."""

        def __init__(self, column: Column) -> None:
            self.column = column
            super().__init__()

    def __init__(self, clock: Callable[[], float], *, id: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self._clock = clock
        self._rows: tuple[RunRecord, ...] = ()
        self._lines: dict[int, int] = {}
        self._cursor = 0
        self._cursor_id: int | None = None
        self._wanted_id: int | None = None
        self._hover: int | None = None
        self._marks: frozenset[int] = frozenset()
        self._placed: tuple[Placed, ...] = ()
        self._timed: dict[int, tuple[str, bool, str]] = {}

    # --------------------------------------------------------------------------------------------------------- data

    @property
    def rows(self) -> tuple[RunRecord, ...]:
        """The runs listed."""
        return self._rows

    @property
    def current(self) -> RunRecord | None:
        """The run at the cursor."""
        return self._rows[self._cursor] if self._cursor < len(self._rows) else None

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns in sight."""
        return tuple(placed.column for placed in self._placed)

    @property
    def marked(self) -> tuple[RunRecord, ...]:
        """The marked runs that are listed, in order."""
        return tuple(run for run in self._rows if run.id in self._marks)

    def show_runs(self, rows: Sequence[RunRecord]) -> None:
        """List other runs, keeping the cursor on its run and that run on its line of the screen.

        Where the run at the cursor is gone, the cursor stays on its line.
        """
        before = self._rows[self._cursor] if self._cursor < len(self._rows) else None
        top = self.scroll_offset.y
        drawn = (top, self._cursor, self.size, self._rows[top : top + self._visible()])
        line_on_screen = self._cursor - self.scroll_offset.y
        self._rows = tuple(rows)
        self._lines = {run.id: line for line, run in enumerate(self._rows)}
        self._marks = frozenset(mark for mark in self._marks if mark in self._lines)
        self._timed = {run_id: shown for run_id, shown in self._timed.items() if run_id in self._lines}
        size = Size(self._width, len(self._rows) + 1)
        if size != self.virtual_size:
            self.virtual_size = size
        if self._wanted_id in self._lines:
            self._cursor, self._wanted_id = self._lines[self._wanted_id], None
            self._scroll_into_view()
        else:
            follow = self._lines.get(self._cursor_id) if self._cursor_id is not None else None
            at_top = self.scroll_offset.y == 0 and self._cursor == 0 and before is None
            self._cursor = follow if follow is not None else max(0, min(self._cursor, len(self._rows) - 1))
            if not at_top and self._cursor - self.scroll_offset.y != line_on_screen:
                # A run that moved takes the list with it, so that the eye does not have to look for it.
                if self.scroll_offset.y > 0:
                    self.scroll_to(y=self._cursor - line_on_screen, animate=False, immediate=True)
                self._scroll_into_view()
        self._cursor_id = self.current.id if self.current else None
        self._redraw(drawn)
        self.post_message(self.Highlighted(self.current))

    def _redraw(self, drawn: tuple[object, ...]) -> None:
        """Draw again the lines in sight whose runs changed; all of them where the list moved."""
        top = self.scroll_offset.y
        if drawn[:3] != (top, self._cursor, self.size):
            self.refresh()
            return
        before = drawn[3]
        assert isinstance(before, tuple)
        after = self._rows[top : top + self._visible()]
        for line in range(max(len(before), len(after))):
            if line >= len(before) or line >= len(after) or before[line] != after[line]:
                self.refresh_line(top + line + 1)

    def go_to(self, run_id: int) -> None:
        """Put the cursor on a run, now or when it is listed."""
        line = self._lines.get(run_id)
        if line is None:
            self._wanted_id = run_id
        else:
            self._move_to(line)

    def toggle_mark(self) -> None:
        """Mark the run at the cursor, or take its mark away, and go to the next one."""
        if self.current is not None:
            self._marks ^= {self.current.id}
            self._move_to(self._cursor + 1)
            self.refresh()

    def unmark_all(self) -> None:
        """Take all marks away."""
        self._marks = frozenset()
        self.refresh()

    # ------------------------------------------------------------------------------------------------------ drawing

    def on_resize(self, event: events.Resize) -> None:
        """Choose the columns that fit."""
        self._placed = place(self._width)
        self.virtual_size = Size(self._width, len(self._rows) + 1)
        self._scroll_into_view()

    def render_line(self, y: int) -> Strip:
        """Draw a line of the screen: the head, or a run."""
        width = self._width
        if y == 0:
            return self._head(width)
        line = self.scroll_offset.y + y - 1
        if line >= len(self._rows):
            return Strip.blank(width, self.rich_style)
        run = self._rows[line]
        base = self.rich_style
        if line == self._cursor:
            base += self.get_component_rich_style(
                "run-table--cursor" if self.has_focus else "run-table--blurred", partial=True
            )
        elif line == self._hover:
            base += self.get_component_rich_style("run-table--hover", partial=True)
        edge = "▌" if line == self._cursor else " "
        mark = "◆" if run.id in self._marks else " "
        accent = base + self.tone("accent")
        segments = [Segment(f"{edge}{mark} ", accent)]
        tones = {tone: base + self.tone(tone) for tone in TONES}
        now = self._clock()
        x = LEAD
        for placed in self._placed:
            if placed.x > x:
                segments.append(Segment(" " * (placed.x - x), base))
            segments += [Segment(text, tones[tone]) for text, tone in placed.column.cell(run, now, placed.width)]
            x = placed.x + placed.width
        return Strip(segments).adjust_cell_length(width, base)

    def _head(self, width: int) -> Strip:
        base = self.rich_style + self.get_component_rich_style("run-table--head", partial=True)
        segments = [Segment(" " * LEAD, base)]
        x = LEAD
        for placed in self._placed:
            segments.append(Segment(" " * (placed.x - x), base))
            column = placed.column
            sorted_by = column.sort == self.sort
            title = column.head(placed.width)
            if sorted_by:
                arrow = "▼" if self.descending else "▲"
                wide = len(title) + 2 <= placed.width
                title = f"{title} {arrow}" if wide else title[: placed.width - 1] + arrow
            shown = title.rjust(placed.width) if column.right else title.ljust(placed.width)
            style = base + (self.tone("accent") if sorted_by else self.tone("muted"))
            segments.append(Segment(shown, style))
            x = placed.x + placed.width
        return Strip(segments).adjust_cell_length(width, base)

    def tick(self) -> None:
        """Draw again the lines in sight that read differently by now: ages, times left, silence."""
        now, top = self._clock(), self.scroll_offset.y
        for line, run in enumerate(self._rows[top : top + self._visible()], start=top):
            shown = (age(now - run.created_at), silence(run, now) is None, age(seconds_left(run, now)))
            if self._timed.get(run.id) != shown:
                self._timed[run.id] = shown
                self.refresh_line(line + 1)

    # ------------------------------------------------------------------------------------------------------- moving

    @property
    def _width(self) -> int:
        """The cells of a line; the stylesheet keeps the scrollbar's place free, so that nothing moves when it comes."""
        return self.scrollable_size.width

    def _visible(self) -> int:
        return max(1, self.size.height - 1)

    def _move_to(self, line: int) -> None:
        line = max(0, min(line, len(self._rows) - 1))
        if not self._rows or line == self._cursor:
            return
        self._cursor = line
        self._cursor_id = self._rows[line].id
        self._scroll_into_view()
        self.refresh()
        self.post_message(self.Highlighted(self.current))

    def _scroll_into_view(self) -> None:
        top, visible = self.scroll_offset.y, self._visible()
        if self._cursor < top:
            self.scroll_to(y=self._cursor, animate=False, immediate=True)
        elif self._cursor >= top + visible:
            self.scroll_to(y=self._cursor - visible + 1, animate=False, immediate=True)

    def action_move(self, lines: int) -> None:
        """Move the cursor by some lines."""
        self._move_to(self._cursor + lines)

    def action_page(self, pages: int) -> None:
        """Move the cursor by some pages."""
        self._move_to(self._cursor + pages * self._visible())

    def action_jump(self, line: int) -> None:
        """Move the cursor to the first (0) or the last (-1) run."""
        self._move_to(line if line >= 0 else len(self._rows) - 1)

    # -------------------------------------------------------------------------------------------------------- mouse

    def on_click(self, event: events.Click) -> None:
        """Sort by a head, go to a run, open it with a second click."""
        if event.y == 0:
            column = at(self._placed, event.x)
            if column is not None:
                self.post_message(self.HeadClicked(column))
            return
        line = self.scroll_offset.y + event.y - 1
        if line < len(self._rows):
            self._move_to(line)
            if event.chain == 2:
                self.post_message(self.Opened(self._rows[line]))

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Show which run the mouse is over."""
        line = self.scroll_offset.y + event.y - 1 if event.y > 0 else None
        if line != self._hover:
            self._hover = line
            self.refresh()

    def on_leave(self) -> None:
        """Forget the mouse."""
        self._hover = None
        self.refresh()
