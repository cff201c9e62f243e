"""What screens need of the app, and what all full screens share: the bars, the banner, actions from the registry."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, cast

from textual import actions, work
from textual.app import ComposeResult
from textual.message_pump import MessagePump
from textual.widgets import Input, TextArea

from itop_tui.figures.format import plain
from itop_tui.keys import Action, Scope, find, in_scope, key_name, keymap, writes
from itop_tui.keys.action import CHANGING, WRITING
from itop_tui.notices import Notice
from itop_tui.opening import DatabaseHolder
from itop_tui.poller import DatabaseTrouble, Poller, RunsChanged, Snapshot, View, reason
from itop_tui.service.trash import Bin
from itop_tui.tty.terminal_app import TerminalApp
from itop_tui.widgets.key_bar import KeyBar, KeyHint
from itop_tui.widgets.leaving import Leaving
from itop_tui.widgets.top_bar import Banner, TopBar

if TYPE_CHECKING:
    from db.records import CheckpointRecord, RunRecord
    from db.session import Database
    from engine.config.run_config import RunConfig
    from itop_tui.service.launching import Launched

T = TypeVar("T")


_MOST_NOTICES = 500
"""The most messages that are kept."""


class Planner(Protocol):
    """Knows what a run would be."""

    def ask(self, config: RunConfig | Mapping[str, Any]) -> Mapping[str, Any]:
        """The plan of a run, by the names of `itop plan --json`; `from_step` among its settings: of what remains."""

    def close(self) -> None:
        """End what is held."""


class Shell(TerminalApp):
    """What screens and dialogs need of the app: `itop_tui.app.ItopApp`, which they do not import.

    Args:
        holder: Holds the database.
        clock: The time, in unix seconds.
        planner: Knows what a run would be; by default a helper process, started when it is first asked.
    """

    def __init__(self, holder: DatabaseHolder, clock: Callable[[], float], planner: Planner | None) -> None:
        super().__init__()
        self.holder, self.clock, self.planner = holder, clock, planner
        self.bin = Bin()
        self.poller: Poller | None = None
        self.snapshot: Snapshot | None = None
        self.problem: str | None = None
        self.notices: deque[Notice] = deque(maxlen=_MOST_NOTICES)
        self.list_view = View()
        self._closing = False

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
    def read_only(self) -> str | None:
        """Why nothing can be changed in the open database ("owned by alice"); None where it can."""
        return self.database.read_only if self.is_open else None

    @property
    def database_place(self) -> str:
        """Where the database is, for people: a path, or a URL (which holds no password)."""
        return str(self.database.path or self.database.url) if self.is_open else ""

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
            self.frames.answer()
            self.report_failure(failing, reason(error))
            if otherwise is not None:
                otherwise()
            return
        if self.poller is not None:
            self.poller.refresh()
        self.frames.answer()
        if then is not None:
            then(result)

    def report_failure(self, failing: str, why: str) -> None:
        """Say what did not work, and why."""
        self.notify(f"{failing}: {plain(why, limit=500)}", severity="error", timeout=10, markup=False)

    def watch_runs(self, view: View) -> None:
        """Ask the poller for another page, order or filter of the list."""
        self.list_view = view
        if self.poller is not None:
            self.poller.view = view

    def runs_launched(self, launched: Launched) -> None:
        """Say what was queued, and show it in the list of runs."""
        self.notify(plain(launched.sentence, limit=200), markup=False)
        for screen in self.screen_stack:
            if isinstance(screen, ItopScreen) and screen.SCOPE == "runs" and launched.runs:
                screen.show_run(launched.runs[0].id)

    def plan(self, config: RunConfig | Mapping[str, Any]) -> Mapping[str, Any]:
        """What a run would be. Blocks until a helper process has answered, so call it in a thread.

        Raises:
            PlanError: There is no such plan.
        """
        if self.planner is None:
            from engine.helpers.plan_client import PlanServer

            self.planner = PlanServer()
        return self.planner.ask(config)

    def switch_database(self, place: str) -> object:
        """Open another database in the place of this one; where that fails, this one stays open.

        Args:
            place: A folder, the file of a database, or the URL of one.
        """

    def open_run(self, run_id: int) -> None:
        """Open a run's screen."""

    def open_neighbour(self, run_id: int, by: int) -> None:
        """Open the run that the list has some lines after another one (before it, for a negative number).

        It takes the place of the present screen; where the list has no such run, that is said.
        """

    def open_queue(self) -> None:
        """Open the queue and the devices."""

    def open_compare(self, run_ids: Sequence[int], *, grouped: bool = False) -> None:
        """Open runs side by side.

        Args:
            run_ids: The runs, in order; if they are too many to distinguish, their seeds are grouped or the first ones
                are taken.
            grouped: Whether runs that differ only by their seed are grouped at first.
        """

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


def shell_of(node: MessagePump) -> Shell:
    """The app of a screen or widget, as what screens need of it."""
    return cast("Shell", node.app)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which runs an action is done to.

    Attributes:
        ids: The runs, in order.
        known: The records of those that are listed.
    """

    ids: tuple[int, ...] = ()
    known: Mapping[int, RunRecord] = field(default_factory=dict)


class ItopScreen(Leaving[None]):
    """A full screen: top bar, banner, body, key bar.

    A subclass names its `SCOPE`, takes its bindings from the registry
    (`BINDINGS = bindings(in_scope("runs"))`), and yields its body from `compose_body`.
    """

    SCOPE: ClassVar[Scope]
    parts: tuple[object, ...] = ()
    """Objects that do some of the screen's actions and are no widgets, such as the changes of its chosen runs."""

    def __init_subclass__(cls, **options: Any) -> None:
        """Give the screen a method for each action of its scope that a widget does, or that is a call with arguments.

        So the registry alone says which widget does what, and keys, key bar, palette and help need not know it.
        """
        super().__init_subclass__(**options)
        for action in in_scope(cls.SCOPE) if hasattr(cls, "SCOPE") else ():
            if action.target or action.call:
                setattr(cls, f"action_{action.name}", _handed_over(action))
            elif action.name in CHANGING | WRITING and (method := getattr(cls, f"action_{action.name}", None)):
                setattr(cls, f"action_{action.name}", _unless_kept(action, method))

    def __init__(self) -> None:
        super().__init__()
        keymap.apply(self, self.SCOPE)

    @property
    def itop(self) -> Shell:
        """The app, as what screens need of it."""
        return shell_of(self)

    @property
    def heading(self) -> str:
        """What the top bar says."""
        return ""

    @property
    def current_run(self) -> RunRecord | None:
        """The run that actions apply to."""
        return None

    @property
    def chosen(self) -> Selection:
        """The runs that actions on several runs apply to."""
        run = self.current_run
        return Selection((run.id,), {run.id: run}) if run is not None else Selection()

    def show_run(self, run_id: int) -> None:
        """Show a run that was just created."""

    def compose(self) -> ComposeResult:
        """Lay out the screen."""
        yield TopBar()
        yield Banner()
        yield from self.compose_body()
        yield KeyBar()

    def compose_body(self) -> ComposeResult:
        """The widgets between the bars."""
        return ()

    def on_mount(self) -> None:
        """Show what is known already, and keep the key bar up to date."""
        self.query_one(TopBar).heading = self.heading
        self.bindings_updated_signal.subscribe(self, lambda _: self.refresh_keys())
        self.query_one(Banner).problem = self.itop.problem
        if self.itop.snapshot is not None:
            self.post_message(RunsChanged(self.itop.snapshot))
        self.refresh_keys()

    def database_opened(self, remembered: Mapping[str, Any]) -> None:
        """Show the screen as it was at the last start, by what was kept then."""

    def on_runs_changed(self, message: RunsChanged) -> None:
        """Show the counts."""
        bar = self.query_one(TopBar)
        bar.read_only = self.itop.read_only
        bar.snapshot = message.snapshot

    def on_database_trouble(self, message: DatabaseTrouble) -> None:
        """Show or hide the banner."""
        self.query_one(Banner).problem = message.problem

    def refusal(self, action: Action) -> str | None:
        """Why an action cannot be done here, or to the current run; None where it can."""
        from db.read_only import asked_for

        kept = self.itop.read_only
        if kept is not None and (action.name in CHANGING or (action.name in WRITING and asked_for())):
            return f"read-only: {kept}"
        return action.refusal(self.current_run)

    def permits(self, name: str) -> bool:
        """Whether the action `name` can be done to the current run; says why where it cannot."""
        reason = self.refusal(find(self.SCOPE, name))
        if reason is not None:
            self.notify(reason, severity="warning", markup=False)
        return reason is None

    @property
    def typing(self) -> bool:
        """Whether what has the focus takes letters, which then are no keys."""
        return isinstance(self.focused, Input | TextArea)

    def key_hints(self) -> Iterable[KeyHint]:
        """What the key bar shows: the actions that work now, each by its first key that does."""
        typing = self.typing
        for action in in_scope(self.SCOPE, "app"):
            first, *others = action.key.split(",")
            keys = [key for key in (first, *others) if not (typing and writes(key))]
            if action.footer and keys and self.refusal(action) is None:
                shown = action.key_shown if keys[0] == first else key_name(keys[0])
                where = "app" if action.scope == "app" else "screen"
                yield KeyHint(shown, action.label, f"{where}.{action.name}", pinned=action.scope == "app")

    def refresh_keys(self) -> None:
        """Bring the key bar up to date; called when the current run or its state changes."""
        if self.is_mounted:
            self.query_one(KeyBar).hints = tuple(self.key_hints())


def _unless_kept(action: Action, method: Callable[..., Any]) -> Callable[..., Any]:
    """The method of a screen for an action that is refused where the database is only read."""

    @wraps(method)
    def unless_kept(screen: ItopScreen, *arguments: Any) -> Any:
        if screen.itop.read_only is not None and not screen.permits(action.name):
            return None
        return method(screen, *arguments)

    return unless_kept


def _handed_over(action: Action) -> Callable[[ItopScreen], Awaitable[None]]:
    """The method of a screen that has an action done by its target."""

    async def hand_over(screen: ItopScreen) -> None:
        if action.name in CHANGING | WRITING and screen.itop.read_only is not None and not screen.permits(action.name):
            return
        call = action.call or action.name
        for part in screen.parts:
            if type(part).__name__ == action.target:
                _, name, arguments = actions.parse(call)
                getattr(part, f"action_{name}")(*arguments)
                return
        target = screen.query_one(action.target) if action.target else screen
        await target.run_action(call)

    hand_over.__doc__ = action.help
    return hand_over
