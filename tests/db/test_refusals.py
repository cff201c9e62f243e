"""What is not ours, or newer than we are, is refused in words and not changed by a single byte."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from db import migrate
from db.errors import DatabaseRefused
from db.runs import runs
from db.session import Database
from db.sqlite.sqlite_file import APPLICATION_ID
from tests.db.helpers import new_run, python, wait_for
from tests.patience import PATIENCE


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir() if path.is_file()}


def assert_refused(path: Path, *words: str) -> None:
    before = contents(path.parent)
    with pytest.raises(DatabaseRefused) as caught:
        Database.open(str(path))
    assert contents(path.parent) == before
    for word in (str(path), *words):
        assert word in str(caught.value)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "itop.db"
    path.write_bytes(b"my thesis, chapter one. " * 50)
    assert_refused(path, "not a SQLite database", "ITOP_HOME")


def test_a_short_file(tmp_path: Path) -> None:
    path = tmp_path / "itop.db"
    path.write_bytes(b"SQLite format 3\x00")
    assert_refused(path, "not a SQLite database")


@pytest.fixture
def log_alone(tmp_path: Path, empty_database: Path) -> Path:
    """A database whose worker was killed, so that its log stays, as it was then."""
    path = tmp_path / "itop.db"
    shutil.copy(empty_database, path)
    code = (
        "import os, sys; from db.session import Database; from tests.db.helpers import new_run\n"
        "db = Database.open(sys.argv[1]); new_run(db); os.kill(os.getpid(), 9)"
    )
    assert python(code, path).wait(PATIENCE) == -9
    assert path.with_name("itop.db-wal").stat().st_size > 4096
    return path


@pytest.mark.parametrize("state", ["is empty", "is not there"])
def test_a_lost_database_whose_log_is_there(log_alone: Path, state: str) -> None:
    whole = log_alone.read_bytes()
    log_alone.write_bytes(b"") if state == "is empty" else log_alone.unlink()
    assert_refused(log_alone, state, "itop.db-wal", "itop restore", "move")
    log_alone.write_bytes(whole)  # put back, it has what was in the log
    with closing(Database.open(str(log_alone))) as db:
        assert len(runs.list_runs(db)) == 1


def test_an_empty_file_and_an_empty_log_are_a_place_for_a_new_one(tmp_path: Path) -> None:
    for name in ("itop.db", "itop.db-wal"):
        (tmp_path / name).write_bytes(b"")
    with closing(Database.open(str(tmp_path / "itop.db"))) as db:
        assert runs.list_runs(db) == []


def test_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "itop.db"
    path.mkdir()
    assert_refused(path, "not a file")


@pytest.mark.parametrize("application", [0, 0x12345678])
def test_another_programs_database(tmp_path: Path, application: int) -> None:
    path = tmp_path / "itop.db"
    with closing(sqlite3.connect(path)) as other, other:
        other.execute(f"PRAGMA application_id = {application}")
        other.execute("CREATE TABLE alembic_version (version_num TEXT)")
        other.execute("INSERT INTO alembic_version VALUES ('0001')")
    assert_refused(path, "another program")


def test_another_programs_database_whose_tables_are_still_in_its_log(tmp_path: Path) -> None:
    path = tmp_path / "itop.db"
    code = """
import os, sqlite3, sys
other = sqlite3.connect(sys.argv[1])
other.execute("PRAGMA journal_mode = wal")
other.execute("CREATE TABLE precious (thing)")
other.commit()
os._exit(0)
"""
    process = python(code, path)
    process.communicate(timeout=PATIENCE)
    assert (tmp_path / "itop.db-wal").stat().st_size > 0
    assert_refused(path, "another program")


def test_an_empty_file_and_an_empty_database_are_ours_to_fill(tmp_path: Path) -> None:
    empty, blank = tmp_path / "empty.db", tmp_path / "blank.db"
    empty.touch()
    with closing(sqlite3.connect(blank)) as other:
        other.execute("VACUUM")
    for path in (empty, blank):
        with closing(Database.open(str(path))) as db:
            new_run(db)


def test_a_newer_revision(tmp_path: Path, empty_database: Path) -> None:
    path = tmp_path / "itop.db"
    shutil.copy(empty_database, path)
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE alembic_version SET version_num = '9999'")
    assert_refused(path, "'9999'", "newer", "Upgrade itop", migrate.HEAD)


def test_a_newer_revision_whose_writer_was_killed(tmp_path: Path, empty_database: Path) -> None:
    """Its log holds what was not yet moved into the file; opening and closing it must not move that either."""
    path = tmp_path / "itop.db"
    shutil.copy(empty_database, path)
    code = """
import os, sqlite3, sys
other = sqlite3.connect(sys.argv[1])
other.execute("UPDATE alembic_version SET version_num = '9999'")
other.commit()
os._exit(0)
"""
    python(code, path).communicate(timeout=PATIENCE)
    wal = tmp_path / "itop.db-wal"
    assert wal.stat().st_size > 0
    before = path.read_bytes(), wal.read_bytes()
    with pytest.raises(DatabaseRefused, match="newer"):
        Database.open(str(path))
    assert (path.read_bytes(), wal.read_bytes()) == before


def test_a_damaged_database(tmp_path: Path, empty_database: Path) -> None:
    path = tmp_path / "itop.db"
    raw = bytearray(empty_database.read_bytes())
    raw[100:4096] = os.urandom(3996)
    path.write_bytes(raw)
    assert_refused(path, "damaged")


def test_ours_is_marked_as_ours(empty_database: Path) -> None:
    assert int.from_bytes(empty_database.read_bytes()[68:72], "big") == APPLICATION_ID


def test_waiting_needs_a_condition() -> None:
    with pytest.raises(AssertionError, match="s for nothing"):
        wait_for(lambda: False, "nothing", seconds=0.01)
