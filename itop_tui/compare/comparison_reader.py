"""Reads what a comparison shows: the runs and what the open tab needs, what charts mark, and the masks."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from textual.message_pump import MessagePump

from db.records import RunRecord
from db.session import Database
from engine.helpers.masks_client import MaskServer
from itop_tui.compare.reading import (
    ComparisonRead,
    ComparisonRequest,
    MasksRead,
    read,
    read_marks,
    read_masks,
    read_runs,
)
from itop_tui.figures.comparison import Entry
from itop_tui.figures.comparison_curves import ComparisonCurves
from itop_tui.figures.entry_charts import MarkedEntry, MarkedRun

Value = TypeVar("Value")


class LatestReading(Generic[Value]):
    """What was read last. Of several wishes during one reading, the newest is read next and the others never.

    It has a thread of its own, so that it waits for nothing else and nothing else for it. What was read is taken on the
    event loop of the screen, where `then` is called when something was read, or could not be.
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
            found: Value | Exception = read()
        except Exception as error:  # said where it is shown; the screen stays
            found = error
        self._screen.call_later(self._take, wish, found)

    def _take(self, wish: object, found: Value | Exception) -> None:
        """On the event loop: take what the thread has read, and begin with what is wanted by now."""
        self._busy, self._answered = False, wish
        if isinstance(found, Exception):
            self.problem = f"{found}".strip() or type(found).__name__
        else:
            self.value, self.problem = found, None
        self._begin()
        self._then()

    def close(self) -> None:
        """End the thread after what it reads now."""
        self._next = None
        self._thread.shutdown(wait=False, cancel_futures=True)


class ComparisonReader:
    """Three threads, one for each thing that is read: the runs, what is marked, the masks.

    When something was read, its one of `then` is called on the event loop of the screen.
    """

    def __init__(
        self,
        screen: MessagePump,
        database: Callable[[], Database],
        clock: Callable[[], float],
        then: tuple[Callable[[], None], Callable[[], None], Callable[[], None]],
    ) -> None:
        self._database, self._clock = database, clock
        self.runs: LatestReading[ComparisonRead] = LatestReading(screen, then[0])
        self.marks: LatestReading[dict[int, MarkedRun]] = LatestReading(screen, then[1])
        self.masks: LatestReading[MasksRead] = LatestReading(screen, then[2])
        self._server: MaskServer | None = None
        self._curves: ComparisonCurves | None = None
        """Used in the thread that reads the runs alone."""

    def ask(self, request: ComparisonRequest, *, unless_same: bool = False) -> None:
        """Read the runs and what the open tab needs.

        With `unless_same`, only the runs are read at first, and the rest where one of them has changed.
        """
        known = self.runs.value

        def found() -> ComparisonRead:
            database = self._database()
            same = unless_same and known is not None and known.request == request
            if same and known is not None and read_runs(database, request.ids) == known.runs:
                return known
            if self._curves is None or self._curves.database is not database:
                self._curves = ComparisonCurves(database)
            return read(database, request, self._clock(), self._curves, first=known is None)

        self.runs.ask(request, found, again=True)

    def marked(self, entry: Entry) -> MarkedEntry | None:
        """What charts mark of an entry, read once for each state of its runs; None until it is known."""
        self.marks.ask(entry.runs, lambda: read_marks(self._database(), entry.runs))
        known = self.marks.value or {}
        if any(run.id not in known for run in entry.runs):
            return None
        return MarkedEntry(entry.letter, {run.id: known[run.id] for run in entry.runs})

    def ask_masks(self, runs: tuple[RunRecord, ...], checkpoints: tuple[int | None, ...]) -> None:
        """Read the masks, once for each set of checkpoints; what was read before is known meanwhile."""
        if self._server is None:
            self._server = MaskServer()
        server, wish = self._server, (tuple(run.id for run in runs), checkpoints)
        self.masks.ask(wish, lambda: read_masks(self._database(), server, runs))

    def masks_of(self, runs: tuple[RunRecord, ...]) -> MasksRead | None:
        """The masks of these runs; None where those of others were read last."""
        masks = self.masks.value
        return masks if masks is not None and masks.runs == tuple(run.id for run in runs) else None

    def close(self) -> None:
        """End the threads, and the process that reads masks."""
        for reading in (self.runs, self.marks, self.masks):
            reading.close()
        if self._server is not None:  # a thread may wait for its answer: ending it is what ends the waiting
            threading.Thread(target=self._server.close, name="masks-close").start()
