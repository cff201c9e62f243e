"""The canvas of cells on which charts are painted."""

from __future__ import annotations

import numpy as np
from rich.segment import Segment
from rich.style import Style

from itop_tui.chart.cell_canvas import CellCanvas

RED, BLUE, GREY = Style(color="red"), Style(color="blue"), Style(bgcolor="grey0")


def test_text_is_cut_at_the_edges_and_outside_nothing_is_put() -> None:
    canvas = CellCanvas(5, 2)
    for column, row in ((-2, 0), (3, 1), (0, -1), (0, 2), (9, 0), (-9, 0)):
        canvas.put(column, row, "abcd", RED)
    assert [canvas.strip(row, GREY).text for row in range(2)] == ["cd   ", "   ab"]
    assert canvas.strip(2, GREY).text == "     "
    assert [canvas.character(column, 0) for column in (0, 1, 2, 5, -1)] == ["c", "d", " ", "", ""]


def test_a_line_has_one_segment_for_each_stretch_of_a_style_over_what_lies_behind() -> None:
    canvas = CellCanvas(6, 1)
    canvas.put(1, 0, "xx", RED)
    canvas.put(3, 0, "y", BLUE)
    assert list(canvas.strip(0, GREY)) == [
        Segment(" ", GREY),
        Segment("xx", GREY + RED),
        Segment("y", GREY + BLUE),
        Segment("  ", GREY),
    ]
    assert {segment.style for segment in canvas.strip(0, Style.null())} == {Style.null(), RED, BLUE}


def test_many_cells_are_put_at_once() -> None:
    canvas = CellCanvas(3, 2)
    canvas.put_cells(np.array([0, 1]), np.array([2, 0]), np.array(["a", "b"]), RED)
    assert [canvas.strip(row, GREY).text for row in range(2)] == ["  a", "b  "]


def test_a_wide_character_takes_two_cells() -> None:
    canvas = CellCanvas(6, 1)
    canvas.put(0, 0, "層1", RED)
    canvas.put(4, 0, "|", BLUE)
    strip = canvas.strip(0, GREY)
    assert (strip.text, strip.cell_length) == ("層1 | ", 6)


def test_a_canvas_without_room_is_empty() -> None:
    for width, height in ((0, 3), (3, 0), (-1, -1)):
        canvas = CellCanvas(width, height)
        canvas.put(0, 0, "x", RED)
        assert canvas.strip(0, GREY).text.strip() == ""
