"""Something that is read in a thread when it is wanted, once for each wish."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from textual.screen import Screen

Value = TypeVar("Value")


class Asked(Generic[Value]):
    """What was read for the newest wish, or still for the one before.

    Args:
        screen: Whose thread workers read.
        then: Called on the event loop when something was read, or could not be.
    """

    def __init__(self, screen: Screen[None], then: Callable[[], None]) -> None:
        self._screen, self._then = screen, then
        self._wish: object = None
        self._known: object = None
        self.value: Value | None = None
        self.problem: str | None = None
        """Why it could not be read."""

    @property
    def is_settled(self) -> bool:
        """Whether the newest wish has been answered."""
        return self._wish == self._known

    def ask(self, wish: object, read: Callable[[], Value]) -> None:
        """Have something read, unless the last wish was the same.

        Args:
            wish: What is wanted: equal where the answer would be the same.
            read: Reads it; called in a thread.
        """
        if wish == self._wish:
            return
        self._wish = wish

        def work() -> None:
            try:
                found: Value | Exception = read()
            except Exception as error:  # told where it is shown; the screen goes on
                found = error
            self._screen.app.call_from_thread(self._was_read, wish, found)

        self._screen.run_worker(work, thread=True, exit_on_error=False)

    def _was_read(self, wish: object, found: Value | Exception) -> None:
        if wish != self._wish or not self._screen.is_mounted:
            return  # somebody has wanted something else since
        self._known = wish
        if isinstance(found, Exception):
            self.problem = f"{found}".strip() or type(found).__name__
        else:
            self.value, self.problem = found, None
        self._then()
