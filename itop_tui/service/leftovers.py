"""Files under the home folder that no record names: what a kill or a failed removal left, and its size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from db import paths
from db.errors import RunNotFound
from db.records import RunQuery
from db.runs import checkpoints, runs, shelf
from db.session import Database

__all__ = ["Leftovers", "find"]


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What lies in the runs' folders and belongs to nothing."""

    files: tuple[Path, ...]  # checkpoints without a record, and unfinished ones, of runs that are not being trained
    folders: tuple[Path, ...]  # of runs that this database does not know
    bytes: int


def find(db: Database) -> Leftovers:
    """Look through the runs' folders; changes nothing."""
    everything = paths.home() / "runs"
    listed = runs.list_runs(db, RunQuery(limit=None, archived=None))
    known = {run.uid: run for run in (*listed, *shelf.trashed(db))}
    files: list[Path] = []
    folders: list[Path] = []
    for folder in sorted(everything.iterdir()) if everything.is_dir() else ():
        run = known.get(folder.name)
        if run is None:
            folders.append(folder)
        elif not (run.status.is_active or folder.is_symlink()):  # else it may be writing just now, or is not here
            try:
                named = {Path(one.path).name for one in checkpoints.for_run(db, run.id)}
            except RunNotFound:
                continue
            kept = folder / "checkpoints"
            files += [
                path
                for path in (sorted(kept.iterdir()) if kept.is_dir() and not kept.is_symlink() else ())
                if path.suffix in (".pt", ".part") and path.name not in named
            ]
    return Leftovers(tuple(files), tuple(folders), sum(map(_size, (*files, *folders))))


def _size(path: Path) -> int:
    if path.is_symlink():  # what it points to is not here
        return path.lstat().st_size
    return sum(one.stat().st_size for one in (path, *path.rglob("*")) if one.is_file() and not one.is_symlink())
