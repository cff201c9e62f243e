"""What all full screens of the app share: the bars, the banner, and actions from the registry."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.app import ComposeResult
from textual.widgets import Input, TextArea

from itop_tui.dialogs.leaving import Leaving
from itop_tui.keys import Action, Scope, find, in_scope, key_name, keymap, writes
from itop_tui.poller import DatabaseTrouble, RunsChanged
from itop_tui.widgets.banner import Banner
from itop_tui.widgets.key_bar import KeyBar, KeyHint
from itop_tui.widgets.top_bar import TopBar

if TYPE_CHECKING:
    from db.records import RunRecord
    from itop_tui.app import ItopApp


class ItopScreen(Leaving[None]):
    """A full screen: top bar, banner, body, key bar.

    A subclass names its `SCOPE`, takes its bindings from the registry
    (`BINDINGS = bindings(in_scope("runs"))`), and yields its body from `compose_body`.
    """

    SCOPE: ClassVar[Scope]

    def __init_subclass__(cls, **options: Any) -> None:
        """Give the screen a method for each action of its scope that a widget does, or that is a call with arguments.

        So the registry alone says which widget does what, and keys, key bar, palette and help need not know it.
        """
        super().__init_subclass__(**options)
        for action in in_scope(cls.SCOPE) if hasattr(cls, "SCOPE") else ():
            if action.target or action.call:
                setattr(cls, f"action_{action.name}", _handed_over(action))

    def __init__(self) -> None:
        super().__init__()
        keymap.apply(self, self.SCOPE)

    @property
    def itop(self) -> ItopApp:
        """The app, by its own type."""
        return cast("ItopApp", self.app)

    @property
    def heading(self) -> str:
        """What the top bar says."""
        return ""

    @property
    def current_run(self) -> RunRecord | None:
        """The run that actions apply to."""
        return None

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
        """Show what is known already, and keep the key bar true."""
        self.query_one(TopBar).heading = self.heading
        self.bindings_updated_signal.subscribe(self, lambda _: self.refresh_keys())
        self.query_one(Banner).problem = self.itop.problem
        if self.itop.snapshot is not None:
            self.post_message(RunsChanged(self.itop.snapshot))
        self.refresh_keys()

    def database_opened(self, remembered: Mapping[str, Any]) -> None:
        """Look as at the last start.

        Args:
            remembered: What was kept then, by its setting.
        """

    def on_runs_changed(self, message: RunsChanged) -> None:
        """Show the counts."""
        self.query_one(TopBar).snapshot = message.snapshot

    def on_database_trouble(self, message: DatabaseTrouble) -> None:
        """Show or hide the banner."""
        self.query_one(Banner).problem = message.problem

    def permits(self, name: str) -> bool:
        """Whether the action `name` can be done to the current run; tells the person why where it cannot."""
        reason = find(self.SCOPE, name).refusal(self.current_run)
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
            if action.footer and keys and action.refusal(self.current_run) is None:
                shown = action.key_shown if keys[0] == first else key_name(keys[0])
                where = "app" if action.scope == "app" else "screen"
                yield KeyHint(shown, action.label, f"{where}.{action.name}", pinned=action.scope == "app")

    def refresh_keys(self) -> None:
        """Bring the key bar up to date; called when the current run or its state changes."""
        if self.is_mounted:
            self.query_one(KeyBar).hints = tuple(self.key_hints())


def _handed_over(action: Action) -> Callable[[ItopScreen], Awaitable[None]]:
    """The method of a screen that has an action done by its target."""

    async def hand_over(screen: ItopScreen) -> None:
        target = screen.query_one(action.target) if action.target else screen
        await target.run_action(action.call or action.name)

    hand_over.__doc__ = action.help
    return hand_over
