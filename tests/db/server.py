"""A throw-away PostgreSQL server for the tests, where one is installed; it ends with the process that started it."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tests.db.helpers import wait_for

# Nothing here has to outlive a power cut, and the machine has other things to do.
_SETTINGS = ("listen_addresses=", "fsync=off", "shared_buffers=32MB", "max_connections=200", "jit=off")

# The server ends, and its files go, when the pipe to the tests closes: also where those were killed.
_KEEPER = """
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
cat <&3 >/dev/null
kill -INT $server 2>/dev/null
wait $server
cd /; rm -rf "$0"
"""


class Unavailable(Exception):
    """No server can be started here; the message says why."""


def _programs() -> Path:
    """The folder of PostgreSQL's own programs; Debian keeps it off the path."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if not folders:
        raise Unavailable("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    return max(folders, key=lambda folder: int(folder.parent.name))


def _account() -> dict[str, Any]:
    """Whom the server runs as: it refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise Unavailable("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")


class Server:
    """A running server of our own.

    Attributes:
        url: An SQLAlchemy URL of its first database, by a socket in its folder.
    """

    def __init__(self) -> None:
        self._programs = _programs()
        self._account = _account()
        # Not pytest's folder, which only its owner may enter, and short: a socket's path ends at 107 bytes.
        self._folder = Path(tempfile.mkdtemp(prefix="itop-postgresql-"))
        self._keeper: subprocess.Popen[bytes] | None = None
        if self._account:
            os.chown(self._folder, self._account["user"], self._account["group"])
        self.url = sa.URL.create(
            "postgresql+psycopg", username="itop", database="postgres", query={"host": str(self._folder)}
        )
        words = ("--username=itop", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C")
        made = subprocess.run(
            [self._programs / "initdb", "-D", self._data, *words],
            capture_output=True,
            text=True,
            cwd=self._folder,
            check=False,
            **self._account,
        )
        if made.returncode:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise Unavailable(f"PostgreSQL's initdb failed: {made.stderr.strip().splitlines()[-1:]}")

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = [word for setting in _SETTINGS for word in ("-c", setting)]
        server = [str(self._programs / "postgres"), "-D", str(self._data), "-k", str(self._folder), *options]
        self._keeper = subprocess.Popen(
            ["/bin/sh", "-c", _KEEPER, str(self._folder), *server],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            start_new_session=True,
            **self._account,
        )
        asked = [str(self._programs / "pg_isready"), "-q", "-h", str(self._folder), "-d", "postgres", "-U", "itop"]
        wait_for(lambda: subprocess.run(asked, check=False).returncode == 0, "the PostgreSQL server to answer")

    def close(self) -> None:
        """End it and take its files away."""
        if self._keeper is not None:
            assert self._keeper.stdin is not None
            self._keeper.stdin.close()
            self._keeper.wait(120)


@contextlib.contextmanager
def running_server() -> Iterator[Server]:
    """A server while the block lasts.

    Raises:
        Unavailable: None can be started here.
    """
    server = Server()
    server.start()
    try:
        yield server
    finally:
        server.close()


@contextlib.contextmanager
def database_on(server: sa.URL, template: str = "template1") -> Iterator[str]:
    """The URL of a new database of a server, which is dropped at the end.

    Args:
        server: The URL of any other database there.
        template: The database it is a copy of; nobody may be connected to that one.
    """
    name = f"itop_test_{secrets.token_hex(4)}"
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield server.set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
