"""Groups of runs with the mean, the spread and the range of their metrics: seeds of one experiment above all.

One pass over a few columns of the table of runs; neither configurations nor histories are read.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from db.columns import as_status
from db.errors import StoreError
from db.finding.listing import check_sort, selected
from db.finding.spread import mean_and_spread
from db.models import RUN_METRICS, RunRow
from db.query.fields import CONFIG_PREFIX, Field, fields, find_field, nearest_field
from db.query.settings_sql import setting_number, setting_text
from db.query.sql import number_of, text_of
from db.records import RunQuery, RunStatus
from db.session import Database

__all__ = ["FIGURES", "GROUP_SORTS", "SHARED", "RunGroup", "groups"]

FIGURES = ("best_val_accuracy", "test_accuracy", "itop_rate", "loss")
"""The metrics that are averaged unless others are asked for."""

SHARED = ("method", "model", "data", "target_density", "seed", "group", "total_epochs")
"""What is reported of a group where all its members have the same."""

GROUP_SORTS = ("key", "label", "n", "latest")
"""What groups can be sorted by, beside everything that is a number (by its mean)."""

RECIPE = "recipe"

_NUMBERS = (int, float, bool)

_SHIFTS = {name: 2 * index for index, name in enumerate(RUN_METRICS.names)}


@dataclass(frozen=True, slots=True)
class RunGroup:
    """Runs that have something in common.

    A metric that diverged (NaN or infinite) counts in `diverged` and in nothing else: means are over the finite ones.

    Attributes:
        key: What they have in common: the value of the field, as text; empty where they have none.
        label: The same in words for people.
        n: How many runs there are.
        run_ids: Their ids, ascending.
        shared: Of `SHARED`, what all members have the same, by name.
        statuses: How many are in each state.
        latest: When the newest of them was made, in unix seconds.
        count: By metric, how many runs have a finite one.
        diverged: By metric, how many runs have one that is NaN or infinite.
        mean: By metric, the mean of the finite ones; None where there is none.
        std: By metric, the sample standard deviation (n - 1); None for fewer than two.
        minimum: By metric, the smallest; None where there is none.
        maximum: By metric, the largest; None where there is none.
    """

    key: str
    label: str
    n: int
    run_ids: tuple[int, ...]
    shared: Mapping[str, Any]
    statuses: Mapping[RunStatus, int]
    latest: float
    count: Mapping[str, int]
    diverged: Mapping[str, int]
    mean: Mapping[str, float | None]
    std: Mapping[str, float | None]
    minimum: Mapping[str, float | None]
    maximum: Mapping[str, float | None]


def groups(
    db: Database,
    query: RunQuery | None = None,
    by: str = RECIPE,
    figures: Sequence[str] = FIGURES,
    sort: str = "latest",
    descending: bool = True,
    limit: int | None = None,
) -> list[RunGroup]:
    """Group the runs that a query selects.

    Args:
        db: The database.
        query: Which runs; its order, limit and offset do not matter.
        by: What the members of a group share: `recipe` for repetitions that differ only by the seed, or any field of
            `db.query.fields`, settings too. By `tag`, a run is in the group of each of its tags.
        figures: Fields that hold numbers, by their names in a query or in a `RunRecord` (where these mean different
            things, as `accuracy` does, the query's); the result names them as they are given here.
        sort: One of `GROUP_SORTS`, or anything that a list can be sorted by: numbers count by their mean, text by the
            label. Groups without the metric come last in either direction.
        descending: Largest first.
        limit: At most so many groups; None means all.

    Raises:
        QueryError: The query's text cannot be understood.
        StoreError: There is no such field to group or sort by, or a metric is not a number.
    """
    grouped = _grouped_field(by)
    averaged = {name: _number_field(name) for name in figures}
    order = "latest" if sort in ("id", "created_at") else sort
    if order not in GROUP_SORTS and order not in averaged:
        check_sort(order)
        if _number_named(order) is None:
            order = "label"
        else:
            averaged[order] = _number_field(order)
    # The state as a word: it becomes a `RunStatus` once a group, not once a run.
    columns: list[Any] = [RunRow.id, sa.type_coerce(RunRow.status, sa.Text), RunRow.created_at, RunRow.nonfinite]
    columns += [getattr(RunRow, name) for name in SHARED]
    columns += [number_of(field, time.time()) for field in averaged.values()]
    keys = _key_columns(grouped)
    labelled = [column.label(f"c{number}") for number, column in enumerate((*columns, *keys))]
    statement = sa.select(*labelled).where(*selected(query or RunQuery())).order_by(RunRow.id)
    alike: dict[tuple[Any, ...], list[Sequence[Any]]] = {}
    with db.read() as session:
        for row in session.execute(statement).all():
            alike.setdefault(row[len(columns) :], []).append(row)
        # What the values are called is worked out once for all runs that have the same.
        members: dict[str, list[Sequence[Any]]] = {}
        for values, rows in alike.items():
            for key in _keys(values, grouped):
                members.setdefault(key, []).extend(rows)
        found = [_group(key, rows, averaged, grouped) for key, rows in members.items()]
        return _sorted(found, order, descending=descending)[:limit]


def _grouped_field(name: str) -> Field:
    field = find_field(name)
    if field is None:
        near = nearest_field(name)
        raise StoreError(f"There is no field {name!r} to group by." + (f" Did you mean {near!r}?" if near else ""))
    if field.kind == "time" or (field.kind == "flag" and not field.setting):
        raise StoreError(f"Runs cannot be grouped by {field.name}. Group by recipe, model, density, growth or others.")
    return field


def _number_field(name: str) -> Field:
    field = _number_named(name)
    if field is None:
        raise StoreError(f"{name!r} is not a metric that can be averaged.")
    return field


def _number_named(name: str) -> Field | None:
    """A field that holds numbers: by its name in a query, or by the name of its column."""
    field = find_field(name) or next((field for field in fields() if field.column == name), None)
    return field if field is not None and field.kind in ("number", "time", "any") else None


def _key_columns(field: Field) -> list[sa.ColumnElement[Any]]:
    if not field.setting:
        return [number_of(field, time.time()) if field.kind == "number" else getattr(RunRow, field.column)]
    if field.kind == "any":
        return [setting_text(field.setting), setting_number(field.setting)]
    return [text_of(field) if field.kind == "text" else setting_number(field.setting, certain=True)]


def _keys(values: Sequence[Any], field: Field) -> Sequence[str]:
    """The groups a run belongs to: one, but for tags."""
    value = next((value for value in values if value is not None), None)
    if value is None:
        return ("",)
    if isinstance(value, tuple):
        return value or ("",)
    if field.kind == "flag":
        return ("true" if value else "false",)
    return (f"{value:.10g}" if isinstance(value, float) else str(value),)


def _group(key: str, rows: Sequence[Sequence[Any]], averaged: Mapping[str, Field], by: Field) -> RunGroup:
    ids, statuses, created, nonfinite, *columns = zip(*rows, strict=True)
    shared = {
        name: values[0]
        for name, values in zip(SHARED, columns, strict=False)
        if values.count(values[0]) == len(values) and values[0] is not None
    }
    count, diverged, mean, std, minimum, maximum = ({} for _ in range(6))
    strange = any(nonfinite)
    for (name, field), values in zip(averaged.items(), columns[len(SHARED) :], strict=False):
        # What else a damaged row holds is no number, and counts as one that is missing.
        finite = [value for value in values if type(value) in _NUMBERS]
        n = count[name] = len(finite)
        shift = _SHIFTS.get(field.column)
        diverged[name] = sum(bits >> shift & 3 != 0 for bits in nonfinite) if strange and shift is not None else 0
        least, most = (min(finite), max(finite)) if n else (None, None)
        minimum[name], maximum[name] = least, most
        mean[name], std[name] = mean_and_spread(finite)
    return RunGroup(
        key=key,
        label=_label(key, shared, by),
        n=len(ids),
        run_ids=tuple(sorted(ids)),
        shared=shared,
        statuses=_states(statuses),
        latest=max((at for at in created if math.isfinite(at)), default=math.nan),
        count=count,
        diverged=diverged,
        mean=mean,
        std=std,
        minimum=minimum,
        maximum=maximum,
    )


def _states(words: Sequence[Any]) -> dict[RunStatus, int]:
    counted: Counter[RunStatus] = Counter()
    for word, number in Counter(words).items():
        counted[as_status(word)] += number
    return dict(counted)


def _label(key: str, shared: Mapping[str, Any], by: Field) -> str:
    if by.column != RECIPE:
        return f"{by.name.removeprefix(CONFIG_PREFIX)} {key}" if key else f"no {by.name.removeprefix(CONFIG_PREFIX)}"
    density = shared.get("target_density")
    parts = [shared.get("method"), f"{density:g}" if density is not None else None]
    return " ".join(str(part) for part in (*parts, shared.get("model"), shared.get("data")) if part)


def _sorted(found: list[RunGroup], order: str, *, descending: bool) -> list[RunGroup]:
    def value(group: RunGroup) -> Any:
        if order not in GROUP_SORTS:
            return group.mean[order]
        return group.label.lower() if order == "label" else getattr(group, order)

    found.sort(key=lambda group: group.latest, reverse=True)
    there = [group for group in found if value(group) is not None]
    there.sort(key=value, reverse=descending)
    return there + [group for group in found if value(group) is None]
