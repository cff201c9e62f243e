"""What the database knows of the queue: what runs, what is queued and why, and how many runs each device takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from textual.message import Message

from db.records import RunRecord
from itop_tui.service.watcher import Watcher

if TYPE_CHECKING:
    from db.session import Database


LISTED = 500
"""So many of the queued runs are listed, the first ones."""
_FIRST = range(100)
"""The places in the queue whose runs are read before it is known which of them are visible."""
_EVERY = 2.0
"""Seconds between two looks for the scheduler: whether one runs is no change of the database."""
_LONGEST_REST = 0.5
"""A long queue is not read all the time, and what is shown stays less than a second old."""


@dataclass(frozen=True, slots=True)
class QueueState:
    """The queue at one moment.

    Attributes:
        host: This host's name; empty before the queue was read.
        active: The runs that have a device, of every host, by id.
        waiting: Those of the listed runs that are visible or nearly so, in the order in which they start.
        reasons: Why each of them waits, by its id.
        order: The ids of the listed runs, the first of the `queued` ones, `held` ones among them; None: `waiting` is
            all of them.
        slots: Runs at a time by device; 1 where it names none.
        scheduler: Whether a scheduler of this host serves the database.
        here: The active runs of this machine, which may have had another name when they started; None: by the name.
    """

    host: str = ""
    active: tuple[RunRecord, ...] = ()
    waiting: tuple[RunRecord, ...] = ()
    queued: int = 0
    held: int = 0
    reasons: Mapping[int, str] = field(default_factory=dict)
    order: tuple[int, ...] | None = None
    slots: Mapping[str, int] = field(default_factory=dict)
    scheduler: bool = False
    here: frozenset[int] | None = None

    @property
    def listed(self) -> tuple[int, ...]:
        """The ids of the queued runs that are listed, in the order in which they start."""
        return tuple(run.id for run in self.waiting) if self.order is None else self.order

    def slots_of(self, device: str) -> int:
        """How many runs at a time the device takes."""
        return self.slots.get(device, 1)

    def taken(self, device: str) -> int:
        """How many runs of this host hold the device now."""
        return sum(device in devices_of(run) for run in self.active if self.is_here(run))

    def is_here(self, run: RunRecord) -> bool:
        """Whether a run holds a device of this machine."""
        return run.host == self.host if self.here is None else run.id in self.here


def devices_of(run: RunRecord) -> tuple[str, ...]:
    """The devices a run holds."""
    return tuple(name for name in (run.device or "").split(",") if name)


def scheduler_runs(db: Database) -> bool:
    """Whether a scheduler of this host serves the database. For a thread."""
    from engine.launch import submit

    return submit.scheduler_running(db)


def read(db: Database, near: range = _FIRST) -> QueueState:
    """Read the queue; a few queries, and few rows, whatever its length. For a thread.

    Args:
        db: The database.
        near: The places in the queue, from 0, whose runs are read: the others are listed by their ids.
    """
    from db import key_values
    from db.records import RunStatus
    from db.runs import queue, runs
    from engine.launch import submit
    from engine.launch.machine import this_host
    from engine.launch.placement import Limits

    host = this_host()
    order = tuple(queue.waiting_ids(db, LISTED))
    visible = runs.get_many(db, order[near.start : near.stop])
    waiting = tuple(run for run in visible if run.status is RunStatus.QUEUED)  # one may have started meanwhile
    queued, held = runs.how_many_wait(db)
    return QueueState(
        host=host.name,
        active=tuple(runs.active(db)),
        waiting=waiting,
        queued=queued,
        held=held,
        reasons=submit.why_waiting(db, waiting),
        order=order,
        slots=Limits.of(key_values.get(db, "slots"), None).slots,
        scheduler=submit.scheduler_running(db),
        here=frozenset(run.id for run in runs.active(db, host)),
    )


@dataclass
class QueueRead(Message, bubble=False):
    """The queue was read."""

    state: QueueState


class QueueReader:
    """Reads the queue where something has changed since; `post` gets each `QueueRead`, in the watcher's thread."""

    def __init__(self, post: Callable[[Message], object]) -> None:
        self._post = post
        self._database: Database | None = None
        self._changes = 0
        self._near = _FIRST
        self._seen: object = None
        self.watcher = Watcher(self.look, name="itop-queue", every=_EVERY, longest_rest=_LONGEST_REST)

    def read_soon(self, database: Database) -> None:
        """Look again: something was committed to this database."""
        self._database = database
        self._changes += 1
        self.watcher.wake()

    def read_near(self, near: range) -> None:
        """Read the runs at these places of the queue from now on, at once: they are visible, or nearly so."""
        self._near = near
        self.watcher.wake(urgent=True)

    def look(self) -> None:
        """Read once, where there is something new. What the thread does."""
        database = self._database
        if database is None:
            return
        try:
            near = self._near
            seen = (self._changes, near, scheduler_runs(database))
            if seen != self._seen:
                self._post(QueueRead(read(database, near)))
                self._seen = seen
        except Exception:  # the poller reports a database that cannot be read; it is read again at the next look
            self._seen = None
