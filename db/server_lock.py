"""A lock on a database server that lasts as long as the connection which holds it, however its process ends."""

from __future__ import annotations

import contextlib
import time

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from db.driver_errors import explained
from db.errors import StoreError
from db.retrying import tries
from db.session import Database, lock_number

__all__ = ["ServerLock", "is_held"]

_LOOK_SECONDS = 2.0
_ASK_SECONDS = 0.05


class ServerLock:
    """Held from a successful `acquire` until `release` or the end of the process.

    Args:
        db: A database on a server; the lock is one of this database, and of its schema.
        key: What is locked.
    """

    def __init__(self, db: Database, key: str) -> None:
        self._db = db
        self._key = key
        self._connection: Connection | None = None
        self._cut_off = False
        self._look_at = 0.0

    def __str__(self) -> str:
        return f"the lock in {self._db.url}"

    def acquire(self, *, patience: float = 0.0) -> bool:
        """Take the lock, trying for `patience` seconds; False if another process has it.

        Raises:
            StoreError: The server cannot be reached.
        """
        with explained(self._db.url):
            for _ in tries(patience, _ASK_SECONDS):
                connection = self._db.own_connection()
                taken = False
                try:
                    number = _number(connection, self._key)
                    taken = bool(connection.scalar(text("SELECT pg_try_advisory_lock(:number)"), {"number": number}))
                finally:
                    if not taken:
                        connection.close()
                if taken:
                    self._connection, self._cut_off = connection, False
                    return True
        return False

    def release(self) -> None:
        """Give the lock up; harmless if it is not held."""
        connection, self._connection, self._cut_off = self._connection, None, False
        if connection is not None:
            with contextlib.suppress(DBAPIError):
                connection.close()

    def intact(self) -> bool:
        """Whether no other process has the lock. One that was lost with its connection is taken again.

        While the server cannot be reached, no process can take it.
        """
        if (self._connection is None and not self._cut_off) or time.monotonic() < self._look_at:
            return self._connection is not None or self._cut_off
        self._look_at = time.monotonic() + _LOOK_SECONDS
        if self._connection is not None:
            try:
                self._connection.execute(text("SELECT 1"))
            except DBAPIError:
                self.release()
                self._cut_off = True
        if self._cut_off:
            with contextlib.suppress(StoreError):
                return self.acquire()
        return True


def is_held(db: Database, key: str) -> bool:
    """Whether a process holds the lock now; asking disturbs no process.

    Raises:
        StoreError: The server cannot be reached.
    """
    held = text(
        "SELECT EXISTS (SELECT 1 FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database "
        "WHERE datname = current_database() AND locktype = 'advisory' AND granted AND objsubid = 1 "
        "AND CAST(classid AS bigint) = :high AND CAST(objid AS bigint) = :low)"
    )
    with db.read() as session:
        number = _number(session.connection(), key) % 2**64
        return bool(session.scalar(held, {"high": number >> 32, "low": number % 2**32}))


def _number(connection: Connection, key: str) -> int:
    schema = connection.scalar(text("SELECT current_schema()"))
    return lock_number(f"{key} {schema}")
