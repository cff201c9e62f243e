"""What a comparison reads from the database and from checkpoints: plain functions, called in threads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from db import key_values
from db.errors import RunNotFound, StoreError
from db.history import metrics
from db.records import LayerMaskStat, RunRecord
from db.runs import attempts, checkpoints, runs
from db.session import Database
from engine.helpers.masks_client import MaskServer, Overlaps
from itop_tui.figures.comparison import seconds_taken
from itop_tui.figures.comparison_curves import ComparisonCurves, EntryCurves
from itop_tui.figures.curves import CurveRequest
from itop_tui.figures.entry_charts import MarkedRun
from itop_tui.figures.events import drop, drops, happenings

SETTING = "ui.compare"
"""Under which name the settings keep it."""
MOST_KEPT = 200
"""Comparisons that are remembered; the one left longest ago is forgotten first."""
_RATE_BUCKETS = 1_000
"""How finely the learning rate is read to find where it drops: a step of a bucket, of the width of any screen."""


@dataclass(frozen=True, slots=True)
class ComparisonRequest:
    """What the screen shows now: the charts (None while they are not visible), the layers, the masks."""

    ids: tuple[int, ...]
    curves: CurveRequest | None = None
    layers: bool = False
    masks: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ComparisonRead:
    """What was read: all runs that are there, in order, and by their ids what was asked for."""

    request: ComparisonRequest
    runs: tuple[RunRecord, ...]
    seconds: dict[int, float | None]
    curves: EntryCurves | None = None
    layers: dict[int, tuple[LayerMaskStat, ...]] | None = None
    """The layers of each run at its latest mask update."""
    checkpoints: tuple[int | None, ...] | None = None
    """The last checkpoint of each run, None where it has none; where the masks are visible."""
    kept: object = None
    """How comparisons were left, from the settings; only in what is read first."""


@dataclass(frozen=True, slots=True, eq=False)
class MasksRead:
    """How far the final masks of runs agree."""

    runs: tuple[int, ...]
    ids: tuple[int, ...]
    """Those that have a checkpoint, in order."""
    overlaps: Overlaps | None
    """What their checkpoints share; None of fewer than two."""
    problems: tuple[str | None, ...]
    """For each run, why it cannot be compared; None where it can."""


def read_runs(db: Database, ids: Sequence[int]) -> tuple[RunRecord, ...]:
    """Read runs, in order; those that are gone are left out."""
    found: list[RunRecord] = []
    for run_id in ids:
        try:
            found.append(runs.get(db, run_id))
        except RunNotFound:
            continue
    return tuple(found)


def read(
    db: Database, request: ComparisonRequest, now: float, curves: ComparisonCurves, *, first: bool = False
) -> ComparisonRead:
    """Read what is asked for; runs that are gone are left out. At first, how comparisons were left is wanted too."""
    found = read_runs(db, request.ids)
    return ComparisonRead(
        request,
        found,
        {run.id: seconds_taken(attempts.for_run(db, run.id), now) for run in found},
        curves.read(request.curves) if request.curves is not None else None,
        {run.id: tuple(metrics.layer_stats(db, run.id)) for run in found} if request.layers else None,
        tuple(_last_checkpoint(db, run) for run in found) if request.masks else None,
        key_values.get(db, SETTING) if first else None,
    )


def _last_checkpoint(db: Database, run: RunRecord) -> int | None:
    try:
        return checkpoints.pick(db, run.id, "last").id
    except StoreError:
        return None


def keep(db: Database, left: Left, view: Mapping[str, Any]) -> None:
    """Keep how a comparison is left, beside what other windows of the app keep of other comparisons meanwhile."""
    key_values.change(db, SETTING, lambda kept: with_left(kept, left, view))


def read_marks(db: Database, compared: Sequence[RunRecord]) -> dict[int, MarkedRun]:
    """Read what charts mark of runs, by their ids."""
    found = {}
    for run in compared:
        updates = [update.step for update in metrics.mask_updates(db, run.id) if update.update]
        rate = metrics.series(db, run.id, "learning_rate", buckets=_RATE_BUCKETS)
        steps, rates = np.asarray(rate.steps, dtype=np.float64), np.asarray(rate.values, dtype=np.float64)
        known = happenings(run, attempts.for_run(db, run.id), checkpoints.for_run(db, run.id))
        falls = tuple(drop(step, steps, rates) for step in drops(steps, rates).tolist())
        found[run.id] = MarkedRun(np.asarray(updates, dtype=np.float64), (*known, *falls))
    return found


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
    return MasksRead(
        tuple(run.id for run in compared),
        tuple(run_id for run_id, _ in chosen),
        overlaps,
        tuple(problems.get(run.id) for run in compared),
    )


# -------------------------------------------------------- how comparisons were left
# What cannot be understood (another version's) is ignored.


@dataclass(frozen=True, slots=True)
class Left:
    """How the comparison of some runs was left: their order, what is hidden, and whether seeds are joined."""

    ids: tuple[int, ...]
    hidden: frozenset[int] = frozenset()
    grouped: bool = False


def left_before(kept: object, ids: Iterable[int]) -> Left | None:
    """How the comparison of these runs, in any order, was left; None where they were not compared before."""
    wanted = frozenset(ids)
    for known in _comparisons(kept):
        if frozenset(known.ids) == wanted:
            return known
    return None


def view_before(kept: object) -> Mapping[str, Any]:
    """How the view was left, for any comparison; empty where it was not opened before."""
    view = kept.get("view") if isinstance(kept, Mapping) else None
    return view if isinstance(view, Mapping) else {}


def with_left(kept: object, left: Left, view: Mapping[str, Any]) -> dict[str, Any]:
    """What the settings hold once a comparison has been left, beside what they held."""
    others = [known for known in _comparisons(kept) if frozenset(known.ids) != frozenset(left.ids)]
    return {"view": dict(view), "comparisons": [_as_json(each) for each in [left, *others][:MOST_KEPT]]}


def _as_json(left: Left) -> dict[str, Any]:
    return {"runs": list(left.ids), "hidden": sorted(left.hidden), "grouped": left.grouped}


def _comparisons(kept: object) -> list[Left]:
    found = kept.get("comparisons") if isinstance(kept, Mapping) else None
    comparisons = []
    for each in found if isinstance(found, list) else []:
        ids = _numbers(each.get("runs")) if isinstance(each, Mapping) else ()
        if ids and len(set(ids)) == len(ids):
            hidden = frozenset(_numbers(each.get("hidden"))) & set(ids)
            comparisons.append(Left(ids, hidden, each.get("grouped") is True))
    return comparisons


def _numbers(value: object) -> tuple[int, ...]:
    numbers = value if isinstance(value, list) else []
    return tuple(number for number in numbers if isinstance(number, int) and not isinstance(number, bool))


def choice(kept: object, choices: tuple[str, ...]) -> str:
    """What was kept, where it is one of the choices; else the first one."""
    return kept if isinstance(kept, str) and kept in choices else choices[0]
