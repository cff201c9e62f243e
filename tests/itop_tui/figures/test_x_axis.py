"""Where steps lie on the x axis of a chart: steps, epochs, training time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.records import MaskUpdate, Series
from itop_tui.figures.x_axis import Hours, Linear, across_note, explored, hours
from tests.itop_tui.run import made


def test_hours_leave_out_the_pause_between_attempts() -> None:
    # A step a second; the second attempt continues after step 3, an hour later.
    at = [0.0, 1.0, 2.0, 3.0, 3603.0, 3604.0]
    scale = hours(Series([1, 2, 3, 4, 5, 6], at), [made.attempt(), made.attempt(id=2, number=2, start_step=4)])
    assert scale is not None
    assert (scale.left_out, scale.seconds_left_out) == (1, 3599.0)
    assert (scale.place(np.array([1.0, 4.0, 6.0])) * 3600).tolist() == pytest.approx([0, 3, 5])
    assert scale.note == "training time, 1 pause of 59m 59s left out"
    # Beyond what is known, it continues at the mean speed.
    assert scale.place(np.array([11.0]))[0] * 3600 == pytest.approx(10)


def test_the_axis_of_several_runs_says_that_pauses_are_left_out() -> None:
    steps = np.array([1.0, 2.0])
    whole, paused = Hours(steps, steps), Hours(steps, steps, left_out=2, seconds_left_out=60.0)
    assert across_note([Linear(), Linear(5.0)]) == ""
    assert across_note([whole]) == "training time"
    assert across_note([whole, paused]) == "training time, pauses left out"


def test_one_step_has_no_time() -> None:
    assert hours(Series([1], [5.0]), []) is None
    assert hours(Series([], []), []) is None


@given(
    gaps=st.lists(st.tuples(st.integers(1, 50), st.floats(-5, 1e5)), min_size=2, max_size=30),
    place=st.floats(-0.5, 1.5),
)
def test_a_place_in_time_and_its_step_are_one_another(gaps: list[tuple[int, float]], place: float) -> None:
    steps = np.cumsum([gap for gap, _ in gaps]).tolist()
    at = np.cumsum([seconds for _, seconds in gaps]).tolist()
    scale = hours(Series(steps, at), [])
    assert scale is not None
    assert (np.diff(scale.hours) > 0).all()
    x = scale.hours[0] + place * (scale.hours[-1] - scale.hours[0])
    assert scale.place(np.array([scale.step(x)]))[0] == pytest.approx(x, rel=1e-6, abs=1e-9)


def _update(number: int, step: int, rate: float | None) -> MaskUpdate:
    return MaskUpdate(number, step, 0.5, 1, 1, 100, 0.05, rate)


def test_the_axis_of_explored_weights_ends_where_nothing_new_is_explored() -> None:
    updates = [_update(0, 0, 0.05), _update(1, 100, 0.25), _update(2, 200, 0.25), _update(3, 300, 0.45)]
    scale = explored(updates, 1_000.0)
    assert scale is not None
    assert scale.place(np.array([0.0, 50.0, 100.0, 200.0, 300.0, 1_000.0])).tolist() == pytest.approx(
        [0.05, 0.15, 0.25, 0.35, 0.45, 0.45]
    )
    assert scale.step(0.15) == pytest.approx(50)
    assert scale.step(0.45) == 1_000, "all that came after the last growth"
    assert across_note([scale]) == scale.note
    assert explored(updates[:1], 90.0) is None
    assert explored([_update(0, 0, 0.05), _update(1, 100, 0.05)], 90.0) is None, "a fixed mask explores nothing"
    assert explored([_update(0, 0, None)], 90.0) is None


@given(st.lists(st.tuples(st.integers(1, 50), st.floats(1e-4, 0.05)), min_size=2, max_size=20), st.floats(0, 1))
def test_a_place_in_what_is_explored_and_its_step_are_one_another(gaps: list[tuple[int, float]], part: float) -> None:
    steps, rates = np.cumsum([gap for gap, _ in gaps]), np.cumsum([rate for _, rate in gaps])
    updates = [_update(at, int(step), float(rate)) for at, (step, rate) in enumerate(zip(steps, rates, strict=True))]
    scale = explored(updates, float(steps[-1]) + 10)
    assert scale is not None
    place = rates[0] + part * (rates[-1] - rates[0])
    assert scale.place(np.array([scale.step(place)]))[0] == pytest.approx(place)
