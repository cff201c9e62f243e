"""`itop runs`: list runs, or groups of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated

from cyclopts import Parameter

from db.errors import DatabaseDamaged, QueryError, StoreError
from db.finding import grouping, views
from db.finding.grouping import RunGroup
from db.finding.views import SavedView
from db.query import fields
from db.records import RunQuery, RunRecord, RunStatus
from db.runs import runs as store
from db.session import Database
from engine.spelling import hint
from itop_tui.cli.errors import Exit, UsageError
from itop_tui.cli.parameters import AtLeastZero, GroupName, Json
from itop_tui.cli.store import explained, opened
from itop_tui.cli.terminal import Column, console, data, note, print_table, state_of
from itop_tui.figures.differences import groups_called
from itop_tui.figures.format import UNKNOWN, age, explored, figure, percent, plural, r_s, share
from itop_tui.figures.run_view import percent_done
from itop_tui.service import run_reading
from itop_tui.service.json_shape import document, print_json, run_document, timestamp
from itop_tui.service.starting_after import with_others
from itop_tui.service.words import DEMO_LENGTH

_COLUMNS = (
    Column("ID", lambda run: str(run.id), right=True),
    Column("NAME", lambda run: data(run.name), shrink=True, at_least=16),
    Column("STATE", state_of),
    Column("MODEL", lambda run: data(run.model), rank=5, shrink=True),
    Column("DATA", lambda run: data(run.data), rank=6),
    Column("METHOD", lambda run: data(run.method), rank=3),
    Column("DENSITY", lambda run: share(_density(run)), right=True, rank=4),
    Column("DONE", lambda run: UNKNOWN if percent_done(run) is None else f"{percent_done(run)}%", right=True, rank=2),
    Column("LOSS", lambda run: figure(run.loss), right=True, rank=8),
    Column("BEST", lambda run: percent(run.best_val_accuracy), right=True, rank=1),
    Column("TEST", lambda run: percent(run.test_accuracy), right=True, rank=5),
    Column("R_S", lambda run: r_s(explored(run)), right=True, rank=3),
    Column("GROUP", lambda run: data(run.group or ""), rank=9, shrink=True),
    Column("TAGS", lambda run: data(", ".join(run.tags)), rank=10, shrink=True),
    Column("AGE", lambda run: age(time.time() - run.created_at), right=True, rank=7),
)
_GROUP_COLUMNS = (
    Column("GROUP", lambda group: data(group.label), shrink=True, at_least=16),
    Column("N", lambda group: str(group.n), right=True),
    Column("BEST", lambda group: _spread(group, "best_val_accuracy", percent), right=True),
    Column("TEST", lambda group: _spread(group, "test_accuracy", percent), right=True, rank=2),
    Column("R_S", lambda group: _spread(group, "itop_rate", r_s), right=True, rank=1),
    Column("LOSS", lambda group: _spread(group, "loss", figure), right=True, rank=3),
    Column("STATES", lambda group: _states(group), rank=4, shrink=True),
    Column("AGE", lambda group: age(time.time() - group.latest), right=True, rank=5),
)


def runs(
    *query: Annotated[
        str, Parameter(help="What to look for: words and conditions that must all hold.", show_default=False)
    ],
    status: Annotated[
        tuple[str, ...],
        Parameter(help="Only runs in this state; may be given several times.", negative=(), show_default=False),
    ] = (),
    group: GroupName = None,
    view: Annotated[str | None, Parameter(help="Start from a view that was saved in the app.", metavar="NAME")] = None,
    group_by: Annotated[
        str | None,
        Parameter(
            help="Show groups with mean ± std: recipe (runs that differ by the seed only), or a field.",
            metavar="FIELD",
        ),
    ] = None,
    archived: Annotated[
        bool, Parameter(negative=(), help="The archived runs instead of the others.", show_default=False)
    ] = False,
    sort: Annotated[
        str | None,
        Parameter(
            help="What to sort by: id, name, best_val_accuracy, config.lr and others; with --group-by also n and label."
            " [default: id]"
        ),
    ] = None,
    ascending: Annotated[bool, Parameter(negative=(), help="Smallest first.", show_default=False)] = False,
    limit: Annotated[int, AtLeastZero, Parameter(help="The most runs to list; 0 lists all.")] = 50,
    fields: Annotated[
        bool, Parameter(negative=(), help="List the fields of a query instead of runs.", show_default=False)
    ] = False,
    json: Json = False,
) -> int:
    """List runs, the newest first.

    A word of the query must occur in the name, model, data set, method, state or tags. field:value holds where the
    field is the value or has it in it, and seed:1,2,3 for any of several. = asks for all of it, ~ for a part, != for
    others. Numbers and times are compared with < <= > >=, as in density<0.1, acc>=93%, duration>1h, created>2d (in the
    last two days), created>2026-11-01. Every setting is a field: growth:gradient, update_frequency>=1000.

    is:starred, is:active, is:finished, is:diverged, is:fork, is:held and is:archived select by state, as state:failed
    and state:held do. loss:nan finds metrics that diverged, group:"" runs without a group.

    not negates a condition; or and parentheses join them; "two words" in quotation marks belong together. A minus
    does the same as not, but only inside one argument that begins with something else.

    Examples: itop runs state:running 'density<0.1' growth:gradient. itop runs 'tag:paper (model:vgg or model:wrn)
    -is:diverged' --group-by recipe --sort accuracy. itop runs --fields lists all fields.
    """
    if fields:
        return _list_fields(json=json)
    text = " ".join(query)
    with opened() as database:
        saved = SavedView("") if view is None else _view(database, view)
        text = " ".join(f"({part})" if view and text else part for part in (saved.text, text) if part.strip())
        by = group_by or saved.group_by
        asked = RunQuery(
            text=text,
            statuses=tuple(_status(word) for word in status),
            group=group,
            archived=True if archived else saved.archived,
            sort=sort or saved.sort,
            descending=saved.descending and not ascending,
            limit=limit or None,
        )
        with explained(text):
            if by:
                return _list_groups(database, asked, by, json=json)
            return _list_runs(database, asked, everything=not (text or status or group), json=json)


def _list_runs(database: Database, asked: RunQuery, *, everything: bool, json: bool) -> int:
    _check_sort(asked.sort)
    try:
        found = store.list_runs(database, asked)
    except DatabaseDamaged:
        return _list_readable(database, asked, json=json)
    if json:
        print_json(with_others(database, found))
        return 0
    total = store.count(database, asked)
    if not found:
        none = everything and not store.count(database, RunQuery(archived=None))
        note(f"No runs yet: itop demo trains three in {DEMO_LENGTH}." if none else "No run matches.")
        return 0
    print_table(_COLUMNS, found)
    if total > len(found):
        console(stderr=True).print(f"{len(found)} of {total:,} runs; --limit 0 lists all", style="dim")
    return 0


def _list_readable(database: Database, asked: RunQuery, *, json: bool) -> int:
    """List what can be read of a damaged table, in the order of the ids."""
    from db.finding.readable import readable_runs

    found, lost = readable_runs(database, asked)
    if json:
        print_json([run_document(run) for run in found])
    elif found:
        print_table(_COLUMNS, found)
    damaged = "the database is damaged (itop doctor says more)"
    note(f"{plural(lost, 'run')} could not be read: {damaged}. Those that could are sorted by id.")
    return Exit.FAILED


def _list_groups(database: Database, asked: RunQuery, by: str, *, json: bool) -> int:
    try:
        found = grouping.groups(database, asked, by, sort=asked.sort, descending=asked.descending)
    except QueryError:
        raise
    except StoreError as problem:  # the field or the order
        raise UsageError(str(problem)) from None
    shown = found[: asked.limit]
    names = _names(database, shown) if by.lower() == grouping.RECIPE else {}
    if json:
        more = [{"name": names.get(one.key, one.label), "latest": timestamp(one.latest)} for one in shown]
        print_json([document(one) | own for one, own in zip(shown, more, strict=True)])
        return 0
    if not found:
        note("No run matches.")
        return 0
    print_table(_GROUP_COLUMNS, [replace(one, label=names.get(one.key, one.label)) for one in shown])
    if names and (common := _common(shown)):
        console(stderr=True).print(data(f"all groups: {common}"), style="dim")
    if len(found) > len(shown):
        console(stderr=True).print(f"{len(shown)} of {len(found):,} groups; --limit 0 lists all", style="dim")
    return 0


def _names(database: Database, groups: Sequence[RunGroup]) -> dict[str, str]:
    """What distinguishes groups of one recipe each, by their keys."""
    samples = {run.id: run for run in run_reading.read(database, [group.run_ids[0] for group in groups])}
    return {key: called.label for key, called in groups_called(groups, samples).items()}


def _common(groups: Sequence[RunGroup]) -> str:
    """What all groups have in common, which their names do not say."""
    first = groups[0].shared
    same = [
        str(first[name])
        for name in ("method", "model", "data")
        if name in first and all(one.shared.get(name) == first[name] for one in groups)
    ]
    return " ".join(same)


def _density(run: RunRecord) -> float | None:
    return run.density if run.density is not None else run.target_density


def _states(group: RunGroup) -> str:
    states = sorted(group.statuses.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{number} {status.value}" for status, number in states)


def _spread(group: RunGroup, name: str, write: Callable[[float | None], str]) -> str:
    """Mean ± std; n where not all runs have the metric; and how many diverged."""
    told = write(group.mean[name])
    deviation = group.std[name]
    if deviation is not None:
        told += f" ± {write(deviation).removesuffix('%')}"
    if 0 < group.count[name] < group.n:
        told += f" of {group.count[name]}"
    return told + (f", {group.diverged[name]} NaN" if group.diverged[name] else "")


def _list_fields(*, json: bool) -> int:
    if json:
        print_json(fields())
        return 0
    columns = (
        Column("FIELD", lambda one: one.name),
        Column("ALSO", lambda one: ", ".join(one.aliases), shrink=True),
        Column("HOLDS", lambda one: one.kind),
        Column("MEANING", lambda one: one.help, shrink=True),
    )
    print_table(columns, fields())
    return 0


def _status(word: str) -> RunStatus:
    try:
        return RunStatus(word.strip().lower())
    except ValueError:
        raise UsageError(_unknown("status", word, [status.value for status in RunStatus])) from None


def _check_sort(name: str) -> None:
    try:
        store.check_sort(name)
    except StoreError as problem:
        raise UsageError(str(problem)) from None


def _view(database: Database, name: str) -> SavedView:
    saved = {view.name: view for view in views.views(database)}
    if name in saved:
        return saved[name]
    if not saved:
        raise UsageError(f"there is no view '{name}': none was saved yet; the app saves them")
    raise UsageError(_unknown("view", name, list(saved)))


def _unknown(what: str, word: str, choices: list[str]) -> str:
    return f"{what} = '{word}': must be one of {', '.join(choices)}{hint(word, choices)}"
