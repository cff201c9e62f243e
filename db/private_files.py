"""Making the files and folders of a home so that only their owner can read them, or the group of a shared home.

Whatever the umask: files get the mode 0600 and folders 0700, from the moment they are there. In a home that its owner
shares with a group (`itop share`) they get 0660 and 2770: the setgid bit of a folder gives what is made in it the
folder's group. What people ask itop to write for themselves (exports, `--save`) is not made here and keeps the umask.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from db import paths
from db.errors import HomeGone

__all__ = ["MARK", "is_shared", "make_file", "make_folder", "make_run_folder", "opener", "too_open"]

MARK = "shared.json"
"""The file in a home that says that it is shared; `itop share` writes it."""

_USERS_OWN = ("config.toml", "data")
"""What a home holds that others may read without harm, or that its owner puts there: the group never changes it."""


def is_shared(home: Path | None = None) -> bool:
    """Whether a home is shared with a group: its owner has left the mark there. Of anybody else it counts nothing."""
    place = paths.home() if home is None else home
    try:
        mark = os.lstat(place / MARK)
        return stat.S_ISREG(mark.st_mode) and mark.st_uid == os.stat(place).st_uid  # noqa: PTH116 - for each new file
    except OSError:
        return False


def opener(path: str | os.PathLike[str], flags: int) -> int:
    """Open a file as `os.open` does, and give one that is made the mode of its home; for `open(…, opener=opener)`."""
    if not flags & os.O_CREAT:
        return os.open(path, flags | os.O_CLOEXEC)
    mode = 0o660 if is_shared() else 0o600
    try:
        descriptor = os.open(path, flags | os.O_EXCL | os.O_CLOEXEC, mode)
    except FileExistsError:
        if flags & os.O_EXCL:
            raise
        return os.open(path, flags | os.O_CLOEXEC, mode)
    if stat.S_IMODE(os.fstat(descriptor).st_mode) != mode:  # the umask took something away
        with contextlib.suppress(OSError):  # a file system without modes
            os.fchmod(descriptor, mode)
    return descriptor


def make_file(path: Path) -> None:
    """Make an empty file where there is none; what another program then writes into it keeps the mode.

    Raises:
        OSError: It cannot be made.
    """
    with contextlib.suppress(FileExistsError):
        os.close(opener(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, where there are none; those above the home keep the umask.

    Raises:
        OSError: It cannot be made, or is no folder.
    """
    home = paths.home()
    mode = 0o2770 if is_shared(home) else 0o700
    missing = []
    for each in (path, *path.parents):
        if each.is_dir():
            break
        missing.append(each)
    for each in reversed(missing):
        if each != path and not each.is_relative_to(home):
            each.mkdir(exist_ok=True)
            continue
        try:
            each.mkdir(mode)
        except FileExistsError:
            if not each.is_dir():
                raise
            continue
        if stat.S_IMODE(each.stat().st_mode) != mode:
            with contextlib.suppress(OSError):
                each.chmod(mode)


def make_run_folder(path: Path) -> None:
    """Make a folder for what a run writes, as `make_folder` does, but never the home that it is in.

    A home may be moved while a run trains. Made again in its old place, it would take what belongs to the moved one.

    Raises:
        HomeGone: The home is not there.
        OSError: The folder cannot be made, or is no folder.
    """
    home = paths.home()
    if path.is_relative_to(home) and not home.is_dir():
        raise HomeGone(f"The home {home} is not there any more: was it moved?")
    make_folder(path)


def too_open(home: Path) -> Iterator[Path]:
    """The files and folders of a home that others can read or change who should not; links are not followed.

    In a private home that is everybody but the owner, in a shared one everybody outside its group. The home's own
    folder counts only where others can change it.
    """
    shared = is_shared(home)
    foreign = 0o007 if shared else 0o077
    with contextlib.suppress(OSError):
        if home.stat().st_mode & (0o002 if shared else 0o022):
            yield home
    for folder, folders, files in os.walk(home):
        if Path(folder) == home:
            folders[:] = [name for name in folders if name not in _USERS_OWN]
        for name in (*folders, *files):
            path = Path(folder, name)
            with contextlib.suppress(OSError):
                status = path.lstat()
                # The preferences name a command: no one else may change that.
                wrong = 0o022 if name == "config.toml" or (name == MARK and shared) else foreign
                if not stat.S_ISLNK(status.st_mode) and status.st_mode & wrong:
                    yield path
