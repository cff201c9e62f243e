"""Screens that close none but themselves.

Textual's `dismiss` closes the screen on top, whichever that is: called for a screen below a dialog, or a second time
by a key that was pressed twice, it closes the wrong screen.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from textual.await_complete import AwaitComplete
from textual.screen import ModalScreen, Screen

T = TypeVar("T")


class Leaving(Screen[T], Generic[T]):
    """A screen that is dismissed only while it is on top."""

    _left = False

    def dismiss(self, result: T | None = None) -> AwaitComplete:
        """Leave the screen with a result; do nothing where another one is above it, or where it was left already."""
        return super().dismiss(result) if self.is_active else AwaitComplete()

    def leave(self) -> None:
        """Leave the screen without a result: now, or as soon as the screen above it was left."""
        self._left = True
        self.dismiss()

    def action_leave(self) -> None:
        """Leave the screen by key; a screen in which something can be lost asks first."""
        self.dismiss()

    def on_screen_resume(self) -> None:
        """The screen above was left."""
        if self._left:
            self.dismiss()


class Dialog(ModalScreen[T], Leaving[T], Generic[T]):
    """A question over a screen, which stays visible.

    The order of the two matters: Textual takes a class's styles from the first of those it is made of.
    """
