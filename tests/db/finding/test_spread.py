from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.finding.spread import mean_and_spread

numbers = st.floats(min_value=-1e300, max_value=1e300, allow_subnormal=False)


@given(st.lists(numbers, min_size=2, max_size=8))
def test_it_agrees_with_the_exact_statistics_of_python(values: list[float]) -> None:
    mean, spread = mean_and_spread(values)
    size = max(map(abs, values))
    assert mean == pytest.approx(statistics.mean(values), rel=1e-12, abs=1e-12 * size)
    assert spread == pytest.approx(statistics.stdev(values), rel=1e-9, abs=1e-9 * size)


@given(numbers, st.integers(min_value=2, max_value=7))
def test_equal_values_have_no_spread(value: float, n: int) -> None:
    assert mean_and_spread([value] * n) == (value, 0.0)


def test_what_is_left_of_adding_up_is_no_spread() -> None:
    """The FLOPs of two runs alike, as a share of dense: 10.97% ± 5.9e-13%."""
    share = 0.10972509960159363
    assert mean_and_spread([share, share + 8.3e-15])[1] == 0
    assert mean_and_spread([share, share + 8.3e-9])[1] == pytest.approx(5.87e-9, rel=1e-3)
    assert mean_and_spread([1e-200, 3e-200])[1] == pytest.approx(2**0.5 * 1e-200)


def test_too_few_values() -> None:
    assert mean_and_spread([]) == (None, None)
    assert mean_and_spread([0.25]) == (0.25, None)
    assert mean_and_spread([1.7e308]) == (1.7e308, None)
