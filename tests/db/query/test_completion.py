from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.query import QueryError, complete, fields, parse

_KNOWN = {"growth": ["gradient", "random"], "tag": ["paper", "old one"], "model": ["vgg-c", "vgg-d", "lenet5"]}


def values(field: str) -> Sequence[str]:
    return _KNOWN.get(field, [])


def offered(text: str) -> tuple[str, list[str]]:
    """What is replaced at the cursor, which `|` marks, and by what."""
    cursor = text.index("|")
    text = text.replace("|", "")
    found = complete(text, cursor, values)
    assert 0 <= found.start <= found.end <= len(text)
    return text[found.start : found.end], [option.text for option in found.options]


@pytest.mark.parametrize(
    ("text", "replaced", "first"),
    [
        ("den|", "den", ["density>"]),
        ("vgg den|", "den", ["density>"]),
        ("-den|", "den", ["density>"]),
        ("(vgg or -den|)", "den", ["density>"]),
        ("den|x", "den", ["density>"]),
        ("GROW|", "GROW", ["growth:"]),
        ("best|", "best", ["accuracy>"]),
        ("growth:|", "", ["gradient", "random"]),
        ("growth:r|", "r", ["random", "gradient"]),
        ("growth:ran|", "ran", ["random"]),
        ("growth:random,g|", "g", ["gradient"]),
        ("tag:o|", "o", ['"old one"']),
        ('tag:"old o|', '"old o', ['"old one"']),
        ('tag:"old one",p|', "p", ["paper"]),
        ("model:d|", "d", ["vgg-d"]),
        ("state:r|", "r", ["running"]),
        ("status:comp|", "comp", ["completed"]),
        ("is:st|", "st", ["starred", "starting", "stopping", "stopped"]),
        ("nesterov:|", "", ["true", "false"]),
        ("created>|", "", ["1h", "1d", "7d", "today", "yesterday"]),
        ("created > y|", "y", []),
        ("loss<|", "", []),
        ('"den|', '"den', []),
        ("nothing:|", "nothing:", []),
    ],
)
def test_what_is_offered(text: str, replaced: str, first: list[str]) -> None:
    where, options = offered(text)
    assert where == replaced
    assert options[: len(first)] == first
    if not first:
        assert options == [] or text.startswith("created")


def test_every_field_is_offered_where_nothing_is_typed() -> None:
    found = complete("", 0)
    assert found.options[0].text == "state:"
    assert all(option.help for option in found.options)
    assert len(found.options) == min(50, len(fields()))


def test_without_values_only_what_is_always_so_is_offered() -> None:
    assert complete("growth:", 7).options == ()
    assert complete("state:", 6).options != ()


@given(st.text(max_size=30), st.integers(-3, 40))
def test_any_text_can_be_completed(text: str, cursor: int) -> None:
    found = complete(text, cursor, values)
    assert 0 <= found.start <= found.end <= len(text)


@pytest.mark.parametrize("text", ["growth:|", "vgg tag:|", "-is:|", "state:run|", "(model:v|)", "nesterov:|"])
def test_what_is_offered_makes_a_query(text: str) -> None:
    cursor = text.index("|")
    text = text.replace("|", "")
    found = complete(text, cursor, values)
    assert found.options
    for option in found.options:
        made = text[: found.start] + option.text + text[found.end :]
        try:
            parse(made)
        except QueryError as error:
            pytest.fail(f"{made}: {error}")
