"""What the doctor asks of a database."""

from __future__ import annotations

from pathlib import Path

from db import migrate, runs
from db.health import examine
from db.session import Database


def test_a_sound_database(tmp_path: Path) -> None:
    database = Database.open(str(tmp_path / "itop.db"))
    health = examine(database)
    database.close()
    assert health.revision == health.newest == migrate.HEAD
    assert health.problems == ()
    assert health.path == tmp_path / "itop.db"
    assert health.bytes is not None
    assert health.bytes >= health.path.stat().st_size > 0


def test_damage_is_found(tmp_path: Path) -> None:
    path = tmp_path / "itop.db"
    database = Database.open(str(path))
    for number in range(200):
        runs.create(database, config={"model": "m", "data": "d"}, name=f"run {number}", notes="x" * 500)
    database.close()
    content = bytearray(path.read_bytes())
    half = len(content) // 2
    content[half : half + 8192] = b"\xff" * 8192
    path.write_bytes(content)
    database = Database.open(str(path))
    health = examine(database)
    database.close()
    assert health.problems
