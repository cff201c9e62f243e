"""What a run recorded, as tables that are read a page at a time.

A run of a million steps takes no more memory than a short one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from db.history import metrics
from db.records import EpochMetric, LayerMaskStat, MaskUpdate, StepMetric
from db.session import Database

_PAGE = 5_000
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a run.

    Attributes:
        name: What its file is called.
        columns: The columns.
        kinds: The type of each: int, float, str or tuple (of whole numbers).
        rows: Reads its rows, in order.
    """

    name: str
    columns: tuple[str, ...]
    kinds: tuple[type, ...]
    rows: Callable[[Database, int], Iterator[Row]]


def _steps(db: Database, run_id: int) -> Iterator[StepMetric]:
    after = -1
    while page := metrics.steps(db, run_id, after=after, limit=_PAGE):
        yield from page
        after = page[-1].step


def _layers(db: Database, run_id: int) -> Iterator[tuple[MaskUpdate, LayerMaskStat]]:
    for update in metrics.mask_updates(db, run_id):
        for layer in metrics.layer_stats(db, run_id, update.update):
            yield update, layer


def _table(name: str, record: type[Any], read: Callable[[Database, int], Iterator[Any]]) -> Table:
    fields = dataclasses.fields(record)
    names = tuple(field.name for field in fields)
    return Table(
        name,
        names,
        tuple(_kind(str(field.type)) for field in fields),
        lambda db, run_id: (tuple(getattr(row, column) for column in names) for row in read(db, run_id)),
    )


def _kind(annotation: str) -> type:
    kinds: dict[str, type] = {"int": int, "float": float, "str": str}
    return kinds.get(annotation.removesuffix(" | None"), tuple)


def _layer_table() -> Table:
    own = _table("layers", LayerMaskStat, lambda db, run_id: iter(()))

    def rows(db: Database, run_id: int) -> Iterator[Row]:
        for update, layer in _layers(db, run_id):
            yield (update.update, update.step, *(getattr(layer, column) for column in own.columns))

    return Table(own.name, ("update", "step", *own.columns), (int, int, *own.kinds), rows)


TABLES = (
    _table("steps", StepMetric, _steps),
    _table("epochs", EpochMetric, lambda db, run_id: iter(metrics.epochs(db, run_id))),
    _table("mask_updates", MaskUpdate, lambda db, run_id: iter(metrics.mask_updates(db, run_id))),
    _layer_table(),
)
"""Everything a run records along its way."""
