"""The JSON: names, times and figures that JSON has no numbers for."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.records import LayerMaskStat, RunStatus, StepMetric
from itop_tui.service.json_shape import document, layer_document, number, plain_value, print_json, timestamp


def test_moments_are_iso_8601_in_utc() -> None:
    assert timestamp(0) == "1970-01-01T00:00:00.000Z"
    assert timestamp(1_700_000_000.5) == "2023-11-14T22:13:20.500Z"
    assert timestamp(None) is None


@given(st.floats(min_value=0, max_value=4e9))
def test_moments_read_back_to_the_millisecond(seconds: float) -> None:
    text = timestamp(seconds)
    assert text is not None
    assert datetime.fromisoformat(text).timestamp() == pytest.approx(seconds, abs=0.001)


def test_figures_that_are_not_finite_are_named_and_unknown_ones_are_null() -> None:
    shaped = document(StepMetric(step=3, epoch=1, loss=math.nan, accuracy=None, learning_rate=-math.inf, at=0.0))
    assert shaped["loss"] == "NaN"
    assert shaped["accuracy"] is None
    assert shaped["learning_rate"] == "-Infinity"
    assert shaped["at"] == "1970-01-01T00:00:00.000Z"
    assert number(math.inf) == "Infinity"


def test_containers_and_states_become_plain() -> None:
    @dataclass(frozen=True)
    class Record:
        status: RunStatus
        tags: tuple[str, ...]
        config: dict[str, Any]
        ended_at: float | None

    shaped = document(Record(RunStatus.LOST, ("a", "b"), {"lr": math.nan, "deep": {"x": (1, 2)}}, None))
    assert shaped == {
        "status": "lost",
        "tags": ["a", "b"],
        "config": {"lr": "NaN", "deep": {"x": [1, 2]}},
        "ended_at": None,
    }


def test_a_layer_has_its_name_density_and_rate_worked_out() -> None:
    shaped = layer_document(LayerMaskStat("fc1.weight", 0, (4, 5), 20, 5, 1, 1, 8))
    assert (shaped["name"], shaped["density"], shaped["itop_rate"]) == ("fc1.weight", 0.25, 0.4)
    assert "layer" not in shaped


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(_VALUES)
def test_whatever_a_record_holds_prints_as_one_strict_ascii_document(value: Any) -> None:
    import contextlib
    import io

    with contextlib.redirect_stdout(io.StringIO()) as out:
        print_json(value)

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    assert json.loads(out.getvalue(), parse_constant=refuse) == plain_value(value)
    assert out.getvalue().isascii()
    assert not any(ord(character) < 32 and character != "\n" for character in out.getvalue())
