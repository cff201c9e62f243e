"""What happens to a database, as errors of the store."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DatabaseError, DataError, DBAPIError, OperationalError

from db.errors import DatabaseDamaged, DatabaseFull, DatabaseUnavailable, StoreError

__all__ = ["cause", "explained", "of_the_file"]

_HARDLY_ANY = 64 * 1024  # bytes: less than what one transaction needs

_TOO_LARGE = "too large to convert to SQLite"  # what Python's driver says instead of an error of its own


@contextmanager
def explained(where: Path | str) -> Iterator[None]:
    """Turn what happens to a database into errors of the store; a wrong statement stays a programming error.

    Args:
        where: The database, for the messages.

    Raises:
        DatabaseUnavailable: It could not be used just now; trying again may help. `DatabaseFull` where the disk is
            full.
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
    if code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return _damaged(where, str(error))
    if code & 0xFF == sqlite3.SQLITE_FULL or (code & 0xFF == sqlite3.SQLITE_IOERR and _is_full(where)):
        return DatabaseFull(
            f"The disk is full: the database {where} cannot be written. Free some space on it (itop delete RUN frees "
            "that of a run); nothing that was written before is lost."
        )
    return None


def _damaged(where: Path | str, why: str) -> DatabaseDamaged:
    return DatabaseDamaged(
        f"The database {where} is damaged ({why}). itop doctor says what can still be read and what to do; a backup "
        "is put back by itop restore."
    )


def _unusable(where: Path | str, error: sqlite3.Error) -> DatabaseUnavailable:
    return DatabaseUnavailable(f"The database {where} cannot be used just now: {' '.join(str(error).split())}")


def _is_full(where: Path | str) -> bool:
    """Whether the disk of a file has no room: SQLite then also reports that its log cannot be made."""
    try:
        return shutil.disk_usage(Path(where).parent).free < _HARDLY_ANY
    except OSError:
        return False


def cause(error: DBAPIError) -> str:
    """What the driver said, on one line."""
    return " ".join(str(error.orig).split())


def _lacks_a_table(error: DBAPIError) -> bool:
    """Whether a table or column is missing, which SQLite reports as it does what is temporary."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    return code == sqlite3.SQLITE_ERROR and str(error.orig).startswith(("no such table", "no such column"))
