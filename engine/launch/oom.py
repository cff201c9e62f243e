"""Whether the kernel has been killing for lack of memory: it says so in counters, not in the exit status."""

from __future__ import annotations

import os
from pathlib import Path


def oom_kills(root: Path = Path("/")) -> int | None:
    """How many processes the kernel has killed for lack of memory, as far as this process can see.

    The sum of the counters of our own control group (version 2 and version 1) and of the whole machine: only its
    growth means anything. None where the system does not report it.
    """
    counters = []
    for group, version in _own_groups(root):
        base = root / "sys/fs/cgroup" / ("" if version == 2 else "memory")
        name = "memory.events" if version == 2 else "memory.oom_control"
        # In a container the path is often that of the host, and our group is at the top.
        for folder in (base / group, base):
            if (value := _counter(folder / name)) is not None:
                counters.append(value)
                break
    if (value := _counter(root / "proc/vmstat")) is not None:
        counters.append(value)
    return sum(counters) if counters else None


def _own_groups(root: Path) -> list[tuple[str, int]]:
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    groups = []
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            groups.append((path.lstrip("/"), 2))
        elif "memory" in controllers.split(","):
            groups.append((path.lstrip("/"), 1))
    return groups


def _counter(path: Path) -> int | None:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        text = os.read(descriptor, 65_536).decode("ascii", errors="replace")
    except OSError:
        return None
    finally:
        os.close(descriptor)
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name == "oom_kill" and value.strip().isdecimal():
            return int(value)
    return None
