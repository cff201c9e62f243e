"""A home that its owner shares with a group: what `itop share` does."""

from __future__ import annotations

import contextlib
import grp
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from db import private_files, users
from db.errors import StoreError

__all__ = ["Changed", "group_of", "group_to_share", "make_private", "share"]

_READ_BY_ALL = ("config.toml", private_files.MARK)
"""Files in the home that the group may read, and only the owner may change: one names a command, one is the mark."""


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of the files of a home.

    Attributes:
        files: How many files and folders there are now for the group, or for the owner alone.
        foreign: Those that belong to somebody else, who alone could change them.
        closed: A folder above the home that the group cannot pass through; None where there is none.
    """

    files: int
    foreign: tuple[Path, ...] = ()
    closed: Path | None = None


def group_of(home: Path) -> str:
    """The name of the group of a home; its number where it has none."""
    gid = home.stat().st_gid
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def group_to_share(home: Path, name: str | None) -> int:
    """The number of a group to share a home with.

    Args:
        home: The home.
        name: The group, by name or number; None for the group that the home has already.

    Raises:
        StoreError: There is no such group, or this user is not in it.
    """
    gids = sorted({os.getegid(), *os.getgroups()})
    if name is None:
        gid = home.stat().st_gid
    elif name.isdecimal():
        gid = int(name)
    else:
        try:
            gid = grp.getgrnam(name).gr_gid
        except KeyError:
            raise StoreError(
                f"GROUP = {name!r}: there is no such group; yours are {', '.join(_names(gids))}."
            ) from None
    if gid not in gids and os.geteuid() != 0:
        raise StoreError(f"GROUP = {name or gid!r}: you are not in that group; yours are {', '.join(_names(gids))}.")
    return gid


def share(home: Path, gid: int) -> Changed:
    """Give a group the files of a home, and mark it, so that what is made later is the group's too.

    Raises:
        StoreError: The home is somebody else's.
        OSError: A file cannot be changed.
    """
    _check_owner(home)
    files, foreign = 0, []
    os.chown(home, -1, gid)
    home.chmod(0o2770)
    mark = home / private_files.MARK
    mark.unlink(missing_ok=True)
    descriptor = os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o640)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({"gid": gid}, file)
    for path, status in _everything(home):
        if not _mine(status):
            foreign += [path] if status.st_gid != gid else []
            continue
        os.chown(path, -1, gid, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            path.chmod(0o2770)
        else:
            path.chmod(0o640 if path.parent == home and path.name in _READ_BY_ALL else 0o660)
        files += 1
    closed = next((folder for folder in reversed(home.parents) if not _passes(folder, gid)), None)
    return Changed(files, tuple(foreign), closed)


def make_private(home: Path) -> Changed:
    """Take a home away from its group, as far as the files are this user's, and remove the mark.

    Raises:
        StoreError: The home is somebody else's.
        OSError: A file cannot be changed.
    """
    _check_owner(home)
    (home / private_files.MARK).unlink(missing_ok=True)
    home.chmod(0o700)
    files, foreign = 0, []
    for path, status in _everything(home):
        if not _mine(status):
            foreign.append(path)
            continue
        path.chmod(0o700 if stat.S_ISDIR(status.st_mode) else 0o600)
        files += 1
    return Changed(files, tuple(foreign))


def _check_owner(home: Path) -> None:
    if not home.is_dir():
        raise StoreError(f"There is no folder {home} to share yet.")
    owner = users.owner_of(home)
    if owner is not None and owner.uid != os.geteuid() and os.geteuid() != 0:
        raise StoreError(f"The home {home} is owned by {owner.name}, who alone can share it or make it private.")


def _everything(home: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """All files and folders in a home; links are neither given nor followed."""
    for folder, folders, files in os.walk(home):
        for name in (*folders, *files):
            path = Path(folder, name)
            with contextlib.suppress(FileNotFoundError):
                status = path.lstat()
                if stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode):
                    yield path, status


def _mine(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() or os.geteuid() == 0


def _passes(folder: Path, gid: int) -> bool:
    status = folder.stat()
    return bool(status.st_mode & (stat.S_IXGRP if status.st_gid == gid else stat.S_IXOTH))


def _names(gids: list[int]) -> list[str]:
    found = []
    for gid in gids:
        try:
            found.append(grp.getgrgid(gid).gr_name)
        except KeyError:
            found.append(str(gid))
    return found
