"""Organizing runs: stars, the archive, the trash, and the disk space of what is deleted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from db.records import BatchResult
    from db.session import Database


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a run takes on the disk."""

    bytes: int
    checkpoints: int


def star(db: Database, run_ids: Sequence[int], on: bool) -> BatchResult:
    """Give runs a star, or take it away."""
    from db.runs import shelf

    return shelf.star(db, run_ids, on=on)


def archive(db: Database, run_ids: Sequence[int], on: bool) -> BatchResult:
    """Archive runs, so that lists leave them out, or bring them back."""
    from db.runs import shelf

    return shelf.archive(db, run_ids, on=on)


def trash(db: Database, run_ids: Sequence[int]) -> BatchResult:
    """Delete runs in such a way that they can be restored: no list shows them any more."""
    from db.records import BatchResult
    from db.runs import shelf

    tried = shelf.trash(db, run_ids)
    done = tuple(each.run_id for each in tried if each.problem is None)
    return BatchResult(done, tuple(each.problem for each in tried if each.problem is not None))


def restore(db: Database, run_ids: Sequence[int]) -> BatchResult:
    """Restore deleted runs."""
    from db.runs import shelf

    return shelf.restore(db, run_ids)


def trashed(db: Database) -> tuple[int, ...]:
    """The deleted runs that can be restored."""
    from db.runs import shelf

    return tuple(run.id for run in shelf.trashed(db))


def purge(db: Database) -> list[str]:
    """Remove all deleted runs permanently, with everything recorded of them, and free the disk space.

    Gives what could not be removed.
    """
    from db.runs import shelf
    from db.runs.removal import remove

    left = [remove(gone) for gone in shelf.purge(db)]
    if left:
        give_back_space(db)
    return [problem for problems in left for problem in problems]


def give_back_space(db: Database) -> int:
    """Make the database's file shorter by what was deleted from it; returns by how many bytes.

    Where others keep it too busy, the space is used for new rows, or given back with the next deletion.
    """
    from db.errors import DatabaseUnavailable

    try:
        return db.give_back_space()
    except DatabaseUnavailable:
        return 0


def footprint(uids: Iterable[str]) -> Footprint:
    """Add up what the folders of runs hold. A file with two names counts once: the last and the best may share one."""
    from db.paths import run_folder

    total = checkpoints = 0
    seen: set[tuple[int, int]] = set()
    for folder in map(run_folder, uids):
        # What a link points to stays, so deleting the run frees nothing of it.
        for path in () if folder.is_symlink() else folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                status = path.stat()
                if (status.st_dev, status.st_ino) not in seen:
                    seen.add((status.st_dev, status.st_ino))
                    total += status.st_size
                checkpoints += path.suffix == ".pt"
    return Footprint(total, checkpoints)
