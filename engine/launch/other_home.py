"""Whether a process that a database names is at work in another home: the original of which this home is a copy."""

from __future__ import annotations

from pathlib import Path

from db.database_place import sqlite_file
from db.errors import StoreError
from db.session import Database
from engine.launch.processes import ProcessIdentity

__all__ = ["other_database"]


def other_database(db: Database, process: ProcessIdentity | None) -> Path | None:
    """The database that a living process writes to, where that is another file than this one; else None.

    None also where it cannot be known, and where that file is gone: then the home was moved under the process.
    """
    if db.path is None or process is None or not process.alive():
        return None
    theirs = _database_of(process.pid)
    try:
        return None if theirs is None or theirs.samefile(db.path) else theirs
    except OSError:
        return None


def _database_of(pid: int) -> Path | None:
    import psutil  # takes a while, and only a kill needs it

    try:
        variables = psutil.Process(pid).environ()
    except (psutil.Error, OSError):
        return None
    try:
        if place := variables.get("ITOP_DATABASE_URL"):
            return sqlite_file(place)
    except StoreError:
        return None
    home = variables.get("ITOP_HOME")
    return Path(home).absolute() / "itop.db" if home else None
