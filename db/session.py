"""The database: opening, transactions, and noticing change. All that differs between SQLite and PostgreSQL is here.

A `Database` may be shared by all threads of a process and the same database opened by many processes. Every write
transaction takes the write lock at its start (SQLite: BEGIN IMMEDIATE), so what it reads cannot change before it
writes; reads take no lock, see one snapshot, and neither block writers nor are blocked by them (SQLite: write-ahead
log).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from db import migrate, private_files, read_only, users
from db.columns import decoded
from db.database_place import chosen_place, understood
from db.driver_errors import cause, explained, of_the_file
from db.errors import DatabaseGone, DatabaseRefused, DatabaseUnavailable, StoreError
from db.retrying import tries
from db.sqlite import space
from db.sqlite.sqlite_build import build
from db.sqlite.sqlite_file import inspect_file, network_file_system
from db.text import storable_json

__all__ = ["Database", "lock_number"]

_BUSY_SECONDS = 10.0
_WRITE_PATIENCE_SECONDS = 60.0
_LOG_BYTES = 64 * 1024**2  # a log that a long reader made larger is cut back to this
_LOG_PAUSE_SECONDS = 1.0
_LONGEST_LOG_PAUSE_SECONDS = 8.0
_ASK_SECONDS = (0.0005, 0.003)
_PAUSES = random.Random()  # not the module's: its state belongs to the run, whose checkpoints hold it
_BEGIN_OPTION = "itop_begin"


class Database:
    """An open database. Make one with `Database.open`; it may be shared by threads, not inherited by a fork.

    Attributes:
        url: Where it is, with a password replaced by `***`.
        path: The file; None for a server's database.
        warnings: What the user should know about this place, in words; mostly empty.
    """

    def __init__(
        self,
        engine: Engine,
        path: Path | None,
        warnings: tuple[str, ...] = (),
        kept: read_only.ReadOnly | None = None,
    ) -> None:
        self.url = engine.url.render_as_string(hide_password=True)
        self.path = path
        self.warnings = warnings
        self._kept = kept
        self._engine = engine
        self._identity = _identity(path) if path else None
        self._reader: Engine = engine if path else engine.execution_options(isolation_level="REPEATABLE READ")
        self._writer: Engine = engine.execution_options(**{_BEGIN_OPTION: "IMMEDIATE"}) if path else engine
        self._watch: sqlite3.Connection | None = None
        self._watch_lock = threading.Lock()
        self._log_pause = _LOG_PAUSE_SECONDS
        self._log_due = time.monotonic() + self._log_pause
        # A forked child (a data loader's worker, say) must never use or close what it inherits.
        _OPEN.add(self)

    @classmethod
    def open(cls, url: str | Path | None = None, *, make: bool = True) -> Database:
        """Open a database, creating its tables or migrating it (after a backup) where needed.

        Args:
            url: An SQLAlchemy URL, or the path of a SQLite file; by default `chosen_place()`.
            make: Whether to make a file that is not there. A process that works on what is in the database does not:
                the home was moved meanwhile, and a second one would stand in its place.

        Raises:
            DatabaseGone: The file is not there, and none is to be made.
            DatabaseRefused: It is not ours, or newer than this program, or cannot be migrated; it was left untouched.
            StoreError: The URL cannot be understood, or the place cannot be reached or written to.
        """
        parsed = understood(url or chosen_place())
        if parsed.get_backend_name() == "sqlite":
            return cls._open_sqlite(parsed, make=make)
        return cls._open_server(parsed)

    @classmethod
    def _open_sqlite(cls, url: URL, *, make: bool) -> Database:
        if not url.database or url.database == ":memory:":
            raise StoreError("The database must be a file: one in memory could not be shared with the workers.")
        path = Path(url.database).expanduser().absolute()
        if not make and not path.exists():
            raise DatabaseGone(f"The database {path} is not there any more: was its folder moved?")
        read_only.check_readable(path)
        try:
            if not read_only.asked_for():
                private_files.make_folder(path.parent)
        except OSError as error:
            raise StoreError(f"The folder {path.parent} cannot be made: {error.strerror}. Set ITOP_HOME.") from error
        if (kept := read_only.read_only_reason(path)) is not None:
            return cls._open_to_read(url, path, kept)
        # Closing a file drops all locks that this process holds on it, also those of another connection.
        revision = migrate.HEAD if _is_open_here(path) else inspect_file(path)
        migrate.check_known(revision, str(path))
        with contextlib.suppress(OSError):  # what is wrong with the place is said where it is opened
            private_files.make_file(path)
        engine = create_engine(
            url.set(database=str(path)),
            connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False},
            pool_size=8,
            max_overflow=-1,
            json_serializer=storable_json,
        )
        warnings: list[str] = []
        network = network_file_system(path)
        # Without a log, NORMAL may leave a file torn by a power cut.
        _control_transactions(engine, synchronous="FULL" if network else "NORMAL")
        try:
            if revision != migrate.HEAD:
                build(engine.execution_options(**{_BEGIN_OPTION: "IMMEDIATE"}), path)
                warnings += filter(None, (space.enable(path),))
            _set_journal(path, "delete" if network else "wal")
        except (DBAPIError, sqlite3.Error) as error:
            engine.dispose()
            reason = error.orig if isinstance(error, DBAPIError) else error
            found = of_the_file(reason, path)
            raise found or StoreError(f"The database {path} cannot be opened: {reason}.") from error
        except BaseException:
            engine.dispose()
            raise
        if network:
            warnings.append(
                f"{path} is on a network file system ({network}): without a write-ahead log, readers and writers wait "
                "for each other. Set ITOP_HOME to a local disk, or ITOP_DATABASE_URL to a PostgreSQL server."
            )
        return cls(engine, path, tuple(warnings))

    @classmethod
    def _open_to_read(cls, url: URL, path: Path, kept: read_only.ReadOnly) -> Database:
        """Open the file of a database that may only be looked at; nothing is made, migrated or locked."""
        if not path.exists():
            raise StoreError(
                f"There is no database {path}, and none can be made: {kept.place} is read-only ({kept.note})."
            )
        try:
            revision = migrate.HEAD if _is_open_here(path) else inspect_file(path)
            with contextlib.closing(read_only.connect(path)) as connection:
                if revision is None:
                    revision = str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])
        except (sqlite3.Error, TypeError) as error:
            raise StoreError(f"The database {path} cannot be read ({error}), and is read-only: {kept.note}.") from error
        _check_current(revision, str(path), kept)
        engine = create_engine(
            # A connection for each look: a file without a log may get one at any time.
            url.set(database=str(path)),
            creator=lambda: read_only.connect(path),
            poolclass=NullPool,
            json_serializer=storable_json,
        )
        _control_transactions(engine, synchronous="NORMAL")
        warnings: tuple[str, ...] = ()
        if read_only.is_immutable(path):
            warnings = (
                f"{path} was opened as a file that no one changes, because the files of its log are not there and "
                "cannot be made: what its owner changes meanwhile may be seen late.",
            )
        return cls(engine, path, warnings, kept)

    @classmethod
    def _open_server(cls, url: URL) -> Database:
        where = url.render_as_string(hide_password=True)
        try:
            engine = create_engine(
                url,
                pool_size=8,
                max_overflow=-1,
                pool_pre_ping=True,
                json_serializer=storable_json,
                isolation_level="READ COMMITTED",
            )
        except (ArgumentError, ImportError) as error:
            raise StoreError(f"{where} cannot be opened: {error}. Install the driver it names.") from error
        try:
            kept = read_only.read_only_reason(None)
            with engine.begin() as connection:
                if kept is None:
                    _lock_server(connection, "itop migrations")
                revision = migrate.read_revision(connection)
                migrate.check_known(revision, where)
                if kept is not None:
                    _check_current(revision, where, kept)
                elif revision != migrate.HEAD:
                    migrate.upgrade(connection)
        except OperationalError as error:
            engine.dispose()
            raise StoreError(f"{where} cannot be reached: {cause(error)}") from error
        except BaseException:
            engine.dispose()
            raise
        return cls(engine, None, (), kept)

    @property
    def read_only(self) -> str | None:
        """Why nothing can be changed here, in a few words ("owned by alice"); None where it can."""
        return None if self._kept is None else self._kept.note

    @property
    def owner(self) -> users.User | None:
        """Whose the file of the database is; None for one on a server."""
        return None if self.path is None else users.owner_of(self.path)

    def check_writable(self) -> None:
        """Refuse a change where nothing may be changed.

        Raises:
            ReadOnlyDatabase: The home is another user's, or was opened to look at only.
        """
        if self._kept is not None:
            raise self._kept.error()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one state of the database, and changes nothing.

        Raises:
            DatabaseUnavailable: The database is gone or cannot be reached.
        """
        self._check_present()
        with explained(self.path or self.url), Session(self._reader, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session in one write transaction: committed at the end, rolled back by any exception.

        Raises:
            DatabaseUnavailable: The file is no longer where it was opened, others hold the lock for too long, the disk
                is full, or the server cannot be reached. Nothing was written.
            ReadOnlyDatabase: Nothing may be changed here.
        """
        self.check_writable()
        self._check_present()
        with (
            explained(self.path or self.url),
            Session(self._writer, expire_on_commit=False) as session,
            session.begin(),
        ):
            if self.path:
                _begin_patiently(session)
            yield session
        self._tend_log()

    def exclusive(self, session: Session, key: str) -> None:
        """Keep every other transaction that asks for the same key waiting until this one ends."""
        if self.path is None:  # a write transaction of SQLite is alone anyway
            _lock_server(session.connection(), key)

    def own_connection(self) -> Connection:
        """A connection beside the others, which the caller closes: for a lock that lasts as long as it does."""
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        connection.detach()
        return connection

    @property
    def on_server(self) -> bool:
        """Whether it is on a server, so that several hosts may use it."""
        return self.path is None

    def data_version(self) -> int:
        """A number that differs from the last one whenever anything was committed since, by any process.

        It costs microseconds on SQLite and one round trip on PostgreSQL, where other databases of the same server move
        it too. It means nothing beyond this object.
        """
        self._check_present()
        if self.path is None:
            with explained(self.url), self._engine.connect() as connection:
                # Any transaction that writes takes an id, so the snapshot's text moves when one begins or ends.
                snapshot = connection.execute(text("SELECT CAST(pg_current_snapshot() AS text)")).scalar_one()
            return int.from_bytes(hashlib.blake2b(str(snapshot).encode(), digest_size=7).digest(), "big")
        if self._kept is not None:
            return _version_of(self.path)
        # The pragma shows the commits of other connections only: so this is a connection that never writes.
        with self._watch_lock:
            try:
                if self._watch is None:
                    self._watch = sqlite3.connect(
                        f"{self.path.as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS, check_same_thread=False
                    )
                return int(self._watch.execute("PRAGMA data_version").fetchone()[0])
            except sqlite3.Error as error:
                if self._watch is not None:
                    self._watch.close()
                    self._watch = None
                found = of_the_file(error, self.path)
                raise found or DatabaseUnavailable(f"The database {self.path} cannot be read: {error}.") from error

    def give_back_space(self) -> int:
        """Free the disk space of what was deleted, in short steps, so that others wait little.

        Returns:
            How many bytes the file is shorter by. 0 on PostgreSQL, whose own autovacuum frees the space for new rows.

        Raises:
            DatabaseUnavailable: The file is unavailable, or others hold the lock for too long.
        """
        return space.give_back(self.write, self.path) if self.path else 0

    def close(self) -> None:
        """Close all connections that are not in use; calling it again does nothing."""
        _OPEN.discard(self)
        with self._watch_lock:
            if self._watch is not None:
                self._watch.close()
                self._watch = None
        self._engine.dispose()

    def _tend_log(self) -> None:
        """Look at the length of SQLite's log now and then; less often while a reader keeps it from being emptied."""
        now = time.monotonic()
        if self.path is None or now < self._log_due:
            return
        self._log_pause = (
            _LOG_PAUSE_SECONDS if space.trim_log(self.path) else min(2 * self._log_pause, _LONGEST_LOG_PAUSE_SECONDS)
        )
        self._log_due = now + self._log_pause

    def _check_present(self) -> None:
        # SQLite would write into a file that was unlinked or moved, and all of it would be lost silently.
        if self.path and _identity(self.path) != self._identity:
            raise DatabaseGone(f"The database {self.path} was moved, deleted or replaced since it was opened.")

    def _abandon(self) -> None:
        self._engine.dispose(close=False)
        self._watch = None
        self._watch_lock = threading.Lock()


_OPEN: weakref.WeakSet[Database] = weakref.WeakSet()


def _abandon_inherited() -> None:
    for database in list(_OPEN):
        database._abandon()


os.register_at_fork(after_in_child=_abandon_inherited)


def _is_open_here(path: Path) -> bool:
    found = _identity(path)
    return found is not None and any(database._identity == found for database in list(_OPEN))


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - on the path of every transaction, and pathlib is slower
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _version_of(path: Path) -> int:
    """A number that moves when a file or its log is written to; for one that may be opened as unchanging."""
    seen: list[int] = []
    for name in (path.name, f"{path.name}-wal"):
        with contextlib.suppress(OSError):
            status = path.with_name(name).stat()
            seen += [status.st_ino, status.st_mtime_ns, status.st_size]
    return int.from_bytes(hashlib.blake2b(repr(seen).encode(), digest_size=7).digest(), "big")


def _check_current(revision: str | None, where: str, kept: read_only.ReadOnly) -> None:
    """Refuse tables of another revision where they cannot be migrated."""
    migrate.check_known(revision, where)
    if revision != migrate.HEAD:
        raise DatabaseRefused(
            f"{where} is at revision {revision!r}; this version of itop reads {migrate.HEAD!r}, and may not migrate "
            f"it: read-only, {kept.note}. Its owner has to open it once with this version."
        )


def _control_transactions(engine: Engine, *, synchronous: str) -> None:
    """Do not let the driver write BEGIN, which would begin late or not at all, and set what each connection needs."""

    @event.listens_for(engine, "connect")
    def connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        connection.text_factory = decoded
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        mode = connection.get_execution_options().get(_BEGIN_OPTION, "DEFERRED")
        if mode == "DEFERRED":
            connection.exec_driver_sql("BEGIN DEFERRED")
        else:
            _begin_fairly(connection)


def _begin_fairly(connection: Connection) -> None:
    """Take the write lock, asking for it every few milliseconds.

    SQLite by itself asks ever less often, up to a tenth of a second apart, so that the one that has waited longest is
    the least likely to get it: with many writers, some wait for seconds.
    """
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    driver.execute("PRAGMA busy_timeout = 0")
    try:
        for last in tries(_BUSY_SECONDS, lambda: _PAUSES.uniform(*_ASK_SECONDS)):
            try:
                driver.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if last or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    connection.exec_driver_sql("BEGIN IMMEDIATE")  # once more, for SQLAlchemy to raise it as its own
                    return
            else:
                return
    finally:
        driver.execute(f"PRAGMA busy_timeout = {int(1000 * _BUSY_SECONDS)}")


def _begin_patiently(session: Session) -> None:
    """Take the write lock; a crowd of writers can keep one waiting longer than SQLite's own timeout."""
    for last in tries(_WRITE_PATIENCE_SECONDS):
        try:
            session.connection()
        except OperationalError as error:
            if last or not _is_busy(error):
                raise
        else:
            return


def _is_busy(error: DBAPIError) -> bool:
    code = getattr(error.orig, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _set_journal(path: Path, mode: str) -> None:
    """Set the journal mode; SQLite does not wait for other connections here, so this does."""
    with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS)) as connection:
        for last in tries(_BUSY_SECONDS, 0.02):
            try:
                current = str(connection.execute("PRAGMA journal_mode").fetchone()[0])
                if current != mode:
                    current = str(connection.execute(f"PRAGMA journal_mode = {mode}").fetchone()[0])
                if current == mode:
                    return
                problem = sqlite3.OperationalError(f"its journal mode stays {current}")
            except sqlite3.OperationalError as error:
                problem = error
            if last:
                raise problem


def lock_number(key: str) -> int:
    """The number that stands for a key in the locks of a server."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big", signed=True)


def _lock_server(connection: Connection, key: str) -> None:
    connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": lock_number(key)})
