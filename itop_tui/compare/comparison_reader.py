"""Reads what a comparison shows: the runs and what the open tab needs, what charts mark, and the masks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

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
from itop_tui.compare.reading_thread import LatestReading
from itop_tui.figures.entry_charts import MarkedRun


@dataclass(frozen=True, slots=True)
class Listeners:
    """What is called on the event loop when something was read: the runs, what is marked, the masks."""

    runs: Callable[[], None]
    marks: Callable[[], None]
    masks: Callable[[], None]


class ComparisonReader:
    """Three threads, one for each thing that is read; each answers with a message to the screen.

    Args:
        screen: Gets the messages.
        database: The open database.
        clock: The time, in unix seconds.
        listeners: What is called when something was read.
    """

    def __init__(
        self,
        screen: MessagePump,
        database: Callable[[], Database],
        clock: Callable[[], float],
        listeners: Listeners,
    ) -> None:
        self._database, self._clock = database, clock
        self.runs: LatestReading[ComparisonRead] = LatestReading(screen, listeners.runs)
        self.marks: LatestReading[dict[int, MarkedRun]] = LatestReading(screen, listeners.marks)
        self.masks: LatestReading[MasksRead] = LatestReading(screen, listeners.masks)
        self._server: MaskServer | None = None

    def ask(self, request: ComparisonRequest, *, unless_same: bool = False) -> None:
        """Read the runs and what the open tab needs.

        Args:
            request: What is visible.
            unless_same: Whether only the runs are read at first, and the rest where one of them has changed.
        """
        known = self.runs.value

        def found() -> ComparisonRead:
            database = self._database()
            same = unless_same and known is not None and known.request == request
            if same and known is not None and read_runs(database, request.ids) == known.runs:
                return known
            return read(database, request, self._clock(), first=known is None)

        self.runs.ask(request, found, again=True)

    def ask_marks(self, runs: tuple[RunRecord, ...]) -> None:
        """Read what charts mark of some runs, once for each state of them."""
        self.marks.ask(runs, lambda: read_marks(self._database(), runs))

    def ask_masks(self, runs: tuple[RunRecord, ...], checkpoints: tuple[int | None, ...]) -> None:
        """Read the masks, once for each set of checkpoints; what was read before is known meanwhile."""
        if self._server is None:
            self._server = MaskServer()
        server, wish = self._server, (tuple(run.id for run in runs), checkpoints)
        self.masks.ask(wish, lambda: read_masks(self._database(), server, runs))

    def masks_of(self, ids: tuple[int, ...]) -> MasksRead | None:
        """The masks of these runs; None where those of others were read last."""
        masks = self.masks.value
        return masks if masks is not None and masks.runs == ids else None

    def close(self) -> None:
        """End the threads, and the process that reads masks."""
        for reading in (self.runs, self.marks, self.masks):
            reading.close()
        if self._server is not None:  # a thread may wait for its answer: ending it is what ends the waiting
            threading.Thread(target=self._server.close, name="masks-close").start()
