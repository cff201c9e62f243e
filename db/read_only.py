"""Whether a database may be changed by this process, and reading one that may not.

It may not where `ITOP_READ_ONLY` is set, and where a file or folder that a change needs belongs to somebody else who
does not share it. It can be looked at all the same, as far as its files can be read.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from db import paths, users
from db.errors import DatabaseRefused, ReadOnlyDatabase

__all__ = ["VARIABLE", "ReadOnly", "asked_for", "check_readable", "connect", "is_immutable", "read_only_reason"]

VARIABLE = "ITOP_READ_ONLY"


class ReadOnly(NamedTuple):
    """Why nothing may be changed.

    Attributes:
        note: In a few words, such as "owned by alice".
        place: What may not be changed.
    """

    note: str
    place: str

    def error(self) -> ReadOnlyDatabase:
        """What a change ends with."""
        if self.note.startswith(VARIABLE):
            return ReadOnlyDatabase(f"Read-only, so nothing can be changed: {self.note}.")
        return ReadOnlyDatabase(
            f"Read-only, so nothing can be changed: {self.place} is {self.note}. Set ITOP_HOME to a folder of your "
            "own, or ask its owner to share it with a group (itop share)."
        )


def asked_for() -> bool:
    """Whether `ITOP_READ_ONLY` is set, to anything but 0."""
    return os.environ.get(VARIABLE, "").strip().lower() not in ("", "0", "no", "false")


def read_only_reason(path: Path | None) -> ReadOnly | None:
    """Why this process may not change a database and its home; None where it may.

    Args:
        path: The file of the database; None for one on a server.
    """
    home = paths.home()
    if asked_for():
        return ReadOnly(f"{VARIABLE} is set", str(home))
    needed = [home, home / "runs"]
    if path is not None:
        needed += [path.parent, path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))]
    for each in needed:
        if each.exists() and not _may(each, os.W_OK | (os.X_OK if each.is_dir() else 0)):
            owner = users.owner_of(each)
            own = owner is None or owner.uid == os.geteuid()
            note = "write-protected" if own or owner is None else f"owned by {owner.name}"
            return ReadOnly(note, str(each))
    return None


def check_readable(path: Path) -> None:
    """Refuse a database that this process cannot even look at.

    Raises:
        DatabaseRefused: With the name of the owner.
    """
    for each in (*reversed(path.parents), path):
        try:
            there = each.exists()
        except PermissionError:
            there = True
        if there and (each == path or each.is_dir()) and not _may(each, os.R_OK if each == path else os.X_OK):
            owner = users.owner_of(each)
            whose = "" if owner is None or owner.uid == os.geteuid() else f": it is owned by {owner.name}"
            raise DatabaseRefused(
                f"{each} cannot be read{whose}. Set ITOP_HOME to a folder of your own, or ask its owner to share it "
                "with a group (itop share)."
            )


def _may(path: Path, mode: int) -> bool:
    """Whether this process may do something with a file, with the user and the capabilities that it acts with."""
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def connect(path: Path) -> sqlite3.Connection:
    """Connect for reading, without a change to anything.

    A write-ahead log needs files beside the database. Where they are not there and cannot be made, all that is there
    is in the file, and it is opened as one that no one changes.

    Raises:
        sqlite3.OperationalError: It cannot be read, or only after its owner has opened it once more.
    """
    try:
        return _opened(path, "mode=ro")
    except sqlite3.OperationalError:
        if not is_immutable(path):
            raise
        return _opened(path, "mode=ro&immutable=1")


def is_immutable(path: Path) -> bool:
    """Whether `connect` reads the file alone: nothing waits in a log, and a log cannot be made."""
    for end in ("-wal", "-journal"):
        log = path.with_name(path.name + end)
        if log.exists() and log.stat().st_size:
            return False
    try:
        with closing(_opened(path, "mode=ro")):
            return False
    except sqlite3.OperationalError:
        return True


def _opened(path: Path, options: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.as_uri()}?{options}", uri=True, timeout=10, check_same_thread=False)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection
