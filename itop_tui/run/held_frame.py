"""A screen that is not drawn while what belongs on it is still read."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from textual.screen import Screen

PATIENCE = 0.15
"""Seconds for which a screen that is being opened is not drawn."""


class HeldFrame:
    """Holds back the frames of a screen that is being opened: to draw it half empty takes longer than to read the rest.

    Args:
        screen: The screen.
    """

    def __init__(self, screen: Screen[Any]) -> None:
        self._screen = screen
        self._held: ExitStack | None = None

    @property
    def holds(self) -> bool:
        """Whether frames are held back now."""
        return self._held is not None

    def hold(self) -> None:
        """Draw nothing from now on, for `PATIENCE` seconds at most."""
        self._held = ExitStack()
        self._held.enter_context(self._screen.app.batch_update())
        self._screen.set_timer(PATIENCE, self.release)

    def release(self) -> None:
        """Draw the screen from now on, or the one that it is left for."""
        if self._held is not None:
            self._held.close()
            self._held = None
            for screen in self._screen.app.screen_stack[-1:]:
                screen.refresh(layout=True)
