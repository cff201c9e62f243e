"""Reads the queue in a thread of its own, whenever the database or the scheduler has changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from textual.message import Message

from itop_tui.queue import queue_state
from itop_tui.queue.queue_state import QueueState
from itop_tui.service.watcher import Watcher

if TYPE_CHECKING:
    from db.session import Database

_EVERY = 2.0
"""Seconds between two looks for the scheduler: whether one runs is no change of the database."""
_LONGEST_REST = 0.5
"""A long queue is not read all the time, and what is shown stays less than a second old."""


class QueueRead(Message, bubble=False):
    """The queue was read."""

    def __init__(self, state: QueueState) -> None:
        self.state = state
        super().__init__()


class QueueReader:
    """Reads the queue where something has changed since it was read last.

    Args:
        post: Gets each `QueueRead`, in the watcher's thread.
    """

    def __init__(self, post: Callable[[Message], object]) -> None:
        self._post = post
        self._database: Database | None = None
        self._changes = 0
        self._seen: object = None
        self.watcher = Watcher(self.look, name="itop-queue", every=_EVERY, longest_rest=_LONGEST_REST)

    def read_soon(self, database: Database) -> None:
        """Look again: something was committed to this database."""
        self._database = database
        self._changes += 1
        self.watcher.wake()

    def look(self) -> None:
        """Read once, where there is something new. What the thread does."""
        database = self._database
        if database is None:
            return
        try:
            seen = (self._changes, queue_state.scheduler_runs(database))
            if seen != self._seen:
                self._post(QueueRead(queue_state.read(database)))
                self._seen = seen
        except Exception:  # the poller reports a database that cannot be read; it is read again at the next look
            self._seen = None
