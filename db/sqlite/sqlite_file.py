"""What a SQLite file is before it is opened for writing, and what its file system can bear."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from db.errors import DatabaseRefused

__all__ = ["APPLICATION_ID", "inspect_file", "network_file_system"]

APPLICATION_ID = 0x69544F50  # "iTOP": written into the header of every database of ours

_MAGIC = b"SQLite format 3\x00"
_HEADER_SIZE = 100
_LOG_HEADER_SIZE = 32  # a log of no more holds nothing
_APPLICATION_ID_OFFSET = 68

# File systems whose shared memory or locks do not reach across the hosts that mount them. WAL needs both.
_NETWORK_TYPES = frozenset(
    {
        "9p",
        "acfs",
        "afpfs",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "davfs",
        "drvfs",
        "gfs2",
        "glusterfs",
        "gpfs",
        "lustre",
        "mmfs",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "panfs",
        "prl_fs",
        "pvfs2",
        "smb2",
        "smb3",
        "smbfs",
        "vboxsf",
        "wekafs",
        "webdav",
    }
)
_NETWORK_FUSE = ("sshfs", "glusterfs", "ceph", "s3fs", "rclone", "gcsfuse", "goofys", "davfs", "juicefs", "moosefs")


def inspect_file(path: Path) -> str | None:
    """Look at a database file without changing it.

    Returns:
        The revision of its tables, or None where the file is missing or empty, so that ours can be made there.

    Raises:
        DatabaseRefused: It is something else: not a database, or another program's; or it is missing or empty, and
            the log of the database that was there lies beside it.
    """
    if not path.exists():
        _refuse_log_alone(path, "is not there")
        return None
    if not path.is_file():
        raise DatabaseRefused(f"{path} is not a file. Set ITOP_HOME or ITOP_DATABASE_URL to another place.")
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_SIZE)
    except OSError as error:
        raise DatabaseRefused(f"{path} cannot be read: {error.strerror}. Check its permissions.") from error
    if not header:
        _refuse_log_alone(path, "is empty")
        return None
    if len(header) < _HEADER_SIZE or not header.startswith(_MAGIC):
        raise DatabaseRefused(
            f"{path} is not a SQLite database. It was left untouched. Move it away, or set ITOP_HOME or "
            "ITOP_DATABASE_URL to another place."
        )
    found = int.from_bytes(header[_APPLICATION_ID_OFFSET : _APPLICATION_ID_OFFSET + 4], "big")
    if found != APPLICATION_ID and not (found == 0 and _has_no_tables(path)):
        raise DatabaseRefused(
            f"{path} is a SQLite database of another program (application id {found:#x}, not {APPLICATION_ID:#x}). "
            "It was left untouched. Set ITOP_HOME or ITOP_DATABASE_URL to another place."
        )
    return _revision(path) if found == APPLICATION_ID else None


def _refuse_log_alone(path: Path, state: str) -> None:
    """Refuse a place where only a log is left: a database made there would take it for its own, or remove it.

    Not a rollback journal: while the first tables are made, one stands beside an empty file.

    Raises:
        DatabaseRefused: There is such a log.
    """
    log = path.with_name(path.name + "-wal")
    try:
        size = log.stat().st_size
    except OSError:
        return
    if size > _LOG_HEADER_SIZE:
        raise DatabaseRefused(
            f"{path} {state}, but its log {log.name} ({size:,} bytes) is beside it: the database was lost or cut off. "
            f"Nothing was changed. Put a copy of the database back there (itop restore, or a backup of your own); or, "
            f"to begin with a new one, move {log} to another place first."
        )


def _has_no_tables(path: Path) -> bool:
    if _has_log(path):
        return False  # there may be tables in it
    with closing(_connect(path)) as connection:
        try:
            return bool(connection.execute("SELECT count(*) = 0 FROM sqlite_master").fetchone()[0])
        except sqlite3.DatabaseError:
            return False


def _revision(path: Path) -> str | None:
    for last_try in (False, False, True):
        with closing(_connect(path)) as connection:
            try:
                rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
            except sqlite3.OperationalError:
                # A journal left by a crash can only be rolled back by a writer: opening for writing shows that.
                return None
            except sqlite3.DatabaseError as error:
                if not last_try:  # another process may just have begun to write
                    continue
                raise DatabaseRefused(
                    f"{path} is damaged ({error}). It was left untouched. Move it away and restore a backup, or "
                    "recover what it holds with sqlite3's .recover command."
                ) from error
            return str(rows[0][0]) if rows else None
    return None


def _connect(path: Path) -> sqlite3.Connection:
    """Connect for reading only.

    A file without a log is all there is, and opened as immutable: no lock, no log, no shared memory, nothing touched.
    """
    options = "mode=ro" if _has_log(path) else "mode=ro&immutable=1"
    return sqlite3.connect(f"{path.absolute().as_uri()}?{options}", uri=True, timeout=10)


def _has_log(path: Path) -> bool:
    return any(path.with_name(path.name + end).exists() for end in ("-wal", "-journal"))


def network_file_system(path: Path, mounts: Path = Path("/proc/mounts")) -> str | None:
    """The type of the network file system that `path` is on, or None where it is local or not known.

    Args:
        path: A file or folder; it need not exist.
        mounts: The kernel's table of mounts; where it is missing, psutil is asked.
    """
    table: list[tuple[str, str]] = []
    try:
        for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines():
            fields = line.split(" ")
            if len(fields) >= 3:
                # The kernel writes blanks within a name as octal escapes.
                table.append((fields[1].replace("\\040", " ").replace("\\011", "\t"), fields[2]))
    except OSError:
        import psutil

        table = [(entry.mountpoint, entry.fstype) for entry in psutil.disk_partitions(all=True)]
    target = path.resolve()
    # Of mounts at one place the last hides those before it.
    best, kind = -1, ""
    for mountpoint, type_name in table:
        if target.is_relative_to(mountpoint) and len(mountpoint) >= best:
            best, kind = len(mountpoint), type_name.lower()
    if kind in _NETWORK_TYPES or (kind.startswith("fuse.") and kind[5:].startswith(_NETWORK_FUSE)):
        return kind
    return None
