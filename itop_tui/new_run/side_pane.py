"""What stands beside the fields of the form, and scrolls: the explanation of a field, and the plan."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding
from textual.containers import VerticalScroll


class SidePane(VerticalScroll, can_focus=False, inherit_bindings=False):
    """Scrolls with the mouse, and with the keys while it has them; otherwise they are the fields'."""

    BINDINGS: ClassVar = [
        Binding("down", "scroll_down", show=False),
        Binding("up", "scroll_up", show=False),
        Binding("home", "scroll_home", show=False),
        Binding("end", "scroll_end", show=False),
    ]

    def take_keys(self) -> None:
        """Scroll by keys from now on."""
        self.can_focus = True
        self.focus()

    def leave_keys(self) -> None:
        """Leave the keys to the fields again."""
        self.can_focus = False

    def turn_page(self, step: int) -> None:
        """Scroll a page down (1) or up (-1)."""
        if step > 0:
            self.scroll_page_down(animate=False)
        else:
            self.scroll_page_up(animate=False)

    def on_key(self, event: events.Key) -> None:
        """Let no letter reach the app, where it could mean to quit; help and search are found by a sign."""
        if event.is_printable and event.character not in ("?", "/"):
            event.stop()
