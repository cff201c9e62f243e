"""The command palette: every action of the registry, and every run that is listed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from rich.text import Text
from textual.command import DiscoveryHit, Hit, Hits, Provider

from itop_tui.figures.format import plain
from itop_tui.keys import in_scope
from itop_tui.look.theme import look
from itop_tui.screen import ItopScreen, shell_of

_BEST_RUNS = 20


class PaletteProvider(Provider):
    """Finds actions by what they are called and what they do, and runs by their name and id."""

    async def discover(self) -> Hits:
        """List everything that can be done here."""
        for label, explanation, command in self._actions():
            yield DiscoveryHit(label, command, help=explanation)

    async def search(self, query: str) -> Hits:
        """List the actions and runs that match."""
        matcher = self.matcher(query)
        for label, explanation, command in self._actions():
            score = max(matcher.match(label), matcher.match(explanation) * 0.6)
            if score > 0:
                yield Hit(score, matcher.highlight(label), command, help=explanation)
        found = 0
        app = shell_of(self.screen)
        for run in app.snapshot.runs if app.snapshot else ():
            name = plain(run.name, limit=80)
            text = f"run {run.id} {name}"
            score = matcher.match(text)
            if score > 0 and found < _BEST_RUNS:
                found += 1
                shown = Text(f"{look(run.status).glyph} open run {run.id}  {name}")
                yield Hit(score * 0.8, shown, partial(app.open_run, run.id), text=text, help=plain(run.method))

    def _actions(self) -> Iterator[tuple[str, str, Callable[[], object]]]:
        screen = self.screen
        scopes = ("app",) if not isinstance(screen, ItopScreen) else (screen.SCOPE, "app")
        for action in in_scope(*scopes):
            if action.name == "command_palette":
                continue
            node = "app" if action.scope == "app" else "screen"
            refused = screen.refusal(action) if isinstance(screen, ItopScreen) else action.refusal(None)
            explanation = refused or action.help
            command = partial(screen.run_action, f"{node}.{action.name}")
            yield f"{action.label}  ({action.key_shown})", explanation, command
