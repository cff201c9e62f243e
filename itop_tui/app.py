"""The terminal app: what holds the screens together.

Everything a person sees is a screen's or a widget's; everything they can do is in `itop_tui.keys`. The database
is `DatabaseApp`'s; here are the theme, the keys, the ways to the screens, and what is told.
"""

from __future__ import annotations

import gc
import importlib
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from textual import work
from textual.command import Provider
from textual.filter import LineFilter
from textual.screen import Screen
from textual.types import CSSPathType
from textual.worker import get_current_worker

from itop_tui import notices, preferences
from itop_tui.database_app import DatabaseApp, open_default
from itop_tui.dialogs.told import Severity, Told
from itop_tui.figures import run_view
from itop_tui.figures.format import plain
from itop_tui.keys import bindings, in_scope, keymap
from itop_tui.look import theme
from itop_tui.look.terminal_colours import Ink, OnGrounds
from itop_tui.palette import PaletteProvider
from itop_tui.poller import DatabaseReader, DatabaseTrouble, Reader, RunsChanged

if TYPE_CHECKING:
    from db.records import CheckpointRecord, RunRecord
    from db.session import Database
    from engine.config.run_config import RunConfig
    from itop_tui.service.launching import Launched

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


class ItopApp(DatabaseApp):
    """The terminal experiment manager.

    Args:
        opener: Opens the database; called in a thread, so that the first frame does not wait for it.
        reader: Makes the poller's reader from the database.
        clock: The time, in unix seconds; the tests stop it.
        planner: Tells what a run would be; by default a helper process, started when it is first asked.
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
        super().__init__(opener, reader)
        self.clock = clock
        self._planner = planner
        self.told: deque[Told] = deque(maxlen=_REMEMBERED)
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
        """The list of runs is what everything else lies on."""
        from itop_tui.runs.runs_screen import RunsScreen

        return RunsScreen()

    def on_mount(self) -> None:
        """Tell what is wrong in config.toml."""
        for problem in self._wrong_preferences:
            self.notify(problem, title="config.toml", severity="warning", timeout=15, markup=False)

    def _close(self) -> None:
        super()._close()
        if self._planner is not None:
            self._planner.close()

    # ---------------------------------------------------------------------------------------------- what is told

    def on_runs_changed(self, message: RunsChanged) -> None:
        """Tell which runs ended; what is shown anew is the screens' (`DatabaseApp.on_runs_changed` is called next)."""
        if self.snapshot is None:
            self._warm_up(message.snapshot.runs[:1])
        self._tell_endings(message.snapshot.ended)

    def on_database_trouble(self, message: DatabaseTrouble) -> None:
        """Keep trouble in the list of messages; the banner is the screens' (`DatabaseApp.on_database_trouble`)."""
        if message.problem is not None:
            self._collect_garbage()
            self.told.append(Told(self.clock(), "error", message.problem))

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
    def _warm_up(self, runs: Sequence[RunRecord]) -> None:
        """Import what a run's screen and the form need, and have what reads curves compiled, while nobody waits."""
        try:
            for screen in ("run.run_screen", "new_run.new_run_screen"):
                importlib.import_module(f"itop_tui.{screen}")
            from itop_tui.figures.chart_specs import DEFAULT_CHARTS
            from itop_tui.figures.curve_reader import CurveReader
            from itop_tui.figures.curves import CurveRequest

            names = dict.fromkeys(name for chart in DEFAULT_CHARTS for name in chart.names)
            for run in runs:
                reader = CurveReader(self.database, run.id)
                reader.read(CurveRequest(tuple(names), drops=True), generation=0, reached=run.step)
        finally:
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
            run_ids: The runs, in order; where they are more than can be told apart, their seeds are joined or the first
                ones are taken.
            grouped: Whether runs that differ only by their seed are joined at first.
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
        """Say what was queued, and show it in the list, highlighted."""
        from itop_tui.runs.runs_screen import RunsScreen

        self.notify(plain(launched.sentence, limit=200), markup=False)
        for screen in self.screen_stack:
            if isinstance(screen, RunsScreen) and launched.runs:
                screen.show_run(launched.runs[0].id)

    def plan(self, config: RunConfig) -> Mapping[str, Any]:
        """What a run would be. Blocks until a helper process has told, so call it in a thread.

        Raises:
            PlanError: There is no such plan.
        """
        if self._planner is None:
            from engine.helpers.plan_client import PlanServer

            self._planner = PlanServer()
        return self._planner.ask(config)

    def action_show_help(self) -> None:
        """Show the keys of the screen one is on."""
        from itop_tui.dialogs.help import HelpScreen
        from itop_tui.screen import ItopScreen

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
        from itop_tui.dialogs.message_log import MessagesScreen

        self.push_screen(MessagesScreen(tuple(self.told)))
