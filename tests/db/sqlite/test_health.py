from __future__ import annotations

from pathlib import Path

import pytest

from db import migrate
from db.errors import DatabaseDamaged
from db.records import RunQuery
from db.runs import runs
from db.session import Database
from db.sqlite import health
from tests.db.helpers import new_run


def test_a_sound_database(db: Database, home: Path) -> None:
    new_run(db)
    found = health.examine(db)
    assert (found.revision, found.newest, found.problems) == (migrate.HEAD, migrate.HEAD, ())
    assert found.path == home / "itop.db"
    assert found.bytes == sum(file.stat().st_size for file in home.glob("itop.db*"))


def test_a_damaged_one(db: Database, home: Path) -> None:
    for number in range(200):
        new_run(db, notes=f"{number} " * 500)
    db.close()
    path = home / "itop.db"
    raw = bytearray(path.read_bytes())
    middle = len(raw) // 2 // 4096 * 4096
    raw[middle : middle + 8192] = b"\xff" * 8192
    with path.open("r+b") as file:
        file.write(raw)
    assert health.examine(db).problems
    with pytest.raises(DatabaseDamaged, match=r"is damaged .*itop doctor"):
        runs.list_runs(db, RunQuery(limit=None))
    assert runs.get(db, 1).notes.startswith("0 ")  # what is whole is still read
