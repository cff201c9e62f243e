"""`itop metrics`, `layers` and `checkpoints`: what a run recorded."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

from cyclopts import Parameter
from rich.text import Text

from db.history import metrics as metric_store
from db.history.declared import METRICS
from db.records import CheckpointRecord, EpochMetric, LayerMaskStat, MaskUpdate, StepMetric
from db.runs import checkpoints as checkpoint_store
from db.runs import runs as store
from itop_tui.cli.errors import UsageError
from itop_tui.cli.parameters import AtLeastZero, Json, RunName
from itop_tui.cli.store import opened
from itop_tui.cli.terminal import Cell, Column, console, data, note, print_table
from itop_tui.figures.format import age, count, figure, percent, r_s, rate, size
from itop_tui.service.json_shape import document, layer_document, print_json

CHECKPOINT_COLUMNS = (
    Column("CHECKPOINT", right=True),
    Column("KIND"),
    Column("STEP", right=True),
    Column("EPOCH", right=True, rank=1),
    Column("VAL ACC", right=True, rank=1),
    Column("SIZE", right=True),
    Column("AGE", right=True, rank=2),
    Column("PATH", rank=3),
)
_STEP_COLUMNS = (
    Column("STEP", right=True),
    Column("EPOCH", right=True, rank=1),
    Column("LOSS", right=True),
    Column("ACCURACY", right=True),
    Column("LR", right=True, rank=3),
    Column("DEATH RATE", right=True, rank=2),
    Column("DENSITY", right=True, rank=2),
    Column("R_S", right=True),
    Column("SPEED", right=True, rank=4),
)
_EPOCH_COLUMNS = (
    Column("EPOCH", right=True),
    Column("STEP", right=True, rank=1),
    Column("LOSS", right=True),
    Column("ACCURACY", right=True),
    Column("VAL LOSS", right=True),
    Column("VAL ACC", right=True),
    Column("LR", right=True, rank=2),
    Column("SECONDS", right=True, rank=2),
)
_UPDATE_COLUMNS = (
    Column("UPDATE", right=True),
    Column("STEP", right=True),
    Column("DEATH RATE", right=True, rank=1),
    Column("PRUNED", right=True),
    Column("GROWN", right=True),
    Column("ACTIVE", right=True, rank=2),
    Column("DENSITY", right=True, rank=1),
    Column("R_S", right=True),
    Column("SURVIVED", right=True, rank=3),
    Column("AS BEFORE", right=True, rank=4),
    Column("AS FIRST", right=True, rank=4),
)
_LAYER_COLUMNS = (
    Column("LAYER", shrink=True),
    Column("SHAPE"),
    Column("DENSITY", right=True),
    Column("ACTIVE", right=True),
    Column("R_S", right=True),
    Column("PRUNED", right=True, rank=2),
    Column("GROWN", right=True, rank=2),
    Column("SURVIVED", right=True, rank=3),
    Column("AS FIRST", right=True, rank=4),
    Column("DEAD IN", right=True, rank=3),
    Column("DEAD OUT", right=True, rank=3),
)
_LATEST = 20

Every = Annotated[
    int | None,
    AtLeastZero,
    Parameter(
        help="How many of the latest rows to list; 0 lists all. JSON lists all unless this is given.", metavar="N"
    ),
]
Switch = Annotated[bool, Parameter(negative=(), show_default=False)]


def metrics(
    run: RunName,
    /,
    *,
    epochs: Annotated[Switch, Parameter(help="One row an epoch, with validation, instead of one a step.")] = False,
    mask_updates: Annotated[Switch, Parameter(help="One row a mask update instead of one a step.")] = False,
    after: Annotated[int | None, AtLeastZero, Parameter(help="Only what was recorded after this step.")] = None,
    last: Every = None,
    json: Json = False,
) -> int:
    """Show the metrics of each step: loss, accuracy, learning rate, death rate, density, R_s, speed and others."""
    if epochs and mask_updates:
        raise UsageError("--epochs and --mask-updates: choose one of them")
    latest = last if last is not None else (0 if json else _LATEST)
    before = -1 if after is None else after  # the first mask is recorded at step 0
    with opened() as database:
        found = store.find(database, run)
        rows: list[StepMetric] | list[EpochMetric] | list[MaskUpdate]
        if epochs:
            rows = [row for row in metric_store.epochs(database, found.id) if row.step > before]
        elif mask_updates:
            rows = [row for row in metric_store.mask_updates(database, found.id) if row.step > before]
        else:
            rows = metric_store.steps(database, found.id, after=before, latest=latest or None)
        by_step = not (epochs or mask_updates)
        further = metric_store.recorded(database, [found.id]) if by_step else ()
        total = metric_store.count_steps(database, found.id, after=before) if by_step else len(rows)
    rows = rows[-latest:] if latest else rows
    if json:
        print_json([_metric_document(row, further) for row in rows])
        return 0
    if not rows:
        note(f"Run {found.id} has recorded nothing here yet.")
        return 0
    columns = _EPOCH_COLUMNS if epochs else _UPDATE_COLUMNS if mask_updates else _STEP_COLUMNS
    extra = tuple(Column(name.replace("_", " ").upper(), right=True, rank=5) for name in further)
    listed = [[*_metric_row(row, dense=found.method == "dense"), *_further_cells(row, further)] for row in rows]
    print_table((*columns, *extra), listed)
    if len(rows) < total:
        console(stderr=True).print(f"the latest {len(rows)} of {total:,}; --last 0 lists all", style="dim")
    return 0


def layers(
    run: RunName,
    /,
    *,
    update: Annotated[
        int | None,
        AtLeastZero,
        Parameter(help="As of this mask update (0 is the first mask); otherwise the latest.", metavar="N"),
    ] = None,
    json: Json = False,
) -> int:
    """Show each layer's mask: shape, density, active weights, R_s, and what the latest update changed."""
    with opened() as database:
        found = store.find(database, run)
        stats = metric_store.layer_stats(database, found.id, update=update)
    if json:
        print_json([layer_document(layer) for layer in stats])
        return 0
    if not stats:
        why = "is dense: it has no masks" if not found.config.get("sparse") else "has no masks recorded yet"
        note(f"Run {found.id} {why}.")
        return 0
    print_table(_LAYER_COLUMNS, [*(_layer_row(layer) for layer in stats), _layers_total(stats)])
    return 0


def checkpoints(run: RunName, /, *, json: Json = False) -> int:
    """List a run's checkpoints: step, epoch, kind, size and path."""
    with opened() as database:
        found = store.find(database, run)
        kept = checkpoint_store.for_run(database, found.id)
    if json:
        print_json([document(checkpoint) for checkpoint in kept])
        return 0
    if not kept:
        note(f"Run {found.id} has no checkpoint yet.")
        return 0
    now = time.time()
    print_table(CHECKPOINT_COLUMNS, [checkpoint_row(checkpoint, now) for checkpoint in kept])
    return 0


def checkpoint_row(checkpoint: CheckpointRecord, now: float) -> list[Cell]:
    """Give a checkpoint as a row.

    Args:
        checkpoint: The checkpoint.
        now: Unix seconds.
    """
    return [
        str(checkpoint.id),
        checkpoint.kind,
        count(checkpoint.step),
        count(checkpoint.epoch),
        percent(checkpoint.val_accuracy),
        size(checkpoint.bytes),
        age(now - checkpoint.created_at),
        data(checkpoint.path),
    ]


def _metric_document(row: StepMetric | EpochMetric | MaskUpdate, further: Sequence[str]) -> dict[str, Any]:
    """A row as a JSON object; the metrics without a field, where the run recorded any, stand beside the others."""
    shaped = document(row)
    own = shaped.pop("metrics", {})
    return shaped | {name: own.get(name) for name in further}


def _further_cells(row: StepMetric | EpochMetric | MaskUpdate, further: Sequence[str]) -> list[Cell]:
    cells: list[Cell] = []
    for name in further:
        known, value = METRICS.get(name), row.value(name) if isinstance(row, StepMetric) else None
        cells.append(percent(value) if known is not None and known.percent else figure(value))
    return cells


def _metric_row(row: StepMetric | EpochMetric | MaskUpdate, *, dense: bool) -> list[Cell]:
    if isinstance(row, StepMetric):
        if dense:  # it explores nothing, and nothing of it dies
            row = replace(row, itop_rate=None, death_rate=None)
        return [
            count(row.step),
            count(row.epoch),
            figure(row.loss),
            percent(row.accuracy),
            figure(row.learning_rate),
            figure(row.death_rate),
            percent(row.density),
            r_s(row.itop_rate),
            rate(row.samples_per_second),
        ]
    if isinstance(row, EpochMetric):
        return [
            count(row.epoch),
            count(row.step),
            figure(row.train_loss),
            percent(row.train_accuracy),
            figure(row.val_loss),
            percent(row.val_accuracy),
            figure(row.learning_rate),
            figure(row.seconds, 3),
        ]
    return [
        count(row.update),
        count(row.step),
        figure(row.death_rate),
        count(row.pruned),
        count(row.grown),
        count(row.nonzeros),
        percent(row.density),
        r_s(row.itop_rate),
        percent(row.survival, 1),
        percent(row.overlap_previous, 1),
        percent(row.overlap_first, 1),
    ]


def _layer_row(layer: LayerMaskStat) -> list[Cell]:
    return [
        data(layer.layer),
        "×".join(map(str, layer.shape)),
        percent(layer.nonzeros / max(1, layer.size)),
        count(layer.nonzeros),
        r_s(layer.explored / max(1, layer.size)),
        count(layer.pruned),
        count(layer.grown),
        percent(layer.survival, 1),
        percent(layer.overlap_first, 1),
        count(layer.dead_inputs),
        count(layer.dead_outputs),
    ]


def _layers_total(stats: list[LayerMaskStat]) -> list[Cell]:
    whole = max(1, sum(layer.size for layer in stats))
    nonzeros = sum(layer.nonzeros for layer in stats)
    cells = [
        "all layers",
        f"{whole:,}",
        percent(nonzeros / whole),
        count(nonzeros),
        r_s(sum(layer.explored for layer in stats) / whole),
        count(sum(layer.pruned for layer in stats)),
        count(sum(layer.grown for layer in stats)),
        *[""] * 4,
    ]
    return [Text(cell, style="bold") for cell in cells]
