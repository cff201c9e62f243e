"""What was changed of a run's settings when it was resumed, and with which attempt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from db.models import RunRow, SettingRow
from db.session import Database

__all__ = ["ConfigChange", "for_run", "forget", "note"]


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """The settings that a run's attempt was the first to have.

    Attributes:
        attempt: The attempt's number, from 1; one that has not started yet may be the next.
        settings: Each changed setting with its value before and since.
    """

    attempt: int
    settings: Mapping[str, tuple[Any, Any]]


def for_run(db: Database, run_id: int) -> list[ConfigChange]:
    """The changes of a run's settings, in order; mostly none."""
    with db.read() as session:
        row = session.get(SettingRow, _key(run_id))
        kept = [] if row is None else row.value
    return [
        ConfigChange(one["attempt"], {name: (old, new) for name, (old, new) in one["settings"].items()}) for one in kept
    ]


def note(session: Session, run: RunRow, config: Mapping[str, Any]) -> None:
    """Keep what a new configuration changes of a run's, for its next attempt; within the change's transaction."""
    row = session.get(SettingRow, _key(run.id))
    earlier = [] if row is None else list(row.value)
    attempt = run.attempt_count + 1
    # One that was changed twice before it started was changed once: from what the attempt before had.
    changed = earlier.pop()["settings"] if earlier and earlier[-1]["attempt"] == attempt else {}
    before = {name: run.config.get(name) for name in config} | {name: old for name, (old, _) in changed.items()}
    settings = {name: [before.get(name), value] for name, value in config.items() if before.get(name) != value}
    if settings:
        earlier.append({"attempt": attempt, "settings": settings})
    if earlier or row is not None:
        session.merge(SettingRow(key=_key(run.id), value=earlier))


def forget(session: Session, run_id: int) -> None:
    """Forget the changes of a run that is deleted, within that transaction."""
    row = session.get(SettingRow, _key(run_id))
    if row is not None:
        session.delete(row)


def _key(run_id: int) -> str:
    return f"changes:{run_id}"
