"""The energy that the host's processors use, where Linux counts it (RAPL) and lets this user read it."""

from __future__ import annotations

from pathlib import Path

__all__ = ["ProcessorEnergy"]

_FOLDER = Path("/sys/class/powercap")


class ProcessorEnergy:
    """Counts what all processors together use, from the first reading on.

    The counters of Linux start again at 0 after some minutes under load; a reading every minute misses none of that.

    Args:
        folder: Where Linux has the counters; passed in by tests.
    """

    def __init__(self, folder: Path = _FOLDER) -> None:
        self._packages = sorted(one for one in folder.glob("intel-rapl:*") if one.name.count(":") == 1)
        self._last: list[int] | None = None
        self._used = 0

    def read(self) -> float | None:
        """Joules used since the first reading; None where they are not counted, or must not be read."""
        try:
            now = [_number(package / "energy_uj") for package in self._packages]
            ranges = [_number(package / "max_energy_range_uj") for package in self._packages]
        except (OSError, ValueError):
            return None
        if not now:
            return None
        for after, before, most in zip(now, self._last or now, ranges, strict=True):
            self._used += after - before if after >= before else after - before + most
        self._last = now
        return self._used / 1e6


def _number(path: Path) -> int:
    return int(path.read_text(encoding="ascii"))
