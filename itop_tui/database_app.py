"""The part of the app that holds the open database: opening, watching, changing and leaving it.

What is done with the database is done in thread workers (`DatabaseApp.operate`), never on the event loop. What the
poller reads of it goes to every screen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from textual import work
from textual.message import Message

from itop_tui import opening
from itop_tui.figures.format import plain, plural
from itop_tui.keys.key_order import KeysInOrder
from itop_tui.poller import DatabaseTrouble, Poller, Reader, RunsChanged, Snapshot, View
from itop_tui.service import launching
from itop_tui.service.trash import Bin

if TYPE_CHECKING:
    from db.session import Database

T = TypeVar("T")


def open_default() -> Database:
    """Open the database of this place."""
    from db.session import Database

    return Database.open()


class DatabaseOpened(Message, bubble=False):
    """The database is open."""

    def __init__(self, opened: opening.Opened) -> None:
        self.opened = opened
        super().__init__()


class DatabaseApp(KeysInOrder):
    """An app with one database, which is opened once the first frame is out.

    Args:
        opener: Opens the database; called in a thread, so that the first frame does not wait for it.
        reader: Makes the poller's reader from the database.
    """

    def __init__(self, opener: Callable[[], Database], reader: Callable[[Database], Reader]) -> None:
        super().__init__()
        self._opener = opener
        self._reader = reader
        self._opened: opening.Opened | None = None
        self._view = View()
        self.bin = Bin()
        self.poller: Poller | None = None
        self.snapshot: Snapshot | None = None
        self.problem: str | None = None

    # --------------------------------------------------------------------------------------------------- the database

    @property
    def database(self) -> Database:
        """The open database.

        Raises:
            RuntimeError: If it is not open yet; screens that need it are only opened once it is.
        """
        if self._opened is None:
            raise RuntimeError("the database is not open yet")
        return self._opened.database

    @property
    def is_open(self) -> bool:
        """Whether the database is open."""
        return self._opened is not None

    @property
    def database_place(self) -> str:
        """Where the database is, for people: a path, or a URL (which holds no password)."""
        url = self._opened.database.url if self._opened is not None else ""
        return url.removeprefix("sqlite:///")

    # ------------------------------------------------------------------------------------------- opening and leaving

    def on_mount(self) -> None:
        """Open the database once the first frame is out."""
        self.call_after_refresh(self._open_database)

    async def on_unmount(self) -> None:
        """End the poller and close the database; nothing that runs is touched."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        """End what is held, in a thread."""
        if self.poller is not None:
            self.poller.stop()
        if self._opened is not None:
            opening.leave(self._opened)

    @work(thread=True, exclusive=True, group="open", exit_on_error=False)
    def _open_database(self) -> None:
        try:
            opened = opening.open_database(self._opener)
        except Exception as error:  # a refused, locked or unreadable file: said in the banner, the app stays
            reason = f"{error}".strip() or type(error).__name__
            self.post_message(DatabaseTrouble(f"The database cannot be opened: {reason}  (^g tries again, q quits)"))
        else:
            self.post_message(DatabaseOpened(opened))

    def on_database_opened(self, message: DatabaseOpened) -> None:
        """Start to watch the database."""
        from itop_tui.screen import ItopScreen

        self._opened = opened = message.opened
        self.post_message(DatabaseTrouble(None))
        for screen in self.screen_stack:
            if isinstance(screen, ItopScreen):
                screen.database_opened(opened.remembered)
        if opened.leftovers:
            self.bin.adopt(opened.leftovers)
            left = plural(len(opened.leftovers), "deleted run")
            told = f"{left} of an app that was cut off: U takes back, else gone when this app is left."
            self.notify(told, severity="warning", timeout=15, markup=False)
        self.poller = Poller(self._reader(opened.database), self.post_message, view=self._view)
        self.poller.start()

    @work(thread=True, exclusive=True, group="open", exit_on_error=False)
    def switch_database(self, place: str) -> None:
        """Open another database in the place of this one; where that fails, this one stays open.

        Args:
            place: A folder, the file of a database, or the URL of one.
        """
        earlier = (opening.place(), *opening.recent())
        before = opening.go_to(place)
        try:
            opened = opening.open_database(open_default)
        except Exception as error:  # told, and nothing is changed
            opening.go_back(before)
            self.call_from_thread(self._tell_failure, "It stays as it is", f"{error}".strip(), None)
            return
        opening.note_recent(earlier)
        if self.poller is not None:
            self.poller.stop()
        if self._opened is not None:
            opening.leave(self._opened)
        self.call_from_thread(self._begin_anew)
        self.post_message(DatabaseOpened(opened))

    def _begin_anew(self) -> None:
        """Forget what was known of another database."""
        self.poller = self.snapshot = None
        self.bin = Bin()
        self._opener = open_default
        self.notify("Another database is open. The other one's runs go on.", markup=False)

    # ---------------------------------------------------------------------------------------- what the poller says

    def on_runs_changed(self, message: RunsChanged) -> None:
        """Hand a new snapshot to every screen."""
        self.snapshot = message.snapshot
        for screen in self.screen_stack:
            screen.post_message(RunsChanged(message.snapshot))

    def on_database_trouble(self, message: DatabaseTrouble) -> None:
        """Hand trouble, or its end, to every screen."""
        self.problem = message.problem
        for screen in self.screen_stack:
            screen.post_message(DatabaseTrouble(message.problem))

    def watch_runs(self, view: View) -> None:
        """Ask the poller for another page, order or filter of the list."""
        self._view = view
        if self.poller is not None:
            self.poller.view = view

    def action_retry_database(self) -> None:
        """Try to open the database again, or to read it at once, and see to it that a scheduler is there."""
        if self._opened is None:
            self._open_database()
        elif self.poller is not None:
            self.poller.refresh()
            if self.snapshot is not None and self.snapshot.queued:
                self.operate(
                    launching.start_scheduler,
                    lambda _: self.notify("A scheduler is running.", markup=False),
                    failing="The scheduler did not start",
                )

    # ------------------------------------------------------------------------------------------------- operations

    @work(thread=True, group="operations", exit_on_error=False)
    def operate(
        self,
        operation: Callable[[Database], T],
        then: Callable[[T], object] | None = None,
        *,
        otherwise: Callable[[], object] | None = None,
        failing: str = "That did not work",
    ) -> None:
        """Do something with the database in a thread, and then something with its result on the event loop.

        Args:
            operation: What to do; gets the database, touches no widget.
            then: Called on the event loop with what `operation` gave.
            otherwise: Called on the event loop where it failed, after the person was told.
            failing: What the message begins with where `operation` raises.
        """
        if self._opened is None:
            self.call_from_thread(self._tell_failure, failing, "the database is not open", otherwise)
            return
        try:
            result = operation(self._opened.database)
        except Exception as error:  # what fails is told to the person, and the app goes on
            self.call_from_thread(self._tell_failure, failing, f"{error}".strip() or type(error).__name__, otherwise)
            return
        if self.poller is not None:
            self.poller.refresh()
        if then is not None:
            self.call_from_thread(then, result)

    def _tell_failure(self, failing: str, reason: str, otherwise: Callable[[], object] | None) -> None:
        self.notify(f"{failing}: {plain(reason, limit=500)}", severity="error", timeout=10, markup=False)
        if otherwise is not None:
            otherwise()
