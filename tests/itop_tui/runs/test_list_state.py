from __future__ import annotations

import pytest

from db.query import complete
from itop_tui.runs import list_state
from itop_tui.runs.list_state import BUILT_IN, ListState
from itop_tui.runs.run_layout import ChosenColumn

FULL = ListState(
    "mine",
    "tag:paper acc>=0.93",
    "config.lr",
    False,
    "recipe",
    (ChosenColumn("name", 30), ChosenColumn("config.lr"), ChosenColumn("best")),
)


@pytest.mark.parametrize("state", [FULL, *BUILT_IN])
def test_a_state_comes_back_as_it_was_kept(state: ListState) -> None:
    assert list_state.from_json(list_state.to_json(state)) == state
    assert list_state.from_view(list_state.to_view(state)) == state


@pytest.mark.parametrize(
    "kept",
    [
        None,
        [],
        "text",
        {"text": 3, "sort": None, "descending": "no", "by": ["x"], "columns": 7},
        {"sort": "no_such_column", "by": "no_such_field", "text": "densty<0.1", "name": "mine"},
    ],
)
def test_what_cannot_be_understood_is_as_at_first(kept: object) -> None:
    assert list_state.from_json(kept) == ListState()


def test_a_problem_has_its_place() -> None:
    wrong = list_state.problem_of("vgg densty<0.1")
    assert wrong is not None
    assert (wrong.position, wrong.end) == (4, 10)
    assert "did you mean density" in wrong.message
    assert list_state.problem_of("vgg density<0.1") is None


@pytest.mark.parametrize(
    ("text", "caret", "line", "after"),
    [
        ("ta", 2, "tag:", 4),
        ("state:runn", 10, "state:running ", 14),
        ("-state:runn acc>0.9", 11, "-state:running acc>0.9", 14),
        ("mod vgg", 3, "model: vgg", 6),
    ],
)
def test_a_suggestion_is_the_whole_line_as_it_would_be(text: str, caret: int, line: str, after: int) -> None:
    first = list_state.suggestions(text, caret, complete(text, caret))[0]
    assert (first.text, first.caret) == (line, after)


def test_what_is_written_out_is_not_suggested() -> None:
    found = list_state.suggestions("state:running", 13, complete("state:running", 13))
    assert "running" not in [each.shown for each in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sta", True),
        ("vgg dens", True),
        ("-dens", True),
        ("density", True),
        ("vgg", False),
        ("acc>0.9", False),
        ("", False),
    ],
)
def test_a_word_that_may_become_a_field_is_unfinished(text: str, expected: bool) -> None:
    assert list_state.unfinished(text) is expected


def test_groups_are_sorted_by_a_mean_where_there_is_one() -> None:
    figures = list_state.figures(())
    assert "best_val_accuracy" in figures
    assert list_state.group_sort("best_val_accuracy", figures) == "best_val_accuracy"
    assert list_state.group_sort("id", figures) == "latest"
    assert list_state.group_sort("status", figures) == "n"
    assert list_state.group_sort("model", figures) == "label"
