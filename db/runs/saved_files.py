"""Which file each run has written its best weights to: no run writes over another one's, or over anything else."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.models import RunRow, SettingRow
from db.query.settings_sql import setting_text
from db.records import ACTIVE, RunStatus
from db.session import Database

__all__ = ["SaveIntent", "SavedFile", "announce", "find", "forget", "intents", "keep"]


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A file that a run has written its best weights to.

    Attributes:
        path: The file, absolute.
        sha256: Of its bytes, in hex; None where the run ended while it wrote the file.
    """

    path: Path
    sha256: str | None


@dataclass(frozen=True, slots=True)
class SaveIntent:
    """A run that has not ended and will write its best weights to a file.

    Attributes:
        run_id: The run.
        name: Its name.
        save: The file as it is named in the run's settings.
        folder: Where it was submitted, which a relative name begins at; None where that is not known.
    """

    run_id: int
    name: str
    save: str
    folder: Path | None


def announce(db: Database, run_id: int, path: Path) -> None:
    """Note that a run is about to write a file."""
    _put(db, run_id, path, None)


def keep(db: Database, run_id: int, path: Path, sha256: str) -> None:
    """Note that a run has written a file."""
    _put(db, run_id, path, sha256)


def find(db: Database, run_id: int) -> SavedFile | None:
    """The file that a run has written; None where it has written none."""
    with db.read() as session:
        row = session.get(SettingRow, _key(run_id))
        return (
            None if row is None else SavedFile(Path(os.fsdecode(bytes.fromhex(row.value["path"]))), row.value["sha256"])
        )


def forget(session: Session, run_id: int) -> None:
    """Forget the file of a run that is deleted, within that transaction; the file stays."""
    session.execute(sa.delete(SettingRow).where(SettingRow.key == _key(run_id)))


def intents(db: Database) -> list[SaveIntent]:
    """The runs that have not ended and will write a file, by id."""
    saves = setting_text("save")
    statement = (
        sa.select(RunRow.id, RunRow.name, saves, RunRow.submission)
        .where(RunRow.status.in_((RunStatus.QUEUED, *ACTIVE)), RunRow.trashed_at.is_(None), saves.is_not(None))
        .order_by(RunRow.id)
    )
    with db.read() as session:
        return [
            SaveIntent(run_id, name, save, _folder(submission))
            for run_id, name, save, submission in session.execute(statement)
        ]


def _folder(submission: str | None) -> Path | None:
    folder = json.loads(submission).get("folder") if submission else None
    return Path(folder) if isinstance(folder, str) else None


def _put(db: Database, run_id: int, path: Path, sha256: str | None) -> None:
    # In hex: the name of a file need not be UTF-8.
    with db.write() as session:
        session.merge(SettingRow(key=_key(run_id), value={"path": os.fsencode(path).hex(), "sha256": sha256}))


def _key(run_id: int) -> str:
    return f"saved:{run_id}"
