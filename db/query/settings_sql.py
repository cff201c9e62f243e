"""Reading one setting out of the stored configurations, or one metric out of the latest ones, in SQL.

Both are JSON in a text column, and both databases can look into it; they differ in the spelling, and in
what they make of a number. These functions give the same on both.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from db.models import RunRow

__all__ = ["metric_number", "setting_number", "setting_text"]


class _Setting(FunctionElement[Any]):
    """A setting by its name, which is a bound parameter: the statement is compiled once for all of them."""

    inherit_cache = True

    def __init__(self, name: str, column: sa.ColumnElement[Any] | InstrumentedAttribute[Any] = RunRow.config) -> None:
        super().__init__(sa.type_coerce(column, sa.Text), sa.literal(name, sa.Text))

    def parts(self, compiler: SQLCompiler, options: dict[str, Any]) -> list[str]:
        """The column and the name, as SQL."""
        return [compiler.process(clause, **options) for clause in self.clauses]


class _SettingText(_Setting):
    type = sa.Text()
    inherit_cache = True


class _SettingNumber(_Setting):
    type = sa.Double()
    inherit_cache = True


class _PlainText(_SettingText):
    inherit_cache = True


class _PlainNumber(_SettingNumber):
    inherit_cache = True


def setting_text(name: str, *, certain: bool = False) -> sa.ColumnElement[str]:
    """A setting where it is text (or a list, as JSON); otherwise NULL.

    Args:
        name: The setting.
        certain: Whether it is known to be text or nothing, which saves asking each configuration.
    """
    return _PlainText(name) if certain else _SettingText(name)


def setting_number(name: str, *, certain: bool = False) -> sa.ColumnElement[float]:
    """A setting where it is a number, or 1 and 0 for true and false; otherwise NULL.

    Args:
        name: The setting.
        certain: Whether it is known to be a number, true, false or nothing, which saves asking each configuration.
    """
    return _PlainNumber(name) if certain else _SettingNumber(name)


def metric_number(name: str) -> sa.ColumnElement[float]:
    """The latest value of a metric without a column; NULL where there is none, or where it is not finite."""
    return _SettingNumber(name, RunRow.metrics)


# SQLite keeps what it has parsed of a text until the next row, so that asking twice costs once.
@compiles(_SettingText, "sqlite")
def _(element: _SettingText, compiler: SQLCompiler, **options: Any) -> str:
    value = _extract(*element.parts(compiler, options))
    return f"CASE WHEN typeof({value}) = 'text' THEN {value} END"


@compiles(_SettingNumber, "sqlite")
def _(element: _SettingNumber, compiler: SQLCompiler, **options: Any) -> str:
    value = _extract(*element.parts(compiler, options))
    return f"CASE WHEN typeof({value}) <> 'text' THEN {value} END"


@compiles(_PlainText, "sqlite")
@compiles(_PlainNumber, "sqlite")
def _(element: _Setting, compiler: SQLCompiler, **options: Any) -> str:
    return _extract(*element.parts(compiler, options))


@compiles(_SettingText, "postgresql")
@compiles(_PlainText, "postgresql")
def _(element: _SettingText, compiler: SQLCompiler, **options: Any) -> str:
    config, name = element.parts(compiler, options)
    return f"CASE WHEN json_typeof({config} -> {name}) IN ('string', 'array', 'object') THEN {config} ->> {name} END"


@compiles(_SettingNumber, "postgresql")
@compiles(_PlainNumber, "postgresql")
def _(element: _SettingNumber, compiler: SQLCompiler, **options: Any) -> str:
    config, name = element.parts(compiler, options)
    return (
        f"CASE json_typeof({config} -> {name}) WHEN 'number' THEN CAST({config} ->> {name} AS double precision) "
        f"WHEN 'boolean' THEN CAST(CAST({config} ->> {name} AS boolean) AS integer) END"
    )


def _extract(config: str, name: str) -> str:
    # A configuration that is not JSON has no settings; without the question, the whole statement would fail.
    return f"CASE WHEN json_valid({config}) THEN json_extract({config}, '$.\"' || {name} || '\"') END"
