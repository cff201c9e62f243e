"""What `itop doctor --repair` can do, each as a sentence and an action; finding them changes nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from db import paths
from db.history.level_repair import damaged_copies, rebuild_copies
from db.records import RunQuery
from db.runs import checkpoints, removal, runs
from db.session import Database
from db.sqlite import damage
from db.sqlite.health import examine
from itop_tui.figures.format import plural, size
from itop_tui.service import leftovers

__all__ = ["Repair", "find"]


@dataclass(frozen=True, slots=True)
class Repair:
    """Something that can be repaired.

    Attributes:
        sentence: What would be done, and to what.
        do: Does it.
    """

    sentence: str
    do: Callable[[], object]


def find(db: Database) -> list[Repair]:
    """What can be repaired of the database and of the files of its runs, in the order in which it is done.

    Raises:
        StoreError: The database cannot be read.
    """
    found: list[Repair] = []
    health = examine(db)
    if any("index" in problem for problem in health.problems):
        found.append(Repair("build the database's indexes again (REINDEX)", lambda: damage.rebuild_indexes(db)))
    found += [
        Repair(
            f"build the thinned copies of the curves of run {run_id} again from its steps",
            partial(rebuild_copies, db, run_id),
        )
        for run_id in damaged_copies(db)
    ]
    damaged = damage.damaged_rows(db)
    for row in damaged:
        if row.repairable:
            sentence = f"give harmless values to {', '.join(row.repairable)} of {row.table} {row.id}, which are damaged"
            found.append(Repair(sentence, partial(damage.repair_rows, db, [row])))
    # Which files belong to a run is not known where the name of its folder or of a file is damaged.
    lost_names = any({"uid", "path", "run_id"} & set(row.fields) for row in damaged)
    if not lost_names:
        found += _files(db)
    for run in runs.list_runs(db, RunQuery(limit=None, archived=None, descending=False)):
        folder = paths.run_folder(run.uid)
        if run.status.is_active or run.damaged or not folder.is_dir():
            continue  # a folder that is gone altogether may be on a disk that is not there just now
        for one in checkpoints.for_run(db, run.id):
            if not one.damaged and not (folder / one.path).exists():
                sentence = f"remove the record of checkpoint {one.id} of run {run.id}, whose file is gone: {one.path}"
                found.append(Repair(sentence, partial(checkpoints.remove, db, one.id, force=True)))
    return found


def _files(db: Database) -> list[Repair]:
    files = leftovers.find(db).files
    unfinished = sorted(path for path in paths.home().glob(".itop-backup-*") if path.is_dir())
    found: list[Repair] = []
    if files:
        held = size(sum(path.stat().st_size for path in files))
        sentence = f"remove {plural(len(files), 'file')} of {held} that no record names, such as {files[0]}"
        found.append(Repair(sentence, lambda: _remove(files)))
    found += [
        Repair(f"remove {folder}, what is left of a backup that was not finished", partial(_clear, folder))
        for folder in unfinished
    ]
    return found


def _remove(files: tuple[Path, ...]) -> None:
    for path in files:  # runs/UID/checkpoints/NAME
        removal.remove_files(path.parent.parent, f"{path.parent.name}/{path.name}")


def _clear(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
