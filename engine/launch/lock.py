"""The lock that makes the scheduler the only one of its user, host and database.

An advisory lock of the kernel (flock): it goes with the process that holds it, however that dies, so there is no stale
lock file to clean up. The file itself stays.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from db import private_files, users
from db.retrying import tries
from db.users import User


class Holder(NamedTuple):
    """Who holds a lock: the user, and the number of the process where that is known."""

    user: User
    pid: int | None

    def __str__(self) -> str:
        return f"the scheduler of {self.user.name} serves this home" + (f" (pid {self.pid})" if self.pid else "")


def lock_path(home: Path, url: str) -> Path:
    """The lock file of this user's scheduler of a database, in `home`."""
    return home / f"{_lock_name(url)}{_of_user(users.current())}.lock"


def _of_user(user: User) -> str:
    """The part of a lock's name that tells the schedulers of several users of one home apart."""
    return f"-{user.uid}"


def _lock_name(url: str) -> str:
    """The part of a lock's name that says which database it is for, from a hash of `Database.url`."""
    return f"scheduler-{hashlib.sha256(url.encode()).hexdigest()[:12]}"


def other_holders(home: Path, url: str) -> list[Holder]:
    """The other users whose schedulers serve a database now, as far as their locks can be looked at."""
    own = lock_path(home, url)
    found = []
    for path in sorted(home.glob(f"{_lock_name(url)}-*.lock")):
        owner = users.owner_of(path)
        if path != own and owner is not None and is_locked(path):
            found.append(Holder(owner, _pid_in(path)))
    return found


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
