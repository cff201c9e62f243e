from __future__ import annotations

import math

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from db.history.nonfinite import MetricColumns

NAMES = ("a", "b", "c")
CODEC = MetricColumns(NAMES)

metric = st.none() | st.floats(allow_nan=True, allow_infinity=True)


def same(left: float | None, right: float | None) -> bool:
    if left is None or right is None:
        return left is right
    return left == right or (math.isnan(left) and math.isnan(right))


@given(st.fixed_dictionaries(dict.fromkeys(NAMES, metric)))
def test_what_is_encoded_is_finite_or_null_and_decodes_to_itself(row: dict[str, float | None]) -> None:
    stored = CODEC.encode(dict(row))
    assert all(stored[name] is None or math.isfinite(stored[name]) for name in NAMES)
    restored = CODEC.decode(stored)
    assert restored.keys() == row.keys()
    assert all(same(restored[name], row[name]) for name in NAMES)


def test_bits_by_hand() -> None:
    assert CODEC.encode({"a": math.nan, "b": 1.0, "c": -math.inf})["nonfinite"] == 0b11_00_01
    assert CODEC.encode({"a": None, "b": math.inf, "c": 0.0})["nonfinite"] == 0b00_10_00
    assert CODEC.encode({})["nonfinite"] == 0


@given(
    st.fixed_dictionaries(dict.fromkeys(NAMES, metric)),
    st.dictionaries(st.sampled_from(NAMES), metric),
)
def test_changing_some_metrics_leaves_the_others(
    row: dict[str, float | None], changes: dict[str, float | None]
) -> None:
    stored = CODEC.encode(dict(row))
    clause = CODEC.changes(changes, sa.literal(stored["nonfinite"]))
    bits = clause.pop("nonfinite", None)
    stored |= clause
    if bits is not None:
        with _ENGINE.connect() as connection:
            stored["nonfinite"] = connection.scalar(sa.select(bits))
    restored = CODEC.decode(stored)
    expected = row | changes
    assert all(same(restored[name], expected[name]) for name in NAMES)


_ENGINE = sa.create_engine("sqlite://")


def test_too_many_metrics_for_one_integer_are_refused() -> None:
    MetricColumns([str(number) for number in range(15)])
    with pytest.raises(ValueError, match="16 metrics"):
        MetricColumns([str(number) for number in range(16)])
