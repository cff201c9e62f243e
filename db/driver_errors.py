"""What happens to a database, as errors of the store."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DatabaseError, DataError, DBAPIError, OperationalError

from db.errors import DatabaseUnavailable, StoreError

__all__ = ["cause", "explained"]

_TOO_LARGE = "too large to convert to SQLite"  # what Python's driver says instead of an error of its own


@contextmanager
def explained(where: Path | str) -> Iterator[None]:
    """Turn what happens to a database into errors of the store; a wrong statement stays a programming error.

    Args:
        where: The database, for the messages.

    Raises:
        DatabaseUnavailable: It could not be used just now; trying again may help.
        StoreError: It is damaged, or cannot hold a value.
    """
    try:
        yield
    except DBAPIError as error:
        if _lacks_a_table(error):
            raise StoreError(
                f"The database {where} lacks tables of its revision ({cause(error)}). Restore a backup."
            ) from error
        if isinstance(error, OperationalError) or error.connection_invalidated:
            raise DatabaseUnavailable(f"The database {where} cannot be used just now: {cause(error)}") from error
        if type(error) is DatabaseError:  # not one of its kinds, each of which speaks of a statement
            raise StoreError(
                f"The database {where} is damaged ({cause(error)}). Restore a backup, or recover what it holds "
                "with sqlite3's .recover command."
            ) from error
        if isinstance(error, DataError):
            raise StoreError(f"The database {where} cannot hold a value: {cause(error)}") from error
        raise
    except OverflowError as error:
        if _TOO_LARGE not in str(error):
            raise
        raise StoreError(f"The database {where} holds no number of more than 64 bits.") from error


def cause(error: DBAPIError) -> str:
    """What the driver said, on one line."""
    return " ".join(str(error.orig).split())


def _lacks_a_table(error: DBAPIError) -> bool:
    """Whether a table or column is missing, which SQLite reports as it does what is temporary."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    return code == sqlite3.SQLITE_ERROR and str(error.orig).startswith(("no such table", "no such column"))
