"""What `itop doctor` asks of a database: is it sound, and how large is it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from db import migrate
from db.session import Database

__all__ = ["Health", "examine"]

_SIDE_FILES = ("", "-wal", "-shm")


@dataclass(frozen=True, slots=True)
class Health:
    """The state of a database.

    Attributes:
        revision: The revision of its tables.
        newest: The revision this program writes.
        problems: What SQLite's integrity check found; empty where it is sound, or on a server, which checks itself.
        path: The file, or None on a server.
        bytes: What the file and the log beside it take, or None on a server.
    """

    revision: str | None
    newest: str
    problems: tuple[str, ...]
    path: Path | None
    bytes: int | None


def examine(db: Database) -> Health:
    """Read the revision, check the integrity (a full scan of a SQLite file) and measure the size."""
    problems: tuple[str, ...] = ()
    with db.read() as session:
        revision = migrate.read_revision(session.connection())
        if db.path is not None:
            try:
                found = session.execute(text("PRAGMA integrity_check(20)")).scalars().all()
            except DBAPIError as error:
                found = [str(error.orig)]
            problems = tuple(str(line) for line in found if line != "ok")
    if db.path is None:
        return Health(revision, migrate.HEAD, problems, None, None)
    path = db.path
    files = [path.with_name(path.name + end) for end in _SIDE_FILES]
    return Health(revision, migrate.HEAD, problems, path, sum(file.stat().st_size for file in files if file.exists()))
