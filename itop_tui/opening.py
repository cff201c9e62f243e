"""The database that the app has open: opening it, doing things to it one after the other, and leaving it.

Leaving includes the deletions that become final when the last app is closed.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from itop_tui.service import shelving
from itop_tui.service.trash import OpenApps

if TYPE_CHECKING:
    from db.records import RunRecord
    from db.session import Database

T = TypeVar("T")
LIST_STATE = "ui.runs"
"""The setting that holds the last view of the list of runs."""
_MOST_RECENT = 8


@dataclass(slots=True)
class OpenDatabase:
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


def open_database(opener: Callable[[], Database]) -> OpenDatabase:
    """Open a database. Blocks: call it in a thread.

    Raises:
        Exception: Whatever `opener` raises; what goes wrong after it does without.
    """
    from db import key_values, paths
    from db.history import metrics

    opened = OpenDatabase(opener())
    with contextlib.suppress(Exception):  # the list is shown as at first; the poller reports a failing database
        metrics.learn(opened.database)  # before charts that show them are restored
        kept = key_values.get(opened.database, LIST_STATE)
        opened.remembered = {} if kept is None else {LIST_STATE: kept}
        if opened.database.read_only is not None:  # it empties no trash, and leaves no trace
            return opened
        apps = OpenApps(paths.home(), opened.database.url)
        first = apps.join()
        opened.apps = apps
        # While another app is open, what is in the trash is that one's.
        opened.leftovers = shelving.trashed(opened.database) if first else ()
    return opened


def leave(opened: OpenDatabase, *, empty_trash: bool = True) -> list[str]:
    """Close a database. Blocks; gives what could not be removed.

    Args:
        opened: The database.
        empty_trash: Whether the last app to leave it empties the trash; otherwise the next app offers what is in it.
    """
    problems: list[str] = []
    with contextlib.suppress(Exception):  # a database that is gone cannot be tidied up; the next app does it
        if empty_trash and opened.apps is not None and opened.apps.alone():
            problems = shelving.purge(opened.database)
    if opened.apps is not None:
        opened.apps.leave()
    opened.database.close()
    return problems


def open_default() -> Database:
    """Open the database of this place."""
    from db.session import Database

    return Database.open()


class DatabaseHolder:
    """Holds the open database, and does things to it in a thread of its own, in the order in which they were asked for.

    So what a person asks for by two keys is done in the order of the keys, and the event loop never waits for it.

    Args:
        opener: Opens the database; called in the thread.
    """

    def __init__(self, opener: Callable[[], Database]) -> None:
        self.opener = opener
        self._held: OpenDatabase | None = None
        self._in_order = ThreadPoolExecutor(1, "itop-operations")
        self._aside = ThreadPoolExecutor(2, "itop-long-operations")

    @property
    def database(self) -> Database:
        """The open database.

        Raises:
            RuntimeError: If it is not open yet.
        """
        if self._held is None:
            raise RuntimeError("the database is not open")
        return self._held.database

    @property
    def is_open(self) -> bool:
        """Whether the database is open."""
        return self._held is not None

    def open(self) -> Future[OpenDatabase]:
        """Open the database; the result holds what was found with it."""
        return self._in_order.submit(self._open)

    def _open(self) -> OpenDatabase:
        self._held = open_database(self.opener)
        return self._held

    def switch(self, place: str, *, leaving: Callable[[], object] | None = None) -> Future[OpenDatabase]:
        """Open another database in the place of this one; where that fails, this one stays open.

        Args:
            place: A folder, the file of a database, or the URL of one.
            leaving: Called in the thread before this one is left.
        """
        return self._in_order.submit(self._switch, place, leaving)

    def _switch(self, to: str, leaving: Callable[[], object] | None) -> OpenDatabase:
        earlier = (place(), *recent())
        before = go_to(to)
        try:
            opened = open_database(open_default)
        except Exception:
            go_back(before)
            raise
        note_recent(earlier)
        if leaving is not None:
            leaving()
        left, self._held, self.opener = self._held, opened, open_default
        if left is not None:
            leave(left)
        return opened

    def do(self, operation: Callable[[Database], T], *, aside: bool = False) -> Future[T]:
        """Do something to the database, after all that was asked for before.

        Args:
            operation: What to do; it touches no widget.
            aside: Whether it takes long and nothing has to wait for it: it is done beside the others, in no order.

        Returns:
            The result, later; its exception where the operation fails or the database is not open.
        """
        return (self._aside if aside else self._in_order).submit(lambda: operation(self.database))

    def close(self, *, empty_trash: bool = True) -> None:
        """Finish what was asked for, and leave the database, as `leave` does. Blocks."""
        for threads in (self._in_order, self._aside):
            threads.shutdown()
        if self._held is not None:
            leave(self._held, empty_trash=empty_trash)


def collect_garbage() -> None:
    """Begin to collect garbage where `open_app` held it back; what was made until now is kept, and not looked at.

    The modules and the list are some hundred thousand objects: looking through them stops everything for as long as a
    few frames take.
    """
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def warm_up(database: Database, runs: Iterable[RunRecord]) -> None:
    """Import what the screen of a run and the form need, and have what reads curves compiled: those of `runs`."""
    try:
        for screen in ("run.run_screen", "new_run.new_run_screen"):
            importlib.import_module(f"itop_tui.{screen}")
        from itop_tui.figures.chart_metrics import DEFAULT_CHARTS
        from itop_tui.figures.curve_reader import CurveReader
        from itop_tui.figures.curves import CurveRequest

        names = dict.fromkeys(name for chart in DEFAULT_CHARTS if not chart.of_machine for name in chart.names)
        for run in runs:
            reader = CurveReader(database, run.id)
            reader.read(CurveRequest(tuple(names), drops=True), generation=0)
    finally:
        collect_garbage()


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
        os.environ["ITOP_DATABASE_URL"] = str(path)
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
    from db import private_files, read_only

    if read_only.asked_for():
        return
    places = [each for each in dict.fromkeys((place(), *recent(), *earlier)) if not _secret(each)]
    with contextlib.suppress(OSError):
        file = _recent_file()
        private_files.make_folder(file.parent)
        with open(file, "w", encoding="utf-8", opener=private_files.opener) as kept:
            json.dump(places[:_MOST_RECENT], kept)


def _secret(place: str) -> bool:
    return "@" in place and ":" in place.partition("://")[2].split("@", 1)[0]
