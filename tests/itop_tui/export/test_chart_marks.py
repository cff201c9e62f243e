"""What happened to a run, in drawings."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from itop_tui.export.chart_marks import DrawnMarks
from itop_tui.export.drawing import Drawing, Trace
from itop_tui.figures.chart_data import EVENT_GLYPHS, MEANINGS, Event

SVG = "{http://www.w3.org/2000/svg}"


def drawn(marks: DrawnMarks, *, parent: bool = False, width: int = 576) -> ElementTree.Element:
    """A drawing of steps 0 to 1000 over 500 pixels, from 62 to 562."""
    traces = [Trace("A", "a run", 0, np.array([0.0, 1000.0]), np.array([1.0, 2.0]))]
    if parent:
        traces.append(Trace("", "before", 0, np.array([0.0, 400.0]), np.array([2.0, 1.0]), part="parent"))
    return ElementTree.fromstring(Drawing("loss", "steps", "loss", tuple(traces), marks=marks, width=width).svg())


def ticks(root: ElementTree.Element) -> list[tuple[float, float]]:
    """Each tick or line of a mask update: its pixel, and where it begins."""
    paths = [path.get("d", "") for path in root.iter(f"{SVG}path") if path.get("class") == "updates"]
    found = re.findall(r"M([\d.]+) ([\d.]+)V", paths[0]) if paths else []
    return [(float(x), float(y)) for x, y in found]


def shapes(root: ElementTree.Element, kind: str) -> list[tuple[float, float, str]]:
    """Each shape of a kind, without the legend's: its place, and what it tells."""
    found = []
    for group in root.iter(f"{SVG}g"):
        title = group.find(f"{SVG}title")
        if group.get("class") == f"mark {kind}" and title is not None:
            x, y = re.findall(r"[\d.]+", group.get("transform", ""))
            found.append((float(x), float(y), title.text or ""))
    return found


def named(group: ElementTree.Element) -> bool:
    """Whether a shape tells what happened there, unlike that of the legend."""
    return group.find(f"{SVG}title") is not None


def legend(root: ElementTree.Element) -> list[str]:
    """The marks in the legend, in its order."""
    texts = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
    return texts[texts.index("A a run") + 1 :]


def test_few_mask_updates_are_lines_at_their_steps_and_those_outside_are_left_out() -> None:
    root = drawn(DrawnMarks(np.array([-10.0, 250.0, 500.0, 1010.0])))
    assert ticks(root) == [(187.0, 34.0), (312.0, 34.0)]
    assert legend(root) == ["mask update"]


def test_many_are_ticks_at_the_foot_and_hundreds_are_thinned_and_told_so() -> None:
    bottom = 340 - 44
    assert ticks(drawn(DrawnMarks(np.arange(20.0, 1000, 20)))) == [
        (62 + step / 2, bottom - 6) for step in range(20, 1000, 20)
    ]
    root = drawn(DrawnMarks(np.arange(1.0, 1000)))
    places = [x for x, _ in ticks(root)]
    assert 100 < len(places) < 180
    assert min(np.diff(places)) >= 3
    assert legend(root) == ["mask update (999, not each drawn)"]


def test_each_kind_has_a_shape_of_its_own_that_the_legend_explains() -> None:
    events = tuple(Event(100.0 + 100 * at, kind, f"a {kind}") for at, kind in enumerate(EVENT_GLYPHS))
    root = drawn(DrawnMarks(np.array([50.0]), events, "B"), parent=True)
    outlines = set()
    for at, kind in enumerate(EVENT_GLYPHS):
        ((x, y, told),) = shapes(root, kind)
        assert (x, told) == (112 + 50.0 * at, f"a {kind}")
        assert (y > 200) == (kind == "checkpoint"), "checkpoints at the foot, what changes the training at the top"
        (group,) = (one for one in root.iter(f"{SVG}g") if one.get("class") == f"mark {kind}" and not named(one))
        outlines.add(tuple(path.get("d") for path in group.iter(f"{SVG}path")))
    assert len(outlines) == len(EVENT_GLYPHS)
    assert legend(root) == ["B:", *MEANINGS.values()]


def test_what_would_hide_its_like_is_told_by_it_and_what_would_hide_another_kind_stands_higher() -> None:
    events = (Event(500.0, "resume", "first"), Event(504.0, "resume", "second"), Event(508.0, "drop", "a drop"))
    root = drawn(DrawnMarks(events=events))
    ((_, above, told),) = shapes(root, "resume")
    assert told == "first; second"
    ((_, higher, _),) = shapes(root, "drop")
    assert above - higher >= 10
    assert higher > 21, "not over the title"


def test_the_parents_curve_is_dashed_and_grey_and_has_no_place_in_the_legend_of_curves() -> None:
    root = drawn(DrawnMarks(), parent=True)
    (path,) = [path for path in root.iter(f"{SVG}path") if "stroke-width:1;" in path.get("style", "")]
    assert "stroke-dasharray" in path.get("style", "")
    assert legend(root) == ["the parent, up to the fork"]


def test_nothing_that_happened_leaves_the_drawing_as_it_was() -> None:
    assert legend(drawn(DrawnMarks())) == []
    assert legend(drawn(DrawnMarks(np.array([2000.0]), (Event(3000.0, "drop", "later"),)))) == []


kinds = st.sampled_from(sorted(EVENT_GLYPHS))
positions = st.floats(-100, 1100)


@given(st.lists(positions), st.lists(st.tuples(positions, kinds, st.text(max_size=20))), st.integers(320, 900))
def test_any_marks_make_well_formed_xml_within_the_drawing(
    updates: list[float], events: list[tuple[float, str, str]], width: int
) -> None:
    root = drawn(DrawnMarks(np.array(updates), tuple(Event(*event) for event in events)), width=width)
    height = float(root.get("height", "nan"))
    for kind in EVENT_GLYPHS:
        found = shapes(root, kind)
        assert all(62 <= x <= width and 0 < y < height for x, y, _ in found)
        assert sum(event[1] == kind and 0 <= event[0] <= 1000 for event in events) >= len(found)
    for text in root.iter(f"{SVG}text"):
        assert float(text.get("y", "0")) <= height


@pytest.mark.parametrize("themed", [True, False])
def test_marks_take_the_colours_of_the_drawing(themed: bool) -> None:
    trace = Trace("", "loss", 0, np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    marks = DrawnMarks(np.array([0.5]), (Event(0.5, "resume", "resumed"),))
    written = Drawing("loss", "steps", "loss", (trace,), marks=marks).svg(themed=themed)
    group = written[written.index('class="mark resume"') :]
    assert ("var(--ink)" in group) == themed
    assert ("#1c2530" in group) != themed
