"""The list of devices, of what runs on them and of what is queued, with a cursor and a selection."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from db.records import RunRecord
from itop_tui.figures.format import plain
from itop_tui.look.toned import Toned
from itop_tui.queue import lines
from itop_tui.queue.lines import ActiveLine, DeviceLine, Key, Line, QueueScene, WaitingLine
from itop_tui.runs.marked import MarkedRuns

_LEAD = 3
"""Cells before a line: the cursor's edge, the mark, a space."""


class QueueBoard(ScrollView, Toned, can_focus=True):
    """Shows a `QueueScene`; the cursor is on a device or on a run, and stays on it when the queue changes."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"queue--cursor", "queue--blurred"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "step(1)", show=False),
        Binding("up,k", "step(-1)", show=False),
        Binding("pagedown,ctrl+f", "page(1)", show=False),
        Binding("pageup,ctrl+b", "page(-1)", show=False),
        Binding("home,g", "jump(0)", show=False),
        Binding("end,G", "jump(-1)", show=False),
    ]
    ALLOW_SELECT = False

    class CursorMoved(Message):
        """The cursor is on something else, or what it is on has changed."""

    class RunChosen(Message):
        """A run was clicked twice.

        Attributes:
            run: The run.
        """

        def __init__(self, run: RunRecord) -> None:
            self.run = run
            super().__init__()

    def __init__(self, scene: QueueScene) -> None:
        super().__init__()
        self.scene = scene
        self._lines: list[Line] = []
        self._stops: list[int] = []
        self._at = 0
        self._key: Key | None = None
        self._placed = False
        self._marks = MarkedRuns()

    # --------------------------------------------------------------------------------------------------------- data

    @property
    def run(self) -> RunRecord | None:
        """The run at the cursor."""
        line = self._current
        return line.run if isinstance(line, ActiveLine | WaitingLine) else None

    @property
    def device(self) -> str | None:
        """The device at the cursor."""
        line = self._current
        return line.device.name if isinstance(line, DeviceLine) else None

    @property
    def marked(self) -> tuple[RunRecord, ...]:
        """The selected runs, in order."""
        return tuple(run for run in self._runs if run.id in self._marks.ids)

    @property
    def _current(self) -> Line | None:
        return self._lines[self._stops[self._at]] if self._stops else None

    @property
    def _runs(self) -> tuple[RunRecord, ...]:
        return tuple(line.run for line in self._lines if isinstance(line, ActiveLine | WaitingLine))

    def show(self, scene: QueueScene) -> None:
        """Show another scene, the cursor on what it was on; where that is gone, at the place where it was.

        At first it is on the run that would start next: the order is what one comes here to change.
        """
        self.scene = scene
        if not self._placed and scene.state.waiting:
            self._placed, self._key = True, ("run", scene.state.waiting[0].id)
        self._lay_out()

    def _lay_out(self) -> None:
        self._lines = lines.lay_out(self.scene, self._room)
        self._stops = [number for number, line in enumerate(self._lines) if lines.key_of(line) is not None]
        self._marks.keep(run.id for run in self._runs)
        keys = {lines.key_of(self._lines[number]): at for at, number in enumerate(self._stops)}
        at = keys.get(self._key) if self._key is not None else None
        self._at = at if at is not None else max(0, min(self._at, len(self._stops) - 1))
        self._note_key()
        self.virtual_size = Size(self.scrollable_size.width, len(self._lines))
        self._scroll_into_view()
        self.refresh()
        self.post_message(self.CursorMoved())

    def _note_key(self) -> None:
        line = self._current
        self._key = None if line is None else lines.key_of(line)

    @property
    def _room(self) -> int:
        return max(0, self.scrollable_size.width - _LEAD)

    def tick(self, now: float) -> None:
        """Draw ages and times left as they are by now."""
        self.scene = replace(self.scene, now=now)
        self.refresh()

    # ----------------------------------------------------------------------------------------------------- selection

    def action_mark(self) -> None:
        """Select the run at the cursor, or deselect it, and go to the next line."""
        run = self.run
        if run is not None:
            self._marks.toggle((run.id,))
        self.action_step(1)
        self.refresh()

    def action_mark_waiting(self) -> None:
        """Select every queued run."""
        self._marks.add(run.id for run in self.scene.state.waiting)
        self.refresh()

    def action_unmark_all(self) -> None:
        """Clear the selection."""
        self._marks.clear()
        self.refresh()

    # ------------------------------------------------------------------------------------------------------- moving

    def go_to(self, key: Key) -> None:
        """Put the cursor on a device or a run, where it is listed."""
        for at, number in enumerate(self._stops):
            if lines.key_of(self._lines[number]) == key:
                self._go(at)

    def _go(self, at: int) -> None:
        if not self._stops:
            return
        self._placed = True
        self._at = max(0, min(at, len(self._stops) - 1))
        self._note_key()
        self._scroll_into_view()
        self.refresh()
        self.post_message(self.CursorMoved())

    def _scroll_into_view(self) -> None:
        if not self._stops:
            return
        line, top, height = self._stops[self._at], self.scroll_offset.y, max(1, self.size.height)
        first = 0 if self._at == 0 else line  # the heading above the first one belongs to it
        if first < top:
            self.scroll_to(y=first, animate=False, immediate=True)
        elif line >= top + height:
            self.scroll_to(y=line - height + 1, animate=False, immediate=True)

    def action_step(self, by: int) -> None:
        """Move the cursor to the next device or run, or the one before."""
        self._go(self._at + by)

    def action_page(self, pages: int) -> None:
        """Move the cursor by some pages."""
        self._go(self._at + pages * max(1, self.size.height - 1))

    def action_jump(self, at: int) -> None:
        """Move the cursor to the first (0) or the last (-1) line."""
        self._go(at if at >= 0 else len(self._stops) - 1)

    def on_click(self, event: events.Click) -> None:
        """Go to a line; a second click opens its run, and with ctrl it is selected."""
        line = self.scroll_offset.y + event.y
        if line not in self._stops:
            return
        self._go(self._stops.index(line))
        run = self.run
        if run is not None and event.ctrl:
            self._marks.toggle((run.id,))
            self.refresh()
        elif run is not None and event.chain == 2:
            self.post_message(self.RunChosen(run))

    # ------------------------------------------------------------------------------------------------------ drawing

    def on_resize(self) -> None:
        """Lay the lines out for the new width."""
        self._lay_out()

    def render_line(self, y: int) -> Strip:
        """Draw a line of the screen."""
        width, base = self.scrollable_size.width, self.rich_style
        number = self.scroll_offset.y + y
        if number >= len(self._lines):
            return Strip.blank(width, base)
        line = self._lines[number]
        here = bool(self._stops) and number == self._stops[self._at]
        if here:
            name = "queue--cursor" if self.has_focus else "queue--blurred"
            base += self.get_component_rich_style(name, partial=True)
        marked = isinstance(line, ActiveLine | WaitingLine) and line.run.id in self._marks.ids
        lead = f"{'▌' if here else ' '}{'◆' if marked else ' '} "
        segments = [Segment(lead, base + self.tone("accent"))]
        segments += [
            Segment(plain(text), base + self.tone(tone)) for text, tone in lines.draw(line, self.scene, self._room)
        ]
        return Strip(segments).adjust_cell_length(width, base)
