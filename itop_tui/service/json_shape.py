"""The JSON of `itop`: one place that gives records their shape.

Names are the records' own and the same in every command. Times are ISO-8601 in UTC; numbers that are not finite are
the strings "NaN", "Infinity" and "-Infinity", since JSON has no numbers for them and `null` means "not known yet".
"""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any

from db.records import LayerMaskStat, RunRecord

Document = dict[str, Any]


def timestamp(seconds: float | None) -> str | None:
    """Write unix seconds as ISO-8601 in UTC, to the millisecond: "2026-03-01T14:05:09.120Z"."""
    if seconds is None or not math.isfinite(seconds):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):  # no year that there can be
        return None


def number(value: float) -> float | str:
    """Give a figure as JSON can hold it: itself, or the name of what it is where it is not finite."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def plain_value(value: Any) -> Any:
    """Give any value of a record as JSON can hold it, containers included."""
    if isinstance(value, Enum):
        return plain_value(value.value)
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return number(value)
    if isinstance(value, Path):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return document(value)
    if isinstance(value, Mapping):
        return {str(key): plain_value(item) for key, item in value.items()}
    if isinstance(value, Iterable):
        return [plain_value(item) for item in value]
    raise TypeError(f"no JSON for a {type(value).__name__}")


def document(record: Any) -> Document:
    """Give a frozen record as a JSON object, its moments (`at`, `…_at`) as ISO-8601."""
    shaped: Document = {}
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        is_moment = field.name == "at" or field.name.endswith("_at")
        shaped[field.name] = timestamp(value) if is_moment else plain_value(value)
    return shaped


def run_document(run: RunRecord, **more: Any) -> Document:
    """Give a run as a JSON object, with more that belongs to it: its checkpoints, its attempts."""
    return {**document(run), **plain_value(more)}


def layer_document(layer: LayerMaskStat) -> Document:
    """Give a layer's mask statistics as a JSON object, with its density and R_s worked out."""
    shaped, size = document(layer), layer.size or 1
    return {
        "name": shaped.pop("layer"),
        **shaped,
        "density": layer.nonzeros / size,
        "itop_rate": layer.explored / size,
    }


def print_json(value: Any) -> None:
    """Print one JSON document on stdout.

    Objects are indented for people; the items of a list have a line each, which is quick for 100,000 steps. All of it
    is ASCII: a name with terminal escapes or directional overrides stays harmless, and decodes to what it was.
    """
    sys.stdout.write(_laid_out(plain_value(value), "") + "\n")
    sys.stdout.flush()


def _laid_out(value: Any, indent: str) -> str:
    if isinstance(value, dict) and value:
        inner = indent + "  "
        members = (f"{inner}{json.dumps(name)}: {_laid_out(item, inner)}" for name, item in value.items())
        return "{\n" + ",\n".join(members) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        inner = indent + "  "
        items = (inner + json.dumps(item, allow_nan=False) for item in value)
        return "[\n" + ",\n".join(items) + f"\n{indent}]"
    return json.dumps(value, allow_nan=False)
