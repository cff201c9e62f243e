from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from itop_tui.new_run.line_edit import LONGEST, LineEdit

KEYS = ["left", "right", "home", "end", "backspace", "delete", "ctrl+u", "ctrl+k", "ctrl+w", "ctrl+a", "ctrl+e"]


def typed(*what: str) -> LineEdit:
    line = LineEdit()
    for each in what:
        if not line.key(each):
            line.insert(each)
    return line


def test_typing_and_moving() -> None:
    assert typed("0", ".", "5", "home", "1").text == "10.5"
    assert typed("a", "b", "left", "c").text == "acb"


def test_deleting() -> None:
    assert typed("a", "b", "backspace").text == "a"
    assert typed("a", "b", "home", "delete").text == "b"
    assert typed("one two", "ctrl+w").text == "one "
    assert typed("one two", "left", "ctrl+k").text == "one tw"
    assert typed("one two", "left", "ctrl+u").text == "o"
    assert typed("backspace").text == ""


def test_a_key_that_means_nothing_is_left_to_others() -> None:
    assert not LineEdit().key("f5")


@given(st.lists(st.sampled_from([*KEYS, "x", "数", "-"]), max_size=60), st.integers(min_value=3, max_value=30))
def test_the_caret_stays_in_the_text_and_in_sight(keys: list[str], width: int) -> None:
    line = typed(*keys)
    assert 0 <= line.caret <= len(line.text)
    before, under, behind = line.window(width)
    assert cell_len(before + under + behind) <= width
    assert (before + under + behind).strip() in line.text + " "


def test_a_line_has_an_end() -> None:
    assert len(typed("x" * 5000).text) == LONGEST
