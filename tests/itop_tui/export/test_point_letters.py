"""Where the letters of points stand."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from itop_tui.export.point_letters import RADIUS, apart
from itop_tui.export.svg_text import cut

BOX = (0.0, 0.0, 500.0, 300.0)
places = st.tuples(st.floats(10, 490), st.floats(10, 290))


def test_points_that_lie_apart_hold_their_letters() -> None:
    points = [(100.0, 100.0), (100.0, 116.0), (300.0, 50.0)]
    assert apart(points, BOX) == points


def test_of_two_that_lie_together_the_second_has_its_letter_beside_it() -> None:
    first, second = apart([(100.0, 100.0), (109.0, 100.0)], BOX)
    assert first == (100.0, 100.0)
    assert math.dist(first, second) >= 2 * RADIUS
    assert second[0] != 109.0, "not right above its point, where it would be a higher value"
    same = apart([(100.0, 100.0)] * 3, BOX)
    assert min(math.dist(a, b) for a, b in zip(same, same[1:] + same[:1], strict=True)) >= 2 * RADIUS


@given(st.lists(places, max_size=20))
def test_letters_stand_in_the_plot_and_only_a_crowd_hides_any(points: list[tuple[float, float]]) -> None:
    spots = apart(points, BOX)
    assert len(spots) == len(points)
    for at, (point, spot) in enumerate(zip(points, spots, strict=True)):
        assert math.dist(point, spot) < 5 * RADIUS
        if spot != point:
            assert BOX[0] + RADIUS <= spot[0] <= BOX[2] - RADIUS
            assert BOX[1] + RADIUS <= spot[1] <= BOX[3] - RADIUS
            others = [other for number, other in enumerate(spots) if number < at]
            assert all(math.dist(spot, other) >= 2 * RADIUS for other in others)


def test_a_name_is_cut_in_its_middle() -> None:
    assert cut("rigl-d0.05-lenet (n = 3)", 100.0, middle=True) == "rigl-d0… (n = 3)"
    assert cut("rigl-d0.05-lenet (n = 3)", 100.0) == "rigl-d0.05-lene…"
    assert cut("short", 100.0, middle=True) == "short"
