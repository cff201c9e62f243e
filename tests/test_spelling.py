"""The nearest spelling: the same for the engine's words and the store's, which may not know each other."""

from __future__ import annotations

from types import ModuleType

import pytest

from db import nearest_word as of_the_store
from engine import spelling as of_the_engine

CHOICES = ["learning_rate", "momentum", "Density"]


@pytest.mark.parametrize("spelling", [of_the_store, of_the_engine])
@pytest.mark.parametrize(
    ("typed", "meant"),
    [("learning-rat", "learning_rate"), ("MOMENTUN", "momentum"), ("densty", "Density"), ("x", None), ("", None)],
)
def test_case_and_dashes_make_no_difference(spelling: ModuleType, typed: str, meant: str | None) -> None:
    assert spelling.nearest(typed, CHOICES) == meant


@pytest.mark.parametrize("spelling", [of_the_store, of_the_engine])
def test_several_are_given_the_nearest_first(spelling: ModuleType) -> None:
    assert spelling.near("run-1", ["run-10", "run-1", "other", "run-12"], most=2, likeness=0.6) == ["run-1", "run-12"]


def test_a_hint_is_the_end_of_a_sentence() -> None:
    assert of_the_engine.hint("densty", CHOICES) == "; did you mean Density?"
    assert of_the_engine.hint("x", CHOICES) == ""
