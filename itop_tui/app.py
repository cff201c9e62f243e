"""The terminal app: what holds the screens together.

Everything a person sees belongs to a screen or a widget; everything they can do is in `itop_tui.keys`. The open
database is held by `DatabaseHolder`; here are the theme, the keys, the ways to the screens, and the messages.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import work
from textual.command import Provider
from textual.filter import LineFilter
from textual.screen import Screen
from textual.types import CSSPathType

from itop_tui import notices, opening, preferences
from itop_tui.figures import run_view
from itop_tui.figures.format import plain, plural
from itop_tui.keys import bindings, in_brackets, in_scope, keymap
from itop_tui.look import theme
from itop_tui.look.terminal_colours import Ink, OnGrounds
from itop_tui.notices import Notice, Severity
from itop_tui.opening import DatabaseHolder, OpenDatabase, open_default
from itop_tui.palette import PaletteProvider
from itop_tui.poller import DatabaseReader, DatabaseTrouble, Poller, Reader, RunsChanged, reason
from itop_tui.screen import ItopScreen, Planner, Shell
from itop_tui.service import launching
from itop_tui.service.trash import Bin

if TYPE_CHECKING:
    from db.records import Alarm, CheckpointRecord, RunRecord
    from db.session import Database

_HERE = Path(__file__).parent
_MOST_PROBLEMS = 4  # of the preferences that are shown at once
_SEVERITY: Mapping[bool, Severity] = {True: "information", False: "error"}
"""How an ending is shown, by whether it went well."""


class ItopApp(Shell):
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
        super().__init__(DatabaseHolder(opener), clock, planner)
        self._reader = reader
        self._changed_code: set[int] = set()
        """The runs of which it was said that their code had changed before they started."""
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
        wrong = self._wrong_preferences
        if len(wrong) > _MOST_PROBLEMS:
            wrong = (*wrong[:_MOST_PROBLEMS], f"and {len(wrong) - _MOST_PROBLEMS} more: itop keys lists them all")
        for problem in wrong:
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
        self.holder.close(empty_trash=not self.was_cut_off)
        if self.planner is not None:
            self.planner.close()

    # --------------------------------------------------------------------------------------------------- the database

    @work(exclusive=True, group="open", exit_on_error=False)
    async def _open_database(self) -> None:
        try:
            opened = await asyncio.wrap_future(self.holder.open())
        except Exception as error:  # a refused, locked or unreadable file: said in the banner, the app stays
            ways = f"try again{in_brackets('app', 'retry_database')}, or quit{in_brackets('app', 'quit')}"
            problem = f"The database cannot be opened: {reason(error)}: {ways}"
            self.post_message(DatabaseTrouble(problem))
        else:
            self._watch_database(opened)

    @work(exclusive=True, group="open", exit_on_error=False)
    async def switch_database(self, place: str) -> None:
        """As `Shell` says."""
        poller = self.poller
        try:
            opened = await asyncio.wrap_future(self.holder.switch(place, leaving=poller.stop if poller else None))
        except Exception as error:  # reported, and nothing is changed
            self.report_failure("The present database stays open", reason(error))
            return
        self.poller = self.snapshot = None
        self.bin = Bin()
        self._changed_code.clear()
        self.notify("Another database is open. The runs of the other one continue.", markup=False)
        self._watch_database(opened)

    def _watch_database(self, opened: OpenDatabase) -> None:
        """Have an open database watched, and let the screens know."""
        self.post_message(DatabaseTrouble(None))
        for screen in self.screen_stack:
            if isinstance(screen, ItopScreen):
                screen.database_opened(opened.remembered)
        if self.read_only is not None:
            note = f"Read-only: {plain(self.read_only, limit=100)}. Nothing can be changed here."
            self.notify("\n".join((note, *opened.database.warnings)), severity="warning", timeout=10, markup=False)
        if opened.leftovers:
            self.bin.adopt(opened.leftovers)
            left = plural(len(opened.leftovers), "deleted run")
            key = in_brackets("runs", "undo_delete")
            text = f"{left} of an app that was interrupted can be restored{key} until you quit."
            self.notify(text, severity="warning", timeout=15, markup=False)
        self.poller = Poller(self._reader(opened.database), self.post_message, view=self.list_view)
        self.poller.start()

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

    # ------------------------------------------------------------------------------------------------ what is reported

    def on_runs_changed(self, message: RunsChanged) -> None:
        """Hand a new snapshot to every screen, and report which runs ended."""
        if self.snapshot is None:
            self._warm_up(message.snapshot.runs[:1])
        self._report_endings(message.snapshot.ended)
        self._report_changed_code(message.snapshot.changed)
        self._report_alarms(message.snapshot.alarms)
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

    def _report_changed_code(self, changed: Sequence[tuple[RunRecord, str]]) -> None:
        """Say which runs started with other code than they were queued with, of each run once."""
        new = [(run, names) for run, names in changed if run.id not in self._changed_code]
        self._changed_code.update(run.id for run, _ in new)
        for sentence in notices.code_sentences(new):
            self.notify(sentence, severity="warning", markup=False)

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

    def _report_alarms(self, raised: Sequence[tuple[RunRecord, Alarm]]) -> None:
        """Say once what alarms were raised, whatever is listed; the message log has each."""
        if not raised:
            return
        if len(raised) > 1:
            each = (f"Run {run.id}: {run_view.alarm(alarm)}." for run, alarm in raised)
            self.notices += (Notice(self.clock(), "warning", text) for text in each)
        sentence = notices.alarms_said(raised)
        self.notify(sentence, severity="warning", markup=False)
        if self.preferences.notify.desktop:
            notices.post_sentence(sentence, write=self._write)

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
        """As `Shell` says."""
        from itop_tui.run.run_screen import RunScreen

        self.push_screen(RunScreen(run_id))

    def open_neighbour(self, run_id: int, by: int) -> None:
        """As `Shell` says."""
        from itop_tui.run.run_screen import RunScreen
        from itop_tui.runs.runs_screen import RunsScreen

        listed = self.screen_stack[0]
        assert isinstance(listed, RunsScreen)
        found = listed.neighbour(run_id, by)
        if found is None:
            where = "after" if by > 0 else "before"
            self.notify(f"The list has no run {where} this one.", severity="warning", markup=False)
        else:
            listed.table.go_to(found)
            self.switch_screen(RunScreen(found))

    def open_queue(self) -> None:
        """As `Shell` says."""
        from itop_tui.queue.queue_screen import QueueScreen

        self.push_screen(QueueScreen())

    def open_compare(self, run_ids: Sequence[int], *, grouped: bool = False) -> None:
        """As `Shell` says."""
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
        """As `Shell` says."""
        from itop_tui.new_run.new_run_screen import NewRunScreen

        self.push_screen(NewRunScreen(settings, title=title, parent=parent, checkpoint=checkpoint))

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
        from itop_tui.dialogs.help import MessagesScreen

        self.push_screen(MessagesScreen(tuple(self.notices)))
