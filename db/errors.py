"""What the store raises. Every message is written for the person who reads it; the names say what is wrong."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "AmbiguousRun",
    "AttemptOver",
    "DatabaseDamaged",
    "DatabaseFull",
    "DatabaseGone",
    "DatabaseProtected",
    "DatabaseRefused",
    "DatabaseUnavailable",
    "HomeGone",
    "IllegalState",
    "QueryError",
    "ReadOnlyDatabase",
    "RunNotFound",
    "StoreError",
]


class StoreError(Exception):
    """Anything the store could not do; the base of all its errors."""


class DatabaseRefused(StoreError):
    """The database is not ours, is damaged, or is newer than this program; nothing in it was changed."""


class DatabaseDamaged(StoreError):
    """A part of the database that was needed cannot be read; other parts may be whole."""


class DatabaseUnavailable(StoreError):
    """The database could not be used just now: locked for too long, full, unreachable. Trying again may help."""


class DatabaseGone(DatabaseUnavailable):
    """The database file that was opened is no longer at its path; it may come back."""


class HomeGone(DatabaseUnavailable):
    """The home that a process was started with is no longer at its path; it may come back."""


class ReadOnlyDatabase(StoreError):
    """Nothing may be changed here: it is another user's, or was opened only to look at."""


class DatabaseFull(DatabaseUnavailable):
    """Nothing can be written, because the disk or the user's quota on it is full; what is there can be read."""


class DatabaseProtected(DatabaseUnavailable):
    """Nothing can be written any more: the file or its file system has become read-only; what is there can be read."""


class RunNotFound(StoreError):
    """No run goes by that id, uid or name."""


class AmbiguousRun(StoreError):
    """Several runs go by that name.

    Attributes:
        ids: The ids of all of them, ascending.
    """

    def __init__(self, message: str, ids: Sequence[int]) -> None:
        super().__init__(message)
        self.ids = tuple(ids)


class IllegalState(StoreError):
    """The state of the run, attempt or writer does not allow what was asked."""


class AttemptOver(IllegalState):
    """The attempt that something was to be recorded for has ended, or a later one of its run has begun."""


class QueryError(StoreError):
    """A query cannot be understood.

    Attributes:
        position: Where in the text the mistake begins.
        length: How many characters of the text it is about; 0 where something is missing at that place.
        suggestion: What might be written there instead; None where nothing is near.
    """

    def __init__(self, message: str, position: int, length: int, suggestion: str | None = None) -> None:
        super().__init__(message)
        self.position = position
        self.length = length
        self.suggestion = suggestion
