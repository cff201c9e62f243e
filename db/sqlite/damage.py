"""Finding rows with cells that their columns cannot hold, and giving these cells harmless values.

Only what `db.columns` cannot read is changed, and only in the tables of runs, attempts and checkpoints.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, get_args

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db import columns
from db.models import AttemptRow, CheckpointRow, RunRow, table_of
from db.records import CheckpointKind, RunStatus
from db.session import Database

__all__ = ["DamagedRow", "damaged_rows", "rebuild_indexes", "repair_rows"]

_ROWS = (RunRow, AttemptRow, CheckpointRow)
_KINDS = get_args(CheckpointKind)
_NOT_REPAIRED = frozenset({"uid", "run_id", "path"})
"""What a row belongs to, and where its file is: nothing harmless can stand there."""


@dataclass(frozen=True, slots=True)
class DamagedRow:
    """A row with damaged cells.

    Attributes:
        table: Its table.
        id: Its id.
        fields: The names of the cells.
    """

    table: str
    id: int
    fields: tuple[str, ...]

    @property
    def repairable(self) -> tuple[str, ...]:
        """The cells that can be given another value."""
        return tuple(name for name in self.fields if name not in _NOT_REPAIRED)


def damaged_rows(db: Database) -> list[DamagedRow]:
    """All rows of runs, attempts and checkpoints with damaged cells.

    Raises:
        StoreError: The database cannot be read.
    """
    found: list[DamagedRow] = []
    for row in _ROWS:
        table = table_of(row)
        with db.read() as session:
            for values in session.execute(sa.select(table)).mappings():
                fields = tuple(column.name for column in table.columns if _is_damaged(column, values[column]))
                if fields:
                    found.append(DamagedRow(table.name, int(values[table.c.id]), fields))
    return found


def _is_damaged(column: sa.Column[Any], value: Any) -> bool:
    if value is None:
        return not column.nullable
    if column.name == "kind":
        return value not in _KINDS
    return value is columns.UNKNOWN_STATUS or isinstance(value, columns.Damaged)


def repair_rows(db: Database, rows: list[DamagedRow]) -> None:
    """Give damaged cells harmless values: none where that is allowed, else 0, an empty text, and so on.

    A state becomes that of the run's last attempt, or lost.

    Raises:
        StoreError: The database cannot be written.
    """
    tables = {row.__tablename__: table_of(row) for row in _ROWS}
    with db.write() as session:
        for row in rows:
            table = tables[row.table]
            values = {name: _harmless(session, table, table.c[name], row) for name in row.repairable}
            if values:
                session.execute(sa.update(table).where(table.c.id == row.id).values(values))


def _harmless(session: Session, table: sa.Table, column: sa.Column[Any], row: DamagedRow) -> Any:
    read = session.scalar(sa.select(column).where(table.c.id == row.id))
    if column.name == "status":
        return _status(session, table, row)
    if column.name == "kind":
        return "manual"  # nothing removes it by itself
    if isinstance(read, columns.DamagedText):
        return str(read)
    if column.nullable:
        return None
    if column.name.endswith("_at"):
        return time.time()
    kind = column.type.python_type if not isinstance(column.type, columns.Json | columns.Lines) else None
    return {int: 0, float: 0.0, bool: False, str: ""}.get(kind, {}) if kind else _empty(column)


def _empty(column: sa.Column[Any]) -> Any:
    return () if isinstance(column.type, columns.Lines) else {}


def _status(session: Session, table: sa.Table, row: DamagedRow) -> RunStatus:
    if table.name == "runs":
        latest = sa.select(AttemptRow.status).where(AttemptRow.run_id == row.id).order_by(AttemptRow.id.desc()).limit(1)
        return RunStatus(session.scalar(latest) or RunStatus.LOST)
    ended = session.scalar(sa.select(table.c.ended_at).where(table.c.id == row.id))
    # One that has not ended is settled by its processes.
    return RunStatus.RUNNING if ended is None else RunStatus.LOST


def rebuild_indexes(db: Database) -> None:
    """Build all indexes again from the tables.

    Raises:
        StoreError: The database cannot be read or written.
    """
    with db.write() as session:
        session.execute(sa.text("REINDEX"))
