"""Where a run's best weights may be written: the file that `save` names, and why it cannot be written."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

__all__ = ["checksum_of", "in_the_way", "target", "unwritable"]

_LONGEST_NAME = 255 - len(".4194304.part")
"""Bytes; the file is written under a longer name first."""


def target(save: str, folder: Path | None = None) -> Path:
    """The file that a setting names: absolute, its folder without links and dots.

    Args:
        save: The setting.
        folder: Where a relative name begins; None for the current folder.
    """
    named = Path(save)
    with contextlib.suppress(RuntimeError):  # "~name/…" of a user who is not there
        named = named.expanduser()
    named = (folder or Path()) / named
    with contextlib.suppress(OSError, RuntimeError):  # too long, or links that lead in a circle
        return named.parent.resolve() / named.name
    return named.absolute()


def unwritable(path: Path) -> str | None:
    """Why no file can be written there; None where one can.

    Args:
        path: What `target` gave.
    """
    if len(os.fsencode(path.name)) > _LONGEST_NAME:
        return f"the file's name is too long: at most {_LONGEST_NAME} bytes"
    try:
        return _problem_of(path)
    except OSError as error:
        return f"{path} cannot be reached: {error.strerror}"


def _problem_of(path: Path) -> str | None:
    if path.is_dir():
        return f"{path} is a folder: name a file in it"
    if not path.parent.exists():
        return f"there is no folder {path.parent}: make it first"
    if not path.parent.is_dir():
        return f"{path.parent} is no folder"
    if os.path.lexists(path) and not path.is_file():
        return f"{path} is no plain file"
    if not os.access(path.parent, os.W_OK | os.X_OK):
        return f"the folder {path.parent} cannot be written to"
    return None


def in_the_way(path: Path, own: Path | None, sha256: str | None) -> bool:
    """Whether there is a file that the run has not written itself.

    Args:
        path: What `target` gave.
        own: The file that the run has written, where it has; as `target` gave it.
        sha256: Of what it wrote; None where that is not known.
    """
    if not os.path.lexists(path):
        return False
    return own != path or (sha256 is not None and checksum_of(path) != sha256)


def checksum_of(path: Path) -> str | None:
    """The SHA-256 of a file, in hex; None where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
