"""What screens read of runs outside the list that they watch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from db.records import CheckpointRecord, RunRecord
    from db.session import Database

_PAST_RUNS = 2000
"""The most past runs that are offered as a start, the newest."""


def read(db: Database, run_ids: Iterable[int]) -> tuple[RunRecord, ...]:
    """The runs with these ids that are still there, in this order."""
    from db.runs import runs

    return tuple(runs.get_many(db, run_ids))


def past_runs(db: Database) -> list[RunRecord]:
    """Every run that a new one may start from, the newest first."""
    from db.records import RunQuery
    from db.runs import runs

    return runs.list_runs(db, RunQuery(archived=None, limit=_PAST_RUNS))


def last_checkpoint(db: Database, run_id: int) -> CheckpointRecord | None:
    """The checkpoint a fork starts from unless another is chosen; None where the run has none."""
    from db.runs import checkpoints

    return checkpoints.pick(db, run_id, "last") if checkpoints.for_run(db, run_id) else None


def loss_curves(db: Database, run_ids: Sequence[int], points: int) -> dict[int, tuple[float, ...]]:
    """The losses of several runs over their steps, each as at most so many numbers, by the run's id."""
    from db.history import metrics

    return {run_id: tuple(values) for run_id, values in metrics.sparks(db, run_ids, "loss", points).items()}
