"""Lengths of time as people write them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90m", 5400),
        ("12h", 43_200),
        ("2d", 172_800),
        ("1h30m", 5400),
        (" 1 H 30 Min ", 5400),
        ("1 day 2 hours 3 minutes 4 seconds", 93_784),
        ("1.5h", 5400),
        ("3600", 3600),
        ("0.5", 0.5),
        (90, 90),
        (0.25, 0.25),
    ],
)
def test_what_people_write_is_read(text: object, seconds: float) -> None:
    assert durations.parse(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "h", "m30", "-1", "-5m", 0, "0m", -3, "nan", math.nan, math.inf, "1e3", "30m1h", "1h1h", "5x", True, []],
)
def test_what_is_no_length_of_time_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"^must be a length of time above 0, such as 90m, 12h, 2d or 1h30m; a number"):
        durations.parse(text)


@given(st.integers(1, 10**9))
def test_what_is_written_is_read_again(seconds: int) -> None:
    assert durations.parse(durations.written(seconds)) == seconds
    assert durations.parse(durations.spoken(seconds)) == seconds


def test_how_it_is_written() -> None:
    assert [durations.written(value) for value in (43_200, 5400, 90, 176_523, 0.5)] == [
        "12h",
        "1h30m",
        "1m30s",
        "2d1h2m3s",
        "0.5",
    ]
    assert [durations.spoken(value) for value in (43_200, 5400, 90, 0.5)] == [
        "12 h",
        "1 h 30 min",
        "1 min 30 s",
        "0.5 s",
    ]
