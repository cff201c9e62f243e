from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from itop_tui.figures import format as fmt


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(None, "–"), (0, "0s"), (59.9, "59s"), (60, "1m 00s"), (252, "4m 12s"), (11_100, "3h 05m"), (187_200, "2d 4h"),
     (math.nan, "–"), (-3, "0s")],
)  # fmt: skip
def test_durations(seconds: float | None, written: str) -> None:
    assert fmt.duration(seconds) == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(5, "5s"), (59, "59s"), (60, "1m"), (3599, "59m"), (3600, "1h"), (47 * 3600, "47h"), (48 * 3600, "2d"),
     (27 * 86_400, "27d"), (28 * 86_400, "4w"), (3 * 31_557_600, "3y"), (None, "–")],
)  # fmt: skip
def test_ages(seconds: float | None, written: str) -> None:
    assert fmt.age(seconds) == written


@given(st.floats(min_value=0, max_value=1e10))
def test_an_age_takes_at_most_four_cells(seconds: float) -> None:
    assert len(fmt.age(seconds)) <= 4


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.9861, "98.61%"), (1, "100.00%"), (None, "–"), (math.nan, "NaN"), (math.inf, "∞"), (-math.inf, "-∞")],
)
def test_percents(value: float | None, written: str) -> None:
    assert fmt.percent(value) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [(1, "100%"), (0.05, "5%"), (0.125, "12.5%"), (0.001, "0.1%"), (0.0005, "0.05%"), (0, "0%"), (2e-6, "2.0e-04%"),
     (None, "–")],
)  # fmt: skip
def test_shares(value: float | None, written: str) -> None:
    assert fmt.share(value) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [(0, "0"), (0.0312, "0.0312"), (2.30258, "2.303"), (123.456, "123.5"), (123_456.0, "123456"), (1e-7, "1e-07"),
     (3.2e9, "3.2e+09"), (math.nan, "NaN"), (None, "–"), (-0.5, "-0.5"), (0.0005, "0.0005"), (9.99999, "10")],
)  # fmt: skip
def test_figures(value: float | None, written: str) -> None:
    assert fmt.figure(value) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [(0, "0"), (950, "950"), (999.6, "1.0k"), (266_200, "266k"), (11_323_466, "11.3M"), (8.2e9, "8.2G"), (None, "–")],
)
def test_short_counts(value: float | None, written: str) -> None:
    assert fmt.short_count(value) == written


def test_ratios_have_the_decimals_asked_for() -> None:
    assert fmt.ratio(0.3412) == "0.34"
    assert fmt.ratio(1.0, 3) == "1.000"
    assert fmt.ratio(math.nan) == "NaN"
    assert fmt.ratio(None) == "–"


def test_sizes_and_rates_and_plurals() -> None:
    assert fmt.size(512) == "512 B"
    assert fmt.size(12_400_000) == "12.4 MB"
    assert fmt.rate(12_300) == "12.3k/s"
    assert fmt.rate(None) == "–"
    assert fmt.plural(1, "run") == "1 run"
    assert fmt.plural(2, "entry", "entries") == "2 entries"
    assert fmt.steps(1200, 97_750) == "1,200 / 97,750"
    assert fmt.steps(7, 0) == "7"


@given(st.floats(allow_nan=True, allow_infinity=True), st.integers(min_value=0, max_value=60))
def test_a_bar_fills_its_width_and_is_full_only_at_the_end(fraction: float, width: int) -> None:
    filled, empty = fmt.bar(fraction, width)
    assert len(filled) + len(empty) == width
    if width and fraction < 1:
        assert filled != "━" * width


@given(st.text(max_size=60), st.integers(min_value=0, max_value=40), st.booleans())
def test_fit_gives_exactly_the_width_whatever_the_text(text: str, width: int, right: bool) -> None:
    assert cell_len(fmt.fit(text, width, right=right)) == width


@given(st.text(max_size=200))
def test_plain_leaves_nothing_a_terminal_would_obey(text: str) -> None:
    shown = fmt.plain(text)
    assert not any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in shown)
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200d\ufe0f\u2028\u2029")


def test_plain_shows_escapes_as_pictures_and_cuts_what_is_endless() -> None:
    assert fmt.plain("a\x1b[31mb\nc") == "a␛[31mb c"
    assert len(fmt.plain("x" * 10_000_000)) == 4000


def test_fit_cuts_with_an_ellipsis_and_never_through_a_wide_character() -> None:
    assert fmt.fit("a long name", 6) == "a lon…"
    assert fmt.fit("数据集数据集", 6) == "数据… "
    assert fmt.fit("7", 3, right=True) == "  7"


def test_a_sparkline_keeps_peaks_and_marks_what_is_not_finite() -> None:
    assert fmt.sparkline([0, 0, 0, 9, 0, 0], 3) == "▁█▁"
    assert fmt.sparkline([1, math.nan, 2], 3) == "▁×█"
    assert fmt.sparkline([3, 3], 10) == "▁▁"
    assert fmt.sparkline([], 10) == ""


def test_a_sparkline_of_a_loss_has_the_heights_of_a_logarithmic_axis() -> None:
    assert fmt.sparkline([100, 10, 1, 0.1], 4) == "█▁▁▁"
    assert fmt.sparkline([100, 10, 1, 0.1], 4, log=True) == "█▆▃▁"
    assert fmt.sparkline([100, math.inf, 0.1], 3, log=True) == "█×▁"
    assert fmt.sparkline([1, 0, 0.5], 3, log=True) == fmt.sparkline([1, 0, 0.5], 3), "there is no logarithm of zero"
