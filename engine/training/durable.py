"""Bringing names to the disk, as `os.fsync` brings what is in a file."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["sync_folder"]


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk: what was renamed into it then survives a power cut.

    Raises:
        OSError: There is no such folder, or the disk fails.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
