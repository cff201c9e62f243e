"""Read a console log as it grows: its end first, then only what was appended.

No widget and no clock: a thread calls `LogTail.read` and posts what it gives.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from itop_tui.run.log_view import clean_line

FIRST_LINES = 5_000
"""Lines read of a log that was there before."""
_BLOCK = 1 << 16
_MOST_BYTES = 4 << 20
"""Bytes read at one turn at most: what comes faster is read at the next turns."""
_LONGEST_LINE = 16_000


@dataclass(frozen=True, slots=True)
class LogChunk:
    """What was read at one turn.

    Attributes:
        lines: Whole lines, cleaned.
        restarted: Whether these replace everything read before.
        skipped: Bytes before the first line that were not read.
        missing: Whether there is no file (yet).
    """

    lines: tuple[str, ...] = ()
    restarted: bool = False
    skipped: int = 0
    missing: bool = False


class LogTail:
    """Reads a file that another process appends to.

    Args:
        path: The file; it need not exist yet.
        first_lines: How many lines are read of what is there at first.
    """

    def __init__(self, path: Path, first_lines: int = FIRST_LINES) -> None:
        self._path = path
        self._first_lines = first_lines
        self._identity: tuple[int, int] | None = None
        self._offset = 0
        self._rest = b""

    def read(self) -> LogChunk:
        """Read what was appended since; a file that was replaced or cut is read again from its end.

        Raises:
            OSError: If the file is there and cannot be read.
        """
        try:
            with self._path.open("rb") as file:
                status = os.fstat(file.fileno())
                identity = (status.st_dev, status.st_ino)
                fresh = identity != self._identity or status.st_size < self._offset
                if fresh:
                    self._identity = identity
                    self._offset = _start_of_last_lines(file.fileno(), status.st_size, self._first_lines)
                    self._rest = b""
                start = self._offset
                file.seek(self._offset)
                data = file.read(_MOST_BYTES)
        except FileNotFoundError:
            gone = self._identity is not None
            self._identity, self._offset, self._rest = None, 0, b""
            return LogChunk(missing=True, restarted=gone)
        self._offset += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:  # a line without end must not grow in memory for ever
            lines.append(self._rest)
            self._rest = b""
        cleaned = tuple(clean_line(line[-_LONGEST_LINE:].decode("utf-8", "replace")) for line in lines)
        return LogChunk(cleaned, restarted=fresh, skipped=start if fresh else 0)


def _start_of_last_lines(descriptor: int, size: int, lines: int) -> int:
    """The offset at which the last `lines` lines begin, looking at no more than is read at one turn."""
    position, missing = size, lines + 1
    floor = max(0, size - _MOST_BYTES)
    while position > floor:
        begin = max(floor, position - _BLOCK)
        block = os.pread(descriptor, position - begin, begin)
        newlines = block.count(b"\n")
        if newlines >= missing:
            at = len(block)
            for _ in range(missing):
                at = block.rfind(b"\n", 0, at)
            return begin + at + 1
        missing -= newlines
        position = begin
    return position
