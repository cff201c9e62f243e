"""What happens to a database, as errors of the store."""

from __future__ import annotations

import errno
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DatabaseError, DataError, DBAPIError, OperationalError

from db.errors import DatabaseDamaged, DatabaseFull, DatabaseProtected, DatabaseUnavailable, StoreError

__all__ = ["cause", "explained", "of_the_file"]

_HARDLY_ANY = 64 * 1024  # bytes: less than what one transaction needs
_OF_ITS_DISK = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)

_TOO_LARGE = "too large to convert to SQLite"  # what Python's driver says instead of an error of its own


@contextmanager
def explained(where: Path | str) -> Iterator[None]:
    """Turn what happens to a database into errors of the store; a wrong statement stays a programming error.

    Args:
        where: The database, for the messages.

    Raises:
        DatabaseUnavailable: It could not be used just now; trying again may help. `DatabaseFull` where the disk is
            full, `DatabaseProtected` where it has become read-only.
        DatabaseDamaged: A part of it that was needed is damaged.
        StoreError: It cannot hold a value.
    """
    try:
        yield
    except DBAPIError as error:
        if _lacks_a_table(error):
            raise StoreError(
                f"The database {where} lacks tables of its revision ({cause(error)}). Restore a backup."
            ) from error
        if (found := of_the_file(error.orig, where)) is not None:
            raise found from error
        if isinstance(error, OperationalError) or error.connection_invalidated:
            raise DatabaseUnavailable(f"The database {where} cannot be used just now: {cause(error)}") from error
        if type(error) is DatabaseError:  # not one of its kinds, each of which speaks of a statement
            raise _damaged(where, cause(error)) from error
        if isinstance(error, DataError):
            raise StoreError(f"The database {where} cannot hold a value: {cause(error)}") from error
        raise
    except sqlite3.Error as error:  # of a connection that is used without SQLAlchemy
        raise (of_the_file(error, where) or _unusable(where, error)) from error
    except OverflowError as error:
        if _TOO_LARGE not in str(error):
            raise
        raise StoreError(f"The database {where} holds no number of more than 64 bits.") from error


def of_the_file(error: BaseException | None, where: Path | str) -> StoreError | None:
    """What an error of SQLite says of its file and its disk; None where it says something else."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return None
    kind = code & 0xFF  # the rest of an extended code says where in SQLite it happened
    if kind in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return _damaged(where, str(error))
    if kind == sqlite3.SQLITE_FULL:
        return _full(where, "The disk is full")
    if kind not in _OF_ITS_DISK or code == sqlite3.SQLITE_READONLY_DBMOVED:
        return None
    refusal = _refusal_of_the_disk(where)
    if refusal == errno.ENOSPC:
        return _full(where, "The disk is full")
    if refusal == errno.EDQUOT:
        return _full(where, "Your disk quota is used up")
    if refusal == errno.EROFS:
        return _protected(where, "its file system has become read-only")
    return _protected(where, "it may only be read now") if kind == sqlite3.SQLITE_READONLY else None


def _full(where: Path | str, why: str) -> DatabaseFull:
    return DatabaseFull(
        f"{why}: the database {where} cannot be written. Free some space on it (itop delete RUN frees that of a run); "
        "nothing that was written before is lost."
    )


def _protected(where: Path | str, why: str) -> DatabaseProtected:
    return DatabaseProtected(f"The database {where} cannot be written: {why}. What was written before is not lost.")


def _damaged(where: Path | str, why: str) -> DatabaseDamaged:
    return DatabaseDamaged(
        f"The database {where} is damaged ({why}). itop doctor says what can still be read and what to do; a backup "
        "is put back by itop restore."
    )


def _unusable(where: Path | str, error: sqlite3.Error) -> DatabaseUnavailable:
    return DatabaseUnavailable(f"The database {where} cannot be used just now: {' '.join(str(error).split())}")


def _refusal_of_the_disk(where: Path | str) -> int | None:
    """Why nothing can be written beside a file, as a number of `errno`; None where it can.

    SQLite itself says only where a disk has no room left for data. That there is none for its log, that a quota is used
    up, and that a file system is read-only are "disk I/O error" or "unable to open database file" to it.
    """
    folder = Path(where).parent
    try:
        if shutil.disk_usage(folder).free < _HARDLY_ANY:
            return errno.ENOSPC
        with tempfile.TemporaryFile(dir=folder, buffering=0) as trial:
            trial.write(bytes(_HARDLY_ANY))
    except OSError as error:
        return error.errno
    return None


def cause(error: DBAPIError) -> str:
    """What the driver said, on one line."""
    return " ".join(str(error.orig).split())


def _lacks_a_table(error: DBAPIError) -> bool:
    """Whether a table or column is missing, which SQLite reports as it does what is temporary."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    return code == sqlite3.SQLITE_ERROR and str(error.orig).startswith(("no such table", "no such column"))
