"""Thinned copies that are damaged in any way are found, and built again as they were."""

from __future__ import annotations

import math

import pytest
import sqlalchemy as sa

from db.errors import DatabaseDamaged
from db.history import levels, metrics
from db.history.level_repair import damaged_copies, rebuild_copies
from db.models import StepChunkRow, table_of
from db.session import Database
from tests.db.history.test_series import _declared as _declared
from tests.db.history.test_series import record

STEPS = levels.chunk_size(1) + 2 * levels.chunk_size(0) + 3
POINTS = [(number, math.nan if number % 50 == 7 else 1.0 / (number + 1)) for number in range(STEPS)]
CHUNKS = table_of(StepChunkRow)


def copies(db: Database, run_id: int) -> list[tuple[object, ...]]:
    with db.read() as session:
        rows = session.execute(sa.select(CHUNKS).where(CHUNKS.c.run_id == run_id).order_by(*CHUNKS.primary_key))
        return [tuple(row) for row in rows]


def change(db: Database, run_id: int, statement: sa.Insert | sa.Update | sa.Delete, level: int) -> None:
    with db.write() as session:
        if not isinstance(statement, sa.Insert):
            loss = (CHUNKS.c.run_id == run_id, CHUNKS.c.figure == 0, CHUNKS.c.level == level, CHUNKS.c.chunk == 0)
            statement = statement.where(*loss)
        session.execute(statement)


DAMAGE: dict[str, sa.Update | sa.Delete] = {
    "cut off": sa.update(CHUNKS).values(entries=sa.func.substr(CHUNKS.c.entries, 1, 30)),
    "empty": sa.update(CHUNKS).values(entries=b""),
    "other values": sa.update(CHUNKS).values(entries=b"\x00" * 24 * 16),
    "no more diverged": sa.update(CHUNKS).values(diverged=None),
    "diverged is cut off": sa.update(CHUNKS).values(diverged=b"\x00"),
    "not there": sa.delete(CHUNKS),
}


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("how", DAMAGE)
def test_what_is_damaged_is_found_and_built_again_as_it_was(db: Database, how: str, level: int) -> None:
    run_id, other = record(db, POINTS), record(db, POINTS)
    before = copies(db, run_id)
    assert {row[2] for row in before} == {0, 1}
    assert damaged_copies(db) == []
    change(db, run_id, DAMAGE[how], level)
    assert damaged_copies(db) == [run_id]
    rebuild_copies(db, run_id)
    assert copies(db, run_id) == before
    assert damaged_copies(db) == []
    assert [row[1:] for row in copies(db, other)] == [row[1:] for row in before]


def test_copies_of_what_was_never_recorded_are_found(db: Database) -> None:
    run_id, empty = record(db, POINTS[:3]), record(db, POINTS[:3])
    odd = {"run_id": empty, "figure": 0, "level": 2, "chunk": 9, "entries": b"", "diverged": None}
    change(db, empty, sa.insert(CHUNKS).values(odd), 2)
    assert damaged_copies(db) == [empty]
    rebuild_copies(db, empty)
    assert (copies(db, empty), copies(db, run_id)) == ([], [])


def test_reading_damaged_copies_says_what_repairs_them(db: Database) -> None:
    run_id = record(db, POINTS)
    whole = metrics.series(db, run_id, "loss", buckets=20)
    change(db, run_id, DAMAGE["cut off"], 0)
    with pytest.raises(DatabaseDamaged, match="itop doctor --repair"):
        metrics.series(db, run_id, "loss", buckets=20)
    assert metrics.series(db, run_id, "loss", last=9).steps == [step for step, _ in POINTS[:10]]
    rebuild_copies(db, run_id)
    assert metrics.series(db, run_id, "loss", buckets=20) == whole
