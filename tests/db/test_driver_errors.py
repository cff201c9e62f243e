"""What SQLite reports of the disk under a database is one clear message, whichever of its codes it takes."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from db.driver_errors import explained, of_the_file
from db.errors import DatabaseFull, DatabaseProtected, DatabaseUnavailable

IO_ERRORS = {
    name: code
    for name in ("IOERR_WRITE", "IOERR_TRUNCATE", "IOERR_FSYNC", "IOERR_SHMSIZE", "IOERR_SHMOPEN", "CANTOPEN")
    if (code := getattr(sqlite3, f"SQLITE_{name}"))
}
SAID = {
    errno.ENOSPC: (DatabaseFull, "The disk is full: the database"),
    errno.EDQUOT: (DatabaseFull, "Your disk quota is used up: the database"),
    errno.EROFS: (DatabaseProtected, "cannot be written: its file system has become read-only"),
}


def error(code: int, text: str = "disk I/O error") -> sqlite3.OperationalError:
    made = sqlite3.OperationalError(text)
    made.sqlite_errorcode = code
    return made


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of the error with which the disk refuses to make a file."""
    why: list[int] = []

    def refuse(**_: object) -> object:
        raise OSError(why[0], os.strerror(why[0]))

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    return why


@pytest.mark.parametrize("number", SAID, ids=errno.errorcode.get)
@pytest.mark.parametrize("code", IO_ERRORS.values(), ids=IO_ERRORS)
def test_an_error_of_the_disk_is_said_as_what_it_is(tmp_path: Path, refused: list[int], code: int, number: int) -> None:
    refused.append(number)
    kind, message = SAID[number]
    with pytest.raises(kind, match=message), explained(tmp_path / "itop.db"):
        raise error(code)


@pytest.mark.parametrize("code", IO_ERRORS.values(), ids=IO_ERRORS)
def test_where_the_disk_takes_data_sqlite_s_own_words_are_kept(tmp_path: Path, code: int) -> None:
    assert of_the_file(error(code), tmp_path / "itop.db") is None
    what = "cannot be used just now: disk I/O error"
    with pytest.raises(DatabaseUnavailable, match=what) as caught, explained(tmp_path / "itop.db"):
        raise error(code)
    assert type(caught.value) is DatabaseUnavailable
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_may_only_be_read_now_is_said(tmp_path: Path) -> None:
    path = tmp_path / "itop.db"
    with closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE one (number)")
    with (
        closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as protected,
        pytest.raises(DatabaseProtected, match="cannot be written: it may only be read now"),
        explained(path),
    ):
        protected.execute("INSERT INTO one VALUES (1)")


def test_a_file_that_was_moved_is_not_called_read_only(tmp_path: Path) -> None:
    moved = error(sqlite3.SQLITE_READONLY_DBMOVED, "attempt to write a readonly database")
    assert of_the_file(moved, tmp_path / "itop.db") is None


def test_a_file_system_that_is_really_read_only_is_said(tmp_path: Path) -> None:
    path = tmp_path / "disk" / "itop.db"
    path.parent.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", path.parent], capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a file system")
    try:
        with closing(sqlite3.connect(path)) as made:
            made.execute("CREATE TABLE one (number)")
        subprocess.run(["mount", "-o", "remount,ro", path.parent], check=True)
        with (
            closing(sqlite3.connect(path)) as protected,
            pytest.raises(DatabaseProtected, match="its file system has become read-only"),
            explained(path),
        ):
            protected.execute("INSERT INTO one VALUES (1)")
    finally:
        subprocess.run(["umount", "--lazy", path.parent], check=True)
