"""What could stand at the cursor of a query that is being typed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from db.query.fields import FLAGS, STATE_WORDS, STATES, Field, fields, find_field
from db.query.tree import COMPARISON, Compare

__all__ = ["Completions", "Option", "complete"]

_MOST = 50
_TIMES = {
    "1h": "an hour ago", "1d": "a day ago", "7d": "a week ago", "today": "since midnight", "yesterday": "the day before"
}  # fmt: skip
_LAST_VALUE = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^",])*,')


@dataclass(frozen=True, slots=True)
class Option:
    """Something that could be written.

    Attributes:
        text: What replaces the characters from `start` to `end` of the completions.
        help: What it means; may be empty.
    """

    text: str
    help: str


@dataclass(frozen=True, slots=True)
class Completions:
    """What could stand in a place of the text.

    Attributes:
        start: Where the text begins that an option replaces.
        end: Where it ends.
        options: The best first.
    """

    start: int
    end: int
    options: tuple[Option, ...]


def complete(text: str, cursor: int, values: Callable[[str], Sequence[str]] | None = None) -> Completions:
    """Say what could be written at the cursor: a field, or a value of the field before it.

    Args:
        text: The query as far as it is typed; it need not be a right one.
        cursor: The place of the cursor, from 0 to the length of the text.
        values: Gives the values that runs have in a field, by the field's name (`known_values` of a database, say).
    """
    cursor = max(0, min(cursor, len(text)))
    start = _term_start(text, cursor)
    start = cursor - len(text[start:cursor].lstrip("(-"))
    typed = text[start:cursor]
    match = COMPARISON.match(typed)
    field = find_field(match[1]) if match else None
    if match is None or field is None:
        return Completions(start, cursor, _field_options(typed))
    begun = match.end()
    earlier = _LAST_VALUE.match(typed, begun)
    begun = earlier.end() if earlier else begun
    return Completions(start + begun, cursor, _value_options(field, typed[begun:], values))


def _term_start(text: str, cursor: int) -> int:
    """Where the term that holds the cursor begins: after the last blank that no quotation marks enclose."""
    start, inside, at = 0, False, 0
    while at < cursor:
        here = text[at]
        if inside and here == "\\":
            at += 1
        elif here == '"' and (inside or at == start or text[at - 1] in ':~=<>,(-"'):
            inside = not inside
        elif here.isspace() and not inside:
            start = at + 1
        at += 1
    return start


def _field_options(typed: str) -> tuple[Option, ...]:
    if typed.startswith('"'):
        return ()
    word = typed.lower()
    starts: list[Option] = []
    holds: list[Option] = []
    for field in fields():
        option = Option(f"{field.name}{_operator(field)}", field.help)
        if any(name.startswith(word) for name in (field.name, *field.aliases)):
            starts.append(option)
        elif word and any(word in name for name in (field.name, *field.aliases)):
            holds.append(option)
    return (*starts, *holds)[:_MOST]


def _operator(field: Field) -> str:
    """What is mostly written after the name of a field."""
    return ">" if field.kind == "time" or (field.kind == "number" and field.unit != "whole") else ":"


def _value_options(field: Field, typed: str, values: Callable[[str], Sequence[str]] | None) -> tuple[Option, ...]:
    helped: dict[str, str] = {}
    if field.kind == "state":
        helped = dict.fromkeys(STATE_WORDS, "")
    elif field.kind == "flag":
        helped = {"true": "", "false": ""} if field.setting else FLAGS | dict.fromkeys(STATES, "a state")
    elif field.kind == "time":
        helped = _TIMES
    elif values is not None:
        helped = dict.fromkeys(values(field.name), "")
    word = typed.strip('"').lower()
    starts = [value for value in helped if value.lower().startswith(word)]
    holds = [value for value in helped if word in value.lower() and value not in starts]
    return tuple(Option(_spelt(value), helped[value]) for value in (*starts, *holds)[:_MOST])


def _spelt(value: str) -> str:
    """A value as it is written in a query, in quotation marks where it needs them."""
    return str(Compare("", "", (value,)))
