"""The files behind checkpoints: whether they are what was written, and deleting one. Called in threads."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from db.records import CheckpointRecord
from db.runs import checkpoints
from db.runs.removal import remove
from db.session import Database
from itop_tui.figures.format import size
from itop_tui.service.registered_files import DAMAGED, MISSING, glance, verify

__all__ = ["DAMAGED", "MISSING", "delete", "freed", "glance", "verify"]


def freed(row: CheckpointRecord, others: Iterable[CheckpointRecord]) -> str:
    """What deleting a checkpoint frees, in a sentence."""
    sharing = [other for other in others if other.id != row.id and other.path == row.path]
    if sharing:
        return f"Frees nothing: its file is also the checkpoint {sharing[0].kind!r} of step {sharing[0].step:,}."
    try:
        found = Path(row.path).stat()
    except OSError:
        return "Its file is gone already: only the record is removed."
    if found.st_nlink > 1:
        return f"Frees nothing yet: its {size(found.st_size)} have another name, that of another checkpoint."
    return f"Frees {size(found.st_size)}."


def delete(db: Database, checkpoint_id: int) -> list[str]:
    """Forget a checkpoint and delete its file; gives a sentence for each thing that could not be removed.

    Raises:
        IllegalState: A fork or a queued run needs it.
    """
    return remove(checkpoints.remove(db, checkpoint_id))
