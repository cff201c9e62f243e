"""The colours of the app: its themes, and the colour that each tone has in them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from rich.style import Style
from textual.color import Color, Gradient
from textual.theme import Theme

from itop_tui.figures.states import STATES as STATES
from itop_tui.figures.states import StateLook as StateLook
from itop_tui.figures.states import Tone as Tone
from itop_tui.figures.states import look as look
from itop_tui.look.series_colours import colour

TONES: dict[Tone, str] = {
    "text": "foreground",
    "muted": "tone-muted",
    "faint": "tone-faint",
    "line": "tone-line",
    "live": "tone-live",
    "good": "success",
    "warn": "warning",
    "bad": "error",
    "accent": "accent",
    "title": "tone-title",
}
"""The tones and the theme's variables that hold their colours; "line" is for what is drawn, the others write."""


_WARMTH = tuple(Color.parse(f"ansi_{name}") for name in ("blue", "cyan", "green", "yellow", "red"))


def shades(variables: Mapping[str, str], number: int) -> tuple[Color, ...]:
    """Colours for a scale, from its lowest value to its highest.

    Args:
        variables: The theme's variables.
        number: How many. Of the terminal's own colours, between which there is nothing, there are five.
    """
    ends = [Color.parse(variables[name]) for name in ("panel", "primary", "accent")]
    if any(end.ansi is not None for end in ends):
        return _WARMTH
    gradient = Gradient.from_colors(*ends)
    return tuple(gradient.get_color(at / (number - 1)) for at in range(number))


_OWN_CURVES = (12, 3, 2, 5, 6, 1)
"""Of the terminal's sixteen colours, those that are seen on a dark background and on a light one."""


def curve_colour(of: Theme, position: int) -> str:
    """The colour of a curve by its place in a comparison, as rich writes it.

    Args:
        of: The theme in use.
        position: From 0; after some the colours are used again, and a curve's letter distinguishes it.
    """
    if of.ansi:
        return f"color({_OWN_CURVES[position % len(_OWN_CURVES)]})"
    return colour(position, dark=of.dark)


def tone_style(variables: Mapping[str, str], tone: Tone) -> Style:
    """The style of a tone: a foreground and perhaps bold, never a background.

    A colour of the terminal's own sixteen has a name that rich does not know, so the name alone is no style.

    Args:
        variables: The theme's variables.
        tone: What the text means.
    """
    return _style(tone, variables[TONES[tone]])


@lru_cache(maxsize=64)
def _style(tone: Tone, color: str) -> Style:
    ink = Color.parse(color).rich_color
    # Of the terminal's own ink there is no quieter colour: any of the sixteen may be what it is written on.
    quiet = tone == "muted" and ink.is_default
    return Style(color=ink, bold=True if tone == "title" else None, dim=True if quiet else None)


_COLOURS = {
    #                               dark           light          contrast   the terminal's own
    "primary":                     ("#7aa2d6",     "#2a62a3",     "#6fb7ff", "ansi_bright_blue"),
    "secondary":                   ("#9d8fd6",     "#6650b0",     "#d7b0ff", "ansi_magenta"),
    "accent":                      ("#e2b86b",     "#855600",     "#ffd75f", "ansi_yellow"),
    "success":                     ("#8fc28a",     "#256b2e",     "#5fff5f", "ansi_green"),
    "error":                       ("#e5837d",     "#ab2f28",     "#ff8787", "ansi_red"),
    "foreground":                  ("#d3dae3",     "#22303d",     "#ffffff", "ansi_default"),
    "background":                  ("#0f1318",     "#f7f8f9",     "#000000", "ansi_default"),
    "surface":                     ("#141a21",     "#eef1f4",     "#000000", "ansi_default"),
    "panel":                       ("#1b222b",     "#e3e8ed",     "#1c1c1c", "ansi_default"),
    "block-cursor-background":     ("#1f2c3a",     "#d6e4f2",     "#001d47", "ansi_blue"),
    "block-cursor-foreground":     ("#eef3f9",     "#0f1b26",     "#ffffff", "ansi_bright_white"),
    "block-cursor-text-style":     ("none",        "none",        "bold",    "bold"),
    "input-cursor-background":     ("#e2b86b",     "#855600",     "#ffd75f", "ansi_yellow"),
    "input-selection-background":  ("#7aa2d6 35%", "#2f6bb0 25%", "#005faf", "ansi_blue"),
    "border":                      ("#3a4655",     "#a9b6c3",     "#ffffff", "ansi_default"),
    "border-blurred":              ("#29323d",     "#cdd5dd",     "#bcbcbc", "ansi_bright_black"),
    "scrollbar":                   ("#2b3541",     "#c3ccd5",     "#bcbcbc", "ansi_bright_black"),
    "scrollbar-active":            ("#4c5b6e",     "#8c9baa",     "#ffffff", "ansi_default"),
    "tone-muted":                  ("#a3b0bf",     "#414f5d",     "#d0d0d0", "ansi_default"),
    "tone-faint":                  ("#8794a5",     "#566575",     "#b4b4b4", "ansi_bright_black"),
    "tone-line":                   ("#4d5968",     "#a3afba",     "#a8a8a8", "ansi_bright_black"),
    "tone-live":                   ("#67c1c4",     "#0a676b",     "#5fffff", "ansi_cyan"),
    "tone-title":                  ("#eef3f9",     "#0f1b26",     "#ffffff", "ansi_default"),
    "wrong-background":            ("#4a2a2c",     "#f2cfcc",     "#870000", "ansi_red"),
}  # fmt: skip
"""The colours of each theme. What is written is at least 4.5 : 1 against every background (WCAG AA), in `CONTRAST` at
least 7 : 1 (AAA); `SIXTEEN` has
only the colours that the terminal's owner has chosen, on the terminal's own background, dark or light: so no white or
black, of which one cannot be seen on it."""
_BASE = ("primary", "secondary", "accent", "success", "error", "foreground", "background", "surface", "panel")
"""Those that are no variables of a theme, but its own."""


def _theme(column: int, name: str, *, dark: bool = True, **further: str) -> Theme:
    """A theme of one column of the table; `further` are variables that no other theme has."""
    colours = {each: values[column] for each, values in _COLOURS.items()}
    base: dict[str, Any] = {each: colours.pop(each) for each in _BASE}
    colours |= {f"scrollbar-background{state}": base["background"] for state in ("", "-hover", "-active")}
    colours |= {"scrollbar-hover": colours["border"], **{key.replace("_", "-"): each for key, each in further.items()}}
    ansi = base["background"].startswith("ansi_")
    boost = base["background"] if ansi else None
    return Theme(name, dark=dark, ansi=ansi, boost=boost, warning=base["accent"], variables=colours, **base)


DARK = _theme(0, "itop-dark")
LIGHT = _theme(1, "itop-light", dark=False)
CONTRAST = _theme(2, "itop-contrast")
SIXTEEN = _theme(
    3, "itop-16", ansi_background="ansi_black", ansi_foreground="ansi_white", input_cursor_foreground="ansi_black",
    input_selection_foreground="ansi_bright_white",
)  # fmt: skip
THEMES = (DARK, LIGHT, CONTRAST, SIXTEEN)


def for_terminal(color_system: str | None) -> Theme:
    """The theme for somebody who has chosen none.

    Args:
        color_system: What the terminal can show, as rich calls it: "standard" is sixteen colours, to the nearest of
            which those of another theme would be moved. They come out as greys.
    """
    return SIXTEEN if color_system == "standard" else DARK
