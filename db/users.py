"""The users of this machine: who runs this process, and whose a file is."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["User", "current", "name_of", "owner_of"]


class User(NamedTuple):
    """A user of a machine.

    Attributes:
        uid: The number that the kernel knows the user by.
        name: The name of that number; the number itself where it has no name.
    """

    uid: int
    name: str

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | None) -> User | None:
        """The user that JSON values name as `uid` and `user`; None where they name none."""
        if not isinstance(values, Mapping):
            return None
        uid, name = values.get("uid"), values.get("user")
        if isinstance(uid, bool) or not isinstance(uid, int) or not isinstance(name, str) or not name:
            return None
        return cls(uid, name)

    def as_dict(self) -> dict[str, Any]:
        """The inverse of `from_dict`."""
        return {"user": self.name, "uid": self.uid}


def current() -> User:
    """The user as whom this process acts: by the kernel, never by a variable that anybody can set."""
    uid = os.geteuid()
    return User(uid, name_of(uid))


def name_of(uid: int) -> str:
    """The name of a user; the number where it has none, as in many containers."""
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OSError, OverflowError):
        return str(uid)


def owner_of(path: Path) -> User | None:
    """Whose a file or folder is, or the nearest folder above it that is there; None where that cannot be known."""
    for place in (path, *path.parents):
        try:
            uid = place.stat().st_uid
        except OSError:
            continue
        return User(uid, name_of(uid))
    return None
