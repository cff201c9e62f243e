"""Recording a run while it trains: a thread that commits what happened within a tenth of a second.

The training loop only appends to a queue in memory; everything else (turning records into rows, SQL, waiting for a
busy or vanished database) is done by the thread, in batches, in the order of the calls. The run's latest and best
metrics and its heartbeat go into the same transactions as the rows they come from, so a reader never sees one without
the other.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import Any, Self

import sqlalchemy as sa

from db.errors import DatabaseUnavailable, IllegalState, StoreError
from db.fence import check_open
from db.history.batch import PROGRESS, Batch, Event, last_recorded
from db.history.declared import check_further
from db.history.recent_speed import RecentSpeed
from db.models import EpochMetricRow, MaskUpdateRow, RunRow, StepMetricRow
from db.records import Alarm, EpochMetric, LayerMaskStat, MaskUpdate, StepMetric
from db.retrying import lengthening, tries
from db.session import Database

__all__ = ["PROGRESS", "MetricWriter"]

_GATHER_SECONDS = 0.04  # how long a batch is gathered; with the commit itself well under a tenth of a second
_HEARTBEAT_SECONDS = 5.0
_FIRST_RETRY_SECONDS = 0.05
_LAST_RETRY_SECONDS = 2.0
_CAPACITY = 1_000_000  # events waiting in memory before recording holds up training: minutes of a vanished database
_BATCH = 5_000


class MetricWriter:
    """Records one attempt of a run; any thread may call it. `close` it, or use it in a `with` statement.

    While the database is locked, full or unavailable the writer tries again, and keeps everything in order. It gives
    up after `patience` seconds, at once where the run was deleted or started elsewhere; the next call then raises.

    Args:
        db: The database.
        run_id: The run.
        attempt_id: The attempt, which must be the run's latest.
        patience: For how long an unavailable database is tried again.
        capacity: How many events may wait before the calls begin to wait too.

    Raises:
        IllegalState: The attempt is not the latest of that run.
    """

    def __init__(
        self,
        db: Database,
        run_id: int,
        attempt_id: int,
        *,
        patience: float = 3600.0,
        capacity: int = _CAPACITY,
    ) -> None:
        self._db = db
        self._run_id = run_id
        self._attempt_id = attempt_id
        self._patience = patience
        self._capacity = capacity
        self._speed = RecentSpeed()
        with db.read() as session:
            check_open(session, run_id, attempt_id)
            # The latest values of metrics without a column; while this attempt lasts, only its writer changes them.
            self._metrics = dict(session.scalar(sa.select(RunRow.metrics).where(RunRow.id == run_id)) or {})
            self._last = {
                "Step": last_recorded(session, StepMetricRow.step, run_id),
                "Epoch": last_recorded(session, EpochMetricRow.epoch, run_id),
                "Mask update": last_recorded(session, MaskUpdateRow.update, run_id),
            }
        self._events: deque[Event] = deque()
        self._lock = threading.Lock()  # held for the few instructions of an append, never for a commit
        self._submitted = 0
        self._committed = 0
        self._in_doubt = False  # whether a server may have committed the batch and been cut off before it said so
        self._closed = False
        self._error: BaseException | None = None
        self._wake = threading.Event()
        self._urgent = threading.Event()
        self._progress = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"itop recorder of run {run_id}", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pending(self) -> int:
        """How many events are not committed yet."""
        return self._submitted - self._committed

    def step(self, metric: StepMetric) -> None:
        """Record a step.

        Raises:
            IllegalState: It is not after the last one recorded, or the writer is closed.
            StoreError: It has a metric that is not declared, or the writer gave up.
        """
        for name in metric.metrics:
            check_further(name)
        self._put_next("Step", metric.step, metric)

    def epoch(self, metric: EpochMetric) -> None:
        """Record an epoch; raises like `step`."""
        self._put_next("Epoch", metric.epoch, metric)

    def mask_update(self, update: MaskUpdate, layers: Sequence[LayerMaskStat]) -> None:
        """Record a mask update with all its layers; raises like `step`."""
        self._put_next("Mask update", update.update, (update, tuple(layers)))

    def alarm(self, alarm: Alarm) -> None:
        """Record an alarm, unless the run has raised one of this kind and layer before; raises like `progress`."""
        self._make_room()
        with self._lock:
            self._put(alarm)

    def progress(self, **latest: Any) -> None:
        """Set latest metrics of the run: names of `PROGRESS`, and declared metrics that have no column.

        `energy_wh` is what this attempt used so far, in watt-hours; the run gets the sum over its attempts.

        Raises:
            IllegalState: The writer is closed.
            StoreError: There is no such metric, or the writer gave up.
        """
        for name in sorted(latest.keys() - PROGRESS):
            check_further(name)
        self._make_room()
        with self._lock:
            self._put(latest)

    def flush(self) -> None:
        """Wait until everything recorded so far is committed.

        Raises:
            StoreError: The writer gave up; what was not committed is lost.
        """
        target = self._submitted
        self._urgent.set()
        self._wake.set()
        with self._progress:
            self._progress.wait_for(lambda: self._committed >= target or self._error is not None)
        if self._committed < target:
            self._raise()

    def close(self) -> None:
        """Flush, and end the thread; calling it again does nothing.

        Raises:
            StoreError: The writer gave up before everything was committed.
        """
        with self._lock:
            self._closed = True
        self._urgent.set()
        self._wake.set()
        self._thread.join()
        if self.pending:
            self._raise()

    def _make_room(self) -> None:
        if len(self._events) >= self._capacity:
            with self._progress:
                self._progress.wait_for(lambda: len(self._events) < self._capacity or self._error is not None)

    def _put_next(self, what: str, number: int, event: Event) -> None:
        """Append an event of which there is one for each number, ascending."""
        self._make_room()
        with self._lock:
            if number <= self._last[what]:
                raise IllegalState(
                    f"{what} {number} of run {self._run_id} is not after the last one recorded, {self._last[what]}."
                )
            self._put(event)
            self._last[what] = number

    def _put(self, event: Event) -> None:
        """Append an event; the caller holds the lock."""
        if self._closed:
            raise IllegalState(f"The recorder of run {self._run_id} is closed.")
        if self._error is not None:
            self._raise()
        self._submitted += 1
        self._events.append(event)
        if not self._wake.is_set():
            self._wake.set()

    def _raise(self) -> None:
        raise StoreError(
            f"Run {self._run_id} cannot be recorded any more; {self.pending} events are lost: {self._error}"
        ) from self._error

    def _run(self) -> None:
        # `seal` needs it, and must not import it with the write lock held.
        import numpy  # noqa: F401

        batch: list[Event] = []
        try:
            while True:
                self._wake.wait(_HEARTBEAT_SECONDS)
                if self._wake.is_set() and not self._urgent.is_set():
                    self._urgent.wait(_GATHER_SECONDS)
                # Cleared before the queue is emptied: what comes in meanwhile sets them again.
                self._wake.clear()
                self._urgent.clear()
                while True:
                    while self._events and len(batch) < _BATCH:
                        batch.append(self._events.popleft())
                    self._commit_patiently(batch)
                    with self._progress:
                        self._committed += len(batch)
                        self._progress.notify_all()
                    batch.clear()
                    if not self._events:
                        break
                if self._closed and not self._events:
                    return
        except BaseException as error:
            with self._progress:
                self._error = error
                self._progress.notify_all()

    def _commit_patiently(self, batch: list[Event]) -> None:
        for last in tries(self._patience, lengthening(_FIRST_RETRY_SECONDS, _LAST_RETRY_SECONDS)):
            try:
                self._commit(batch)
            except DatabaseUnavailable:
                # Locked, full, unreachable or moved: all of it may pass. A row that breaks a rule never will.
                if last:
                    raise
                self._in_doubt = True
            else:
                self._in_doubt = False
                return

    def _commit(self, batch: Sequence[Event]) -> None:
        rows = Batch(self._run_id, self._attempt_id, self._metrics, self._speed)
        for event in batch:
            rows.add(event)
        with self._db.write() as session:
            # So that the next attempt, which cuts the history back, cannot start between this check and the rows.
            session.execute(sa.select(RunRow.id).where(RunRow.id == self._run_id).with_for_update())
            check_open(session, self._run_id, self._attempt_id)
            if not (self._in_doubt and rows.are_there(session)):
                rows.write(self._db, session)
        self._metrics, self._speed = rows.metrics, rows.speed
