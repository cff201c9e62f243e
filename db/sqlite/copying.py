"""A copy of a SQLite database, taken while others write, and what the copy is made fit for when it is put back.

These functions work on files, not on an open `Database`: a copy is looked at before anything may migrate it.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import make_url

from db import migrate
from db.columns import as_uid, decoded
from db.driver_errors import explained
from db.errors import DatabaseRefused
from db.records import ACTIVE, RunStatus
from db.session import Database
from db.sqlite.sqlite_file import inspect_file

__all__ = [
    "NamedFile",
    "checkpoint_files",
    "copy_database",
    "file_of",
    "forget_checkpoints",
    "make_restored",
    "problems_of",
]

RESTORED = "was at work when the backup was made; resuming it continues from its last checkpoint there"
HELD_RESTORED = "restored from a backup: it starts when it is released"


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A checkpoint file that a database names.

    Attributes:
        rows: The ids of the rows that name it.
        uid: Of its run.
        path: As it is stored: the whole path, or from the run's folder.
        bytes: Its size.
        sha256: Of its bytes, in hex.
    """

    rows: tuple[int, ...]
    uid: str
    path: str
    bytes: int
    sha256: str


def file_of(db: Database) -> Path | None:
    """The file of a database; None where it is on a server."""
    url = make_url(db.url)
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def copy_database(db: Database, target: Path, pin: Callable[[Sequence[NamedFile]], None]) -> None:
    """Copy a database as it is at one moment, with what its log holds; others may write meanwhile.

    Args:
        db: The database, in a SQLite file.
        target: The copy.
        pin: Given the checkpoint files that the copy will name, keeps them. Meanwhile no process can write to the
            database, so none of them is removed: a file goes only after its row.

    Raises:
        StoreError: It cannot be read, or there is no room.
    """
    source = file_of(db)
    assert source is not None
    with explained(source), closing(_connect(source)) as original:
        with db.write():
            original.execute("BEGIN")  # what is read from now on is of this moment
            pin(_named_files(original))
        with closing(sqlite3.connect(target)) as copy:
            original.backup(copy)
            copy.execute("PRAGMA journal_mode = delete")  # one file, without a log


def checkpoint_files(copy: Path) -> list[NamedFile]:
    """The checkpoint files that a database names, each once.

    Raises:
        StoreError: It cannot be read.
    """
    with explained(copy), closing(_connect(copy)) as connection:
        return _named_files(connection)


def _named_files(connection: sqlite3.Connection) -> list[NamedFile]:
    statement = (
        "SELECT checkpoints.id, uid, path, bytes, sha256 FROM checkpoints JOIN runs ON runs.id = run_id ORDER BY 1"
    )
    found: dict[tuple[str, str], NamedFile] = {}
    for row_id, uid, path, size, sha256 in connection.execute(statement).fetchall():
        key = str(as_uid(uid)), str(path)
        rows = (*found[key].rows, int(row_id)) if key in found else (int(row_id),)
        found[key] = NamedFile(rows, *key, size if isinstance(size, int) else -1, str(sha256))
    return list(found.values())


def forget_checkpoints(copy: Path, rows: Iterable[int]) -> None:
    """Remove rows of checkpoints whose files are not there; runs that would start from them lose that."""
    with explained(copy), closing(_connect(copy)) as connection, connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.executemany("DELETE FROM checkpoints WHERE id = ?", [(row,) for row in rows])


def problems_of(copy: Path) -> list[str]:
    """What is wrong with a database file; empty where it is whole and of a revision that is known.

    Raises:
        DatabaseRefused: It is not ours, or of a newer version.
    """
    revision = inspect_file(copy)
    if revision is None:
        raise DatabaseRefused(f"{copy} is not a database of itop.")
    migrate.check_known(revision, str(copy))
    with explained(copy), closing(_connect(copy)) as connection:
        return [str(line) for (line,) in connection.execute("PRAGMA integrity_check(5)") if line != "ok"]


def make_restored(copy: Path, new_path: Callable[[str, str], str | None]) -> tuple[int, int]:
    """Make a copy fit to be used in another place: nothing in it is at work, and nothing starts by itself.

    Its processes belong to the original, which may still be there: a copy that took them for its own would stop them,
    or train the same run twice.

    Args:
        copy: The file.
        new_path: Given a run's uid and a checkpoint's stored path, the path to store instead; None leaves it.

    Returns:
        How many runs were at work, and how many wait, which are held.
    """
    active = ", ".join(f"'{status.value}'" for status in ACTIVE)
    now = time.time()
    with explained(copy), closing(_connect(copy)) as connection, connection:
        for table in ("attempts", "runs"):
            working = connection.execute(
                f"UPDATE {table} SET status = ?, reason = ?, ended_at = coalesce(ended_at, ?) "
                f"WHERE status IN ({active})",
                (RunStatus.LOST.value, RESTORED, now),
            ).rowcount
        connection.execute("UPDATE attempts SET ended_at = ? WHERE ended_at IS NULL", (now,))
        waiting = connection.execute(
            "UPDATE runs SET held = 1, reason = ? WHERE status = ? AND NOT held",
            (HELD_RESTORED, RunStatus.QUEUED.value),
        ).rowcount
        connection.execute("UPDATE commands SET done_at = ?, outcome = 'restored' WHERE done_at IS NULL", (now,))
        named = connection.execute("SELECT checkpoints.id, uid, path FROM checkpoints JOIN runs ON runs.id = run_id")
        for row_id, uid, path in named.fetchall():
            if (new := new_path(str(uid), str(path))) is not None:
                connection.execute("UPDATE checkpoints SET path = ? WHERE id = ?", (new, row_id))
    return int(working), int(waiting)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=10)
    connection.text_factory = decoded
    return connection
