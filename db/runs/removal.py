"""Removing what runs have on the disk. Nothing else in the program removes a run's folder or a file in it.

Only what lies in `ITOP_HOME/runs/<uid>` of the run itself is removed, whatever a row says. Each folder on the way is
opened without following links, and the last name is removed in the folder that was opened: a link is removed at
most itself, never what it points to, even where it is put there meanwhile.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from db import paths
from db.runs.checkpoint_places import inner_path, located

__all__ = ["Remains", "remove", "remove_files"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Remains:
    """What nothing needs any more, after a run or a checkpoint was deleted from the database.

    Attributes:
        uid: The run's.
        files: Checkpoint files, as their rows named them.
        folder: Whether all of the run's folder is meant; the files are then those outside of it.
    """

    uid: str
    files: tuple[str, ...] = ()
    folder: bool = False


class _KeptError(Exception):
    """Something is not removed; the message says why."""


def remove(remains: Remains) -> list[str]:
    """Remove what is not needed any more, as much as can be.

    Returns:
        A sentence for each thing that stays: what it is and why. What is not there at all needs no sentence.
    """
    # The folder last: a name such as `..` can only be followed from a folder that is there.
    names = (*remains.files, None) if remains.folder else remains.files
    return [problem for named in names for problem in _removed(remains.uid, named)]


def remove_files(folder: Path, *names: str) -> list[str]:
    """Remove files in a run's folder, each given by its path within that folder; see `remove`."""
    return remove(Remains(folder.name, names)) if folder == paths.run_folder(folder.name) else _foreign(folder, names)


def _foreign(folder: Path, names: tuple[str, ...]) -> list[str]:
    return [_outside(folder / name, folder) for name in names if os.path.lexists(folder / name)]


def _removed(uid: str, named: str | None) -> list[str]:
    path = paths.run_folder(uid) if named is None else located(uid, named)
    try:
        _remove(uid, named)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except _KeptError as kept:
        return [str(kept)]
    except (OSError, ValueError) as error:
        number = error.strerror if isinstance(error, OSError) else None
        name = error.filename if isinstance(error, OSError) else None
        where = name if isinstance(name, str) else path.name
        return [
            f"{path} belongs to no run any more but could not be removed; remove it by hand. "
            f"({where}: {number or error})"
        ]
    return []


def _remove(uid: str, named: str | None) -> None:
    """Remove the folder of a run, or one file in it.

    Raises:
        OSError: It cannot be removed, or is not there.
        _KeptError: It is nothing that may be removed.
    """
    runs = paths.home() / "runs"
    if not uid or uid in (".", "..") or "/" in uid or "\0" in uid:
        raise _KeptError(f"{uid!r} is not the name of a run's folder in {runs}: nothing is removed.")
    inner = None if named is None else inner_path(named)
    if named is not None and inner is None:
        path = located(uid, named)
        if "\0" not in named and os.path.lexists(path):
            raise _KeptError(_outside(path, runs / uid))
        return
    with _opened(runs) as folder:
        if inner is None:
            _remove_folder(runs / uid, folder)
            return
        _remove_inner(runs / uid, folder, inner.parts)


def _outside(path: Path, folder: Path) -> str:
    return f"{path} is outside of the run's folder {folder}: it stays. Remove it by hand if nothing needs it."


def _remove_folder(path: Path, parent: int) -> None:
    """Remove a folder and all in it, or the link that has its name, within an open folder."""
    if not stat.S_ISDIR(os.stat(path.name, dir_fd=parent, follow_symlinks=False).st_mode):
        os.unlink(path.name, dir_fd=parent)
        return
    try:
        shutil.rmtree(path.name, dir_fd=parent)
    except OSError:
        shutil.rmtree(path.name, ignore_errors=True, dir_fd=parent)  # the rest
        raise


def _remove_inner(folder: Path, parent: int, parts: tuple[str, ...]) -> None:
    """Remove the file that the parts lead to from a folder, whose own parent is open."""
    with _opened(folder, parent) as inside:
        first, *rest = parts
        if rest:
            _remove_inner(folder / first, inside, tuple(rest))
        elif stat.S_ISDIR(os.stat(first, dir_fd=inside, follow_symlinks=False).st_mode):
            raise _KeptError(f"{folder / first} is a folder, not the file of a checkpoint: it stays.")
        else:
            os.unlink(first, dir_fd=inside)


@contextmanager
def _opened(folder: Path, parent: int | None = None) -> Iterator[int]:
    """Open a folder that is no link; `parent` is the folder it is in, where that is open."""
    try:
        descriptor = os.open(folder if parent is None else folder.name, _FOLDER, dir_fd=parent)
    except OSError:
        if folder.is_symlink():
            raise _KeptError(f"{folder} is a link: what it points to stays. Remove it by hand.") from None
        raise
    try:
        yield descriptor
    finally:
        os.close(descriptor)
