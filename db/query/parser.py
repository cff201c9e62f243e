"""From text to a tree. Every error names what is wrong, where, and the nearest right spelling."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from db.errors import QueryError
from db.nearest_word import nearest
from db.query.fields import FLAGS, STATE_WORDS, STATES, Field, find_field, nearest_field
from db.query.tree import COMPARISON, OPERATORS, And, Compare, Node, Not, Or, Query, Word
from db.query.values import NOTHING, boolean, number, span

__all__ = ["parse"]

# Databases have a largest depth of expression; no person types queries near these limits.
_MOST_CHARACTERS, _MOST_TERMS, _MOST_VALUES, _MOST_DEPTH = 20_000, 150, 500, 30

_BLANKS = re.compile(r"\s*")
_KEYWORD = re.compile(r"(and|or|not)(?=[\s()]|$)", re.IGNORECASE)
# A minus before something; alone, it is a word.
_NEGATION = re.compile(r"-(?=[^\s)])")
_EXAMPLES = {"share": "0.5", "seconds": "1h", "whole": "10", "": "0.1"}
_STRANGE = re.compile("[\x00\ud800-\udfff]")


def parse(text: str) -> Query:
    """Read a query.

    Args:
        text: What a person typed; an empty one matches every run.

    Raises:
        QueryError: It cannot be understood.
    """
    if len(text) > _MOST_CHARACTERS:
        raise QueryError(f"A query can have {_MOST_CHARACTERS:,} characters, and this one has {len(text):,}.", 0, 0)
    strange = _STRANGE.search(text)
    if strange:
        raise QueryError("There is a character here that no text can hold.", strange.start(), 1)
    return _Parser(text).query()


@dataclass(frozen=True, slots=True)
class _Value:
    text: str
    start: int
    end: int


class _Parser:
    """Recursive descent over one text; `at` is the place of the next character."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0
        self.opened = 0
        self.terms = 0

    def query(self) -> Query:
        self._skip()
        if self.at == len(self.text):
            return Query()
        root = self._any_of()
        if self.at < len(self.text):  # only a parenthesis ends an expression early
            raise QueryError("This parenthesis closes nothing.", self.at, 1)
        return Query(root)

    def _any_of(self) -> Node:
        items = [self._all_of()]
        while self._keyword() == "or":
            self._take_keyword()
            items.append(self._all_of())
        return items[0] if len(items) == 1 else Or(tuple(items))

    def _all_of(self) -> Node:
        items = [self._item()]
        while True:
            self._skip()
            keyword = self._keyword()
            if keyword == "and":
                self._take_keyword()
            elif keyword == "or" or self.at == len(self.text) or self.text[self.at] == ")":
                return items[0] if len(items) == 1 else And(tuple(items))
            items.append(self._item())

    def _item(self) -> Node:
        self._skip()
        if self.at == len(self.text):
            raise QueryError("Something to look for is missing here.", self.at, 0)
        if self.text[self.at] == ")":
            if self.opened:
                raise QueryError("Something to look for is missing before this parenthesis.", self.at, 1)
            raise QueryError("This parenthesis closes nothing.", self.at, 1)
        self.depth += 1
        if self.depth > _MOST_DEPTH:
            raise QueryError(f"This is nested more than {_MOST_DEPTH} deep.", self.at, 1)
        try:
            return self._one()
        finally:
            self.depth -= 1

    def _one(self) -> Node:
        keyword = self._keyword()
        if keyword == "not":
            self._take_keyword()
            return Not(self._item())
        if keyword is not None:
            raise QueryError(f"Something to look for is missing before '{keyword}'.", self.at, len(keyword))
        here = self.text[self.at]
        if here == "(":
            return self._group()
        if _NEGATION.match(self.text, self.at):
            self.at += 1
            return Not(self._item())
        return self._term()

    def _group(self) -> Node:
        start = self.at
        self.at += 1
        self.opened += 1
        self._skip()
        inner = self._any_of() if self.at < len(self.text) else None
        if inner is None or self.at == len(self.text):
            raise QueryError("This parenthesis is not closed.", start, 1, ")")
        self.at += 1
        self.opened -= 1
        return inner

    def _term(self) -> Node:
        start = self.at
        self.terms += 1
        if self.terms > _MOST_TERMS:
            raise QueryError(f"A query can have {_MOST_TERMS} terms.", start, len(self.text) - start)
        if self.text[start] == '"':
            return Word(self._quoted().text)
        match = COMPARISON.match(self.text, start)
        if match is None:
            return Word(self._bare(""))
        self.at = match.end()
        name, operator = match[1], match[2] or match[3]
        field = find_field(name)
        if field is None:
            near = nearest_field(name)
            hint = f"; did you mean {near}?" if near else f'. To look for the text, write it in quotes: "{match[0]}…"'
            raise QueryError(f"There is no field '{name}'{hint}", start, len(name), near)
        if operator == ":":  # `density:<0.1` is how other languages spell it
            operator = next((one for one in OPERATORS if self.text.startswith(one, self.at)), ":")
            self.at += len(operator) if operator != ":" else 0
        return self._compare(field, operator, start)

    def _compare(self, field: Field, operator: str, start: int) -> Compare:
        values = self._values()
        written = self.text[start : self.at]
        if not values:
            raise QueryError(f"{written} needs a value: {_example(field)}.", start, self.at - start)
        if len(values) > _MOST_VALUES:
            raise QueryError(f"A field can be compared with {_MOST_VALUES} values.", start, self.at - start)
        _check_operator(field, operator, values, start)
        return Compare(field.name, operator, tuple(_checked(field, operator, value) for value in values))

    def _values(self) -> list[_Value]:
        values: list[_Value] = []
        while True:
            start = self.at
            if self.text.startswith('"', start):
                values.append(self._quoted())
            else:
                bare = self._bare(",")
                if bare:
                    values.append(_Value(bare, start, self.at))
            if not self.text.startswith(",", self.at):
                return values
            self.at += 1

    def _quoted(self) -> _Value:
        start = self.at
        kept: list[str] = []
        at = start + 1
        while at < len(self.text):
            here = self.text[at]
            if here == '"':
                self.at = at + 1
                return _Value("".join(kept), start, self.at)
            if here == "\\" and self.text[at + 1 : at + 2] in ('"', "\\"):
                at += 1
                here = self.text[at]
            kept.append(here)
            at += 1
        raise QueryError("This quotation mark is not closed.", start, len(self.text) - start, '"')

    def _bare(self, stops: str) -> str:
        """Read up to a blank, one of `stops`, or a parenthesis that closes one from before."""
        start, inside = self.at, 0
        while self.at < len(self.text):
            here = self.text[self.at]
            if here.isspace() or here in stops or (here == ")" and not inside):
                break
            inside += (here == "(") - (here == ")")
            self.at += 1
        return self.text[start : self.at]

    def _skip(self) -> None:
        match = _BLANKS.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def _keyword(self) -> str | None:
        match = _KEYWORD.match(self.text, self.at)
        return match[1].lower() if match else None

    def _take_keyword(self) -> None:
        word, start = self._keyword() or "", self.at
        self.at += len(word)
        self._skip()
        if self.at == len(self.text) or self.text[self.at] == ")":
            raise QueryError(f"Something to look for is missing after '{word}'.", start, len(word))


def _check_operator(field: Field, operator: str, values: list[_Value], start: int) -> None:
    ordered = operator in ("<", "<=", ">", ">=")
    length = values[-1].end - start
    if ordered and field.kind not in ("number", "time", "any"):
        what = {"text": "text", "state": "a state", "flag": "yes or no"}[field.kind]
        raise QueryError(f"{field.name} is {what}, and {operator} compares numbers: {_example(field)}.", start, length)
    if ordered and len(values) > 1:
        raise QueryError(f"{operator} compares with one value, not with a list.", start, length)
    if operator == "~" and field.kind not in ("text", "any"):
        raise QueryError(f"{field.name} is no text, and ~ looks into text: {_example(field)}.", start, length)


def _checked(field: Field, operator: str, value: _Value) -> str:
    """The value as it is kept, once it is known to mean something."""
    ordered = operator in ("<", "<=", ">", ">=")
    written = f"{field.name}{operator}{value.text}"
    where = value.start, value.end - value.start
    if field.kind in ("number", "any", "time") and value.text.lower() in NOTHING and not ordered:
        return value.text if field.kind == "any" else ""
    if field.kind == "number" or (field.kind == "any" and ordered):
        parsed = number(value.text, field.unit)
        if parsed is None:
            more = " (like 90, 15m or 1h30m)" if field.unit == "seconds" else ""
            more = " (like 0.93 or 93%)" if field.unit == "share" else more
            raise QueryError(f"{written}: must be a number{more}.", *where)
        if ordered and parsed != parsed:
            raise QueryError(f"{written}: nothing is smaller or larger than NaN; write {field.name}:nan.", *where)
    elif field.kind == "time":
        if span(value.text, time.time()) is None:
            raise QueryError(f"{written}: must be a time, like 2d, 3h, today, 2026-11-01 or 2026-11-01T14:05.", *where)
    elif field.kind == "state":
        return _known(value, "state", STATE_WORDS)
    elif field.kind == "flag" and field.setting:
        if boolean(value.text) is None:
            raise QueryError(f"{written}: must be true or false.", *where)
    elif field.kind == "flag":
        return _known(value, "is", (*FLAGS, *STATES))
    return value.text


def _known(value: _Value, name: str, words: tuple[str, ...]) -> str:
    """A word of a fixed list, which may be cut short; where several begin so, any of them is meant."""
    word = value.text.lower()
    meant = [known for known in words if word and known.startswith(word)]
    if word in meant:
        return word
    if meant:
        return meant[0] if len(meant) == 1 else word
    near = nearest(word, words, likeness=0.6)
    hint = f"; did you mean {near}?" if near else f". Allowed: {', '.join(words)}."
    what = "state" if name == "state" else "mark"
    raise QueryError(f"There is no {what} '{value.text}'{hint}", value.start, value.end - value.start, near)


def _example(field: Field) -> str:
    """How one could ask about a field."""
    if field.kind == "state":
        return f"{field.name}:running"
    if field.kind == "flag":
        return f"{field.name}:true" if field.setting else f"{field.name}:starred"
    if field.kind == "time":
        return f"{field.name}>2d"
    if field.kind == "number":
        return f"{field.name}>{_EXAMPLES[field.unit]}"
    return f"{field.name}:TEXT"
