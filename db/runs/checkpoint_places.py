"""Where a checkpoint's file lies, and how its row names it.

A row names a file by its path within its run's folder (`checkpoints/step-000000100-last.pt`), and the folder is found
by the run's uid below the present `ITOP_HOME`. So a home can be moved, and a copy of a home has its own files. A row
that names anything else (an absolute path, one with `..`) is of an outside file: it can be read, and is never removed.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from db import paths

__all__ = ["inner_path", "located", "stored"]


def inner_path(named: str) -> PurePosixPath | None:
    """The path within the run's folder that a row names; None where it names something outside of that folder."""
    inner = PurePosixPath(named)
    if inner.is_absolute() or not inner.parts or ".." in inner.parts or "\0" in named:
        return None
    return inner


def located(uid: str, named: str) -> Path:
    """The file that a row of the run with this uid names, as an absolute path."""
    return paths.run_folder(uid) / named


def stored(uid: str, path: str) -> str:
    """What a row of the run with this uid is to hold for a file.

    Args:
        uid: The run's.
        path: The file: absolute, or within the run's folder.
    """
    if not Path(path).is_absolute():
        return path
    try:
        inner = Path(path).relative_to(paths.run_folder(uid)).as_posix()
    except ValueError:
        return path
    return inner if inner_path(inner) is not None else path
