"""Metrics that diverge: how nan and the infinities are kept in a database that cannot hold them.

SQLite stores nan as NULL, which would read as "nothing recorded". So a table with metrics has one integer column,
`nonfinite`, with two bits for each metric in the table's own fixed order: 0 finite or absent, 1 nan, 2 +inf, 3 -inf.
The value itself is then NULL, which also keeps it out of minima, maxima and sort orders. This holds on every database,
so that rows mean the same everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, literal

__all__ = ["VALUES", "MetricColumns", "code_of"]

_NAN, _PLUS, _MINUS = 1, 2, 3
# By code: what a value with these two bits is.
VALUES = {_NAN: math.nan, _PLUS: math.inf, _MINUS: -math.inf}


def code_of(value: float) -> int:
    """The code of a value that is not finite."""
    if math.isnan(value):
        return _NAN
    return _PLUS if value > 0 else _MINUS


class MetricColumns:
    """The metrics of one table, in the order of their bits. A new column goes to the end, never between.

    Args:
        names: The names of the columns; at most 15, so that the bits fit a signed 32-bit integer. That limits the
            columns, not the metrics: see `db.models.StepValueRow` and `db.models.RunRow.metrics`.
    """

    def __init__(self, names: Sequence[str]) -> None:
        if len(names) > 15:
            raise ValueError(f"{len(names)} metrics do not fit one integer; at most 15 do")
        self.names = tuple(names)
        self._shifts = {name: 2 * index for index, name in enumerate(names)}

    def encode(self, row: dict[str, Any]) -> dict[str, Any]:
        """Make a row fit for the database, in place: its non-finite values become None and bits of `nonfinite`."""
        bits = 0
        for name, shift in self._shifts.items():
            value = row.get(name)
            # `value - value` is 0 for what is finite and nan otherwise: the cheapest test for all three at once.
            if value is not None and value - value != 0:
                bits |= code_of(value) << shift
                row[name] = None
        row["nonfinite"] = bits
        return row

    def decode(self, row: dict[str, Any]) -> dict[str, Any]:
        """Make a row what it was before `encode`, in place: its values restored, without `nonfinite`."""
        bits = row.pop("nonfinite")
        if bits:
            for name, shift in self._shifts.items():
                code = (bits >> shift) & 3
                if code:
                    row[name] = VALUES[code]
        return row

    def changes(self, values: Mapping[str, Any], nonfinite: ColumnElement[int]) -> dict[str, Any]:
        """The SET clause for some of the metrics that leaves the bits of all others as they are."""
        row = dict(values)
        touched = 0
        for name in row:
            if name in self._shifts:
                touched |= 3 << self._shifts[name]
        if not touched:
            return row
        bits = self.encode(row).pop("nonfinite")
        everything = (1 << (2 * len(self.names))) - 1
        row["nonfinite"] = nonfinite.bitwise_and(literal(everything & ~touched)).bitwise_or(literal(bits))
        return row

    def code(self, name: str, nonfinite: ColumnElement[int]) -> ColumnElement[int]:
        """SQL for the two bits of one metric."""
        return nonfinite.bitwise_rshift(literal(self._shifts[name])).bitwise_and(literal(3))
