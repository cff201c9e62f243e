"""The log of a run: what its processes printed."""

from __future__ import annotations

from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input, Static

from itop_tui.figures.format import count, size
from itop_tui.figures.log_tail import LogChunk, LogTail
from itop_tui.keys import in_brackets
from itop_tui.run.log_view import LogView
from itop_tui.service.watcher import Watcher

_INTERVAL = 0.5
"""Seconds between two looks at the file while the log is on the screen: new lines come together."""


class LogRead(Message, bubble=False):
    """Something of a log was read, or could not be."""

    def __init__(self, chunk: LogChunk, problem: str = "") -> None:
        self.chunk = chunk
        self.problem = problem
        super().__init__()


class LogPane(Vertical):
    """The log, with a line that says how it is read and a field to search in it."""

    def __init__(self, path: Path, widget_id: str | None = None) -> None:
        super().__init__(id=widget_id)
        self._tail = LogTail(path)
        self._reading = False
        self._watcher = Watcher(self._look, name="itop-log")
        self._skipped = 0
        self._missing = False
        self._seen_missing: bool | None = None
        self._problem = ""
        self.ready = False

    def compose(self) -> ComposeResult:
        """Lay out the pane."""
        yield LogView(widget_id="log-view")
        yield Static(id="log-state", markup=False)
        search = Input(placeholder="find in the log", id="log-search", compact=True)
        search.display = False
        yield search

    def on_mount(self) -> None:
        """Start to read."""
        self._watcher.start()

    def on_unmount(self) -> None:
        """End the thread."""
        self._watcher.stop()

    def set_reading(self, reading: bool) -> None:
        """Read the file, or do not read it while the log is not on the screen."""
        self._reading = reading
        if reading:
            self._watcher.wake(urgent=True)

    def _look(self) -> float | None:
        """Read what was appended, in the thread; gives the seconds until the next look."""
        if not self._reading:
            return None
        try:
            chunk = self._tail.read()
        except OSError as error:
            self.post_message(LogRead(LogChunk(), f"{error}"))
        else:
            if chunk.lines or chunk.restarted or chunk.missing != self._seen_missing:
                self.post_message(LogRead(chunk))
            self._seen_missing = chunk.missing
        return _INTERVAL

    @property
    def view(self) -> LogView:
        """The lines."""
        return self.query_one(LogView)

    def on_log_read(self, message: LogRead) -> None:
        """Show what was read."""
        chunk = message.chunk
        self._problem = message.problem
        self._missing = chunk.missing
        self.ready = True
        if chunk.restarted:
            self.view.start_again()
            self._skipped = chunk.skipped
        self.view.add_lines(chunk.lines)
        self.refresh_state()

    def refresh_state(self) -> None:
        """Say how the log is read."""
        view = self.view
        parts = [f"{count(view.line_count)} lines"]
        if self._skipped:
            parts.append(f"{size(self._skipped)} before them not read")
        if self._problem:
            parts = [f"cannot be read: {self._problem}"]
        elif self._missing:
            parts = ["no log yet: it begins when the run starts"]
        parts.append("following" if view.following else f"not following{in_brackets('run', 'follow_log')}")
        here, matches = view.found
        if matches:
            keys = f"{in_brackets('run', 'match_previous')}{in_brackets('run', 'match_next')}"
            parts.append(f"match {here} of {count(matches)}{keys}")
        self.query_one("#log-state", Static).update(" " + " · ".join(parts))

    def action_follow_log(self) -> None:
        """Stay at the end, or do not."""
        self.view.following = not self.view.following
        self.refresh_state()

    def action_search_log(self) -> None:
        """Ask what to find."""
        search = self.query_one("#log-search", Input)
        search.display = True
        search.focus()

    def close_search(self) -> bool:
        """Close the field; False where it was not open."""
        search = self.query_one("#log-search", Input)
        was_open = bool(search.display)
        search.display = False
        self.view.focus()
        return was_open

    @on(Input.Submitted, "#log-search")
    def _find(self, message: Input.Submitted) -> None:
        message.stop()
        found = self.view.search(message.value)
        if message.value and not found:
            self.notify("Nothing in the lines read holds that text.", severity="warning", markup=False)
        self.close_search()
        self.refresh_state()

    def action_step_match(self, by: int) -> None:
        """Go to another match."""
        self.view.step_match(by)
        self.refresh_state()

    def action_log_top(self) -> None:
        """Go to the first line."""
        self.view.following = False
        self.view.scroll_home(animate=False, immediate=True)
        self.refresh_state()

    def action_log_end(self) -> None:
        """Go to the last line and follow."""
        self.view.following = True
        self.view.scroll_end(animate=False, immediate=True)
        self.refresh_state()
