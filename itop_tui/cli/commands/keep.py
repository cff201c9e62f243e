"""`itop star`, `archive`, `note`, `tag`, `rename`: organizing runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Annotated

from cyclopts import Parameter
from rich.text import Text

from db.records import BatchResult, RunRecord
from db.runs import runs as store
from db.session import Database
from itop_tui.cli.errors import CommandError, UsageError
from itop_tui.cli.parameters import Json, QueryText, RunName, RunNames
from itop_tui.cli.store import chosen, opened
from itop_tui.cli.terminal import console, data
from itop_tui.service import labels, shelving
from itop_tui.service.json_shape import print_json


def star(*run: RunNames, query: QueryText = None, json: Json = False) -> int:
    """Mark runs with a star."""
    return _shelve(run, query, partial(shelving.star, on=True), "starred", json=json)


def unstar(*run: RunNames, query: QueryText = None, json: Json = False) -> int:
    """Take the star from runs."""
    return _shelve(run, query, partial(shelving.star, on=False), "not starred", json=json)


def archive(*run: RunNames, query: QueryText = None, json: Json = False) -> int:
    """Archive runs: lists leave them out, unless --archived or is:archived asks for them."""
    return _shelve(run, query, partial(shelving.archive, on=True), "archived", json=json)


def unarchive(*run: RunNames, query: QueryText = None, json: Json = False) -> int:
    """Bring archived runs back into the lists."""
    return _shelve(run, query, partial(shelving.archive, on=False), "not archived", json=json)


def note(
    run: RunName,
    text: Annotated[str, Parameter(name="TEXT", help="What to keep with the run; '' forgets the notes.")],
    /,
    *,
    json: Json = False,
) -> int:
    """Write the notes of a run, in the place of those it had."""
    with opened() as database:
        found = store.find(database, run)
        return _written(database, labels.set_notes(database, [found.id], text), "noted", json=json)


def tag(
    *words: Annotated[
        str,
        Parameter(name="RUN +TAG -TAG", help="Runs, and tags to give (+) or to take (-).", allow_leading_hyphen=True),
    ],
    query: QueryText = None,
    json: Json = False,
) -> int:
    """Give tags to runs, and take tags from them: itop tag 12 13 +paper -draft."""
    flags = [word for word in words if word.startswith("--")]
    if flags:
        raise UsageError(f"there is no flag {flags[0]} here")
    given = [word[1:] for word in words if word.startswith("+") and len(word) > 1]
    taken = [word[1:] for word in words if word.startswith("-") and len(word) > 1]
    if not given and not taken:
        raise UsageError("which tags? Name at least one: +TAG gives it, -TAG takes it")
    names = [word for word in words if word[:1] not in ("+", "-")]
    with opened() as database:
        tags = {
            found.id: [*(tag for tag in found.tags if tag not in taken), *given]
            for found in chosen(database, names, query)
        }
        return _written(
            database, labels.retag(database, tags), lambda run: "tags: " + (", ".join(run.tags) or "none"), json=json
        )


def rename(
    run: RunName, name: Annotated[str, Parameter(name="NAME", help="Its new name.")], /, *, json: Json = False
) -> int:
    """Give a run another name."""
    with opened() as database:
        found = store.find(database, run)
        return _written(database, labels.rename(database, {found.id: name}), f"was {found.name}", json=json)


def _shelve(
    names: Iterable[str],
    query: str | None,
    mark: Callable[[Database, Sequence[int]], BatchResult],
    words: str,
    *,
    json: bool,
) -> int:
    with opened() as database:
        ids = [run.id for run in chosen(database, names, query)]
        mark(database, ids)
        return _written(database, BatchResult(tuple(ids), ()), words, json=json)


def _written(database: Database, result: BatchResult, words: str | Callable[[RunRecord], str], *, json: bool) -> int:
    """Show the runs on which something was written; fails where that was refused."""
    changed = store.get_many(database, result.done)
    if json and changed:
        print_json(changed)
    out = console()
    for run in () if json else changed:
        said = words if isinstance(words, str) else words(run)
        out.print(Text.assemble(f"run {run.id}  ", data(run.name), "  ", data(said, "dim")), soft_wrap=True)
    if result.problems:
        raise CommandError(*result.problems[:2])
    return 0
