"""The runs that a run was forked from, and which steps of each lie before it."""

from __future__ import annotations

from dataclasses import dataclass

from db.errors import RunNotFound
from db.records import RunRecord
from db.runs import runs
from db.session import Database

_MOST = 32
"""Generations that are followed; a longer chain is cut."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """The steps of an ancestor that its descendants continue: later than `after`, up to and with `until`."""

    run_id: int
    after: int
    until: int


def lineage(db: Database, run: RunRecord) -> tuple[Stretch, ...]:
    """The ancestors' stretches, the oldest first; those of deleted ancestors and what lies before are missing."""
    stretches: list[Stretch] = []
    child = run
    while child.parent_id is not None and child.fork_step is not None and len(stretches) < _MOST:
        try:
            parent = runs.get(db, child.parent_id)
        except RunNotFound:
            break
        begins = parent.fork_step if parent.parent_id is not None and parent.fork_step is not None else -1
        # A fork from a checkpoint that the parent itself was started from has nothing of the parent before it.
        if child.fork_step > begins:
            stretches.append(Stretch(parent.id, begins, child.fork_step))
        child = parent
    return tuple(reversed(stretches))
