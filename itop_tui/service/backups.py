"""Backups of a home: the database and the checkpoints it names, while runs train, and putting them back.

A backup is a folder, or a tar file of one: `backup.json`, which lists every file with its size and checksum; `itop.db`;
and `runs/UID/checkpoints/…`. It is made beside its place under another name and then renamed, so that what has the name
of a backup is whole; a restored home gets its database last, so that it is whole or has none.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from db import paths
from db.errors import StoreError
from db.session import Database
from db.sqlite import copying
from db.sqlite.copying import NamedFile
from engine.training.mask_history import HISTORY_FILE

__all__ = ["BackupError", "Made", "Restored", "back_up", "restore"]

_MANIFEST, _DATABASE, _RUNS, _CHECKPOINTS = "backup.json", "itop.db", "runs", "checkpoints"
_FORMAT = 1
_TRIES = 5  # how often the database is copied again because checkpoints were replaced meanwhile
_CHUNK = 1 << 20
_LARGEST_MANIFEST = 1 << 28
_KEPT_BESIDE = ("config.toml", "state.json")
_KEPT_OF_A_RUN = ("console.log", HISTORY_FILE)  # both are appended to: one that is cut short is read as far as it goes


class BackupError(StoreError):
    """A backup cannot be made or put back; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was made.

    Attributes:
        place: Where it is.
        files: How many files it has.
        bytes: What they take together.
        left_out: A sentence for each checkpoint that is not in it, nor in its database.
    """

    place: Path
    files: int
    bytes: int
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Restored:
    """A backup that was put back.

    Attributes:
        home: Where it is now.
        files: How many files were put there.
        at_work: How many runs were at work when the backup was made; they are lost now, and can be resumed.
        waiting: How many runs wait; they are held.
    """

    home: Path
    files: int
    at_work: int
    waiting: int


def back_up(db: Database, place: Path) -> Made:
    """Make a backup; runs may train, and the database be written, meanwhile.

    Args:
        db: The database, in a SQLite file.
        place: A name that is not taken; ending in `.tar` it is a tar file, else a folder.

    Raises:
        BackupError: The database is on a server, or the place is taken or cannot be written.
        StoreError: The database cannot be read.
    """
    if copying.file_of(db) is None:
        raise BackupError(
            f"The database is on a server ({db.url}), which itop backup cannot copy: use pg_dump for it, and copy "
            f"{paths.home() / _RUNS} for the checkpoints."
        )
    place = place.absolute()
    if os.path.lexists(place):
        raise BackupError(f"{place} is there already; give another name: a backup replaces nothing.")
    as_tar = place.suffix == ".tar"
    # Of a tar file, the files are linked near the checkpoints first: they stay as they are while they are written.
    beside = paths.home() if as_tar else place.parent
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with _scratch(beside) as folder, _scratch(paths.home()) as pins:
            left_out, known = _gather(db, folder, pins)
            files = _write_manifest(folder, left_out, known)
            if as_tar:
                _write_tar(folder, place)
            else:
                folder.rename(place)
    except OSError as error:
        raise BackupError(f"The backup {place} cannot be written: {error.strerror or error}.") from error
    return Made(place, len(files), sum(size for size, _ in files.values()), tuple(left_out))


def restore(place: Path, home: Path) -> Restored:
    """Put a backup into a home that has no runs.

    Args:
        place: The backup, a folder or a tar file.
        home: The home; it need not exist.

    Raises:
        BackupError: It is no backup, or not whole, or the home has runs or cannot be written. Nothing was changed.
        StoreError: Its database is damaged, or of a newer version.
    """
    place, home = place.absolute(), home.absolute()
    _check_empty(home)
    made = not home.exists()
    try:
        home.mkdir(parents=True, exist_ok=True)
        with _scratch(home) as folder:
            files = _read_tar(place, folder) if place.is_file() else _read_folder(place, folder)
            _check_database(folder / _DATABASE, place)
            at_work, waiting = copying.make_restored(
                folder / _DATABASE, lambda uid, path: _new_path(home, uid, path, files)
            )
            _put(folder, home)
    except BaseException as error:
        if made:
            with contextlib.suppress(OSError):
                home.rmdir()
        if isinstance(error, OSError):
            raise BackupError(f"{place} cannot be restored into {home}: {error.strerror or error}.") from error
        raise
    return Restored(home, len(files), at_work, waiting)


# ------------------------------------------------------------------------------------------------------- making one


def _gather(db: Database, folder: Path, pins: Path) -> tuple[list[str], dict[str, tuple[int, str]]]:
    """Copy the database and link the files it names; both again where a file was replaced in between.

    Returns:
        A sentence for each file that is left out; and by name, the size and checksum of the others.
    """
    copy = folder / _DATABASE
    whole: dict[Path, NamedFile] = {}
    for last in (*[False] * (_TRIES - 1), True):
        copy.unlink(missing_ok=True)
        for pin in pins.iterdir():
            pin.unlink()
        copying.copy_database(db, copy, lambda files: _pin(files, pins))
        missing: dict[NamedFile, str] = {}
        wanted: dict[Path, NamedFile] = {}
        for named in copying.checkpoint_files(copy):
            target = folder / _inside(named)
            wanted[target] = named
            if whole.get(target) != named:
                pinned = pins / _pin_name(named)
                why = _take(pinned if pinned.exists() else _source(named), target, named)
                if why:
                    missing[named] = why
                    continue
                whole[target] = named
        # What is missing and not replaced is missing in the home too: no further try finds it.
        if not missing or last or not _changed(db, missing):
            break
    for target in whole.keys() - wanted.keys():
        del whole[target]
        target.unlink()
    copying.forget_checkpoints(copy, [row for named in missing for row in named.rows])
    for uid in {named.uid for named in wanted.values()}:
        with contextlib.suppress(OSError):
            (folder / _RUNS / uid / _CHECKPOINTS).mkdir(parents=True, exist_ok=True)
            for name in _KEPT_OF_A_RUN:
                file = paths.run_folder(uid) / name
                if file.is_file() and not file.is_symlink():
                    shutil.copyfile(file, folder / _RUNS / uid / name)
    for name in _KEPT_BESIDE:
        with contextlib.suppress(OSError):
            if (paths.home() / name).is_file():
                shutil.copyfile(paths.home() / name, folder / name)
    sums = {path.relative_to(folder).as_posix(): (one.bytes, one.sha256) for path, one in whole.items()}
    return [f"{_source(named)}: {why}" for named, why in missing.items()], sums


def _pin(files: Sequence[NamedFile], pins: Path) -> None:
    """Give files a second name on their own file system, so that they stay when the first one is removed."""
    for named in files:
        # Where links cannot be made, the files are copied later, if they are still there.
        with contextlib.suppress(OSError):
            if not _source(named).is_symlink():
                os.link(_source(named), pins / _pin_name(named))


def _pin_name(named: NamedFile) -> str:
    return f"{named.rows[0]}.pt"


def _changed(db: Database, missing: Mapping[NamedFile, str]) -> bool:
    """Whether the database no longer names one of these files."""
    database = copying.file_of(db)
    assert database is not None
    now = {(named.path, named.sha256) for named in copying.checkpoint_files(database)}
    return any((named.path, named.sha256) not in now for named in missing)


def _source(named: NamedFile) -> Path:
    return paths.run_folder(named.uid) / named.path  # a whole path stays itself


def _inside(named: NamedFile) -> PurePosixPath:
    """Where a checkpoint is in a backup: as in the run's folder; one from elsewhere is among the others of its run."""
    path = Path(named.path)
    if path.is_absolute():
        folder = paths.run_folder(named.uid)
        path = path.relative_to(folder) if path.is_relative_to(folder) else Path(_CHECKPOINTS, path.name)
    if ".." in path.parts or not path.name:
        path = Path(_CHECKPOINTS, f"of-row-{named.rows[0]}.pt")
    return PurePosixPath(_RUNS, named.uid, *path.parts)


def _take(source: Path, target: Path, named: NamedFile) -> str | None:
    """Link a checkpoint, or copy it to another file system; says why it is not whole, where it is not."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    if source.is_symlink() or not source.is_file():
        return "the file is not there"
    try:
        os.link(source, target)
    except OSError:
        try:
            shutil.copyfile(source, target)
        except FileNotFoundError:
            return "the file is not there"
    if _size_and_sum(target) != (named.bytes, named.sha256):
        target.unlink()
        return "the file is not the one that was written (its checksum differs)"
    return None


def _size_and_sum(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        return path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()


def _write_manifest(
    folder: Path, left_out: list[str], known: Mapping[str, tuple[int, str]]
) -> dict[str, tuple[int, str]]:
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    files = {name: known.get(name) or _size_and_sum(folder / name) for name in names}
    content = {
        "format": _FORMAT,
        "itop": version("itop"),
        "made_at": time.time(),
        "files": {name: {"bytes": size, "sha256": digest} for name, (size, digest) in files.items()},
        "left_out": left_out,
    }
    (folder / _MANIFEST).write_text(json.dumps(content, indent=1), encoding="utf-8")
    return files


def _write_tar(folder: Path, place: Path) -> None:
    partial = place.with_name(f".{place.name}.{os.getpid()}.partial")
    try:
        with partial.open("xb") as raw:
            with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
                tar.add(folder / _MANIFEST, _MANIFEST)
                for path in sorted(folder.rglob("*")):
                    if path.is_file() and path.name != _MANIFEST:
                        tar.add(path, path.relative_to(folder).as_posix())
            raw.flush()
            os.fsync(raw.fileno())
        partial.rename(place)
    finally:
        partial.unlink(missing_ok=True)


# ---------------------------------------------------------------------------------------------------- putting it back


def _check_database(path: Path, place: Path) -> None:
    problems = copying.problems_of(path)
    if problems:
        raise BackupError(f"The database in {place} is damaged: {problems[0]}.")


def _check_empty(home: Path) -> None:
    """Refuse a home that has a database or folders of runs.

    Raises:
        BackupError: It has.
    """
    there = [home / f"{_DATABASE}{end}" for end in ("", "-wal")]
    there = [path for path in there if path.exists() and path.stat().st_size]
    there += sorted((home / _RUNS).iterdir())[:1] if (home / _RUNS).is_dir() else []
    if home.exists() and not home.is_dir():
        raise BackupError(f"{home} is not a folder.")
    if there:
        raise BackupError(
            f"{home} has runs already ({there[0]}): a backup is never put over them. Nothing was changed. Restore "
            "into another folder with --into FOLDER, or move this one to another place first."
        )


def _read_folder(place: Path, folder: Path) -> dict[str, tuple[int, str]]:
    if not place.is_dir():
        raise BackupError(f"{place} is not there.")
    try:
        with (place / _MANIFEST).open("rb") as file:
            files = _listed(place, file)
    except FileNotFoundError:
        raise BackupError(f"{place} is no backup of itop: it has no {_MANIFEST}.") from None
    for name, known in files.items():
        source = place / name
        if source.is_symlink() or not source.is_file():
            raise BackupError(f"{place} is not whole: {name} is missing.")
        with source.open("rb") as file:
            _copy_checked(file, folder, name, known, place)
    return files


def _read_tar(place: Path, folder: Path) -> dict[str, tuple[int, str]]:
    try:
        with tarfile.open(place, "r:") as tar:
            first = tar.next()
            manifest = tar.extractfile(first) if first is not None and first.name == _MANIFEST else None
            if manifest is None:
                raise BackupError(f"{place} is no backup of itop: it does not begin with {_MANIFEST}.")
            files = _listed(place, manifest)
            missing = set(files)
            for member in tar:
                # A file's second name (the best checkpoint may be the last one too) is a link in a tar file.
                if not (member.name in missing and (member.isfile() or member.islnk())):
                    continue
                if (content := tar.extractfile(member)) is not None:
                    _copy_checked(content, folder, member.name, files[member.name], place)
                    missing.discard(member.name)
    except (tarfile.TarError, KeyError) as error:  # the latter where a link names nothing
        raise BackupError(f"{place} is no tar file, or is cut off: {error}.") from error
    if missing:
        raise BackupError(f"{place} is not whole: {min(missing)} is missing.")
    return files


def _listed(place: Path, file: Any) -> dict[str, tuple[int, str]]:
    """The files that a manifest lists; every name stays within the backup.

    Raises:
        BackupError: It is none, or of a newer version.
    """
    try:
        content = json.loads(file.read(_LARGEST_MANIFEST))
        newer = content["format"] > _FORMAT
        files = {str(name): (int(known["bytes"]), str(known["sha256"])) for name, known in content["files"].items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BackupError(f"{place} is no backup of itop: its {_MANIFEST} cannot be read.") from error
    if newer:
        raise BackupError(f"{place} was made by a newer itop: upgrade itop to restore it.")
    wrong = [name for name in files if not _is_ours(PurePosixPath(name))]
    if wrong or _DATABASE not in files:
        raise BackupError(f"{place} is no backup of itop: " + (f"it lists {wrong[0]!r}." if wrong else "no database."))
    return files


def _is_ours(path: PurePosixPath) -> bool:
    if path.is_absolute() or ".." in path.parts:
        return False
    return path.as_posix() in (_DATABASE, *_KEPT_BESIDE) or (len(path.parts) > 2 and path.parts[0] == _RUNS)


def _copy_checked(content: Any, folder: Path, name: str, known: tuple[int, str], place: Path) -> None:
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with target.open("xb") as file:
        while data := content.read(_CHUNK):
            digest.update(data)
            size += len(data)
            file.write(data)
        _sync(file)
    if (size, digest.hexdigest()) != known:
        raise BackupError(f"{place} is damaged: {name} is not what was written (its checksum differs).")


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _new_path(home: Path, uid: str, path: str, files: Mapping[str, object]) -> str | None:
    """The whole path in the new home of a checkpoint that was stored with a whole path."""
    if not Path(path).is_absolute():
        return None
    parts = Path(path).parts
    # By the run's folder, which has its uid as name; else among the checkpoints of the run.
    below = Path(*parts[len(parts) - parts[::-1].index(uid) :]) if uid in parts else Path(_CHECKPOINTS, parts[-1])
    inside = PurePosixPath(_RUNS, uid, *below.parts)
    return str(home / inside) if inside.as_posix() in files else None


def _put(folder: Path, home: Path) -> None:
    """Move what was read to where it belongs, the database last."""
    (home / _RUNS).mkdir(exist_ok=True)
    for run in sorted((folder / _RUNS).iterdir()) if (folder / _RUNS).is_dir() else ():
        run.rename(home / _RUNS / run.name)
    for name in _KEPT_BESIDE:
        if (folder / name).exists() and not os.path.lexists(home / name):
            (folder / name).rename(home / name)
    for end in ("", "-wal", "-shm"):
        (home / f"{_DATABASE}{end}").unlink(missing_ok=True)  # empty ones
    (folder / _DATABASE).rename(home / _DATABASE)


@contextlib.contextmanager
def _scratch(parent: Path) -> Iterator[Path]:
    """A folder that is gone at the end, unless it was renamed."""
    folder = Path(tempfile.mkdtemp(prefix=".itop-backup-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
