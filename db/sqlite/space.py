"""Giving the disk space of deleted rows back to the file system.

SQLite keeps the pages of deleted rows in the file, for rows to come. In a file with `auto_vacuum = INCREMENTAL` they
can be cut off a few at a time: pages from the end move into the holes, and the file ends earlier.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.orm import Session

__all__ = ["enable", "give_back", "trim_log"]

# For so long others wait for the write lock at most, and for so long it is then theirs.
_BITE_SECONDS = 0.015
_PAUSE_SECONDS = 0.015
_PATIENCE_SECONDS = 10.0
_INCREMENTAL = 2
_LONG_LOG_BYTES = 16 * 1024**2
_READER_SECONDS = 0.05
_LONGEST_READER_SECONDS = 2.0


def give_back(write: Callable[[], AbstractContextManager[Session]], path: Path) -> int:
    """Cut the free pages off the end of a SQLite file, in many short write transactions.

    Args:
        write: Opens a write transaction.
        path: The file.

    Returns:
        How many bytes. The file itself is shorter once the log was written back, which waits for active readers.
    """
    given = 0
    while True:
        with write() as session:
            pages, size = _take_a_bite(session.connection())
        given += pages * size
        if not pages:
            break
        time.sleep(_PAUSE_SECONDS)
    if given:
        _write_back(path, patience=0.0)
    return given


def enable(path: Path) -> str | None:
    """Rewrite a SQLite file so that it can give space back, unless it can already.

    A new file is rewritten too, its tables empty: the mode takes effect only before the first table is made, and a file
    that was cut off by a crash between the two would bear no sign yet of being ours. Rewriting takes the space of the
    data twice, beside the file and in the folder for temporary files, and keeps other writers waiting meanwhile.

    Returns:
        Why it was not done, in words for the user; else None. The file is whole in either case.
    """
    with closing(sqlite3.connect(path, timeout=_PATIENCE_SECONDS, isolation_level=None)) as connection:
        if _pragma(connection, "auto_vacuum") == _INCREMENTAL:
            return None
        used = _pragma(connection, "page_count") - _pragma(connection, "freelist_count")
        needed = used * _pragma(connection, "page_size")
        for folder in (path.parent, Path(tempfile.gettempdir())):
            # A tenth more, and both may be one file system.
            if shutil.disk_usage(folder).free < 2.2 * needed:
                return _why_not(path, f"that needs {2.2 * needed / 1e9:.1f} GB free in {folder}")
        connection.execute(f"PRAGMA auto_vacuum = {_INCREMENTAL}")
        try:
            connection.execute("VACUUM")
        except sqlite3.DatabaseError as error:
            return _why_not(path, str(error))
    return None


def trim_log(path: Path) -> bool:
    """Empty the log of a SQLite file if it has grown long; the file stays usable for all meanwhile.

    SQLite starts a new log only at an instant when there is no reader, which with many readers may never come. Here
    the last of them are waited for, shortly, with the write lock held; later ones no longer need the log. The longer
    it has grown the longer the wait (16 times for a log four times as long): so readers that never rest do not make
    it grow forever, and only those that read for long keep writers waiting for long.

    Returns:
        Whether it may be looked at again soon. False where a transaction that stays open keeps the log from being
        emptied, as every try costs the others a wait.
    """
    try:
        size = path.with_name(path.name + "-wal").stat().st_size
    except OSError:
        return True
    if size < _LONG_LOG_BYTES:
        return True
    patience = _READER_SECONDS * (size / _LONG_LOG_BYTES) ** 2
    return _write_back(path, patience=min(patience, _LONGEST_READER_SECONDS))


def _write_back(path: Path, *, patience: float) -> bool:
    """Move the log into the file and empty it; False where readers needed it for longer than that many seconds."""
    with closing(sqlite3.connect(path, timeout=patience, isolation_level=None)) as connection:
        try:
            # Without the write lock first: what is then left to be done with it is short.
            busy = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[0]
            # Busy already here: another process does the same.
            return bool(busy) or not connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.Error:  # also a damaged page: what reads it says so
            return False


def _why_not(path: Path, reason: str) -> str:
    return (
        f"{path} was not rewritten ({reason}): space of deleted runs is used again for new ones, but the file does not "
        "shrink. To have it shrink, close everything that uses it and run "
        f"sqlite3 '{path}' 'PRAGMA auto_vacuum = INCREMENTAL; VACUUM'."
    )


def _take_a_bite(connection: Connection) -> tuple[int, int]:
    """Cut off as many pages as there is time for; returns their number and the size of one in bytes."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    before = _pragma(driver, "page_count")
    until = time.monotonic() + _BITE_SECONDS
    for _ in range(_pragma(driver, "freelist_count")):
        driver.execute("PRAGMA incremental_vacuum(1)")
        if time.monotonic() > until:
            break
    return before - _pragma(driver, "page_count"), _pragma(driver, "page_size")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
