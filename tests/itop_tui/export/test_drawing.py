from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from itop_tui.export.drawing import Drawing, Trace
from itop_tui.export.svg_text import note_of, text_of
from itop_tui.look.series_colours import ON_LIGHT

SVG = "{http://www.w3.org/2000/svg}"


def parsed(drawing: Drawing) -> ElementTree.Element:
    return ElementTree.fromstring(drawing.svg(themed=True))


def line(*values: float, letter: str = "A", spread: NDArray[np.float64] | None = None) -> Trace:
    y = np.array(values)
    return Trace(letter, "a run", 0, np.arange(len(y), dtype=float), y, np.empty(0) if spread is None else spread)


def strokes(root: ElementTree.Element) -> list[str]:
    """The paths of curves: coloured, with no filling."""
    return [
        path.get("d", "") for path in root.iter(f"{SVG}path") if "fill:none;stroke:var(--curve" in path.get("style", "")
    ]


def test_a_curve_runs_from_corner_to_corner() -> None:
    root = parsed(Drawing("loss", "step", "loss", (line(0.0, 1.0),), width=562, height=340))
    (path,) = strokes(root)
    (x0, y0), (x1, y1) = ([float(part) for part in point.split()] for point in path[1:].split("L"))
    assert (x0, x1) == (62.0, 548.0)
    assert y0 > y1, "larger values lie higher"
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert {"step", "loss", "0", "1"} <= set(texts)


def test_a_value_that_is_not_finite_interrupts_the_curve() -> None:
    assert len(strokes(parsed(Drawing("", "", "", (line(1.0, 2.0, np.nan, 2.0, 1.0),))))) == 2
    assert len(strokes(parsed(Drawing("", "", "", (line(1.0, 2.0, np.inf, 2.0, 1.0),))))) == 2


def test_a_band_reaches_its_deviation_to_either_side() -> None:
    root = parsed(Drawing("", "", "", (line(1.0, 1.0, spread=np.array([0.5, 0.5])),)))
    (band,) = [path for path in root.iter(f"{SVG}path") if "opacity" in path.get("style", "")]
    heights = [float(point.split()[1]) for point in re.split("[ML]", band.get("d", "").rstrip("Z"))[1:]]
    (curve,) = strokes(root)
    middle = float(curve[1:].split("L")[0].split()[1])
    assert heights[0] - middle == pytest.approx(middle - heights[2])
    assert heights[0] != middle


def test_a_logarithmic_axis_has_decades_at_equal_distances() -> None:
    root = parsed(Drawing("", "", "", (line(0.01, 0.1, 1.0, 0.0),), logarithmic=True))
    (path,) = strokes(root)
    heights = [float(point.split()[1]) for point in path[1:].split("L")]
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2], abs=0.2)
    assert heights[3] == heights[0], "what is not positive lies at the foot"


def test_points_have_letters_and_bars() -> None:
    trace = Trace("B", "set", 1, np.array([0.5]), np.array([0.9]), np.array([0.01]), 0.05)
    other = Trace("C", "rigl", 2, np.array([0.7]), np.array([0.95]))
    root = parsed(Drawing("", "", "", (trace, other), points=True, x_percent=True, y_percent=True))
    assert len(list(root.iter(f"{SVG}circle"))) == 4, "two points, and two in the legend"
    bars = [bar for bar in root.iter(f"{SVG}line") if bar.get("style", "").startswith("stroke:var(--curve-1")]
    assert len(bars) == 2, "up and down, and to either side"


def test_a_drawing_alone_has_its_colours_written_out_for_programs_without_variables() -> None:
    alone = Drawing("loss", "step", "loss", (line(0.0, 1.0, np.nan),), broken=((2.0, "NaN at step 2"),)).svg()
    assert "var(" not in alone
    assert f"stroke:{ON_LIGHT[0]}" in alone
    assert 'style="fill:#ffffff"' in alone, "paper lies under it, so that it can be read on black"


def test_where_values_are_not_finite_is_marked_and_told() -> None:
    broken = tuple((float(at), f"NaN in run {at} at step {at}") for at in range(5))
    drawing = Drawing("loss", "step", "loss", (line(1.0, 2.0, 3.0, 2.0, 1.0),), broken=broken, note="smoothed")
    texts = ["".join(text.itertext()) for text in parsed(drawing).iter(f"{SVG}text")]
    assert sum(text.startswith("✗NaN") for text in texts) == 5
    assert texts[-5:] == ["✗ NaN in run 0 at step 0", "✗ NaN in run 1 at step 1", "✗ NaN in run 2 at step 2",
                          "✗ and 2 more", "smoothed"]  # fmt: skip


def test_letters_at_the_ends_of_curves_never_hide_each_other() -> None:
    ends = [1.0, 1.0, 1.001, 0.999, 0.2]
    traces = tuple(Trace(letter, letter, at, np.arange(2.0), np.array([0.0, y]))
                   for at, (letter, y) in enumerate(zip("ABCDE", ends, strict=True)))  # fmt: skip
    root = parsed(Drawing("", "", "", traces))
    letters = [text for text in root.iter(f"{SVG}text") if "paint-order" in text.get("style", "")]
    assert sorted(letter.text or "" for letter in letters) == list("ABCDE")
    heights = sorted(float(letter.get("y", "nan")) for letter in letters)
    assert min(np.diff(heights)) >= 10


def test_a_raw_curve_is_faint_and_not_in_the_legend_and_the_right_axis_has_its_own_range() -> None:
    raw = Trace("", "raw", 0, np.arange(3.0), np.array([0.0, 5.0, 10.0]), part="raw")
    share = Trace("●", "accuracy", 1, np.arange(3.0), np.array([0.5, 0.6, 0.7]), right=True)
    root = parsed(Drawing("", "", "", (raw, share), right_percent=True))
    assert "opacity:.3" in next(
        path.get("style", "") for path in root.iter(f"{SVG}path") if "curve-0" in str(path.attrib)
    )
    texts = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
    assert {"10", "60%"} <= set(texts)
    assert texts[-1] == "● accuracy (right)"
    first, second = (path[1:].split("L") for path in strokes(root))
    assert [point.split()[1] for point in first] == [point.split()[1] for point in second], "each over the whole height"


def test_a_note_says_how_curves_are_to_be_read() -> None:
    assert note_of(0.0) == ""
    assert note_of(0.9, "training time") == "smoothed by a moving average of weight 0.9 · training time"


def test_nothing_to_draw_is_said() -> None:
    assert "nothing recorded" in Drawing("loss", "step", "loss", ()).svg()
    assert "nothing recorded" in Drawing("loss", "step", "loss", (line(),)).svg()


values = st.floats(allow_nan=True, allow_infinity=True, width=32)


@given(st.text(), st.text(), st.lists(values, max_size=12), st.booleans(), st.booleans())
def test_any_name_and_any_values_make_well_formed_xml(
    title: str, letter: str, numbers: list[float], logarithmic: bool, points: bool
) -> None:
    y = np.array(numbers, dtype=float)
    trace = Trace(letter, title, 23, np.arange(len(y), dtype=float), y)
    drawing = Drawing(title, title, title, (trace,), logarithmic=logarithmic, points=points and len(y) > 0)
    root = parsed(drawing)
    assert root.tag == f"{SVG}svg"
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        "svg", "title", "style", "rect", "text", "tspan", "line", "path", "circle",
    }  # fmt: skip


def test_names_are_text_and_nothing_else() -> None:
    assert text_of('<a href="x">&\x1b\x00\ud800') == "&lt;a href=&quot;x&quot;&gt;&amp;\ufffd\ufffd\ufffd"
    assert text_of("a\u202eb\u2066c") == "abc", "nothing turns the text beside a name round"
