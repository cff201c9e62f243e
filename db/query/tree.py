"""A query as a tree, and as text again.

`str(query)` is the query in one canonical spelling: fields by their own names, quotation marks only where they are
needed. Parsing it gives an equal tree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["And", "Compare", "Node", "Not", "Or", "Query", "Word", "quoted"]

# What begins a comparison. A bare word must not look like one, and the parser and the printer must agree on that.
NAME = r"[A-Za-z_][A-Za-z0-9_.]*"
COMPARISON = re.compile(rf"({NAME})(?:([:~])|\s*(<=|>=|!=|<|>|=)\s*)")
KEYWORDS = ("and", "or", "not")
OPERATORS = ("<=", ">=", "!=", "<", ">", "=")

_PLAIN_WORD = re.compile(r'[^\s"()<>=!~:-][^\s"()]*')
_PLAIN_VALUE = re.compile(r'[^\s"(),<>=!][^\s"(),]*')


@dataclass(frozen=True, slots=True)
class Word:
    """A text that must occur in the name, model, data set, method, state or tags."""

    text: str

    def __str__(self) -> str:
        plain = _PLAIN_WORD.fullmatch(self.text) and self.text.lower() not in KEYWORDS
        return self.text if plain and not COMPARISON.match(self.text) else quoted(self.text)


@dataclass(frozen=True, slots=True)
class Compare:
    """A field compared with values.

    Attributes:
        field: The field's own name, as in `db.query.fields`, or `config.NAME`.
        operator: One of `: ~ = != < <= > >=`.
        values: What it is compared with, as typed; any of them will do. An empty text means "nothing is there".
    """

    field: str
    operator: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        values = ",".join(value if _PLAIN_VALUE.fullmatch(value) else quoted(value) for value in self.values)
        return f"{self.field}{self.operator}{values}"


@dataclass(frozen=True, slots=True)
class Not:
    """What does not match `item`."""

    item: Node

    def __str__(self) -> str:
        return f"-{_grouped(self.item, And, Or)}"


@dataclass(frozen=True, slots=True)
class And:
    """What matches all of two or more items."""

    items: tuple[Node, ...]

    def __str__(self) -> str:
        return " ".join(_grouped(item, And, Or) for item in self.items)


@dataclass(frozen=True, slots=True)
class Or:
    """What matches any of two or more items."""

    items: tuple[Node, ...]

    def __str__(self) -> str:
        return " or ".join(_grouped(item, Or) for item in self.items)


Node: TypeAlias = Word | Compare | Not | And | Or


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query.

    Attributes:
        root: What a run must match; None matches every run.
    """

    root: Node | None = None

    def __str__(self) -> str:
        return "" if self.root is None else str(self.root)

    def comparisons(self) -> Iterator[Compare]:
        """Every comparison in the query, at any depth, from left to right."""
        return iter(()) if self.root is None else _comparisons(self.root)

    def states(self, field: str, value: str) -> bool:
        """Whether the query itself speaks of a value of a field: `is:archived`, say."""
        return any(one.field == field and value in one.values for one in self.comparisons())


def quoted(text: str) -> str:
    """A text in quotation marks: as a query, it finds the runs in which it occurs, whatever characters it holds."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _grouped(node: Node, *kinds: type[Node]) -> str:
    return f"({node})" if isinstance(node, kinds) else str(node)


def _comparisons(node: Node) -> Iterator[Compare]:
    if isinstance(node, Compare):
        yield node
    elif isinstance(node, Not):
        yield from _comparisons(node.item)
    elif isinstance(node, And | Or):
        for item in node.items:
            yield from _comparisons(item)
