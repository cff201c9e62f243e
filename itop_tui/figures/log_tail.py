"""Read a console log as it grows: its end first, then only what was appended. For the app and for `itop logs`.

No widget and no clock: what watches the file calls `LogTail.read`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from itop_tui.figures.format import plain, without_escapes

FIRST_LINES = 5_000
"""Lines read of a log that was there before."""
_BLOCK = 1 << 16
_MOST_BYTES = 4 << 20
"""Bytes read at one turn at most: what comes faster is read at the next turns."""
_LONGEST_LINE = 16_000


def clean_line(line: str) -> str:
    """One line of a log as plain text, for a widget.

    Escape sequences are left out, control characters become visible, and directional ones are left out, as in every
    text that the app shows. Of a very long line, only the end is kept.
    """
    return plain(without_escapes(line[-_LONGEST_LINE:]).expandtabs())


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
        first_lines: How many lines are read of what is there at first; None for all.
        most_bytes: How many bytes, at most, the file's end is searched for these lines; None for no limit.
        clean: Makes a line safe to show.
        longest_line: Bytes after which a line that has no end yet is given as a line.
    """

    def __init__(
        self,
        path: Path,
        first_lines: int | None = FIRST_LINES,
        *,
        most_bytes: int | None = _MOST_BYTES,
        clean: Callable[[str], str] = clean_line,
        longest_line: int = _LONGEST_LINE,
    ) -> None:
        self._path = path
        self._first_lines = first_lines
        self._most_bytes = most_bytes
        self._clean = clean
        self._longest_line = longest_line
        self._identity: tuple[int, int] | None = None
        self._missing = False
        self._offset = 0
        self._rest = b""

    def read(self) -> LogChunk:
        """Read what was appended since; a file that was replaced or cut is read again from its end.

        At one turn some megabytes are read at most: there is more to read until a turn gives no line.

        Raises:
            OSError: If the file is there and cannot be read.
        """
        try:
            with self._path.open("rb") as file:
                descriptor = file.fileno()
                status = os.fstat(descriptor)
                identity = (status.st_dev, status.st_ino)
                fresh = identity != self._identity or status.st_size < self._offset
                if fresh:
                    self._identity, self._rest = identity, b""
                    # Of a file that was created since the last turn, nothing is old.
                    self._offset = 0 if self._missing else self._first_offset(descriptor, status.st_size)
                start = self._offset
                data = os.pread(descriptor, _MOST_BYTES, start)
        except FileNotFoundError:
            gone = self._identity is not None
            self._identity, self._offset, self._rest, self._missing = None, 0, b"", True
            return LogChunk(missing=True, restarted=gone)
        self._missing = False
        self._offset += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > self._longest_line:  # a line without end must not grow in memory forever
            lines.append(self._rest)
            self._rest = b""
        cleaned = tuple(map(self._cleaned, lines))
        return LogChunk(cleaned, restarted=fresh, skipped=start if fresh else 0)

    def read_unfinished(self) -> tuple[str, ...]:
        """Give the last line although it has no end, where there is one: nothing more is to come."""
        rest, self._rest = self._rest, b""
        return (self._cleaned(rest),) if rest else ()

    def _cleaned(self, line: bytes) -> str:
        return self._clean(line.decode("utf-8", "replace"))

    def _first_offset(self, descriptor: int, size: int) -> int:
        """The offset at which the last lines begin, found from the end of the file."""
        if self._first_lines is None:
            return 0
        position, missing = size, self._first_lines + 1
        floor = 0 if self._most_bytes is None else max(0, size - self._most_bytes)
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
