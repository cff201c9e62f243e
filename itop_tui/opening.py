"""Opening a database for the app, and leaving it: what is remembered of it, and the deletions that end with the app."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from itop_tui.runs import saved_lists
from itop_tui.service import shelving
from itop_tui.service.trash import OpenApps

if TYPE_CHECKING:
    from db.session import Database

LIST_STATE = "ui.runs"
"""The setting that holds how the list of runs was looked at last."""
_MOST_RECENT = 8


@dataclass(slots=True)
class Opened:
    """A database that the app has open.

    Attributes:
        database: The database.
        remembered: What was kept of the screens at an earlier start, by its key.
        leftovers: Deleted runs that an app left behind which did not end as it should.
        apps: The other apps on the same database.
    """

    database: Database
    remembered: Mapping[str, Any] = field(default_factory=dict)
    leftovers: tuple[int, ...] = ()
    apps: OpenApps | None = None


def open_database(opener: Callable[[], Database]) -> Opened:
    """Open a database. Blocks: call it in a thread.

    Args:
        opener: Opens it.

    Raises:
        Exception: Whatever `opener` raises; what goes wrong after it does without.
    """
    from db import paths
    from db.history import metrics

    opened = Opened(opener())
    with contextlib.suppress(Exception):  # the list is shown as at first; a failing database is told by the poller
        metrics.learn(opened.database)  # before charts that show them are restored
        opened.remembered = saved_lists.remembered(opened.database, LIST_STATE)
        apps = OpenApps(paths.home(), opened.database.url)
        first = apps.join()
        opened.apps = apps
        # While another app is open, what is in the trash is that one's.
        opened.leftovers = shelving.trashed(opened.database) if first else ()
    return opened


def leave(opened: Opened) -> list[str]:
    """Close a database; the last app to leave it empties the trash. Blocks, and tells what could not be removed."""
    problems: list[str] = []
    with contextlib.suppress(Exception):  # a database that is gone cannot be tidied up; the next app does it
        if opened.apps is not None and opened.apps.alone():
            problems = shelving.purge(opened.database)
    if opened.apps is not None:
        opened.apps.leave()
    opened.database.close()
    return problems


# ------------------------------------------------------------------------------------------------------ other places


def go_to(place: str) -> dict[str, str | None]:
    """Make a place the one whose database is opened, for this process and those it starts.

    Args:
        place: A folder (as `ITOP_HOME`), the file of a database, or the URL of one.

    Returns:
        The variables as they were, for `go_back`.
    """
    before = {name: os.environ.get(name) for name in ("ITOP_HOME", "ITOP_DATABASE_URL")}
    place = place.strip()
    os.environ.pop("ITOP_DATABASE_URL", None)
    if "://" in place:
        os.environ["ITOP_DATABASE_URL"] = place
        return before
    path = Path(place).expanduser().absolute()
    if path.name == "itop.db":
        path = path.parent
    if path.suffix or path.is_file():
        os.environ["ITOP_DATABASE_URL"] = f"sqlite:///{path}"
        path = path.parent
    os.environ["ITOP_HOME"] = str(path)
    return before


def go_back(before: Mapping[str, str | None]) -> None:
    """Undo `go_to`."""
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _recent_file() -> Path:
    from db import paths

    return paths.home() / "recent.json"


def recent() -> tuple[str, ...]:
    """The places of the databases that were opened before, the latest first."""
    with contextlib.suppress(OSError, ValueError):
        kept = json.loads(_recent_file().read_text(encoding="utf-8"))
        if isinstance(kept, list):
            return tuple(place for place in kept if isinstance(place, str))[:_MOST_RECENT]
    return ()


def place() -> str:
    """The place whose database is open: what `go_to` would take. Holds the password, if its URL does."""
    from db import paths

    return os.environ.get("ITOP_DATABASE_URL") or str(paths.home())


def note_recent(earlier: Iterable[str] = ()) -> None:
    """Remember the place whose database is open now, and those that were remembered where one came from.

    A URL that holds a password is never written down.
    """
    places = [each for each in dict.fromkeys((place(), *recent(), *earlier)) if not _secret(each)]
    with contextlib.suppress(OSError):
        file = _recent_file()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(places[:_MOST_RECENT]), encoding="utf-8")


def _secret(place: str) -> bool:
    return "@" in place and ":" in place.partition("://")[2].split("@", 1)[0]
