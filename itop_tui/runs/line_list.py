"""A list that draws only its visible lines, with a cursor and a selection of runs: the base of the lists of runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from rich.style import Style
from textual.binding import Binding
from textual.message import Message
from textual.scroll_view import ScrollView

from itop_tui.look.toned import Toned
from itop_tui.runs.marked import MarkedRuns


class LineList(ScrollView, Toned, can_focus=True):
    """Lines with a cursor, which goes from one of the `stops` to the next."""

    HEAD: ClassVar[int] = 0
    """How many lines at the top do not scroll."""
    COMPONENT_CLASSES: ClassVar[set[str]] = {"line-list--cursor", "line-list--blurred"}
    BINDINGS: ClassVar = [
        Binding("down,j", "move(1)", show=False),
        Binding("up,k", "move(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("home", "jump(0)", show=False),
        Binding("end,G", "jump(-1)", show=False),
    ]
    ALLOW_SELECT = False

    class CursorMoved(Message):
        """The cursor is on another line, or what it is on has changed."""

    class SelectionChanged(Message):
        """Other runs, or another column, are selected, or another page of columns is shown."""

    lines: Sequence[Any] = ()
    """All lines."""
    stops: Sequence[int] = ()
    """Where the cursor can be."""
    runs_of: Callable[[Any], tuple[int, ...]]
    """The runs a line stands for."""
    cursor = 0
    """At which of the stops it is."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self.marks = MarkedRuns()

    @property
    def current_row(self) -> Any:
        """The line at the cursor."""
        return self.lines[self.stops[self.cursor]] if self.cursor < len(self.stops) else None

    @property
    def _width(self) -> int:
        """The cells of a line; the stylesheet keeps the scrollbar's place free, so that nothing moves when it comes."""
        return self.scrollable_size.width

    @property
    def in_sight(self) -> range:
        """The lines on the screen."""
        top = self.scroll_offset.y
        return range(top, min(top + self._visible, len(self.lines)))

    # ---------------------------------------------------------------------------------------------------- selection

    def action_mark(self) -> None:
        """Select the runs of the line at the cursor, or deselect them, and go to the next line."""
        row = self.current_row
        if row is not None:
            self.marks.toggle(self.runs_of(row))
            self.move_to(self.cursor + 1)
        self._selection_changed()

    def action_unmark_all(self) -> None:
        """Clear the selection."""
        self.marks.clear()
        self._selection_changed()

    def _selection_changed(self) -> None:
        self.refresh()
        self.post_message(self.SelectionChanged())

    # ------------------------------------------------------------------------------------------------------- moving

    @property
    def _visible(self) -> int:
        return max(1, self.size.height - self.HEAD)

    def move_to(self, at: int, *, shift: bool = False) -> None:
        """Put the cursor on a stop, or on the nearest one beyond the ends."""
        at = max(0, min(at, len(self.stops) - 1))
        if not self.stops or at == self.cursor:
            return
        self.cursor = at
        if self.marks.marking:
            self.marks.moved(at, [self.runs_of(row) for row in self.lines], shift=shift)
        self._scroll_into_view()
        self.refresh()
        self.post_message(self.CursorMoved())

    def _scroll_into_view(self) -> None:
        if self.cursor >= len(self.stops):
            return
        line, top = self.stops[self.cursor], self.scroll_offset.y
        first = 0 if self.cursor == 0 else line  # The heading above the first one belongs to it.
        if first < top:
            self.scroll_to(y=first, animate=False, immediate=True)
        elif line >= top + self._visible:
            self.scroll_to(y=line - self._visible + 1, animate=False, immediate=True)

    def action_move(self, lines: int) -> None:
        """Move the cursor by some lines."""
        self.move_to(self.cursor + lines)

    def action_page(self, pages: int) -> None:
        """Move the cursor by some pages."""
        self.move_to(self.cursor + pages * max(1, self.size.height - 1))

    def action_jump(self, at: int) -> None:
        """Move the cursor to the first (0) or the last (-1) line."""
        self.move_to(at if at >= 0 else len(self.stops) - 1)

    # ------------------------------------------------------------------------------------------------------ drawing

    def ground(self, number: int) -> tuple[Style, str]:
        """The style of a line, and the two cells before it: the cursor's edge and the mark of a selected one."""
        here = self.cursor < len(self.stops) and number == self.stops[self.cursor]
        base = self.rich_style
        if here:
            name = "line-list--cursor" if self.has_focus else "line-list--blurred"
            base += self.get_component_rich_style(name, partial=True)
        mark = {True: "◆", None: "◇", False: " "}[self.marks.covers(self.runs_of(self.lines[number]))]
        return base, f"{'▌' if here else ' '}{mark}"
