from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from itop_tui.runs.marked import MarkedRuns

LINES = [(1,), (2,), (3, 4, 5), (6,), (7,)]


def test_a_line_that_stands_for_several_runs_is_marked_whole_or_in_part() -> None:
    marks = MarkedRuns()
    marks.toggle((4,))
    assert marks.covers(LINES[2]) is None
    marks.toggle(LINES[2])
    assert marks.ids == {3, 4, 5}
    marks.toggle(LINES[2])
    assert marks.ids == frozenset()


def test_a_range_grows_and_shrinks_with_the_cursor_and_what_was_marked_before_stays() -> None:
    marks = MarkedRuns()
    marks.add([2])
    marks.begin_range(3)
    marks.moved(4, LINES)
    assert marks.ids == {2, 6, 7}
    marks.moved(2, LINES)
    assert marks.ids == {2, 3, 4, 5, 6}
    marks.moved(3, LINES)
    assert marks.ids == {2, 6}
    marks.end_range()
    marks.moved(0, LINES)
    assert marks.ids == {2, 6}


def test_a_range_begun_with_shift_ends_without_it() -> None:
    marks = MarkedRuns()
    marks.begin_range(0, by_shift=True)
    marks.moved(1, LINES, shift=True)
    marks.begin_range(1, by_shift=True)
    marks.moved(2, LINES, shift=True)
    assert marks.ids == {1, 2, 3, 4, 5}
    marks.moved(3, LINES)
    assert not marks.marking
    assert marks.ids == {1, 2, 3, 4, 5}


@given(st.lists(st.integers(0, 4), min_size=1), st.integers(0, 4), st.sets(st.integers(1, 7)))
def test_a_range_holds_what_is_between_its_ends_and_what_was_marked(
    path: list[int], start: int, before: set[int]
) -> None:
    marks = MarkedRuns()
    marks.add(before)
    marks.begin_range(start)
    for line in path:
        marks.moved(line, LINES)
    low, high = sorted((start, path[-1]))
    assert marks.ids == before | {run_id for line in LINES[low : high + 1] for run_id in line}


def test_runs_that_are_gone_lose_their_marks_for_good() -> None:
    marks = MarkedRuns()
    marks.add([1, 2, 3])
    marks.keep([2, 3, 9])
    assert marks.ids == {2, 3}
    marks.keep([1, 2, 3])
    assert marks.ids == {2, 3}
