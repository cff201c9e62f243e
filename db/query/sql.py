"""From a tree to a condition on the table of runs, for SQLite and PostgreSQL.

Every condition is true or false, never NULL, so that `not` gives exactly the rest: a run without a seed does not match
`seed:1`, and does match `-seed:1`. Metrics that diverged (`db.history.nonfinite`) compare like the numbers they are.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from db.models import RUN_METRICS, RunRow
from db.query.fields import FLAGS, STATE_WORDS, STATES, Field, find_field
from db.query.settings_sql import metric_number, setting_number, setting_text
from db.query.tree import And, Compare, Node, Not, Query, Word
from db.query.values import boolean, number, span
from db.records import ACTIVE, TERMINAL, RunStatus

__all__ = ["condition", "number_of", "text_of"]

Condition = sa.ColumnElement[bool]

_SEARCHED = (RunRow.name, RunRow.model, RunRow.data, RunRow.method, RunRow.status, RunRow.tags)
_TEXTS: list[sa.ColumnElement[str]] = [sa.type_coerce(column, sa.Text) for column in _SEARCHED]
# One text a run to search in. Words hold no line break, so none is found across two columns.
_HAYSTACK = functools.reduce(lambda left, right: left + "\n" + right, _TEXTS)

# A dense run has no R_s; older versions recorded a 1 for it.
_HAS_ITOP_RATE = RunRow.method != "dense"

_NONFINITE = sa.type_coerce(RunRow.nonfinite, sa.Integer)

# 0.01 and what 0.1 · 0.1 is in binary are meant to be the same.
_TOLERANCE = 1e-9


def condition(query: Query, now: float | None = None) -> Condition:
    """What a run must be to match a query.

    Args:
        query: The query.
        now: Unix seconds that `2d` and the duration of a run that is still going are counted from; None: the clock's.
    """
    if query.root is None:
        return sa.true()
    return _node(query.root, time.time() if now is None else now)


def text_of(field: Field) -> sa.ColumnElement[str]:
    """The text of a field as SQL; NULL where there is none."""
    if field.setting:
        return setting_text(field.setting, certain=field.kind == "text")
    return sa.type_coerce(getattr(RunRow, field.column), sa.Text)


def number_of(field: Field, now: float) -> sa.ColumnElement[Any]:
    """The number of a field as SQL; NULL where there is none, or where it is not finite.

    Args:
        field: A field that holds numbers or times.
        now: Unix seconds.
    """
    if field.setting:
        return setting_number(field.setting, certain=field.kind != "any")
    if field.metric:
        return metric_number(field.metric)
    if field.name == "duration":
        return sa.func.coalesce(RunRow.ended_at, sa.literal(now, sa.Double)) - RunRow.started_at
    if field.name == "progress":
        return RunRow.step * 1.0 / sa.func.nullif(RunRow.total_steps, 0)
    if field.name == "sparsity":
        return 1.0 - RunRow.target_density
    column: sa.ColumnElement[Any] = getattr(RunRow, field.column)
    return sa.case((_HAS_ITOP_RATE, column)) if field.column == "itop_rate" else column


def _code_of(field: Field) -> sa.ColumnElement[int] | None:
    """Which value that is not finite a run has, as SQL (0 for none); None for a field that cannot hold one."""
    if field.column not in RUN_METRICS.names:
        return None
    code = RUN_METRICS.code(field.column, _NONFINITE)
    return sa.case((_HAS_ITOP_RATE, code), else_=0) if field.column == "itop_rate" else code


def _node(node: Node, now: float) -> Condition:
    if isinstance(node, Word):
        return _HAYSTACK.icontains(node.text, autoescape=True)
    if isinstance(node, Compare):
        return _compare(node, now)
    if isinstance(node, Not):
        return sa.not_(_node(node.item, now))
    items = [_node(item, now) for item in node.items]
    return sa.and_(*items) if isinstance(node, And) else sa.or_(*items)


def _compare(node: Compare, now: float) -> Condition:
    field = find_field(node.field)
    assert field is not None  # the parser has looked
    if node.operator == "!=":
        return sa.not_(_compare(Compare(node.field, "=", node.values), now))
    return sa.or_(*_alternatives(field, node.operator, node.values, now))


def _alternatives(field: Field, operator: str, values: Iterable[str], now: float) -> list[Condition]:
    if field.kind == "state":
        wanted = {state for value in values for state in _meant(value, STATE_WORDS)}
        in_state: Condition = RunRow.status.in_([RunStatus(state) for state in sorted(wanted.intersection(STATES))])
        return [in_state, _flag("held")] if "held" in wanted else [in_state]
    if field.kind == "flag" and not field.setting:
        wanted = {word for value in values for word in _meant(value, (*FLAGS, *STATES))}
        return [_flag(word) for word in sorted(wanted)]
    if field.kind == "flag":
        return [_number(field, operator, float(bool(boolean(value))), now) for value in values]
    if field.kind == "time":
        return [_time(field, operator, value, now) for value in values]
    if field.kind == "number":
        return [_number(field, operator, _figure(value, field), now) for value in values]
    if field.kind == "text":
        return [_text(field, operator, value) for value in values]
    return [either for value in values for either in _anything(field, operator, value, now)]


def _meant(value: str, words: tuple[str, ...]) -> list[str]:
    """The words of a fixed list that a value means: itself, or those that begin with it."""
    return [value] if value in words else [word for word in words if word.startswith(value)]


def _figure(value: str, field: Field) -> float | None:
    return None if value == "" else number(value, field.unit)


def _text(field: Field, operator: str, value: str) -> Condition:
    text = sa.func.coalesce(text_of(field), "")
    if value == "" and operator != "~":
        return text == ""
    if field.column == "alarms" and value.lower() == "any" and operator != "~":
        return text != ""
    if operator != "=":
        return text.icontains(value, autoescape=True)
    if field.column in ("tags", "alarms"):
        # They are lines of one text.
        return ("\n" + text + "\n").icontains(f"\n{value}\n", autoescape=True)
    return sa.func.lower(text) == sa.func.lower(value)


def _number(field: Field, operator: str, value: float | None, now: float) -> Condition:
    column = number_of(field, now)
    code = _code_of(field)
    if value is None:
        absent = column.is_(None)
        return absent if code is None else sa.and_(absent, code == 0)
    if not math.isfinite(value):
        return _nonfinite(column, code, operator, value)
    wanted = _literal(value, field)
    if operator in (":", "="):
        if isinstance(value, int):
            return sa.and_(column.is_not(None), column == wanted)
        slack = abs(value) * _TOLERANCE
        return sa.and_(column.is_not(None), column.between(value - slack, value + slack))
    finite = sa.and_(column.is_not(None), column.op(operator, is_comparison=True)(wanted))
    if code is None:
        return finite
    return sa.or_(finite, code == (2 if operator in (">", ">=") else 3))


def _nonfinite(
    column: sa.ColumnElement[float], code: sa.ColumnElement[int] | None, operator: str, value: float
) -> Condition:
    """A comparison with nan or an infinity; a column without a code holds finite numbers only."""
    mine = 1 if math.isnan(value) else 2 if value > 0 else 3
    codes: tuple[int, ...] = (mine,) if operator in (":", "=", "<=", ">=") else ()
    finite = False
    if operator in ("<", "<=") and value > 0:
        finite, codes = True, (*codes, 3)
    elif operator in (">", ">=") and value < 0:
        finite, codes = True, (*codes, 2)
    found: list[Condition] = [column.is_not(None)] if finite else []
    if code is not None and codes:
        found.append(code.in_(codes))
    return sa.or_(*found) if found else sa.false()


def _literal(value: float, field: Field) -> sa.ColumnElement[Any]:
    # A column of 32 bits is compared with numbers of 64: what does not fit is not an error, it is just not there.
    whole = isinstance(value, int) and field.unit == "whole" and not field.setting
    return sa.literal(value, sa.BigInteger) if whole else sa.literal(float(value), sa.Double)


def _time(field: Field, operator: str, value: str, now: float) -> Condition:
    column = number_of(field, now)
    meant = span(value, now) if value else None
    if meant is None:
        return column.is_(None)
    if operator == "<":
        found = column < meant.start
    elif operator == "<=":
        found = column <= meant.start if meant.start == meant.end else column < meant.end
    elif operator == ">":
        found = column > meant.start if meant.start == meant.end else column >= meant.end
    elif operator == ">=":
        found = column >= meant.start
    elif meant.start == meant.end:  # `created:2d`: within the last two days
        found = column.between(meant.start, now)
    else:
        found = sa.and_(column >= meant.start, column < meant.end)
    return sa.and_(column.is_not(None), found)


def _anything(field: Field, operator: str, value: str, now: float) -> list[Condition]:
    """A setting of which only the name is known: text and numbers each match in their own way."""
    if value == "" and operator != "~":
        return [sa.and_(setting_text(field.setting).is_(None), setting_number(field.setting).is_(None))]
    found: list[Condition] = []
    figure: float | None = number(value)
    truth = boolean(value)
    if figure is None and truth is not None:
        figure = int(truth)
    if figure is not None and operator != "~":
        found.append(_number(field, operator, figure, now))
    if operator in (":", "=", "~"):
        found.append(_text(field, operator, value))
    return found


def _flag(word: str) -> Condition:
    conditions: dict[str, Condition] = {
        "starred": RunRow.starred_at.is_not(None),
        "archived": RunRow.archived_at.is_not(None),
        "held": sa.and_(RunRow.held.is_(True), RunRow.status == RunStatus.QUEUED),
        "fork": RunRow.parent_id.is_not(None),
        "active": RunRow.status.in_(ACTIVE),
        "finished": RunRow.status.in_(TERMINAL),
        "diverged": sa.or_(*(RUN_METRICS.code(name, _NONFINITE) != 0 for name in ("loss", "val_loss"))),
        "sparse": sa.and_(RunRow.method != "dense", RunRow.method != ""),
        "dense": RunRow.method == "dense",
    }
    return conditions[word] if word in conditions else RunRow.status == RunStatus(word)
