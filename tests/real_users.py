"""Running commands as other users of this machine, for tests that root runs: real uids, real permissions.

The users exist only for the command: it runs in a mount namespace of its own, whose `/etc/passwd` and `/etc/group` name
them. Where the interpreter stands in a folder that only root can enter, the namespace shows it to all.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
USERS = {"alice": 61001, "bob": 61002, "eve": 61003}
LAB = 61100
"""The group of alice and bob; eve is in none but her own."""

_ENTER = r"""
set -e
closed=$1 passwd=$2 group=$3; shift 3
while [ "$1" != -- ]; do
  held=$(mktemp -d -p "$(dirname "$passwd")"); mount --bind "$1" "$held"; kept+=("$1" "$held"); shift
done; shift
if [ "$closed" != - ]; then
  mount -t tmpfs -o mode=755 none "$closed"
  for ((i = 0; i < ${#kept[@]}; i += 2)); do mkdir -p "${kept[i]}"; mount --bind "${kept[i+1]}" "${kept[i]}"; done
fi
mount --bind "$passwd" /etc/passwd; mount --bind "$group" /etc/group
exec "$@"
"""


@cache
def _why_not() -> str | None:
    if os.geteuid() != 0:
        return "only root can act as several users"
    if not all(map(shutil.which, ("unshare", "setpriv", "mount"))):
        return "unshare, setpriv or mount is missing"
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        return "this machine allows no mount namespaces"
    needed = (Path(sys.prefix), Path(sys.base_prefix), ROOT)
    closed = {folder for path in needed for folder in (path, *path.parents) if not folder.stat().st_mode & 0o001}
    if closed - {Path.home()}:  # which the namespace shows to all
        return f"only root can enter {min(closed - {Path.home()})}, where the interpreter or the tests are"
    return None


def need_users() -> None:
    """Skip the test where it cannot act as other users."""
    if (reason := _why_not()) is not None:
        pytest.skip(reason)


@contextmanager
def place_for_all() -> Iterator[Path]:
    """A folder that every user can enter, and change what is theirs in."""
    folder = Path(tempfile.mkdtemp(prefix="itop-users-", dir="/tmp"))
    folder.chmod(0o1777)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def as_user(name: str, command: Sequence[str], *, home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a user, with `home` as its ITOP_HOME."""
    place = home.parent
    passwd, group = place / "passwd", place / "group"
    if not passwd.exists():
        lines = [f"{user}:x:{uid}:{uid}::{place}:/bin/sh" for user, uid in USERS.items()]
        passwd.write_text("\n".join(["root:x:0:0:root:/root:/bin/sh", *lines]) + "\n", encoding="utf-8")
        own = [f"{user}:x:{uid}:" for user, uid in USERS.items()]
        group.write_text("\n".join(["root:x:0:", *own, f"lab:x:{LAB}:alice,bob"]) + "\n", encoding="utf-8")
        passwd.chmod(0o644)
        group.chmod(0o644)
    needed = dict.fromkeys(map(str, (Path(sys.base_prefix), Path(sys.prefix), ROOT)))
    closed = next(iter(filter(None, map(_closed_above, needed))), "-")
    shown = [each for each in needed if Path(each).is_relative_to(closed)] if closed != "-" else []
    uid = USERS[name]
    groups = f"{uid},{LAB}" if name in ("alice", "bob") else str(uid)
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(place), "ITOP_HOME": str(home), "PYTHONPATH": str(ROOT),
        "LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "1", "ITOP_THREADS": "1", "COLUMNS": "200", **variables,
    }  # fmt: skip
    return subprocess.run(
        [
            *("unshare", "--mount", "--", "bash", "-c", _ENTER, "_", closed, str(passwd), str(group), *shown, "--"),
            *("setpriv", "--reuid", str(uid), "--regid", str(uid), "--groups", groups, "--inh-caps=-all", "--"),
            *command,
        ],
        cwd=place, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def itop(name: str, *words: str, home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `itop` as a user."""
    return as_user(name, [sys.executable, "-P", "-m", "itop_tui", *words], home=home, **variables)


def python(name: str, source: str, *, home: Path, **variables: str) -> str:
    """Run Python as a user, and give what it printed; fails where it fails."""
    done = as_user(name, [sys.executable, "-P", "-c", source], home=home, **variables)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _closed_above(place: str) -> str | None:
    """The first folder above a place that others cannot pass through."""
    for folder in reversed(Path(place).parents):
        if not folder.stat().st_mode & 0o001:
            return str(folder)
    return None
