"""From rows to records, and the look-ups every part of the store begins with."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.errors import IllegalState, RunNotFound, StoreError
from db.models import RUN_METRICS, AttemptRow, CheckpointRow, CommandRow, RunRow
from db.records import AttemptRecord, CheckpointRecord, CommandRecord, RunRecord
from db.runs.checkpoint_places import inner_path, located

__all__ = [
    "attempt_record",
    "checkpoint_record",
    "command_record",
    "get_attempt",
    "get_checkpoint",
    "get_run",
    "get_runs",
    "listed",
    "lock_attempt",
    "run_record",
]

_IN_A_QUERY = 10_000  # SQLite takes at most 32,766 parameters

_RUN_COLUMNS = (*(name for name in RunRecord.__dataclass_fields__), "nonfinite")
_ATTEMPT_COLUMNS = tuple(AttemptRecord.__dataclass_fields__)
_CHECKPOINT_COLUMNS = tuple(name for name in CheckpointRecord.__dataclass_fields__ if name not in ("path", "outside"))
_COMMAND_COLUMNS = tuple(CommandRecord.__dataclass_fields__)


def run_record(row: RunRow) -> RunRecord:
    """A run as it leaves the store. A dense one has no R_s: older versions recorded a 1 for it."""
    values = RUN_METRICS.decode({name: getattr(row, name) for name in _RUN_COLUMNS})
    return RunRecord(**values | {"itop_rate": None} if row.method == "dense" else values)


def attempt_record(row: AttemptRow) -> AttemptRecord:
    """An attempt as it leaves the store."""
    return AttemptRecord(**{name: getattr(row, name) for name in _ATTEMPT_COLUMNS})


def checkpoint_record(row: CheckpointRow, uid: str) -> CheckpointRecord:
    """A checkpoint of the run with this uid, as it leaves the store."""
    return CheckpointRecord(
        **{name: getattr(row, name) for name in _CHECKPOINT_COLUMNS},
        path=str(located(uid, row.path)),
        outside=inner_path(row.path) is None,
    )


def command_record(row: CommandRow) -> CommandRecord:
    """A command as it leaves the store."""
    return CommandRecord(**{name: getattr(row, name) for name in _COMMAND_COLUMNS})


def get_run(session: Session, run_id: int, *, lock: bool = False) -> RunRow:
    """The run with this id; with `lock`, no other transaction can change it before this one ends.

    Raises:
        RunNotFound: There is none.
    """
    row = session.get(RunRow, run_id, with_for_update=lock or None)
    if row is None:
        raise RunNotFound(f"There is no run {run_id}.")
    return row


def get_runs(session: Session, run_ids: Iterable[int], *, lock: bool = False) -> dict[int, RunRow]:
    """The runs with these ids that are there, by id; with `lock`, no other transaction can change them meanwhile.

    They are locked by ascending id, as in every transaction over many runs, so that no two wait for each other.
    """
    wanted = sorted(set(run_ids))
    found: dict[int, RunRow] = {}
    for start in range(0, len(wanted), _IN_A_QUERY):
        chosen = sa.select(RunRow).where(RunRow.id.in_(wanted[start : start + _IN_A_QUERY])).order_by(RunRow.id)
        found.update((row.id, row) for row in session.scalars(chosen.with_for_update() if lock else chosen))
    return found


def get_attempt(session: Session, attempt_id: int) -> AttemptRow:
    """The attempt with this id.

    Raises:
        IllegalState: There is none; its run was deleted.
    """
    row = session.get(AttemptRow, attempt_id)
    if row is None:
        raise IllegalState(f"There is no attempt {attempt_id}: its run was deleted.")
    return row


def get_checkpoint(session: Session, checkpoint_id: int, *, lock: bool = False) -> CheckpointRow:
    """The checkpoint with this id; with `lock`, no other transaction can change it before this one ends.

    Raises:
        StoreError: There is none.
    """
    row = session.get(CheckpointRow, checkpoint_id, with_for_update=lock or None)
    if row is None:
        raise StoreError(f"There is no checkpoint {checkpoint_id}.")
    return row


def listed(rows: Iterable[RunRow]) -> str:
    """Runs by id and name, for a message."""
    return ", ".join(f"run {row.id} ({row.name})" for row in rows)


def lock_attempt(session: Session, attempt_id: int) -> tuple[AttemptRow, RunRow]:
    """The attempt with this id and its run, as no other transaction can change them before this one ends.

    The run's row is the lock of both. The attempt is read after it: it may have ended while this waited.

    Raises:
        IllegalState: There is none; its run was deleted.
    """
    owner = sa.select(RunRow).join(AttemptRow, AttemptRow.run_id == RunRow.id).where(AttemptRow.id == attempt_id)
    run = session.scalars(owner.with_for_update(of=RunRow)).first()
    if run is None:
        raise IllegalState(f"There is no attempt {attempt_id}: its run was deleted.")
    return get_attempt(session, attempt_id), run
