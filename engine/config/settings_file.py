"""Reads a file that a person wrote or may have damaged, whatever it holds or is, and quotes from it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

__all__ = ["LONGEST_QUOTE", "on_one_line", "quoted", "text_of"]

LONGEST_QUOTE = 60
_LARGEST = 1_000_000  # bytes of a file that is read


def text_of(path: Path) -> str:
    """The text of a file.

    Raises:
        OSError: It cannot be read, or is a folder, a pipe, a device or the like, which might never end.
        ValueError: It is too long, or not UTF-8.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe is not waited for
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("it is not a file")
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise ValueError(f"it is longer than {_LARGEST:,} bytes")
    return data.decode()


def quoted(value: object) -> str:
    """A value from a file, for a message: on one line, and not too much of it."""
    try:
        return on_one_line(repr(value), LONGEST_QUOTE)
    except (ValueError, RecursionError):  # a number of thousands of digits; what is nested too deeply
        return f"a {type(value).__name__} that cannot be shown"


def on_one_line(text: str, limit: int) -> str:
    """A text without line ends and control characters, cut to a number of letters."""
    line = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return line if len(line) <= limit else f"{line[:limit]}…"
