"""The line of tabs: a number, a name, and which one is open."""

from __future__ import annotations

from rich.style import Style
from rich.text import Text
from textual import events
from textual.reactive import reactive

from itop_tui.look.toned import Toned


class TabLine(Toned):
    """Shows the tabs, the number of each is its key; a click opens one."""

    tab: reactive[str] = reactive("")
    """The open one."""
    note: reactive[str] = reactive("")
    """What is said at the right of the line: how the charts are shown, for instance."""

    ALLOW_SELECT = False

    def __init__(self, tabs: tuple[str, ...]) -> None:
        super().__init__()
        self._tabs = tabs
        self.set_reactive(TabLine.tab, tabs[0])

    def render(self) -> Text:
        """Draw the line."""
        line = Text(no_wrap=True, end="")
        for number, tab in enumerate(self._tabs, start=1):
            part = Text(end="")
            open_one = tab == self.tab
            part.append(f" {number} ", self.tone("accent" if open_one else "faint"))
            style = self.tone("title") + Style(underline=True) if open_one else self.tone("muted")
            part.append(tab.capitalize(), style)
            part.append("  ")
            part.apply_meta({"tab": tab})
            line.append_text(part)
        room = self.size.width - line.cell_len - len(self.note) - 1
        if room > 0:
            line.append(" " * room + self.note, self.tone("muted"))
        return line

    async def on_click(self, event: events.Click) -> None:
        """Open the tab under the mouse."""
        tab = event.style.meta.get("tab")
        if isinstance(tab, str):
            await self.screen.run_action(f"screen.tab_{tab}")
