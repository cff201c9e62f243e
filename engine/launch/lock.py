"""The lock that makes the scheduler the only one of its user and database; on a server, of its user, host and database.

It belongs to the database, not to the home: several homes may name one database. For a file it is an advisory lock of
the kernel (flock) on a file beside it: it goes with the process that holds it, however that dies, so there is no stale
lock file to clean up. The file itself stays. On a server it is a lock of a connection.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import NamedTuple, Protocol

from db import private_files, users
from db.retrying import tries
from db.server_lock import ServerLock, is_held
from db.session import Database
from db.users import User
from engine.launch.machine import this_host


class Lock(Protocol):
    """What only one scheduler holds."""

    def acquire(self, *, patience: float = 0.0) -> bool:
        """Take it; False if another process has it."""
        ...

    def release(self) -> None:
        """Give it up."""
        ...

    def intact(self) -> bool:
        """Whether it is still ours."""
        ...


class Holder(NamedTuple):
    """Who holds a lock: the user, and the number of the process where that is known."""

    user: User
    pid: int | None

    def __str__(self) -> str:
        return f"the scheduler of {self.user.name} serves this home" + (f" (pid {self.pid})" if self.pid else "")


def scheduler_lock(db: Database) -> Lock:
    """The lock of this user's scheduler of a database on this host."""
    return ServerLock(db, _key()) if db.path is None else SchedulerLock(lock_path(db.path))


def is_served(db: Database) -> bool:
    """Whether this user's scheduler of this host serves a database now.

    Raises:
        StoreError: The server cannot be reached.
    """
    return is_held(db, _key()) if db.path is None else is_locked(lock_path(db.path))


def lock_path(database: Path) -> Path:
    """The lock file of this user for a database in a file: beside the file, whatever link leads to it."""
    file = _real(database)
    return file.with_name(f"{_lock_name(file)}{users.current().uid}")


def other_holders(db: Database) -> list[Holder]:
    """The other users whose schedulers serve a database in a file now, as far as their locks can be looked at."""
    if db.path is None:
        return []
    own, file = lock_path(db.path), _real(db.path)
    found = []
    for path in sorted(file.parent.iterdir()):
        if path == own or not path.name.startswith(_lock_name(file)):
            continue
        owner = users.owner_of(path)
        if owner is not None and is_locked(path):
            found.append(Holder(owner, _pid_in(path)))
    return found


def _real(database: Path) -> Path:
    return Path(os.path.realpath(database))


def _lock_name(file: Path) -> str:
    return f"{file.name}.scheduler-lock-"


def _key() -> str:
    host = this_host()
    return f"itop scheduler {host.machine_id} {host.boot_id} {host.pid_namespace} {users.current().name}"


def _pid_in(path: Path) -> int | None:
    try:
        word = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    return int(word) if word.isdecimal() and len(word) < 12 else None


class SchedulerLock:
    """Held from a successful `acquire` until `release` or the end of the process.

    Args:
        path: The lock file; made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def __str__(self) -> str:
        return f"the lock file {self.path}"

    def acquire(self, *, patience: float = 0.0) -> bool:
        """Take the lock, trying for `patience` seconds; False if another process has it."""
        for _ in tries(patience, 0.02):
            descriptor = private_files.opener(self.path, os.O_RDWR | os.O_CREAT)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
            else:
                self._descriptor = descriptor
                with contextlib.suppress(OSError):  # a full disk: then it is held without a number
                    os.ftruncate(descriptor, 0)
                    os.write(descriptor, f"{os.getpid()}\n".encode())
                return True
        return False

    def release(self) -> None:
        """Give the lock up; harmless if it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def intact(self) -> bool:
        """Whether we hold the lock and its file is still the one that others would find under its name."""
        if self._descriptor is None:
            return False
        with contextlib.suppress(OSError):
            return os.path.samestat(os.fstat(self._descriptor), self.path.stat())
        return False


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock now.

    The question takes a shared lock for a moment, which is why a starting scheduler asks for its own with patience.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # not there, or cannot be locked: the process that tries to lock it reports why
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
