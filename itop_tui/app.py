"""The terminal app: what holds the database, the poller and the screens together.

The app owns three things only: the open database, the poller, and the way an operation runs. Everything a person
sees is a screen's or a widget's; everything they can do is in `itop_tui.actions`. Database work is done in thread
workers (`ItopApp.operate`), never on the event loop.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from textual import events, work
from textual.app import App
from textual.command import Provider
from textual.filter import LineFilter
from textual.message import Message
from textual.screen import Screen
from textual.types import CSSPathType
from textual.widgets import Input, TextArea
from textual.worker import get_current_worker

from itop_tui import keymap, notices, opening, operations, preferences, run_view, theme
from itop_tui.actions import bindings, in_scope
from itop_tui.bin import Bin
from itop_tui.format import plain, plural
from itop_tui.ink import Ink
from itop_tui.messages import Severity, Told
from itop_tui.palette import PaletteProvider
from itop_tui.poller import DatabaseReader, DatabaseTrouble, Poller, Reader, RunsChanged, Snapshot, View

if TYPE_CHECKING:
    from db.records import CheckpointRecord, RunRecord
    from db.session import Database
    from engine.config import RunConfig
    from itop_tui.queue_operations import Launched

T = TypeVar("T")
_HERE = Path(__file__).parent
_REMEMBERED = 500
"""The most messages that are kept."""
_SEVERITY: Mapping[bool, Severity] = {True: "information", False: "error"}
"""How an ending is shown, by whether it went well."""


class Planner(Protocol):
    """Tells what a run would be."""

    def ask(self, config: RunConfig) -> Mapping[str, Any]:
        """The plan of a run, by the names of `itop plan --json`."""

    def close(self) -> None:
        """End what is held."""


def _open_default() -> Database:
    from db.session import Database

    return Database.open()


class DatabaseOpened(Message, bubble=False):
    """The database is open."""

    def __init__(self, opened: opening.Opened) -> None:
        self.opened = opened
        super().__init__()


class ItopApp(App[None]):
    """The terminal experiment manager.

    Args:
        opener: Opens the database; called in a thread, so that the first frame does not wait for it.
        reader: Makes the poller's reader from the database.
        clock: The time, in unix seconds; the tests stop it.
        planner: Tells what a run would be; by default a helper process, started when it is first asked.
    """

    TITLE = "itop"
    # The styles of the default screen are not read with it, as those of pushed screens are.
    CSS_PATH: ClassVar[CSSPathType | None] = [_HERE / "app.tcss", _HERE / "screens" / "runs.tcss"]
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {PaletteProvider}
    BINDINGS = bindings(in_scope("app"))
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide"), (160, "-huge")]  # noqa: RUF012 - textual's type

    def __init__(
        self,
        opener: Callable[[], Database] = _open_default,
        *,
        reader: Callable[[Database], Reader] = DatabaseReader,
        clock: Callable[[], float] = time.time,
        planner: Planner | None = None,
    ) -> None:
        super().__init__()
        self._opener = opener
        self._reader = reader
        self._opened: opening.Opened | None = None
        self.bin = Bin()
        self.clock = clock
        self._planner = planner
        self._view = View()
        self.poller: Poller | None = None
        self.snapshot: Snapshot | None = None
        self.problem: str | None = None
        self.told: deque[Told] = deque(maxlen=_REMEMBERED)
        self.preferences = preferences.load()
        chosen, wrong_keys = keymap.checked(self.preferences.keys)
        self._wrong_preferences = (*self.preferences.problems, *wrong_keys)
        keymap.install(chosen)
        keymap.apply(self, "app")
        for each in theme.THEMES:
            self.register_theme(each)
        self.theme = self.preferences.theme or theme.DARK.name

    # --------------------------------------------------------------------------------------------------- starting

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Give the colours of the tones to themes that are not ours."""
        return {name: value for name, value in theme.DARK.variables.items() if name.startswith(("tone-", "wrong-"))}

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Where no colour is wanted, draw a theme of the terminal's own colours without any."""
        filters = super().get_line_filters()
        return (Ink(),) if self.no_color and self.native_ansi_color else filters

    def get_default_screen(self) -> Screen[None]:
        """The list of runs is what everything else lies on."""
        from itop_tui.screens.runs import RunsScreen

        return RunsScreen()

    def on_mount(self) -> None:
        """Open the database once the first frame is out."""
        for problem in self._wrong_preferences:
            self.notify(problem, title="config.toml", severity="warning", timeout=15, markup=False)
        self.call_after_refresh(self._open_database)

    async def on_unmount(self) -> None:
        """End the poller and close the database; nothing that runs is touched."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        if self.poller is not None:
            self.poller.stop()
        if self._planner is not None:
            self._planner.close()
        if self._opened is not None:
            opening.leave(self._opened)

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
        from itop_tui.screens.base import ItopScreen

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
            opened = opening.open_database(_open_default)
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
        self._opener = _open_default
        self.notify("Another database is open. The other one's runs go on.", markup=False)

    def on_runs_changed(self, message: RunsChanged) -> None:
        """Hand a new snapshot to every screen."""
        if self.snapshot is None:
            self._warm_up()
        self._tell_endings(message.snapshot.ended)
        self.snapshot = message.snapshot
        for screen in self.screen_stack:
            screen.post_message(RunsChanged(message.snapshot))

    def _tell_endings(self, ended: Sequence[RunRecord]) -> None:
        """Say which runs ended, whatever is listed."""
        said = notices.sentences(ended)
        if len(said) < len(ended):  # too many to show: the list of messages still has each
            self.told += (Told(self.clock(), _SEVERITY[well], text) for text, well in map(run_view.ending, ended))
        for sentence, well in said:
            self.notify(sentence, severity=_SEVERITY[well], markup=False)
        wanted = notices.wanted(ended, self.preferences.notify)
        if self.preferences.notify.desktop:
            notices.post(wanted, write=self._write)
        if self.preferences.notify.command and wanted:
            self._start_commands(wanted)

    @work(thread=True, group="commands", exit_on_error=False)
    def _start_commands(self, ended: Sequence[RunRecord]) -> None:
        worker = get_current_worker()
        command = self.preferences.notify.command
        problem = notices.start_commands(ended, command, going=lambda: not worker.is_cancelled)
        if problem is not None:
            self.call_from_thread(self.notify, problem, severity="warning", markup=False)

    def _write(self, escape: str) -> None:
        if self._driver is not None:
            self._driver.write(escape)

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: Severity = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """Show a toast, and keep what it said for the list of messages."""
        self.told.append(Told(self.clock(), severity, f"{title}: {message}" if title else message))
        super().notify(message, title=title, severity=severity, timeout=timeout, markup=markup)

    @work(thread=True, group="warm-up", exit_on_error=False)
    def _warm_up(self) -> None:
        """Import what a run's screen and the form need while nobody waits for them."""
        for screen in ("run", "new_run"):
            importlib.import_module(f"itop_tui.screens.{screen}")
        self._collect_garbage()

    @staticmethod
    def _collect_garbage() -> None:
        """Begin to collect garbage where `open_app` held it back; what was made until now is kept, and not looked at.

        The modules and the list are some hundred thousand objects: looking through them stops everything for as long
        as a few frames take.
        """
        if not gc.isenabled():
            gc.freeze()
            gc.enable()

    def on_database_trouble(self, message: DatabaseTrouble) -> None:
        """Hand trouble, or its end, to every screen."""
        self.problem = message.problem
        if message.problem is not None:
            self._collect_garbage()
            self.told.append(Told(self.clock(), "error", message.problem))
        for screen in self.screen_stack:
            screen.post_message(DatabaseTrouble(message.problem))

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

    def watch_runs(self, view: View) -> None:
        """Ask the poller for another page, order or filter of the list."""
        self._view = view
        if self.poller is not None:
            self.poller.view = view

    # ---------------------------------------------------------------------------------------------------- actions

    def open_run(self, run_id: int) -> None:
        """Open a run's screen."""
        from itop_tui.screens.run import RunScreen

        self.push_screen(RunScreen(run_id))

    def open_queue(self) -> None:
        """Open the queue and the devices."""
        from itop_tui.screens.queue import QueueScreen

        self.push_screen(QueueScreen())

    def open_compare(self, run_ids: Sequence[int], *, grouped: bool = False) -> None:
        """Open runs side by side.

        Args:
            run_ids: The runs, in order; where they are more than can be told apart, their seeds are joined or the first
                ones are taken.
            grouped: Whether runs that differ only by their seed are joined at first.
        """
        from itop_tui.screens.compare import CompareScreen

        self.push_screen(CompareScreen(run_ids, grouped=grouped))

    def open_new_run(
        self,
        settings: Mapping[str, Any] | None = None,
        *,
        title: str = "",
        parent: RunRecord | None = None,
        checkpoint: CheckpointRecord | None = None,
    ) -> None:
        """Open the form of a new run.

        Args:
            settings: What it starts from; None for the first preset.
            title: What the start is called.
            parent: The run to fork from.
            checkpoint: The checkpoint of `parent` the new run starts from.
        """
        from itop_tui.screens.new_run import NewRunScreen

        self.push_screen(NewRunScreen(settings, title=title, parent=parent, checkpoint=checkpoint))

    def runs_launched(self, launched: Launched) -> None:
        """Say what was queued, and show it in the list, highlighted."""
        from itop_tui.screens.runs import RunsScreen

        self.notify(plain(launched.told, limit=200), markup=False)
        for screen in self.screen_stack:
            if isinstance(screen, RunsScreen) and launched.runs:
                screen.show_run(launched.runs[0].id)

    def plan(self, config: RunConfig) -> Mapping[str, Any]:
        """What a run would be. Blocks until a helper process has told, so call it in a thread.

        Raises:
            PlanError: There is no such plan.
        """
        if self._planner is None:
            from engine.planning import PlanServer

            self._planner = PlanServer()
        return self._planner.ask(config)

    def on_key(self, event: events.Key) -> None:
        """Hand on what was typed in one burst with the key that opened a line to type in, as "/" and a filter may be.

        A line keeps what is typed in it. So a letter that comes up here while one has the focus was sent elsewhere
        before the focus had moved.
        """
        if isinstance(self.focused, Input | TextArea) and event.is_printable:
            event.prevent_default()
            self.focused.post_message(events.Key(event.key, event.character))

    def action_show_help(self) -> None:
        """Show the keys of the screen one is on."""
        from itop_tui.screens.base import ItopScreen
        from itop_tui.screens.help import HelpScreen

        if isinstance(self.screen, ItopScreen):
            self.push_screen(HelpScreen(self.screen.SCOPE))

    def action_toggle_theme(self) -> None:
        """Change to the next theme, and keep it for the next start."""
        names = [each.name for each in theme.THEMES]
        here = names.index(self.theme) if self.theme in names else -1
        self.theme = names[(here + 1) % len(names)]
        preferences.remember(self.theme)

    def action_show_messages(self) -> None:
        """Show what was told since the app was opened."""
        from itop_tui.screens.messages import MessagesScreen

        self.push_screen(MessagesScreen(tuple(self.told)))

    def action_retry_database(self) -> None:
        """Try to open the database again, or to read it at once, and see to it that a scheduler is there."""
        if self._opened is None:
            self._open_database()
        elif self.poller is not None:
            self.poller.refresh()
            if self.snapshot is not None and self.snapshot.queued:
                self.operate(
                    operations.start_scheduler,
                    lambda _: self.notify("A scheduler is running.", markup=False),
                    failing="The scheduler did not start",
                )
