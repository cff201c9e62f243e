"""What a comparison reads from the database and from checkpoints: plain functions, called in threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from db import attempts, checkpoints, metrics, runs
from db.errors import RunNotFound, StoreError
from db.records import LayerMaskStat, RunRecord
from db.session import Database
from engine.masks_client import MaskServer, Overlaps
from itop_tui.comparison import seconds_taken
from itop_tui.comparison_curves import Curves, CurvesRequest, read_curves


@dataclass(frozen=True, slots=True)
class Request:
    """What the screen shows now.

    Attributes:
        ids: The runs, in order.
        curves: The charts; None while they are not on the screen.
        layers: Whether the layers are.
    """

    ids: tuple[int, ...]
    curves: CurvesRequest | None = None
    layers: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """What was read.

    Attributes:
        request: What was asked for.
        runs: The runs that are there, in order.
        seconds: How long each took, by its id.
        curves: The charts, where they were asked for.
        layers: The layers of each run at its latest mask update, by its id; where they were asked for.
    """

    request: Request
    runs: tuple[RunRecord, ...]
    seconds: dict[int, float | None]
    curves: Curves | None = None
    layers: dict[int, tuple[LayerMaskStat, ...]] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class MasksRead:
    """How far the final masks of runs agree.

    Attributes:
        ids: The runs that have a checkpoint, in order.
        overlaps: What their checkpoints share; None of fewer than two.
        problems: For each run, why it cannot be compared; None where it can.
    """

    ids: tuple[int, ...]
    overlaps: Overlaps | None
    problems: tuple[str | None, ...]


def read(db: Database, request: Request, now: float) -> Read:
    """Read what is asked for; runs that are gone are left out."""
    found: list[RunRecord] = []
    for run_id in request.ids:
        try:
            found.append(runs.get(db, run_id))
        except RunNotFound:
            continue
    return Read(
        request,
        tuple(found),
        {run.id: seconds_taken(attempts.for_run(db, run.id), now) for run in found},
        read_curves(db, request.curves) if request.curves is not None else None,
        {run.id: tuple(metrics.layer_stats(db, run.id)) for run in found} if request.layers else None,
    )


def read_masks(db: Database, server: MaskServer, compared: Sequence[RunRecord]) -> MasksRead:
    """Read the masks in each run's last checkpoint, and count what they share.

    Raises:
        MaskError: No answer came.
    """
    problems: dict[int, str] = {}
    chosen = []
    for run in compared:
        if run.method == "dense":
            problems[run.id] = "a dense run has no masks"
            continue
        try:
            chosen.append((run.id, checkpoints.pick(db, run.id, "last")))
        except StoreError:
            problems[run.id] = "it has no checkpoint"
    overlaps = None
    if len(chosen) > 1:
        overlaps = server.overlaps(
            [checkpoint.path for _, checkpoint in chosen], sha256s=[checkpoint.sha256 for _, checkpoint in chosen]
        )
        for (run_id, _), problem in zip(chosen, overlaps.problems, strict=True):
            if problem is not None:
                problems[run_id] = problem
    return MasksRead(tuple(run_id for run_id, _ in chosen), overlaps, tuple(problems.get(run.id) for run in compared))
