"""What was deleted and can still be restored.

A deletion puts runs into the store's trash. The bin knows what this app put there, the latest last. When the last app
on this host and database is left, it empties the trash: what it deleted itself, and what an app that was killed had
left behind (which is reported at the next start, and can be restored until then). While another app is open nothing is
emptied, so that its undo continues to work; the lock that shows this is the kernel's and ends with the process.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from db import private_files


class Bin:
    """The deletions of one app."""

    def __init__(self) -> None:
        self._batches: list[tuple[int, ...]] = []

    @property
    def latest(self) -> tuple[int, ...]:
        """The runs that were deleted last, together; empty where none can be restored."""
        return self._batches[-1] if self._batches else ()

    def add(self, ids: Iterable[int]) -> None:
        """Remember a deletion."""
        self._batches.append(tuple(ids))

    def adopt(self, ids: Iterable[int]) -> None:
        """Remember what another app left behind, as the deletion that is restored after all others."""
        self._batches.insert(0, tuple(ids))

    def remove(self, ids: tuple[int, ...]) -> None:
        """Forget a deletion that was restored."""
        if ids in self._batches:
            self._batches.remove(ids)


class OpenApps:
    """Knows whether other apps are open on the same database of this host."""

    def __init__(self, home: Path, url: str) -> None:
        self._path = home / f"apps-{hashlib.sha256(url.encode()).hexdigest()[:12]}.lock"
        self._descriptor: int | None = None

    def join(self) -> bool:
        """Be one of the open apps, until `leave` or the end of the process; returns whether it is the first one.

        Raises:
            OSError: The lock file cannot be made, or locks do not work there.
        """
        private_files.make_folder(self._path.parent)
        self._descriptor = private_files.opener(self._path, os.O_RDWR | os.O_CREAT)
        first = self.alone()
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)
        return first

    def alone(self) -> bool:
        """Whether no other app is open; from then on one that opens waits until this one leaves.

        False also where that cannot be known.
        """
        if self._descriptor is None:
            return False
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def leave(self) -> None:
        """Stop being one of the open apps."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
