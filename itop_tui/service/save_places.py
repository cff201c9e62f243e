"""Refusing at submission what `save` would overwrite, or could not write after hours of training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from db.records import RunRecord
    from db.session import Database

__all__ = ["check_saves"]

_OTHERWISE = "give another name with --save, or none with --save none"


def check_saves(db: Database, saves: Sequence[str | None], *, again: RunRecord | None = None) -> None:
    """Refuse runs whose best weights could not be written, or would be written over something.

    Args:
        db: The database.
        saves: `save` of each run that is to be queued from the current folder; None where it writes no such file.
        again: The run that is queued again, from the folder of its first submission; it may write over its own file.

    Raises:
        IllegalState: One names a folder, a place that cannot be written to, a file that is there already, or one that
            another run, which has not ended, will write to; or two are the same.
    """
    from db.errors import IllegalState
    from engine.config.setting import Problem

    given = [save for save in saves if save is not None]
    problems = [Problem("save", save, text) for save in dict.fromkeys(given) if (text := _problem(db, save, again))]
    if not problems and len(given) > 1:
        from engine.config.save_target import target

        if len({target(save) for save in given}) < len(given):
            several = f"{len(given)} runs would write to one file; give each its own, or none with --save none"
            problems = [Problem("save", given[0], several)]
    if problems:
        raise IllegalState("\n".join(map(str, problems)))


def _problem(db: Database, save: str, again: RunRecord | None) -> str | None:
    from db.runs import saved_files
    from engine.config.save_target import in_the_way, target, unwritable

    path = target(save, None if again is None else _folder(db, again))
    if (problem := unwritable(path)) is not None:
        return problem
    own = None if again is None else saved_files.find(db, again.id)
    if in_the_way(path, None if own is None else own.path, None if own is None else own.sha256):
        whose = "which is not this run's" if again is not None else "which would be overwritten"
        return f"there is a file already, {whose}; {_OTHERWISE}"
    for other in saved_files.intents(db):
        if (again is None or other.run_id != again.id) and target(other.save, other.folder) == path:
            return f"run {other.run_id} ({other.name}) will write to it; {_OTHERWISE}"
    return None


def _folder(db: Database, run: RunRecord) -> Path | None:
    """Where a run was submitted first, which it keeps."""
    from db.runs import runs

    folder = (runs.submission(db, run.id) or {}).get("folder")
    return Path(folder) if isinstance(folder, str) else None
