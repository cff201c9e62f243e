"""The line of keys at the foot of every screen: what works now, as much of it as fits."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual import events
from textual.reactive import reactive

from itop_tui.look.toned import Toned


@dataclass(frozen=True, slots=True)
class KeyHint:
    """A key and what it does now.

    Attributes:
        key: As it is written.
        label: What it does, in a word or two.
        action: The action a click performs, with its namespace ("screen.open_run"); empty for none.
        pinned: Shown at the right, and never left out for want of room.
    """

    key: str
    label: str
    action: str = ""
    pinned: bool = False


class KeyBar(Toned):
    """Shows key hints in one line, leaving out those that do not fit; a click does what the key does."""

    hints: reactive[tuple[KeyHint, ...]] = reactive(())
    """What to show, most important first."""

    ALLOW_SELECT = False

    def __init__(self, *hints: KeyHint) -> None:
        super().__init__()
        self.set_reactive(KeyBar.hints, hints)

    def render(self) -> Text:
        """Draw the hints."""
        left = Text(" ", no_wrap=True, end="")
        right = Text(no_wrap=True, end="")
        for hint in self.hints:
            if hint.pinned:
                right.append_text(self._drawn(hint))
        room = self.size.width - right.cell_len - 1
        for hint in self.hints:
            if not hint.pinned and left.cell_len + _width(hint) <= room:
                left.append_text(self._drawn(hint))
        left.append(" " * (self.size.width - left.cell_len - right.cell_len))
        return left.append_text(right)

    def _drawn(self, hint: KeyHint) -> Text:
        text = Text(end="")
        text.append(hint.key, self.tone("accent") + Style(bold=True))
        text.append(f" {hint.label}  ", self.tone("muted"))
        if hint.action:
            text.apply_meta({"action": hint.action})
        return text

    async def on_click(self, event: events.Click) -> None:
        """Do what the hint under the mouse says."""
        action = event.style.meta.get("action")
        if isinstance(action, str):
            await self.screen.run_action(action)


def _width(hint: KeyHint) -> int:
    return cell_len(hint.key) + cell_len(hint.label) + 3
