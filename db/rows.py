"""From rows to records, and the look-ups every part of the store begins with.

A row may hold anything (see `db.columns`). A cell that its column cannot hold becomes a harmless value of the right
type (None where that is allowed), and its name is in the record's `damaged`: so one bad cell is seen, and breaks
nothing but its own row.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, get_args, get_type_hints

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db import columns
from db.errors import IllegalState, RunNotFound, StoreError
from db.models import RUN_METRICS, AttemptRow, CheckpointRow, CommandRow, RunRow
from db.records import (
    AttemptRecord,
    CheckpointKind,
    CheckpointRecord,
    CommandKind,
    CommandRecord,
    RunRecord,
    RunStatus,
)
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

# What a field is read as where its cell is damaged and it cannot be None, by the type of the field.
_HARMLESS: dict[Any, Any] = {int: 0, float: math.nan, str: "", bool: False, RunStatus: RunStatus.LOST, tuple: ()}
_KINDS = get_args(CheckpointKind)
_COMMANDS = get_args(CommandKind)
_MARKS = frozenset(columns.Damaged.__subclasses__())


class _Fields:
    """The fields of a record, and what they are read as where their cells are damaged."""

    def __init__(self, record: type, *others: str, without: str = "damaged") -> None:
        left_out = {"damaged", without}
        hints = {name: hint for name, hint in get_type_hints(record).items() if name not in left_out}
        self.names = (*hints, *others)
        self._harmless = {name: self._of(hint) for name, hint in hints.items()} | dict.fromkeys(others, 0)
        self._required = frozenset(name for name, value in self._harmless.items() if value is not None)

    @staticmethod
    def _of(hint: Any) -> Any:
        if type(None) in get_args(hint):
            return None
        kind = getattr(hint, "__origin__", hint)
        return _HARMLESS[kind] if kind in _HARMLESS else "" if get_args(hint) in (_KINDS, _COMMANDS) else {}

    def read(self, row: Any) -> dict[str, Any]:
        """The values of a row, by the names of the fields, and `damaged`, the names of those that are not as stored."""
        values = {name: getattr(row, name) for name in self.names}
        damaged = tuple(name for name, value in values.items() if type(value) in _MARKS)
        damaged += tuple(name for name in self._required if values[name] is None)
        if values.get("status") is columns.UNKNOWN_STATUS:
            damaged += ("status",)
        for name in damaged:
            # Of text, what there is of it says more than nothing.
            text = isinstance(values[name], columns.DamagedText) and name != "uid"
            values[name] = str(values[name]) if text else self._harmless[name]
        values["damaged"] = tuple(sorted(damaged))
        return values


_RUN = _Fields(RunRecord, "nonfinite")
_ATTEMPT = _Fields(AttemptRecord)
_CHECKPOINT = _Fields(CheckpointRecord, without="outside")
_COMMAND = _Fields(CommandRecord)


def run_record(row: RunRow) -> RunRecord:
    """A run as it leaves the store. A dense one has no R_s: older versions recorded a 1 for it."""
    values = _RUN.read(row)
    if "uid" in values["damaged"]:
        values["uid"] = f"damaged-{row.id}"  # the name of a folder, and not that of all runs
    values = RUN_METRICS.decode(values)
    return RunRecord(**values | {"itop_rate": None} if row.method == "dense" else values)


def attempt_record(row: AttemptRow) -> AttemptRecord:
    """An attempt as it leaves the store."""
    return AttemptRecord(**_ATTEMPT.read(row))


def checkpoint_record(row: CheckpointRow, uid: str) -> CheckpointRecord:
    """A checkpoint of the run with this uid, as it leaves the store."""
    # Of an unknown kind, it is one that nothing removes by itself.
    values = _of_kind(_CHECKPOINT.read(row), _KINDS, "manual")
    named = str(values["path"])
    place = {"path": str(located(uid, named)), "outside": inner_path(named) is None}
    return CheckpointRecord(**{**values, **place})


def command_record(row: CommandRow) -> CommandRecord:
    """A command as it leaves the store."""
    return CommandRecord(**_of_kind(_COMMAND.read(row), _COMMANDS, "checkpoint"))


def _of_kind(values: dict[str, Any], kinds: tuple[str, ...], otherwise: str) -> Mapping[str, Any]:
    if values["kind"] not in kinds:
        values["kind"], values["damaged"] = otherwise, tuple(sorted({*values["damaged"], "kind"}))
    return values


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
