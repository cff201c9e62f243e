"""What a query means, said once more in plain Python over `RunRecord`s: slow, obvious, and without SQL."""

from __future__ import annotations

import json
import math
from typing import Any

from db.query import And, Compare, Field, Node, Not, Word, find_field
from db.query.fields import FLAGS, STATE_WORDS, STATES
from db.query.values import boolean, number, span
from db.records import RunRecord


def matches(node: Node | None, run: RunRecord, now: float) -> bool:
    if node is None:
        return True
    if isinstance(node, Word):
        return node.text.lower() in _haystack(run)
    if isinstance(node, Not):
        return not matches(node.item, run, now)
    if isinstance(node, Compare):
        return _compare(node, run, now)
    results = [matches(item, run, now) for item in node.items]
    return all(results) if isinstance(node, And) else any(results)


def _haystack(run: RunRecord) -> str:
    return "\n".join([run.name, run.model, run.data, run.method, run.status.value, *run.tags]).lower()


def _compare(node: Compare, run: RunRecord, now: float) -> bool:
    field = find_field(node.field)
    assert field is not None
    if node.operator == "!=":
        return not _compare(Compare(node.field, "=", node.values), run, now)
    return any(_one(field, node.operator, value, run, now) for value in node.values)


def _one(field: Field, operator: str, wanted: str, run: RunRecord, now: float) -> bool:
    if field.name in ("state", "is"):
        words = STATE_WORDS if field.name == "state" else (*FLAGS, *STATES)
        meant = [wanted] if wanted in words else [word for word in words if word.startswith(wanted)]
        return any(_flag(word, run) for word in meant)
    value: Any = run.config.get(field.setting) if field.setting else _value(field, run, now)
    if isinstance(value, list):
        value = json.dumps(value, separators=(",", ":"))
    if wanted == "" and operator != "~":
        return value in (None, "", ())
    if field.kind == "any":
        text = isinstance(value, str) and operator in (":", "=", "~") and _text(operator, wanted, value)
        figure = number(wanted)
        if figure is None and boolean(wanted) is not None:
            figure = int(bool(boolean(wanted)))
        counted = figure is not None and operator != "~" and not isinstance(value, str)
        return text or (counted and value is not None and _ordered(operator, value, figure))
    if field.kind == "text":
        return _text(operator, wanted, value)
    if value is None:
        return False
    if field.kind == "time":
        return _time(operator, wanted, value, now)
    if field.kind == "flag":
        return bool(value) is boolean(wanted)
    return _ordered(operator, value, number(wanted, field.unit))


def _text(operator: str, wanted: str, value: Any) -> bool:
    texts = [text.lower() for text in (value if isinstance(value, tuple) else [value or ""])]
    if operator == "=":
        return wanted.lower() in texts
    return wanted.lower() in "\n".join(texts)


def _ordered(operator: str, value: Any, wanted: Any) -> bool:
    if operator == "<":
        return bool(value < wanted)
    if operator == "<=":
        return bool(value <= wanted)
    if operator == ">":
        return bool(value > wanted)
    if operator == ">=":
        return bool(value >= wanted)
    if math.isnan(wanted):
        return bool(value != value)
    return bool(value == wanted) or (isinstance(wanted, float) and math.isclose(value, wanted, rel_tol=1e-9))


def _time(operator: str, wanted: str, value: float, now: float) -> bool:
    meant = span(wanted, now)
    assert meant is not None
    moment = meant.start == meant.end
    if operator in ("<", ">="):
        return (value < meant.start) is (operator == "<")
    if operator in ("<=", ">"):
        after = value > meant.start if moment else value >= meant.end
        return after is (operator == ">")
    return meant.start <= value <= now if moment else meant.start <= value < meant.end


def _value(field: Field, run: RunRecord, now: float) -> Any:
    if field.name == "duration":
        return None if run.started_at is None else (run.ended_at or now) - run.started_at
    if field.name == "progress":
        return run.step / run.total_steps if run.total_steps else None
    if field.name == "sparsity":
        return None if run.target_density is None else 1 - run.target_density
    return getattr(run, field.column)


def _flag(word: str, run: RunRecord) -> bool:
    return {
        "starred": run.starred_at is not None,
        "archived": run.archived_at is not None,
        "held": run.held and run.status == "queued",
        "fork": run.parent_id is not None,
        "active": run.status.is_active,
        "finished": run.status.is_terminal,
        "diverged": any(figure is not None and not math.isfinite(figure) for figure in (run.loss, run.val_loss)),
        "sparse": run.method not in ("dense", ""),
        "dense": run.method == "dense",
    }.get(word, run.status == word)
