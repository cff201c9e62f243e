"""Colours by meaning: what every widget of the app that draws its own text shares.

The colours are read from the theme's variables, not from component classes: those cost a style computation for every
tone of every widget, a second and a half for the form's two hundred.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.style import Style
from rich.text import Text
from textual.reactive import Reactive, reactive

from itop_tui.figures.format import plain
from itop_tui.figures.states import Part as Part
from itop_tui.look.one_style import OneStyle
from itop_tui.look.theme import Tone, tone_style


class Toned(OneStyle):
    """A widget that draws text in tones, each of which has its colour from the theme in use."""

    auto_links: Reactive[bool] = Reactive(False)
    """Textual looks at every piece of text for links; there are none in ours, and that is a fifth of drawing it."""

    def tone(self, tone: Tone) -> Style:
        """The style of a tone: a foreground and perhaps bold, never a background."""
        return tone_style(self.app.theme_variables, tone)

    def toned(self, parts: Iterable[Part]) -> Text:
        """Assemble a text of one line from its parts; nothing in them is taken for markup or obeyed as an escape."""
        text = Text(no_wrap=True, overflow="ellipsis", end="")
        for content, tone in parts:
            text.append(plain(content), self.tone(tone))
        return text


class TonedLines(Toned):
    """Lines made of parts, the long ones folded; as high as they are then."""

    DEFAULT_CSS = "TonedLines { height: auto; }"
    lines: reactive[Sequence[Sequence[Part]]] = reactive((), layout=True)
    """What it says."""

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """As many lines as there are, long ones folded."""
        return len(self.joined(self.lines).wrap(self.app.console, max(width, 1)))

    def joined(self, lines: Iterable[Iterable[Part]]) -> Text:
        """Assemble lines of which the long ones go on in the next."""
        text = Text("\n", end="").join(self.toned(line) for line in lines)
        text.no_wrap, text.overflow = False, "fold"
        return text

    def render(self) -> Text:
        """Draw the lines."""
        return self.joined(self.lines)


class TonedLine(Toned):
    """A text made of parts. What is kept is what they mean, so it is in the colours of whichever theme is in use.

    Args:
        *parts: What it says at first.
        widget_id: The widget's id.
        wraps: Whether it goes on in a next line where there is no room.
    """

    DEFAULT_CSS = "TonedLine { height: auto; }"
    parts: reactive[tuple[Part, ...]] = reactive((), layout=True)
    """What it says."""

    def __init__(self, *parts: Part, widget_id: str | None = None, wraps: bool = False) -> None:
        super().__init__(id=widget_id)
        self._wraps = wraps
        self.set_reactive(TonedLine.parts, parts)

    def render(self) -> Text:
        """Draw the line."""
        text = self.toned(self.parts)
        text.no_wrap = not self._wraps
        return text
