"""What an empty database shows: three ways to go."""

from __future__ import annotations

from rich.text import Text
from textual import events
from textual.reactive import reactive

from itop_tui.figures.format import plain
from itop_tui.keys import find
from itop_tui.look.toned import Toned
from itop_tui.service.words import DEMO_LENGTH

_WAYS = {
    "demo": ("demo", f"dense, SET-ITOP and RigL-ITOP on the bundled digits,\n       {DEMO_LENGTH}"),
    "new_run": ("new run", "choose a preset, change what you like, launch"),
    "open_database": (
        "open a database",
        "a folder, a file or a server's URL; one that was\n       open before, or what ITOP_HOME names",
    ),
}
"""By action: what it is called, and what it is."""


class Greeting(Toned):
    """Greets somebody who has no runs yet."""

    place: reactive[str] = reactive("")
    """Where the database is."""

    def render(self) -> Text:
        """Draw the greeting."""
        title, muted, normal = self.tone("title"), self.tone("muted"), self.tone("text")
        text = Text.assemble(("itop", title), ("  sparse training, watched\n\n", muted), justify="left", end="")
        text.append("There are no runs yet. Three ways to go:\n\n", normal)
        for action, (label, explanation) in _WAYS.items():
            way = Text.assemble((f"   {find('runs', action).key_shown}   ", self.tone("accent")), (label, title))
            way.append(f"\n       {explanation}\n\n", muted).apply_meta({"action": f"screen.{action}"})
            text.append_text(way)
        return text.append("This database: ", muted).append(plain(self.place, limit=200), normal)

    async def on_click(self, event: events.Click) -> None:
        """Go the way that was clicked."""
        action = event.style.meta.get("action")
        if isinstance(action, str):
            await self.screen.run_action(action)
