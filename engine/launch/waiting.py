"""Why the schedulers do not start runs: kept in the settings, a key for each host and user."""

from __future__ import annotations

from db import key_values, users
from db.session import Database

__all__ = ["WAITS_FOR_ITS_TURN", "published", "waiting_key"]

_PREFIX = "waiting:"

WAITS_FOR_ITS_TURN = "about to be looked at by the scheduler"


def waiting_key(host: str) -> str:
    """The setting under which this user's scheduler of a host keeps why runs wait: run id, as text → reason."""
    return f"{_PREFIX}{host}/{users.current().uid}"


def published(db: Database) -> dict[int, str]:
    """Why runs wait, by id, as the scheduler of each host gives the reasons; of several hosts, each with its name."""
    said: dict[int, list[tuple[str, str]]] = {}
    for name, reasons in key_values.under(db, _PREFIX).items():
        host = name.partition("/")[0]
        for run_id, reason in (reasons if isinstance(reasons, dict) else {}).items():
            if str(run_id).isdecimal():
                said.setdefault(int(run_id), []).append((host, str(reason)))
    return {
        run_id: words[0][1] if len(words) == 1 else "; ".join(f"{host}: {reason}" for host, reason in words)
        for run_id, words in said.items()
    }
