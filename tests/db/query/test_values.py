from __future__ import annotations

import math
import time
from datetime import datetime

import pytest

from db.query.values import boolean, number, span

NOW = 1_794_000_000.0  # some day in November 2026


@pytest.mark.parametrize(
    ("text", "value"),
    [("5", 5), ("-5", -5), ("0.93", 0.93), ("93%", 0.93), ("5.7%", 0.057), (".5", 0.5), ("5.", 5), ("1e-4", 1e-4),
     ("1e3", 1000), ("100k", 100_000), ("1.5M", 1_500_000), ("2G", 2 * 10**9), ("1T", 10**12), ("+3", 3),
     ("18446744073709551615", float(2**64 - 1)), ("inf", math.inf), ("-INF", -math.inf), ("1e999", math.inf)],
)  # fmt: skip
def test_numbers(text: str, value: float) -> None:
    found = number(text)
    assert found == value
    assert type(found) is type(value)


def test_nan_and_what_is_no_number() -> None:
    assert math.isnan(number("NaN") or 0)
    for text in ("", "abc", "1,2", "1h", "--1", "1e", "0x10", "1_000", "٣", "5 %"):
        assert number(text) is None, text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("15m", 900), ("1h30m", 5400), ("2d", 172_800), ("1.5H", 5400), ("1w", 604_800)],
)
def test_lengths_of_time(text: str, seconds: float) -> None:
    assert number(text, "seconds") == seconds


def test_yes_and_no() -> None:
    assert [boolean(text) for text in ("true", "YES", "on", "1")] == [True] * 4
    assert [boolean(text) for text in ("false", "No", "off", "0")] == [False] * 4
    assert boolean("maybe") is None


def _local(*parts: int) -> float:
    return datetime(*parts).astimezone().timestamp()  # type: ignore[arg-type]


@pytest.fixture(params=["UTC", "Europe/Berlin", "America/St_Johns"])
def _zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_zone")
@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026", (2026, 1, 1), (2027, 1, 1)),
        ("2026-11", (2026, 11, 1), (2026, 12, 1)),
        ("2026-12", (2026, 12, 1), (2027, 1, 1)),
        ("2026-2-28", (2026, 2, 28), (2026, 3, 1)),
        ("2026-10-25", (2026, 10, 25), (2026, 10, 26)),  # 25 hours in Berlin
        ("2026-11-01T14:05", (2026, 11, 1, 14, 5), (2026, 11, 1, 14, 6)),
        ("2026-11-01 14:05:30", (2026, 11, 1, 14, 5, 30), (2026, 11, 1, 14, 5, 31)),
    ],
)
def test_dates_are_stretches_of_local_time(text: str, first: tuple[int, ...], last: tuple[int, ...]) -> None:
    found = span(text, NOW)
    assert found is not None
    assert (found.start, found.end) == (_local(*first), _local(*last))


@pytest.mark.usefixtures("_zone")
def test_times_that_move_with_the_clock() -> None:
    two_days = span("2d", NOW)
    assert two_days is not None
    assert two_days.start == two_days.end == NOW - 172_800
    today, yesterday = span("today", NOW), span("Yesterday", NOW)
    assert today is not None
    assert yesterday is not None
    assert today.start <= NOW < today.end
    assert yesterday.end == today.start
    assert datetime.fromtimestamp(today.start).astimezone().hour == 0


def test_what_is_no_time() -> None:
    for text in ("", "soon", "2026-13", "2026-02-30", "0000", "9999-12-31", "2d ago", "5", "2026-11-01T25:00"):
        assert span(text, NOW) is None, text
