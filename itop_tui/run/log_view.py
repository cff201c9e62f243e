"""A log as it grows: follows its end, finds a text, and shows nothing but text.

Built on Textual's `Log`, which draws only the lines on the screen (69 ms for 10,000 lines where `RichLog`
took 1,659).  What comes in was cleaned by `clean_line`: no escape sequence of a log reaches the terminal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding
from textual.reactive import reactive
from textual.strip import Strip
from textual.widgets import Log

KEPT_LINES = 20_000
"""Lines kept on the screen; the file keeps all of them."""


class LogView(Log):
    """The lines of a log."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"log--match", "log--current"}
    DEFAULT_CSS = """
    LogView {
        & > .log--match { background: $accent 30%; }
        & > .log--current { background: $accent; color: $background; }
    }
    """

    BINDINGS: ClassVar = [
        # Instead of Textual's animated ones, which know nothing of following.
        Binding("home", "screen.log_top", show=False),
        Binding("end", "screen.log_end", show=False),
    ]

    following: reactive[bool] = reactive(True, init=False)
    """Whether the end stays on the screen as the log grows."""

    def __init__(self, widget_id: str | None = None) -> None:
        super().__init__(max_lines=KEPT_LINES, id=widget_id)
        self._needle = ""
        self._matches: list[int] = []
        self._current: int | None = None

    def add_lines(self, lines: Sequence[str]) -> None:
        """Append lines that `clean_line` made."""
        if not lines:
            return
        before = len(self._lines)
        # An empty line would be swallowed by Log.write_lines.
        self.write_lines([line or " " for line in lines], scroll_end=False)
        dropped = before + len(lines) - len(self._lines)
        if dropped:
            self._matches = [at - dropped for at in self._matches if at >= dropped]
            if self._current is not None:
                self._current = self._current - dropped if self._current >= dropped else None
        if self._needle:
            first = max(0, before - dropped)
            self._matches += [at for at in range(first, len(self._lines)) if self._holds(at)]
        if self.following:
            self.scroll_end(animate=False, immediate=True, x_axis=False)

    def start_again(self) -> None:
        """Forget all lines: the file was replaced."""
        self.clear()
        self._matches, self._current = [], None

    def watch_following(self, following: bool) -> None:
        """Go to the end at once when following starts."""
        if following:
            self.scroll_end(animate=False, immediate=True, x_axis=False)

    def on_resize(self) -> None:
        """Keep the end on the screen in another size too, or the match."""
        if self.following:
            self.scroll_end(animate=False, immediate=True, x_axis=False)
        elif self._current is not None:
            self._go(self._current)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Scrolling up stops following; coming back to the end starts it again."""
        super().watch_scroll_y(old_value, new_value)
        if new_value < old_value and new_value < self.max_scroll_y:
            self.following = False
        elif new_value >= self.max_scroll_y > 0:
            self.following = True

    # ------------------------------------------------------------------------------ search

    @property
    def found(self) -> tuple[int, int]:
        """Which match is shown (from 1, 0 for none) and how many there are."""
        here = self._matches.index(self._current) + 1 if self._current in self._matches else 0
        return here, len(self._matches)

    def search(self, needle: str) -> int:
        """Find all lines that hold `needle`, whatever their case; go to the last one. Returns how many."""
        self._needle = needle.casefold()
        self._matches = [at for at in range(len(self._lines)) if self._holds(at)] if needle else []
        self._current = None
        self._render_line_cache.clear()
        self.refresh()
        if self._matches:
            self._go(self._matches[-1])
        return len(self._matches)

    def step_match(self, by: int) -> None:
        """Go to the next match (or the one before, for -1), and from the last to the first."""
        if self._matches:
            here = self._matches.index(self._current) if self._current in self._matches else 0
            self._go(self._matches[(here + by) % len(self._matches)])

    def _holds(self, at: int) -> bool:
        return self._needle in self._lines[at].casefold()

    def _go(self, at: int) -> None:
        self._current = at
        self.following = False
        self.scroll_to(y=max(0, at - self.size.height // 2), animate=False, immediate=True)
        self.refresh()

    def _render_line_strip(self, y: int, rich_style: Style) -> Strip:
        strip = super()._render_line_strip(y, rich_style)
        if not self._needle or not self._holds(y):
            return strip
        name = "log--current" if y == self._current else "log--match"
        style = self.get_component_rich_style(name)
        marked = [Segment(text, (old or Style()) + style, control) for text, old, control in strip]
        return Strip(marked, strip.cell_length)
