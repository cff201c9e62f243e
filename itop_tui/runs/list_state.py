"""How the list of runs is viewed, as a value: what a view holds under its name, and what the next start shows again.

No widget; what the database keeps of it is JSON, and what cannot be understood (another version's) is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from itop_tui.runs import run_layout
from itop_tui.runs.filter_line import Suggestion, Wrong
from itop_tui.runs.run_columns import COLUMNS, FIELDS, column
from itop_tui.runs.run_layout import ChosenColumn, default_columns

if TYPE_CHECKING:
    from db.finding.views import SavedView
    from db.query import Completions
    from db.session import Database

RECIPE = "recipe"
"""Groups of runs that differ by nothing but the seed."""


@dataclass(frozen=True, slots=True)
class ListState:
    """A way to view the list of runs.

    Attributes:
        name: What the view is called; empty where it has no name.
        text: The query.
        sort: What it is sorted by.
        descending: Whether the largest comes first.
        by: What it is grouped by; empty for no groups.
        columns: The columns; empty for the list's own.
    """

    name: str = ""
    text: str = ""
    sort: str = "id"
    descending: bool = True
    by: str = ""
    columns: tuple[ChosenColumn, ...] = ()


BUILT_IN: tuple[ListState, ...] = (
    ListState("all"),
    ListState("active", "is:active"),
    ListState("failed", "state:failed,killed,lost,preempted"),
    ListState("starred", "is:starred"),
    ListState("last 24 h", "created>1d"),
    ListState("archived", "is:archived"),
)
"""The views that exist before any is saved."""


def to_json(state: ListState) -> dict[str, Any]:
    """A state as it is kept."""
    return {**asdict(state), "columns": run_layout.to_json(state.columns)}


def from_json(kept: object) -> ListState:
    """A state as it was kept; what cannot be understood has its default."""
    if not isinstance(kept, Mapping):
        return ListState()
    words = {name: value for name in ("name", "text", "sort", "by") if isinstance(value := kept.get(name), str)}
    text = words.get("text", "")
    if problem_of(text) is not None:
        words["text"] = words["name"] = ""
    if not can_sort(words.get("sort", "id")):
        words["sort"] = "id"
    if words.get("by") and words["by"] not in {by for by, _, _ in groupings()}:
        words["by"] = ""
    descending = kept.get("descending")
    columns = run_layout.from_json(kept.get("columns"))
    return ListState(**words, descending=descending if isinstance(descending, bool) else True, columns=columns)


def to_view(state: ListState) -> SavedView:
    """A state as the store keeps it under its name; the width of a column stands behind its key."""
    from db.finding.views import SavedView

    columns = tuple(each.key if each.width is None else f"{each.key}:{each.width}" for each in state.columns)
    return SavedView(state.name, state.text, state.sort, state.descending, columns, state.by or None)


def from_view(view: SavedView) -> ListState:
    """A saved view as a state; what cannot be understood has its default."""
    pairs = [each.partition(":") for each in view.columns]
    columns = [[key, int(width) if width.isdecimal() else None] for key, _, width in pairs]
    return replace(from_json({**asdict(view), "by": view.group_by or "", "columns": columns}), name=view.name)


def figures(columns: Sequence[ChosenColumn]) -> tuple[str, ...]:
    """The metrics whose means the columns of a group show, by the names of the query language."""
    shown = [column(each.key) for each in columns or default_columns()]
    return tuple(dict.fromkeys(each.figure for each in shown if each is not None and each.figure))


def group_sort(sort: str, figures: Sequence[str]) -> str:
    """What groups are sorted by where runs would be sorted by `sort`: a metric by its mean, else what is nearest."""
    by_figure = {each.sort: each.figure for each in (*COLUMNS, *FIELDS) if each.figure}
    if by_figure.get(sort) in figures:
        return by_figure[sort]
    return {"name": "label", "status": "n"}.get(sort, "latest" if sort in ("id", "created_at") else "label")


def problem_of(text: str) -> Wrong | None:
    """What is wrong with a query; None where nothing is."""
    from db.query import QueryError, parse

    try:
        parse(text)
    except QueryError as error:
        return Wrong(str(error), error.position, error.length)
    return None


def speaks_of_archive(text: str) -> bool:
    """Whether a query (one that can be understood) asks for archived runs itself, or for those that are not."""
    from db.query import parse

    return parse(text).states("is", "archived")


def unfinished(text: str) -> bool:
    """Whether the last word of a query may be the beginning of a field's name: a query that is still being typed."""
    from db.query import fields

    word = re.search(r"(?:^|[\s(-])([A-Za-z_.]+)$", text)
    names = (name for field in fields() for name in (field.name, *field.aliases))
    return word is not None and any(name.startswith(word[1].lower()) for name in names)


def can_sort(name: str) -> bool:
    """Whether runs can be sorted by something of that name."""
    from db.errors import StoreError
    from db.finding.listing import check_sort

    try:
        check_sort(name)
    except StoreError:
        return False
    return True


def groupings() -> list[tuple[str, str, str]]:
    """What runs can be grouped by: the name, the title, and what it means; the recipe first."""
    from db.query import fields

    others = ("density", "seed", "parent", "priority")
    groupable = [
        (field.name, field.name, field.help)
        for field in fields()
        if field.name != RECIPE and (field.setting or field.kind in ("text", "state") or field.name in others)
    ]
    return [
        ("", "no groups", "every run on a line of its own"),
        (RECIPE, RECIPE, "seeds: runs that differ by nothing but the seed, with mean ± std"),
        *groupable,
    ]


def suggested(db: Database, text: str, caret: int) -> tuple[Suggestion, ...]:
    """What could be typed at the caret of a filter; nothing before a word is begun, when it could be anything."""
    from db.query import complete, known_values

    if not text[:caret].strip() or text[:caret][-1:].isspace():
        return ()
    return suggestions(text, caret, complete(text, caret, lambda field: known_values(db, field)))


def suggestions(text: str, caret: int, completions: Completions) -> tuple[Suggestion, ...]:
    """What a drop-down offers, from what the store says could stand at the caret."""
    typed = text[completions.start : completions.end]
    found: list[Suggestion] = []
    for option in completions.options:
        if option.text == typed:
            continue
        # A value ends its term; a field still wants one.
        more = "" if option.text[-1:] in ":><=~" or text[completions.end :].startswith(" ") else " "
        line = text[: completions.start] + option.text + more + text[completions.end :]
        after = completions.start + len(option.text) + len(more)
        found.append(Suggestion(line, after, option.text, option.help))
    return tuple(found)
