"""The list of devices, of what runs on them and of what is queued, with a cursor and a selection."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rich.segment import Segment
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from db.records import RunRecord
from itop_tui.figures.format import plain
from itop_tui.queue import lines
from itop_tui.queue.lines import Key, QueueLine, QueueScene
from itop_tui.runs.line_list import LineList

_LEAD = 3
"""Cells before a line: the cursor's edge, the mark, a space."""


class QueueBoard(LineList):
    """Shows a `QueueScene`; the cursor is on a device or on a run, and stays on it when the queue changes."""

    @dataclass
    class RunChosen(Message):
        """A run was clicked twice."""

        run: RunRecord

    @dataclass
    class NotRead(Message):
        """Visible runs have not been read yet: those at these places of the queue are needed, with some around."""

        near: range

    def __init__(self, scene: QueueScene) -> None:
        super().__init__()
        self.scene = scene
        self.lines: list[QueueLine] = []
        self._key: Key | None = None
        self._placed = False

    # --------------------------------------------------------------------------------------------------------- data

    @property
    def run(self) -> RunRecord | None:
        """The run at the cursor."""
        line: QueueLine | None = self.current_row
        return line.run if line is not None else None

    @property
    def run_id(self) -> int | None:
        """The run at the cursor, which may not have been read yet."""
        line: QueueLine | None = self.current_row
        return line.run_id if line is not None else None

    @property
    def device(self) -> str | None:
        """The device at the cursor."""
        line: QueueLine | None = self.current_row
        return line.device if line is not None else None

    @property
    def marked(self) -> dict[int, RunRecord | None]:
        """The selected runs by their ids, in order; None for those that have not been read."""
        ids = self.marks.ids
        return {line.run_id: line.run for line in self.lines if line.run_id is not None and line.run_id in ids}

    @staticmethod
    def runs_of(row: QueueLine) -> tuple[int, ...]:
        """The run of a line."""
        return (row.run_id,) if row.run_id is not None else ()

    def show(self, scene: QueueScene) -> None:
        """Show another scene, the cursor on what it was on; where that is gone, at the place where it was.

        At first it is on the run that would start next: the order is what one comes here to change.
        """
        self.scene = scene
        if not self._placed and scene.state.listed:
            self._placed, self._key = True, ("run", scene.state.listed[0])
        self._lay_out()

    def _lay_out(self) -> None:
        # Who scrolled the cursor off the screen looks at something else; it is not scrolled back to.
        follow = not self.stops or self.cursor >= len(self.stops) or self.stops[self.cursor] in self.in_sight
        self.lines = lines.lay_out(self.scene, self._room)
        self.stops = [number for number, line in enumerate(self.lines) if line.key is not None]
        self.marks.keep(line.run_id for line in self.lines if line.run_id is not None)
        keys = {self.lines[number].key: at for at, number in enumerate(self.stops)}
        self.cursor = keys.get(self._key, max(0, min(self.cursor, len(self.stops) - 1)))
        self._note_key()
        self.virtual_size = Size(self._width, len(self.lines))
        if follow:
            self._scroll_into_view()
        self._ask_for_visible()
        self.refresh()
        self.post_message(self.CursorMoved())

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Have the runs read that are visible now."""
        super().watch_scroll_y(old_value, new_value)
        self._ask_for_visible()

    def _ask_for_visible(self) -> None:
        visible = [self.lines[number] for number in self.in_sight]
        missing = [line.place for line in visible if line.place is not None and line.run is None]
        if missing:
            page = len(visible)
            self.post_message(self.NotRead(range(max(0, min(missing) - page), max(missing) + 1 + page)))

    def _note_key(self) -> None:
        self._key = self.current_row.key if self.stops else None

    @property
    def _room(self) -> int:
        return max(0, self._width - _LEAD)

    def tick(self, now: float) -> None:
        """Draw ages and times left as they are by now."""
        self.scene = replace(self.scene, now=now)
        self.refresh()

    def action_mark_waiting(self) -> None:
        """Select every queued run."""
        self.marks.add(self.scene.state.listed)
        self._selection_changed()

    # ------------------------------------------------------------------------------------------------------- moving

    def go_to(self, key: Key) -> None:
        """Put the cursor on a device or a run, where it is listed."""
        for at, number in enumerate(self.stops):
            if self.lines[number].key == key:
                self.move_to(at)

    def move_to(self, at: int, *, shift: bool = False) -> None:
        """Put the cursor on a device or a run, on which it stays."""
        self._placed = self._placed or bool(self.stops)
        super().move_to(at, shift=shift)
        self._note_key()

    def on_click(self, event: events.Click) -> None:
        """Go to a line; a second click opens its run, and with ctrl it is selected."""
        line = self.scroll_offset.y + event.y
        if line not in self.stops:
            return
        self.move_to(self.stops.index(line))
        run = self.run
        if event.ctrl and self.run_id is not None:
            self.marks.toggle((self.run_id,))
            self.refresh()
        elif run is not None and event.chain == 2:
            self.post_message(self.RunChosen(run))

    # ------------------------------------------------------------------------------------------------------ drawing

    def on_resize(self) -> None:
        """Lay the lines out for the new width."""
        self._lay_out()

    def render_line(self, y: int) -> Strip:
        """Draw a line of the screen."""
        number = self.scroll_offset.y + y
        if number >= len(self.lines):
            return Strip.blank(self._width, self.rich_style)
        base, lead = self.ground(number)
        parts = self.lines[number].draw(self.scene, self._room)
        segments = [Segment(plain(text), base + self.tone(tone)) for text, tone in parts]
        return Strip([Segment(f"{lead} ", base + self.tone("accent")), *segments]).adjust_cell_length(self._width, base)
