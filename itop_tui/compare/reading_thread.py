"""Something that is read in a thread of its own when it is wanted, once for each wish."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

from textual.message import Message
from textual.message_pump import MessagePump

Value = TypeVar("Value")


class ReadingDone(Message, bubble=False):
    """A thread has read something; posted from it to the screen, which hands it to `LatestReading.take`."""

    def __init__(self, reading: LatestReading[Any], wish: object, found: object) -> None:
        super().__init__()
        self.reading, self.wish, self.found = reading, wish, found


class LatestReading(Generic[Value]):
    """What was read last. Of several wishes during one reading, the newest is read next and the others never.

    It has a thread of its own, so that it waits for nothing else and nothing else for it.

    Args:
        screen: Gets a `ReadingDone` for each reading.
        then: Called on the event loop when something was read, or could not be.
    """

    def __init__(self, screen: MessagePump, then: Callable[[], None]) -> None:
        self._screen, self._then = screen, then
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="itop-compare")
        self._wish: object = None
        self._answered: object = None
        self._next: tuple[object, Callable[[], Value]] | None = None
        self._busy = False
        self.value: Value | None = None
        self.problem: str | None = None
        """Why it could not be read; None where it could."""

    @property
    def is_settled(self) -> bool:
        """Whether the newest wish has been answered."""
        return not self._busy and self._wish == self._answered

    def ask(self, wish: object, read: Callable[[], Value], *, again: bool = False) -> None:
        """Have something read, unless the last wish was the same.

        Args:
            wish: What is wanted: equal where the answer would be the same.
            read: Reads it; called in the thread.
            again: Whether it is read even where the wish is the same.
        """
        if wish == self._wish and not again:
            return
        self._wish, self._next = wish, (wish, read)
        if not self._busy:
            self._begin()

    def _begin(self) -> None:
        if self._next is not None:
            (wish, read), self._next, self._busy = self._next, None, True
            # Textual finds the app in the context, and a message is posted to a screen of it.
            self._thread.submit(contextvars.copy_context().run, self._read, wish, read)

    def _read(self, wish: object, read: Callable[[], Value]) -> None:
        """In the thread: read, and say so."""
        try:
            found: object = read()
        except Exception as error:  # said where it is shown; the screen stays
            found = error
        self._screen.post_message(ReadingDone(self, wish, found))

    def take(self, done: ReadingDone) -> None:
        """On the event loop: take what the thread has read, and begin with what is wanted by now."""
        self._busy, self._answered = False, done.wish
        if isinstance(done.found, Exception):
            self.problem = f"{done.found}".strip() or type(done.found).__name__
        else:
            self.value, self.problem = done.found, None  # type: ignore[assignment]
        self._begin()
        self._then()

    def close(self) -> None:
        """End the thread after what it reads now."""
        self._next = None
        self._thread.shutdown(wait=False, cancel_futures=True)
