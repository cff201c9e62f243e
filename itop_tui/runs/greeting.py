"""What an empty database shows: three ways to go."""

from __future__ import annotations

from rich.text import Text
from textual import events
from textual.reactive import reactive

from itop_tui.figures.format import plain
from itop_tui.look.toned import Toned


class Greeting(Toned):
    """Greets somebody who has no runs yet."""

    place: reactive[str] = reactive("")
    """Where the database is."""

    def render(self) -> Text:
        """Draw the greeting."""
        text = Text(justify="left", end="")
        text.append("itop", self.tone("title"))
        text.append("  sparse training, watched\n\n", self.tone("muted"))
        text.append("There are no runs yet. Three ways to go:\n\n", self.tone("text"))
        for key, label, explanation, action in (
            ("D", "demo", "dense, SET-ITOP and RigL-ITOP on the bundled digits,\n       under two minutes", "demo"),
            ("n", "new run", "choose a preset, change what you like, launch", "new_run"),
            (
                "O",
                "open a database",
                "a folder, a file or a server's URL; one that was\n       open before, or what ITOP_HOME names",
                "open_database",
            ),
        ):
            line = Text(end="")
            line.append(f"   {key}   ", self.tone("accent"))
            line.append(f"{label}", self.tone("title"))
            line.append(f"\n       {explanation}\n\n", self.tone("muted"))
            line.apply_meta({"action": f"screen.{action}"})
            text.append_text(line)
        text.append("This database: ", self.tone("muted"))
        text.append(plain(self.place, limit=200), self.tone("text"))
        return text

    async def on_click(self, event: events.Click) -> None:
        """Go the way that was clicked."""
        action = event.style.meta.get("action")
        if isinstance(action, str):
            await self.screen.run_action(action)
