from __future__ import annotations

import pytest

from itop_tui.new_run.choice_edit import after_key, replaced, stepped

CHOICES = ("sgd", "adam", "adamw", "rmsprop")


@pytest.mark.parametrize(
    ("entry", "key", "after"),
    [
        ("sgd", "right", "adam"),
        ("sgd", "left", "rmsprop"),
        ("rmsprop", "right", "sgd"),
        ("sgd,adam", "right", "sgd,adamw"),
        ("mine", "right", "sgd"),
        ("mine", "left", "rmsprop"),
        ("sgd", "a", "adam"),
        ("adam", "a", "adamw"),
        ("adamw", "A", "adam"),
        ("sgd", "x", "sgd"),
        ("sgd", "comma", "sgd,adam"),
        ("rmsprop", "comma", "rmsprop,sgd"),
        ("sgd,adam,adamw,rmsprop", "comma", "sgd,adam,adamw,rmsprop"),
        ("sgd,adam", "backspace", "sgd"),
        ("sgd", "delete", "sgd"),
        ("sgd", "enter", None),
        ("sgd", "space", None),
        ("sgd", "f5", None),
    ],
)
def test_what_a_key_makes_of_a_choice(entry: str, key: str, after: str | None) -> None:
    character = {"comma": ",", "space": " "}.get(key, key if len(key) == 1 else None)
    assert after_key(entry, CHOICES, key, character, lists=True) == after


def test_without_lists_a_comma_makes_none() -> None:
    assert after_key("sgd", CHOICES, "comma", ",", lists=False) == "sgd"


def test_the_last_one_of_a_list_is_replaced() -> None:
    assert replaced("sgd,adam", "rmsprop") == "sgd,rmsprop"
    assert stepped("sgd", CHOICES, -1) == "rmsprop"
