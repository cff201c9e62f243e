"""Changing several runs in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlalchemy.orm import Session

from db.errors import RunNotFound, StoreError
from db.models import RunRow
from db.records import BatchResult
from db.rows import get_runs
from db.session import Database

__all__ = ["change_each"]


def change_each(db: Database, run_ids: Iterable[int], change: Callable[[Session, RunRow], object]) -> BatchResult:
    """Change each of several runs, all in one transaction; one that cannot be changed does not affect the others.

    Args:
        db: The database.
        run_ids: The runs; one that is named twice is changed once.
        change: Changes one run, which is locked; raises `StoreError`, before it has changed anything, where it cannot.
    """
    wanted = tuple(dict.fromkeys(run_ids))
    done: list[int] = []
    problems: list[str] = []
    with db.write() as session:
        rows = get_runs(session, wanted, lock=True)
        for run_id in wanted:
            try:
                if run_id not in rows:
                    raise RunNotFound(f"There is no run {run_id}.")
                change(session, rows[run_id])
            except StoreError as error:
                problems.append(str(error))
            else:
                done.append(run_id)
    return BatchResult(tuple(done), tuple(problems))
