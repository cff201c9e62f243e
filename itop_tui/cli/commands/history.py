"""`itop metrics`, `layers` and `checkpoints`: what a run recorded."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

from cyclopts import Parameter
from rich.text import Text

from db.history import metrics as metric_store
from db.history.declared import MACHINE_METRICS, METRICS
from db.records import EpochMetric, LayerMaskStat, MaskUpdate, StepMetric
from db.runs import checkpoints as checkpoint_store
from db.runs import runs as store
from itop_tui.cli.errors import UsageError
from itop_tui.cli.parameters import AtLeastZero, Json, RunName
from itop_tui.cli.store import opened
from itop_tui.cli.terminal import Cell, Column, console, data, note, print_table
from itop_tui.figures.format import age, count, figure, moment, percent, size
from itop_tui.figures.metric_text import metric_text, writer
from itop_tui.service.json_shape import document, layer_document, print_json

CHECKPOINT_COLUMNS = (
    Column("CHECKPOINT", lambda one: str(one.id), right=True),
    Column("KIND", lambda one: one.kind),
    Column("STEP", lambda one: count(one.step), right=True),
    Column("EPOCH", lambda one: count(one.epoch), right=True, rank=1),
    Column("VAL ACC", lambda one: percent(one.val_accuracy), right=True, rank=1),
    Column("SIZE", lambda one: size(one.bytes), right=True),
    Column("AGE", lambda one: age(time.time() - one.created_at), right=True, rank=2),
    Column("PATH", lambda one: data(one.path + " (outside of its run's folder)" * one.outside), rank=3),
)
_STEP_COLUMNS = (
    Column("STEP", lambda row: count(row.step), right=True),
    Column("EPOCH", lambda row: count(row.epoch), right=True, rank=1),
    Column("LOSS", lambda row: metric_text("loss", row.loss), right=True),
    Column("ACCURACY", lambda row: metric_text("accuracy", row.accuracy), right=True),
    Column("LR", lambda row: metric_text("learning_rate", row.learning_rate), right=True, rank=3),
    Column("DEATH RATE", lambda row: metric_text("death_rate", row.death_rate), right=True, rank=2),
    Column("DENSITY", lambda row: metric_text("density", row.density), right=True, rank=2),
    Column("R_S", lambda row: metric_text("itop_rate", row.itop_rate), right=True),
    Column("SPEED", lambda row: metric_text("samples_per_second", row.samples_per_second), right=True, rank=4),
)
_READING_COLUMNS = (
    Column("STEP", lambda row: count(row.step), right=True),
    Column("READ", lambda row: moment(row.at)),
)
_EPOCH_COLUMNS = (
    Column("EPOCH", lambda row: count(row.epoch), right=True),
    Column("STEP", lambda row: count(row.step), right=True, rank=1),
    Column("LOSS", lambda row: metric_text("train_loss", row.train_loss), right=True),
    Column("ACCURACY", lambda row: metric_text("train_accuracy", row.train_accuracy), right=True),
    Column("VAL LOSS", lambda row: metric_text("val_loss", row.val_loss), right=True),
    Column("VAL ACC", lambda row: metric_text("val_accuracy", row.val_accuracy), right=True),
    Column("LR", lambda row: metric_text("learning_rate", row.learning_rate), right=True, rank=2),
    Column("SECONDS", lambda row: metric_text("seconds", row.seconds), right=True, rank=2),
)
_UPDATE_COLUMNS = (
    Column("UPDATE", lambda row: count(row.update), right=True),
    Column("STEP", lambda row: count(row.step), right=True),
    Column("DEATH RATE", lambda row: metric_text("death_rate", row.death_rate), right=True, rank=1),
    Column("PRUNED", lambda row: metric_text("pruned", row.pruned), right=True),
    Column("GROWN", lambda row: metric_text("grown", row.grown), right=True),
    Column("ACTIVE", lambda row: metric_text("nonzeros", row.nonzeros), right=True, rank=2),
    Column("DENSITY", lambda row: metric_text("density", row.density), right=True, rank=1),
    Column("R_S", lambda row: metric_text("itop_rate", row.itop_rate), right=True),
    Column("SURVIVED", lambda row: metric_text("survival", row.survival), right=True, rank=3),
    Column("KEPT LAST", lambda row: metric_text("overlap_previous", row.overlap_previous), right=True, rank=4),
    Column("KEPT FIRST", lambda row: metric_text("overlap_first", row.overlap_first), right=True, rank=4),
)
_LAYER_COLUMNS = (
    Column("LAYER", lambda layer: data(layer.layer), shrink=True),
    Column("SHAPE", lambda layer: "×".join(map(str, layer.shape))),
    Column("DENSITY", lambda layer: metric_text("density", layer.nonzeros / max(1, layer.size)), right=True),
    Column("ACTIVE", lambda layer: count(layer.nonzeros), right=True),
    Column("R_S", lambda layer: metric_text("itop_rate", layer.explored / max(1, layer.size)), right=True),
    Column("PRUNED", lambda layer: count(layer.pruned), right=True, rank=2),
    Column("GROWN", lambda layer: count(layer.grown), right=True, rank=2),
    Column("SURVIVED", lambda layer: metric_text("survival", layer.survival), right=True, rank=3),
    Column("KEPT FIRST", lambda layer: metric_text("overlap_first", layer.overlap_first), right=True, rank=4),
    Column("DEAD IN", lambda layer: count(layer.dead_inputs), right=True, rank=3),
    Column("DEAD OUT", lambda layer: count(layer.dead_outputs), right=True, rank=3),
    Column("ALIVE", lambda layer: count(layer.alive), right=True, rank=5),
    Column("ON A PATH", lambda layer: count(layer.percolated), right=True, rank=5),
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
    machine: Annotated[
        Switch, Parameter(help="One row a reading of the machine, every ten seconds, instead of one a step.")
    ] = False,
    after: Annotated[int | None, AtLeastZero, Parameter(help="Only what was recorded after this step.")] = None,
    last: Every = None,
    json: Json = False,
) -> int:
    """Show the metrics of each step: loss, accuracy, learning rate, death rate, density, R_s, speed and others."""
    if epochs + mask_updates + machine > 1:
        raise UsageError("--epochs, --mask-updates and --machine: choose one of them")
    latest = last if last is not None else (0 if json else _LATEST)
    having = MACHINE_METRICS if machine else ()
    before = -1 if after is None else after  # the first mask is recorded at step 0
    with opened() as database:
        found = store.find(database, run)
        rows: list[StepMetric] | list[EpochMetric] | list[MaskUpdate]
        if epochs:
            rows = [row for row in metric_store.epochs(database, found.id) if row.step > before]
        elif mask_updates:
            rows = [row for row in metric_store.mask_updates(database, found.id) if row.step > before]
        else:
            rows = metric_store.steps(database, found.id, after=before, latest=latest or None, having=having)
        by_step = not (epochs or mask_updates)
        further = metric_store.recorded(database, [found.id]) if by_step else ()
        if machine:
            further = tuple(name for name in further if name in MACHINE_METRICS)
        total = metric_store.count_steps(database, found.id, after=before, having=having) if by_step else len(rows)
    rows = rows[-latest:] if latest else rows
    if found.method == "dense":  # it explores nothing, and nothing of it dies
        changed = (row if isinstance(row, EpochMetric) else _without_masks(row) for row in rows)
        shown: Sequence[StepMetric | EpochMetric | MaskUpdate] = tuple(changed)
    else:
        shown = rows
    if json:
        print_json([_metric_document(row, further) for row in shown])
        return 0
    if not rows:
        note(f"Run {found.id} has recorded nothing here yet.")
        return 0
    if machine:
        print_table((*_READING_COLUMNS, *map(_further_column, further)), shown)
    else:
        columns = _EPOCH_COLUMNS if epochs else _UPDATE_COLUMNS if mask_updates else _STEP_COLUMNS
        print_table((*columns, *map(_further_column, _in_rows(further, shown))), shown)
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
        more = {"itop_rate": None} if found.method == "dense" else {}
        print_json([layer_document(layer) | more for layer in stats])
        return 0
    if not stats:
        why = "is dense: it has no masks" if not found.config.get("sparse") else "has no masks recorded yet"
        note(f"Run {found.id} {why}.")
        return 0
    columns = [column for column in _LAYER_COLUMNS if column.header != "R_S" or found.method != "dense"]
    total = [cell for column, cell in zip(_LAYER_COLUMNS, _layers_total(stats), strict=True) if column in columns]
    print_table(columns, [*stats, total])
    return 0


def checkpoints(run: RunName, /, *, json: Json = False) -> int:
    """List a run's checkpoints: step, epoch, kind, size and path."""
    with opened() as database:
        found = store.find(database, run)
        kept = checkpoint_store.for_run(database, found.id)
    if json:
        print_json(kept)
        return 0
    if not kept:
        note(f"Run {found.id} has no checkpoint yet.")
        return 0
    print_table(CHECKPOINT_COLUMNS, kept)
    return 0


def _without_masks(row: StepMetric | MaskUpdate) -> StepMetric | MaskUpdate:
    return replace(row, itop_rate=None, death_rate=None)


def _metric_document(row: StepMetric | EpochMetric | MaskUpdate, further: Sequence[str]) -> dict[str, Any]:
    """A row as a JSON object; the metrics without a field, where the run recorded any, stand beside the others."""
    shaped = document(row)
    own = shaped.pop("metrics", {})
    return shaped | {name: own.get(name) for name in further}


def _in_rows(names: Sequence[str], rows: Sequence[Any]) -> tuple[str, ...]:
    """Those of some metrics that have a value in these rows; others would be empty columns."""
    return tuple(name for name in names if any(name in row.metrics for row in rows))


def _further_column(name: str) -> Column:
    """The column of a metric without a field of its own."""
    known = METRICS.get(name)
    write = writer(known) if known is not None else figure
    header = name.replace("_", " ").upper()
    if known is not None and name in MACHINE_METRICS and not known.percent:
        header += f", {known.unit}"
    return Column(header, lambda row: write(row.value(name)), right=True, rank=5)


def _layers_total(stats: list[LayerMaskStat]) -> list[Cell]:
    whole = max(1, sum(layer.size for layer in stats))
    nonzeros = sum(layer.nonzeros for layer in stats)
    cells = [
        "all layers",
        f"{whole:,}",
        metric_text("density", nonzeros / whole),
        count(nonzeros),
        metric_text("itop_rate", sum(layer.explored for layer in stats) / whole),
        count(sum(layer.pruned for layer in stats)),
        count(sum(layer.grown for layer in stats)),
        *[""] * (len(_LAYER_COLUMNS) - 7),
    ]
    return [Text(cell, style="bold") for cell in cells]
