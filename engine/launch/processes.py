"""Which process is meant: never a pid alone, because the kernel gives a dead process's number to another one.

A process is named by its pid, the moment it started and the boot of the machine it started in. On Linux the moment is
read in clock ticks since boot, which no correction of the wall clock moves; elsewhere psutil is asked for it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_LINUX = sys.platform.startswith("linux")


class ProcessIdentity(NamedTuple):
    """One process of this or an earlier boot of a machine.

    Attributes:
        pid: Its number.
        start_time: When it started, in seconds; on Linux since boot, elsewhere since 1970. Only for comparing.
        boot_id: The boot it belongs to.
    """

    pid: int
    start_time: float
    boot_id: str

    @classmethod
    def current(cls) -> ProcessIdentity:
        """The calling process."""
        identity = cls.of(os.getpid())
        if identity is None:  # only where /proc is hidden even from ourselves
            raise OSError("cannot read the start time of this very process")
        return identity

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity | None:
        """The process that has this number now (a zombie included), or None if there is none."""
        found = _look_up(pid)
        return None if found is None else cls(pid, found.start_time, boot_id())

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | None) -> ProcessIdentity | None:
        """The inverse of `as_dict`; None where a part is missing or of the wrong kind."""
        if not isinstance(values, Mapping):
            return None
        try:
            return cls(int(values["pid"]), float(values["start_time"]), str(values["boot_id"]))
        except (KeyError, TypeError, ValueError):
            return None

    def as_dict(self) -> dict[str, int | float | str]:
        """The three parts by name, for a JSON file."""
        return self._asdict()

    def alive(self) -> bool:
        """Whether this very process still runs: same number, same start, same boot; a zombie does not run."""
        if self.pid <= 0 or self.boot_id != boot_id():
            return False
        found = _look_up(self.pid)
        return found is not None and not found.zombie and abs(found.start_time - self.start_time) < 0.005

    def send(self, number: int) -> bool:
        """Send a signal to this process alone.

        Returns:
            Whether it was sent; False if the process is gone, also if its number now belongs to another.

        Raises:
            PermissionError: The process belongs to another user.
        """
        if not self.alive():
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
            return True
        return False

    def send_to_group(self, number: int) -> bool:
        """Send a signal to the process and to all it has started, where it leads a process group of its own.

        A process that shares its group with others (a worker typed in by hand at a shell) gets the signal alone.

        Returns:
            Whether it was sent; False if the process is gone.

        Raises:
            PermissionError: The process belongs to another user.
        """
        if not self.alive():
            return False
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(self.pid) == self.pid:
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)
            return True
        return False


class _Found(NamedTuple):
    start_time: float
    zombie: bool


def _look_up(pid: int) -> _Found | None:
    return _look_up_linux(pid) if _LINUX else _look_up_psutil(pid)


def _look_up_linux(pid: int) -> _Found | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the program's name in parentheses and may hold anything, parentheses included.
    fields = text.rpartition(")")[2].split()
    return _Found(int(fields[19]) / os.sysconf("SC_CLK_TCK"), fields[0] in "ZXx")


def _look_up_psutil(pid: int) -> _Found | None:
    import psutil  # a fifth of the warden's memory, and not needed on Linux

    try:
        process = psutil.Process(pid)
        return _Found(process.create_time(), process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD))
    except psutil.NoSuchProcess:
        return None


@cache
def boot_id() -> str:
    """A name for the time between two boots of this machine; it changes when the machine restarts."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        import psutil

        return f"booted-{int(psutil.boot_time())}"


@cache
def host_name() -> str:
    """The name under which this machine's runs are recorded."""
    return socket.gethostname()


def signal_name(number: int) -> str:
    """The name of a signal, SIGKILL for 9; "signal 77" where it has none.

    >>> signal_name(9)
    'SIGKILL'
    """
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
