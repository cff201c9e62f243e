"""The colours of a chart's parts, read from the theme's variables.

A component class for each would be styled again, one by one, each time a chart is made, resized or chosen: a third of
the time that opening a run took.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from textual.color import Color

__all__ = ["style_of"]


@dataclass(frozen=True, slots=True)
class _Look:
    """A variable of the theme, how much of it is mixed into what lies behind, and the style of the text."""

    variable: str
    share: float = 1.0
    text: str = ""


_LOOKS: Mapping[str, _Look] = {
    "title": _Look("foreground", text="bold"),
    "chosen": _Look("tone-title", text="bold underline"),
    "axis": _Look("tone-line"),
    "grid": _Look("border-blurred"),
    "label": _Look("tone-muted"),
    "mark": _Look("tone-faint"),
    "broken": _Look("error", text="bold"),
    "cursor": _Look("accent"),
    "event": _Look("accent"),
    "first": _Look("primary"),
    "second": _Look("success"),
    "third": _Look("accent"),
    "fourth": _Look("secondary"),
    "fifth": _Look("error"),
    "sixth": _Look("foreground"),
    "seventh": _Look("tone-live"),
    "eighth": _Look("tone-muted"),
    "raw": _Look("primary", share=0.45),
    "parent": _Look("tone-faint"),
}


def style_of(name: str, variables: Mapping[str, str], behind: Color) -> str:
    """The style of a part ("title", "axis", a tone of a line) as a canvas takes it.

    A terminal knows no transparency: a colour that has some is mixed with what lies behind.
    """
    look = _LOOKS[name]
    color = Color.parse(variables[look.variable])
    if color.ansi is not None:  # the terminal's own: what it looks like is unknown, so it is not mixed
        named = "default" if color.ansi < 0 else f"color({color.ansi})"
        return f"{look.text} {'dim ' if look.share < 1 else ''}{named}".strip()
    seen = behind.blend(color.with_alpha(1.0), color.a * look.share)
    return f"{look.text} {seen.hex6}".strip()
