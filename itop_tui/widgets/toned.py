"""Colours by meaning: what every widget of the app that draws its own text shares."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual.widget import Widget

from itop_tui.theme import TONES, Tone

Part = tuple[str, Tone]
"""A piece of text and what it means."""


class Toned(Widget):
    """A widget that draws text in tones; app.tcss gives each tone its colour under the theme in use."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"tone--{tone}" for tone in TONES}

    def tone(self, tone: Tone) -> Style:
        """The style of a tone: a foreground and perhaps bold, never a background."""
        return self.get_component_rich_style(f"tone--{tone}", partial=True)

    def toned(self, parts: Iterable[Part]) -> Text:
        """Assemble a text from its parts; nothing in them is taken for markup."""
        text = Text(no_wrap=True, overflow="ellipsis", end="")
        for content, tone in parts:
            text.append(content, self.tone(tone))
        return text
