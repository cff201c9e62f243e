"""Which runs a command is about: those it names, or all that match a query; and queries that are wrong, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated

from cyclopts import Parameter

from db.query import QueryError
from db.records import RunQuery, RunRecord
from db.runs import runs
from db.session import Database
from itop_tui.cli.errors import CommandError, UsageError
from itop_tui.cli.store import find_all

QueryText = Annotated[
    str | None,
    Parameter(
        name="--query",
        help="All runs that match this query, archived ones too; itop runs --help explains it.",
        metavar="QUERY",
    ),
]


@contextmanager
def explained(text: str) -> Iterator[None]:
    """Turn a mistake in a query into a wrong command line, and show where in the query it is."""
    try:
        yield
    except QueryError as mistake:
        line = text.replace("\n", " ")
        if not line.isprintable() or len(line) > 200:
            raise UsageError(str(mistake)) from None
        marks = " " * mistake.position + "^" * max(1, mistake.length)
        raise UsageError(str(mistake), line, marks) from None


def chosen(database: Database, names: Iterable[str], query: str | None) -> list[RunRecord]:
    """Find the runs that are named, or that match a query.

    Raises:
        UsageError: If runs are named and a query is given, or neither; or the query cannot be understood.
        CommandError: If no run matches.
        db.errors.RunNotFound: If there is no run of a name.
        db.errors.AmbiguousRun: If several runs have a name.
    """
    named = tuple(names)
    if query is None:
        return find_all(database, named)
    if named:
        raise UsageError("name runs, or give a query with --query: not both")
    with explained(query):
        found = runs.list_runs(database, RunQuery(text=query, archived=None, limit=None, descending=False))
    if not found:
        raise CommandError(f"no run matches {query}")
    return found
