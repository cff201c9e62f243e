"""Opening the database for a command, and finding the runs it is about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from db.errors import DatabaseDamaged, DatabaseFull
from db.query import QueryError
from db.records import RunQuery, RunRecord, RunStatus
from db.runs import run_owners, runs
from db.session import Database
from itop_tui.cli.errors import CommandError, UsageError
from itop_tui.cli.terminal import note


@contextmanager
def opened(*, tend: bool = True) -> Iterator[Database]:
    """Open the user's database, and close it afterwards.

    Args:
        tend: Whether to settle runs whose process is gone first, so that nothing false is shown, and to start the
            scheduler again where runs wait and it died: a queue must not stand still unnoticed.
    """
    database = Database.open()
    try:
        if tend and database.read_only is None:
            _tend(database)
        yield database
        if database.read_only is not None:  # a command that changes something has said it, and did not come here
            note(f"itop: read-only: {database.read_only}", *(f"itop: {warning}" for warning in database.warnings))
    finally:
        database.close()


def _tend(database: Database) -> None:
    from engine.launch import submit

    try:
        submit.reconcile(database)
        if run_owners.has_waiting(database) and not submit.scheduler_running(database):
            submit.ensure_scheduler(database)
    except (DatabaseFull, DatabaseDamaged, submit.SchedulerError) as error:
        note(f"itop: {error}")  # what was asked for may be possible all the same


def find_all(database: Database, names: Iterable[str]) -> list[RunRecord]:
    """Find runs by id, uid or unique name, each once, in the order given.

    Raises:
        UsageError: If none is named.
        db.errors.RunNotFound: If there is no such run; the message names the nearest.
        db.errors.AmbiguousRun: If several runs have that name.
    """
    found: dict[int, RunRecord] = {}
    for name in names:
        run = runs.find(database, name)
        found.setdefault(run.id, run)
    if not found:
        raise UsageError("which run? Name at least one: its id, or its unique name")
    return list(found.values())


def waits_for(database: Database, run: RunRecord) -> str:
    """Say what a queued run waits for; empty where it does not wait."""
    if run.status is not RunStatus.QUEUED:
        return ""
    from engine.launch import submit

    return submit.why_waiting(database, [run]).get(run.id, "")


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
    """Find the runs that are named, or that match a query: one of both must be given.

    Raises:
        UsageError: If runs are named and a query is given, or neither; or the query cannot be understood.
        CommandError: If no run matches.
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
