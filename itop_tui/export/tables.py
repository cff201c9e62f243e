"""What a run recorded, as tables that are read a page at a time.

A run of a million steps takes no more memory than a short one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from db.history import metrics
from db.records import EpochMetric, LayerMaskStat, MaskUpdate, StepMetric
from db.runs import runs
from db.session import Database

_PAGE = 5_000
Row = tuple[Any, ...]
_Explores = TypeVar("_Explores", StepMetric, MaskUpdate)


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a run: columns, the type of each (int, float, str or tuple of whole numbers), and what reads rows."""

    name: str
    columns: tuple[str, ...]
    kinds: tuple[type, ...]
    rows: Callable[[], Iterator[Row]]


def tables_of(db: Database, run_id: int) -> tuple[Table, ...]:
    """Everything a run recorded while it trained: `steps`, `epochs`, `mask_updates` and `layers`.

    The columns are the fields of the records in `db.records`; those of the steps are followed by the metrics without a
    field that this run has recorded.
    """
    further = metrics.recorded(db, [run_id])
    dense = runs.get(db, run_id).method == "dense"

    def shown(row: _Explores) -> _Explores:
        """A dense run has no R_s; older versions recorded a 1 for it."""
        return dataclasses.replace(row, itop_rate=None) if dense and row.itop_rate is not None else row

    return (
        _table("steps", StepMetric, lambda: map(shown, _steps(db, run_id)), further=further),
        _table("epochs", EpochMetric, lambda: iter(metrics.epochs(db, run_id))),
        _table("mask_updates", MaskUpdate, lambda: map(shown, metrics.mask_updates(db, run_id))),
        _layer_table(db, run_id),
    )


def _steps(db: Database, run_id: int) -> Iterator[StepMetric]:
    after = -1
    while page := metrics.steps(db, run_id, after=after, limit=_PAGE):
        yield from page
        after = page[-1].step


def _table(name: str, record: type[Any], read: Callable[[], Iterator[Any]], *, further: tuple[str, ...] = ()) -> Table:
    fields = [field for field in dataclasses.fields(record) if field.name != "metrics"]
    names = tuple(field.name for field in fields)

    def rows() -> Iterator[Row]:
        for row in read():
            own = tuple(getattr(row, column) for column in names)
            yield own if not further else (*own, *map(row.metrics.get, further))

    kinds = (*(_kind(str(field.type)) for field in fields), *(float for _ in further))
    return Table(name, (*names, *further), kinds, rows)


def _kind(annotation: str) -> type:
    kinds: dict[str, type] = {"int": int, "float": float, "str": str}
    return kinds.get(annotation.removesuffix(" | None"), tuple)


def _layer_table(db: Database, run_id: int) -> Table:
    own = _table("layers", LayerMaskStat, lambda: iter(()))

    def rows() -> Iterator[Row]:
        for update in metrics.mask_updates(db, run_id):
            for layer in metrics.layer_stats(db, run_id, update.update):
                yield (update.update, update.step, *(getattr(layer, column) for column in own.columns))

    return Table(own.name, ("update", "step", *own.columns), (int, int, *own.kinds), rows)
