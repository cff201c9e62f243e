"""Which host this is, and which attempts are its own: by machine, boot and process namespace, never by name alone.

A container or DHCP may rename a machine while it trains, and two machines may have one name. The machine's id says
which installed system it is, the boot's id which start of it, and the process namespace in which the numbers of
processes are counted: a container has its own, in which no process of another one can be looked up. The name is what
people are shown.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import time
from dataclasses import replace
from functools import cache
from pathlib import Path

from db import paths
from db.records import AttemptRecord, Host
from engine.launch.processes import boot_id, host_name

__all__ = ["attempt_age", "same_boot", "sees", "this_host", "uptime"]

_MACHINE_IDS = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
_PID_NAMESPACE = Path("/proc/self/ns/pid")


def this_host() -> Host:
    """The host of the calling process, now."""
    return replace(_fixed(), uptime=uptime(), home=_home())


def sees(host: Host, attempt: AttemptRecord) -> bool:
    """Whether the processes of an attempt can be looked up on a host, so that it may be judged there.

    That is so in the same boot and process namespace, whatever the name is now. An attempt of an earlier boot belongs
    to the machine that has the same id and the same name: images of a system are copied together with their id. A row
    of an earlier version knows only the name.
    """
    if attempt.machine_id is None or host.machine_id is None:
        return attempt.host == host.name
    if attempt.machine_id != host.machine_id:
        return False
    if attempt.boot_id == host.boot_id:
        return attempt.pid_namespace == host.pid_namespace
    return attempt.host == host.name


def same_boot(attempt: AttemptRecord) -> bool:
    """Whether an attempt began on this machine, since its last start."""
    host = _fixed()
    return attempt.machine_id == host.machine_id and attempt.boot_id == host.boot_id


def attempt_age(attempt: AttemptRecord) -> float:
    """How many seconds ago an attempt began, at least 0.

    Within a boot that is exact, whatever happened to the clock. Else the clock is believed.
    """
    if attempt.started_uptime is not None and same_boot(attempt):
        return max(0.0, uptime() - attempt.started_uptime)
    return max(0.0, time.time() - attempt.started_at)


def uptime() -> float:
    """Seconds since the system started, time asleep included where the system can say so."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


@cache
def _fixed() -> Host:
    return Host(host_name(), _machine_id(), boot_id(), _pid_namespace())


def _home() -> str | None:
    home = str(paths.home())
    return home if home.isprintable() else None


def _machine_id() -> str:
    """The machine's id, as a hash, since the id itself is not to be shown; "" where a Linux system has none.

    Elsewhere the name takes its place, which is all that is known.
    """
    for path in _MACHINE_IDS:
        with contextlib.suppress(OSError, ValueError):
            text = path.read_text(encoding="ascii").strip()
            if len(text) == 32:
                return hashlib.sha256(f"itop {text}".encode()).hexdigest()[:16]
    return "" if sys.platform.startswith("linux") else f"named {host_name()}"


def _pid_namespace() -> str:
    try:
        return str(os.stat(_PID_NAMESPACE).st_ino)  # noqa: PTH116 - `Path.stat` would do the same
    except OSError:
        return ""
