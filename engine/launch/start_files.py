"""Whether the checkpoint that a run is to start from is in this home, before anything of the run is changed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from db.errors import StoreError
from db.records import CheckpointRecord
from db.runs import attempts, checkpoints
from db.session import Database
from engine.launch.machine import this_host

__all__ = ["MissingStart", "absence", "missing_start"]


@dataclass(frozen=True, slots=True)
class MissingStart:
    """A run cannot start here.

    Attributes:
        reason: Why, in words, with the path of the missing file.
        elsewhere: Whether another host wrote the file into a home of its own, so that the run may start there.
    """

    reason: str
    elsewhere: bool


def absence(checkpoint: CheckpointRecord) -> str | None:
    """Say that the file of a checkpoint is not here; None where it is."""
    try:
        here = Path(checkpoint.path).is_file()
    except (OSError, ValueError):  # a name that no file can have
        here = False
    if here:
        return None
    return (
        f"checkpoint {checkpoint.id} of step {checkpoint.step} of run {checkpoint.run_id} is not in this home: "
        f"{checkpoint.path} is missing"
    )


def missing_start(db: Database, run_id: int | None, checkpoint_id: int) -> MissingStart | None:
    """Why a run cannot start from a checkpoint in this home; None where it can.

    A run whose own last checkpoint is missing starts from the one before it.

    Args:
        db: The database.
        run_id: The run; None for one that is not queued yet.
        checkpoint_id: Where it is to start from.

    Raises:
        DatabaseUnavailable: The database cannot be read.
    """
    try:
        wanted = checkpoints.get(db, checkpoint_id)
        reason = absence(wanted)
        if reason is None:
            return None
        if wanted.run_id == run_id and any(absence(one) is None for one in checkpoints.before(db, checkpoint_id)):
            return None
    except StoreError as error:
        if type(error) is not StoreError:
            raise
        return None  # it was removed meanwhile: the start itself says so
    return MissingStart(reason, db.path is None and not _written_here(db, wanted))


def _written_here(db: Database, checkpoint: CheckpointRecord) -> bool:
    if checkpoint.attempt_id is None:
        return False
    attempt, host = attempts.get(db, checkpoint.attempt_id), this_host()
    if attempt.machine_id and host.machine_id:  # which a renamed machine keeps
        return attempt.machine_id == host.machine_id
    return attempt.host == host.name
