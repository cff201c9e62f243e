"""Making the tables of a SQLite file, or bringing them to this program's revision."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

from sqlalchemy import Connection, Engine

from db import migrate, private_files
from db.errors import DatabaseRefused, StoreError
from db.sqlite.sqlite_file import APPLICATION_ID

__all__ = ["build"]


def build(engine: Engine, path: Path) -> None:
    """Create or migrate the tables in one transaction, so that a crash keeps the old state and one process does it.

    Args:
        engine: Whose transactions take the write lock at their start.
        path: The file, which is copied before tables in it are changed.

    Raises:
        DatabaseRefused: The tables cannot be migrated; the file was left as it was.
    """
    with engine.connect() as connection:
        # Rebuilding a table drops the old one, which must not cascade; the pragma works only outside transactions.
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.execute("PRAGMA foreign_keys = OFF")
        try:
            with connection.begin():
                revision = migrate.read_revision(connection)
                migrate.check_known(revision, str(path))
                if revision == migrate.HEAD:
                    return
                backup = _back_up(path, revision) if revision else None
                try:
                    migrate.upgrade(connection)
                    _check_foreign_keys(connection)
                except Exception as error:
                    if backup is None:
                        raise
                    raise DatabaseRefused(
                        f"{path} could not be migrated from revision {revision} to {migrate.HEAD} and was left as it "
                        f"was: {error}. A copy of it is in {backup}. Use the version of itop that wrote it."
                    ) from error
                connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
        finally:
            with suppress(sqlite3.Error):
                driver.execute("PRAGMA foreign_keys = ON")


def _back_up(path: Path, revision: str) -> Path:
    """Copy the database beside itself; the caller holds the write lock, so the copy is of one state."""
    target = path.with_name(f"{path.name}.{revision}-{time.strftime('%Y%m%d-%H%M%S')}.backup")
    partial_target = target.with_name(target.name + ".partial")
    try:
        private_files.make_file(partial_target)
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(partial_target)) as copy:
            source.backup(copy)
        partial_target.replace(target)
    finally:
        partial_target.unlink(missing_ok=True)
    return target


def _check_foreign_keys(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
    if broken:
        tables = ", ".join(sorted({str(row[0]) for row in broken}))
        raise StoreError(f"{len(broken)} rows would refer to nothing, in {tables}")
