"""Recording a run while it trains: a thread that commits what happened within a tenth of a second.

The training loop only appends to a queue in memory; everything else (turning records into rows, SQL, waiting for a
busy or vanished database) is done by the thread, in batches, in the order of the calls. The run's latest and best
figures and its heartbeat go into the same transactions as the rows they come from, so a reader never sees one without
the other.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.errors import DatabaseUnavailable, IllegalState, StoreError
from db.history.levels import seal
from db.models import (
    EPOCH_FIGURES,
    LAYER_FIGURES,
    RUN_FIGURES,
    STEP_FIGURES,
    UPDATE_FIGURES,
    AttemptRow,
    Base,
    EpochMetricRow,
    LayerMaskStatRow,
    MaskUpdateRow,
    RunRow,
    StepMetricRow,
    table_of,
)
from db.records import EpochMetric, LayerMaskStat, MaskUpdate, Recorded, StepMetric
from db.rows import get_run
from db.session import Database

__all__ = ["PROGRESS", "MetricWriter"]

# The columns of a run that `MetricWriter.progress` sets.
PROGRESS = frozenset({"step", "total_steps", "epoch", "total_epochs", "nonzeros", *RUN_FIGURES.names})

_GATHER_SECONDS = 0.04  # how long a batch is gathered; with the commit itself well under a tenth of a second
_HEARTBEAT_SECONDS = 5.0
_FIRST_RETRY_SECONDS = 0.05
_LAST_RETRY_SECONDS = 2.0
_CAPACITY = 1_000_000  # events waiting in memory before recording holds up training: minutes of a vanished database
_BATCH = 5_000


class MetricWriter:
    """Records one attempt of a run; any thread may call it. `close` it, or use it in a `with` statement.

    While the database is locked, full or away the writer tries again, and keeps everything in order. It gives up after
    `patience` seconds, at once where the run was deleted or started again elsewhere; the next call then raises.

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
        with db.read() as session:
            _check_latest(session, run_id, attempt_id)
            self._last = {
                "Step": _last(session, StepMetricRow.step, run_id),
                "Epoch": _last(session, EpochMetricRow.epoch, run_id),
                "Mask update": _last(session, MaskUpdateRow.update, run_id),
            }
        self._events: deque[_Event] = deque()
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
            StoreError: The writer gave up.
        """
        self._put_next("Step", metric.step, metric)

    def epoch(self, metric: EpochMetric) -> None:
        """Record an epoch; raises like `step`."""
        self._put_next("Epoch", metric.epoch, metric)

    def mask_update(self, update: MaskUpdate, layers: Sequence[LayerMaskStat]) -> None:
        """Record a mask update with all its layers; raises like `step`."""
        self._put_next("Mask update", update.update, (update, tuple(layers)))

    def progress(self, **columns: Any) -> None:
        """Set latest figures of the run: names of `PROGRESS`.

        Raises:
            IllegalState: The writer is closed.
            StoreError: There is no such figure, or the writer gave up.
        """
        unknown = sorted(columns.keys() - PROGRESS)
        if unknown:
            raise StoreError(f"A run has no figure {unknown[0]!r}. Allowed: {', '.join(sorted(PROGRESS))}.")
        self._make_room()
        with self._lock:
            self._put(columns)

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

    def _put_next(self, what: str, number: int, event: _Event) -> None:
        """Append an event of which there is one for each number, ascending."""
        self._make_room()
        with self._lock:
            if number <= self._last[what]:
                raise IllegalState(
                    f"{what} {number} of run {self._run_id} is not after the last one recorded, {self._last[what]}."
                )
            self._put(event)
            self._last[what] = number

    def _put(self, event: _Event) -> None:
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

        batch: list[_Event] = []
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

    def _commit_patiently(self, batch: list[_Event]) -> None:
        gives_up_at = time.monotonic() + self._patience
        pause = _FIRST_RETRY_SECONDS
        while True:
            try:
                self._commit(batch)
            except DatabaseUnavailable:
                # Locked, full, unreachable or moved away: all of it may pass. A row that breaks a rule never will.
                if time.monotonic() >= gives_up_at:
                    raise
                self._in_doubt = True
                time.sleep(pause)
                pause = min(2 * pause, _LAST_RETRY_SECONDS)
            else:
                self._in_doubt = False
                return

    def _commit(self, batch: Sequence[_Event]) -> None:
        rows = _Rows(self._run_id)
        for event in batch:
            rows.add(event)
        with self._db.write() as session:
            # Nobody starts the next attempt, which cuts the history back, between this look and the rows.
            session.execute(sa.select(RunRow.id).where(RunRow.id == self._run_id).with_for_update())
            _check_latest(session, self._run_id, self._attempt_id)
            if not (self._in_doubt and rows.are_there(session)):
                rows.write(session)


_Event = StepMetric | EpochMetric | tuple[MaskUpdate, tuple[LayerMaskStat, ...]] | dict[str, Any]


def _names(table: type[Base], record: type[Recorded]) -> tuple[tuple[str, str], ...]:
    """The record's fields, each with the column that takes it."""
    columns = sa.inspect(table).columns
    return tuple((field.name, columns[field.name].key) for field in fields(record))


_STEP_NAMES = _names(StepMetricRow, StepMetric)
_EPOCH_NAMES = _names(EpochMetricRow, EpochMetric)
_UPDATE_NAMES = _names(MaskUpdateRow, MaskUpdate)
_LAYER_NAMES = _names(LayerMaskStatRow, LayerMaskStat)


class _Rows:
    """The rows of a batch, and what it leaves on the run."""

    def __init__(self, run_id: int) -> None:
        self._run_id = run_id
        self._steps: list[dict[str, Any]] = []
        self._epochs: list[dict[str, Any]] = []
        self._updates: list[dict[str, Any]] = []
        self._layers: list[dict[str, Any]] = []
        self._latest: dict[str, Any] = {}
        self._best: float | None = None

    def add(self, event: _Event) -> None:
        if isinstance(event, StepMetric):
            row = self._row(event, _STEP_NAMES)
            self._latest |= {name: row[name] for name in ("step", "epoch", *STEP_FIGURES.names)}
            self._steps.append(STEP_FIGURES.encode(row))
        elif isinstance(event, EpochMetric):
            row = self._row(event, _EPOCH_NAMES)
            self._latest |= {name: row[name] for name in ("epoch", "val_loss", "val_accuracy")}
            accuracy = event.val_accuracy
            if accuracy is not None and math.isfinite(accuracy):
                self._best = accuracy if self._best is None else max(self._best, accuracy)
            self._epochs.append(EPOCH_FIGURES.encode(row))
        elif isinstance(event, dict):
            self._latest |= event
        else:
            update, layers = event
            row = self._row(update, _UPDATE_NAMES)
            self._latest |= {name: row[name] for name in ("nonzeros", "density", "itop_rate")}
            self._updates.append(UPDATE_FIGURES.encode(row))
            for layer in layers:
                row = self._row(layer, _LAYER_NAMES) | {"number": update.update, "shape": list(layer.shape)}
                self._layers.append(LAYER_FIGURES.encode(row))

    def are_there(self, session: Session) -> bool:
        """Whether an earlier try has committed them after all: all of them, then, or none."""
        for column, rows in (
            (StepMetricRow.step, self._steps),
            (EpochMetricRow.epoch, self._epochs),
            (MaskUpdateRow.update, self._updates),
        ):
            if rows:
                return bool(_last(session, column, self._run_id) >= rows[-1][column.name])
        return False

    def write(self, session: Session) -> None:
        connection = session.connection()
        for table, rows in (
            (StepMetricRow, self._steps),
            (EpochMetricRow, self._epochs),
            (MaskUpdateRow, self._updates),
            (LayerMaskStatRow, self._layers),
        ):
            if rows:
                # By Core: the same through the ORM takes more than twice as long.
                connection.execute(sa.insert(table_of(table)), rows)
        if self._steps:
            seal(session, self._run_id, self._steps[0]["step"], self._steps[-1]["step"])
        changes = RUN_FIGURES.changes(self._latest, sa.type_coerce(RunRow.nonfinite, sa.Integer))
        if self._best is not None and "best_val_accuracy" not in self._latest:
            best = RunRow.best_val_accuracy
            changes["best_val_accuracy"] = sa.case((best >= self._best, best), else_=self._best)
        session.execute(
            sa.update(RunRow)
            .where(RunRow.id == self._run_id)
            .values(heartbeat_at=time.time(), **changes)
            .execution_options(synchronize_session=False)
        )

    def _row(self, record: Any, names: tuple[tuple[str, str], ...]) -> dict[str, Any]:
        row = {column: getattr(record, field) for field, column in names}
        row["run_id"] = self._run_id
        return row


def _last(session: Session, column: Any, run_id: int) -> int:
    last = session.scalar(sa.select(sa.func.max(column)).where(column.class_.run_id == run_id))
    return -1 if last is None else int(last)


def _check_latest(session: Session, run_id: int, attempt_id: int) -> None:
    """A worker that was given up for dead must not write into the attempt that replaced its own."""
    latest = session.scalar(sa.select(sa.func.max(AttemptRow.id)).where(AttemptRow.run_id == run_id))
    if latest != attempt_id:
        get_run(session, run_id)
        raise IllegalState(f"Attempt {attempt_id} is not the latest of run {run_id} (that is {latest}).")
