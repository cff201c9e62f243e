"""The terminal app: what holds the screens together.

Everything a person sees belongs to a screen or a widget; everything they can do is in `itop_tui.keys`. The open
database is held by `DatabaseHolder`; here are the theme, the keys, the ways to the screens, and the messages.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from textual import work
from textual.command import Provider
from textual.filter import LineFilter
from textual.screen import Screen
from textual.types import CSSPathType

from itop_tui import notices, opening, preferences
from itop_tui.figures import run_view
from itop_tui.figures.format import plain, plural
from itop_tui.keys import bindings, in_scope, keymap
from itop_tui.keys.key_order import KeysInOrder
from itop_tui.look import theme
from itop_tui.look.terminal_colours import Ink, OnGrounds
from itop_tui.notices import Notice, Severity
from itop_tui.opening import DatabaseHolder, OpenDatabase, open_default
from itop_tui.palette import PaletteProvider
from itop_tui.poller import DatabaseReader, DatabaseTrouble, Poller, Reader, RunsChanged, Snapshot, View
from itop_tui.screen import ItopScreen, Shell
from itop_tui.service import launching
from itop_tui.service.trash import Bin

if TYPE_CHECKING:
    from db.records import CheckpointRecord, RunRecord
    from db.session import Database
    from engine.config.run_config import RunConfig
    from itop_tui.service.launching import Launched

T = TypeVar("T")
_HERE = Path(__file__).parent
_MOST_NOTICES = 500
"""The most messages that are kept."""
_SEVERITY: Mapping[bool, Severity] = {True: "information", False: "error"}
"""How an ending is shown, by whether it went well."""


class Planner(Protocol):
    """Knows what a run would be."""

    def ask(self, config: RunConfig) -> Mapping[str, Any]:
        """The plan of a run, by the names of `itop plan --json`."""

    def close(self) -> None:
        """End what is held."""


class ItopApp(KeysInOrder):
    """The terminal experiment manager.

    Args:
        opener: Opens the database; called in a thread, so that the first frame does not wait for it.
        reader: Makes the poller's reader from the database.
        clock: The time, in unix seconds; the tests stop it.
        planner: Knows what a run would be; by default a helper process, started when it is first asked.
    """

    TITLE = "itop"
    # The styles of the default screen are not read with it, as those of pushed screens are.
    CSS_PATH: ClassVar[CSSPathType | None] = [_HERE / "app.tcss", _HERE / "runs" / "runs.tcss"]
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {PaletteProvider}
    BINDINGS = bindings(in_scope("app"))
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide"), (160, "-huge")]  # noqa: RUF012 - textual's type

    def __init__(
        self,
        opener: Callable[[], Database] = open_default,
        *,
        reader: Callable[[Database], Reader] = DatabaseReader,
        clock: Callable[[], float] = time.time,
        planner: Planner | None = None,
    ) -> None:
        super().__init__()
        self.holder = DatabaseHolder(opener)
        self.bin = Bin()
        self.poller: Poller | None = None
        self.snapshot: Snapshot | None = None
        self.problem: str | None = None
        self.clock = clock
        self.notices: deque[Notice] = deque(maxlen=_MOST_NOTICES)
        self._reader = reader
        self._view = View()
        self._planner = planner
        self._closing = False
        self.preferences = preferences.load()
        chosen, wrong_keys = keymap.checked(self.preferences.keys)
        self._wrong_preferences = (*self.preferences.problems, *wrong_keys)
        keymap.install(chosen)
        keymap.apply(self, "app")
        for each in theme.THEMES:
            self.register_theme(each)
        self.theme = self.preferences.theme or theme.for_terminal(self.console.color_system).name

    # --------------------------------------------------------------------------------------------------- starting

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Give the colours of the tones to themes that are not ours."""
        return {name: value for name, value in theme.DARK.variables.items() if name.startswith(("tone-", "wrong-"))}

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Keep a theme of the terminal's own colours readable; where no colour is wanted, draw it without any."""
        filters = super().get_line_filters()
        if not self.native_ansi_color:
            return filters
        return (Ink(),) if self.no_color else (*filters, OnGrounds())

    def get_default_screen(self) -> Screen[None]:
        """The list of runs is below all other screens."""
        from itop_tui.runs.runs_screen import RunsScreen

        return RunsScreen()

    def on_mount(self) -> None:
        """Report what is wrong in config.toml, and open the database once the first frame is out."""
        for problem in self._wrong_preferences:
            self.notify(problem, title="config.toml", severity="warning", timeout=15, markup=False)
        self.call_after_refresh(self._open_database)

    async def on_unmount(self) -> None:
        """End the poller and close the database; nothing that runs is touched."""
        self._closing = True
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        """End what is held, in a thread."""
        if self.poller is not None:
            self.poller.stop()
        self.holder.close()
        if self._planner is not None:
            self._planner.close()

    # --------------------------------------------------------------------------------------------------- the database

    @property
    def database(self) -> Database:
        """The open database.

        Raises:
            RuntimeError: If it is not open yet; screens that need it are only opened once it is.
        """
        return self.holder.database

    @property
    def is_open(self) -> bool:
        """Whether the database is open."""
        return self.holder.is_open

    @property
    def database_place(self) -> str:
        """Where the database is, for people: a path, or a URL (which holds no password)."""
        return self.database.url.removeprefix("sqlite:///") if self.is_open else ""

    @work(exclusive=True, group="open", exit_on_error=False)
    async def _open_database(self) -> None:
        try:
            opened = await asyncio.wrap_future(self.holder.open())
        except Exception as error:  # a refused, locked or unreadable file: said in the banner, the app stays
            problem = f"The database cannot be opened: {_reason(error)}  (^g tries again, q quits)"
            self.post_message(DatabaseTrouble(problem))
        else:
            self._watch_database(opened)

    @work(exclusive=True, group="open", exit_on_error=False)
    async def switch_database(self, place: str) -> None:
        """Open another database in the place of this one; where that fails, this one stays open.

        Args:
            place: A folder, the file of a database, or the URL of one.
        """
        poller = self.poller
        try:
            opened = await asyncio.wrap_future(self.holder.switch(place, leaving=poller.stop if poller else None))
        except Exception as error:  # reported, and nothing is changed
            self._report_failure("The present database stays open", _reason(error))
            return
        self.poller = self.snapshot = None
        self.bin = Bin()
        self.notify("Another database is open. The runs of the other one continue.", markup=False)
        self._watch_database(opened)

    def _watch_database(self, opened: OpenDatabase) -> None:
        """Have an open database watched, and let the screens know."""
        self.post_message(DatabaseTrouble(None))
        for screen in self.screen_stack:
            if isinstance(screen, ItopScreen):
                screen.database_opened(opened.remembered)
        if opened.leftovers:
            self.bin.adopt(opened.leftovers)
            left = plural(len(opened.leftovers), "deleted run")
            text = f"{left} of an app that was interrupted. Press U to undo until you quit."
            self.notify(text, severity="warning", timeout=15, markup=False)
        self.poller = Poller(self._reader(opened.database), self.post_message, view=self._view)
        self.poller.start()

    def watch_runs(self, view: View) -> None:
        """Ask the poller for another page, order or filter of the list."""
        self._view = view
        if self.poller is not None:
            self.poller.view = view

    def action_retry_database(self) -> None:
        """Try to open the database again, or to read it at once, and start a scheduler where one is needed."""
        if not self.is_open:
            self._open_database()
        elif self.poller is not None:
            self.poller.refresh()
            if self.snapshot is not None and self.snapshot.queued:
                self.operate(
                    launching.start_scheduler,
                    lambda _: self.notify("A scheduler is running.", markup=False),
                    failing="The scheduler did not start",
                )

    def operate(
        self,
        operation: Callable[[Database], T],
        then: Callable[[T], object] | None = None,
        *,
        otherwise: Callable[[], object] | None = None,
        failing: str = "That did not work",
        aside: bool = False,
    ) -> None:
        """Do something with the database in a thread, after what was asked for before; then answer on the event loop.

        Args:
            operation: What to do; gets the database, touches no widget.
            then: Called on the event loop with what `operation` gave.
            otherwise: Called on the event loop where it failed, after that was reported.
            failing: What the message begins with where `operation` raises.
            aside: Whether it takes long, and nothing that is asked for later has to wait for it.
        """
        if not self._closing:
            self._answer(self.holder.do(operation, aside=aside), then, otherwise, failing)

    @work(group="operations", exit_on_error=False)
    async def _answer(
        self,
        doing: Future[T],
        then: Callable[[T], object] | None,
        otherwise: Callable[[], object] | None,
        failing: str,
    ) -> None:
        try:
            # Shielded: what was asked for is done, also where the app is left before it is answered.
            result = await asyncio.shield(asyncio.wrap_future(doing))
        except Exception as error:  # what fails is reported, and the app stays
            self._report_failure(failing, _reason(error))
            if otherwise is not None:
                otherwise()
            return
        if self.poller is not None:
            self.poller.refresh()
        if then is not None:
            then(result)

    def _report_failure(self, failing: str, reason: str) -> None:
        self.notify(f"{failing}: {plain(reason, limit=500)}", severity="error", timeout=10, markup=False)

    # ------------------------------------------------------------------------------------------------ what is reported

    def on_runs_changed(self, message: RunsChanged) -> None:
        """Hand a new snapshot to every screen, and report which runs ended."""
        if self.snapshot is None:
            self._warm_up(message.snapshot.runs[:1])
        self._report_endings(message.snapshot.ended)
        self.snapshot = message.snapshot
        for screen in self.screen_stack:
            screen.post_message(RunsChanged(message.snapshot))

    def on_database_trouble(self, message: DatabaseTrouble) -> None:
        """Hand trouble, or its end, to every screen, and keep it in the message log."""
        if message.problem is not None:
            opening.collect_garbage()
            self.notices.append(Notice(self.clock(), "error", message.problem))
        self.problem = message.problem
        for screen in self.screen_stack:
            screen.post_message(DatabaseTrouble(message.problem))

    def _report_endings(self, ended: Sequence[RunRecord]) -> None:
        """Say which runs ended, whatever is listed."""
        said = notices.sentences(ended)
        if len(said) < len(ended):  # too many to show: the message log still has each
            endings = map(run_view.ending, ended)
            self.notices += (Notice(self.clock(), _SEVERITY[well], text) for text, well in endings)
        for sentence, well in said:
            self.notify(sentence, severity=_SEVERITY[well], markup=False)
        wanted = notices.wanted(ended, self.preferences.notify)
        if self.preferences.notify.desktop:
            notices.post(wanted, write=self._write)
        if self.preferences.notify.command and wanted:
            self._start_commands(wanted)

    @work(thread=True, group="commands", exit_on_error=False)
    def _start_commands(self, ended: Sequence[RunRecord]) -> None:
        command = self.preferences.notify.command
        problem = notices.start_commands(ended, command, going=lambda: not self._closing)
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
        """Show a toast, and keep what it said for the message log."""
        self.notices.append(Notice(self.clock(), severity, f"{title}: {message}" if title else message))
        super().notify(message, title=title, severity=severity, timeout=timeout, markup=markup)

    @work(thread=True, group="warm-up", exit_on_error=False)
    def _warm_up(self, runs: Sequence[RunRecord]) -> None:
        opening.warm_up(self.database, runs)

    # ---------------------------------------------------------------------------------------------------- actions

    def open_run(self, run_id: int) -> None:
        """Open a run's screen."""
        from itop_tui.run.run_screen import RunScreen

        self.push_screen(RunScreen(run_id))

    def open_queue(self) -> None:
        """Open the queue and the devices."""
        from itop_tui.queue.queue_screen import QueueScreen

        self.push_screen(QueueScreen())

    def open_compare(self, run_ids: Sequence[int], *, grouped: bool = False) -> None:
        """Open runs side by side.

        Args:
            run_ids: The runs, in order; if they are too many to distinguish, their seeds are grouped or the first ones
                are taken.
            grouped: Whether runs that differ only by their seed are grouped at first.
        """
        from itop_tui.compare.compare_screen import CompareScreen

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
        from itop_tui.new_run.new_run_screen import NewRunScreen

        self.push_screen(NewRunScreen(settings, title=title, parent=parent, checkpoint=checkpoint))

    def runs_launched(self, launched: Launched) -> None:
        """Say what was queued, and show it in the list of runs."""
        self.notify(plain(launched.sentence, limit=200), markup=False)
        for screen in self.screen_stack:
            if isinstance(screen, ItopScreen) and screen.SCOPE == "runs" and launched.runs:
                screen.show_run(launched.runs[0].id)

    def plan(self, config: RunConfig) -> Mapping[str, Any]:
        """What a run would be. Blocks until a helper process has answered, so call it in a thread.

        Raises:
            PlanError: There is no such plan.
        """
        if self._planner is None:
            from engine.helpers.plan_client import PlanServer

            self._planner = PlanServer()
        return self._planner.ask(config)

    def action_show_help(self) -> None:
        """Show the keys of the current screen."""
        from itop_tui.dialogs.help import HelpScreen

        if isinstance(self.screen, ItopScreen):
            self.push_screen(HelpScreen(self.screen.SCOPE))

    def action_toggle_theme(self) -> None:
        """Change to the next theme, and keep it for the next start."""
        names = [each.name for each in theme.THEMES]
        here = names.index(self.theme) if self.theme in names else -1
        self.theme = names[(here + 1) % len(names)]
        preferences.remember(self.theme)

    def action_show_messages(self) -> None:
        """Show the message log."""
        from itop_tui.dialogs.message_log import MessagesScreen

        self.push_screen(MessagesScreen(tuple(self.notices)))


def _reason(error: Exception) -> str:
    return f"{error}".strip() or type(error).__name__


if TYPE_CHECKING:

    def _as_shell(app: ItopApp) -> Shell:
        """The type checker holds that the app is what the screens need."""
        return app
