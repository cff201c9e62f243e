"""Screens that take away none but themselves.

Textual's `dismiss` takes away the screen on top, whichever that is: called for a screen below a dialog, or a second
time by a key that was pressed twice, it closes what it was not asked to close.
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
        """Leave the screen with a result; nothing where another one lies over it, or where it was left already."""
        return super().dismiss(result) if self.is_active else AwaitComplete()

    def leave(self) -> None:
        """Leave the screen without a result: now, or as soon as what lies over it was left."""
        self._left = True
        self.dismiss()

    def action_leave(self) -> None:
        """Leave the screen by key; a screen in which something can be lost asks first."""
        self.dismiss()

    def on_screen_resume(self) -> None:
        """What lay over the screen was left."""
        if self._left:
            self.dismiss()


class Dialog(ModalScreen[T], Leaving[T], Generic[T]):
    """A question over a screen, which stays in sight.

    The order of the two matters: Textual takes a class's styles from the first of those it is made of.
    """
