"""The colours of the app: its themes, and the colour that each tone has in them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

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
    "live": "tone-live",
    "good": "success",
    "warn": "warning",
    "bad": "error",
    "accent": "accent",
    "title": "tone-title",
}
"""The tones and the theme's variables that hold their colours."""


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


DARK = Theme(
    name="itop-dark",
    dark=True,
    primary="#7aa2d6",
    secondary="#9d8fd6",
    accent="#e2b86b",
    success="#8fc28a",
    warning="#e2b86b",
    error="#e5837d",
    foreground="#d3dae3",
    background="#0f1318",
    surface="#141a21",
    panel="#1b222b",
    variables={
        "block-cursor-background": "#263445",
        "block-cursor-foreground": "#eef3f9",
        "block-cursor-text-style": "none",
        "input-cursor-background": "#e2b86b",
        "input-selection-background": "#7aa2d6 35%",
        "border": "#3a4655",
        "border-blurred": "#29323d",
        "scrollbar": "#2b3541",
        "scrollbar-hover": "#3a4655",
        "scrollbar-active": "#4c5b6e",
        "scrollbar-background": "#0f1318",
        "scrollbar-background-hover": "#0f1318",
        "scrollbar-background-active": "#0f1318",
        "tone-muted": "#8794a5",
        "tone-faint": "#4d5968",
        "tone-live": "#67c1c4",
        "tone-title": "#eef3f9",
        "wrong-background": "#4a2a2c",
    },
)

LIGHT = Theme(
    name="itop-light",
    dark=False,
    primary="#2f6bb0",
    secondary="#6650b0",
    accent="#8f5d00",
    success="#2c7a35",
    warning="#8f5d00",
    error="#b4332c",
    foreground="#22303d",
    background="#f7f8f9",
    surface="#eef1f4",
    panel="#e3e8ed",
    variables={
        "block-cursor-background": "#cfdff0",
        "block-cursor-foreground": "#0f1b26",
        "block-cursor-text-style": "none",
        "input-cursor-background": "#8f5d00",
        "input-selection-background": "#2f6bb0 25%",
        "border": "#a9b6c3",
        "border-blurred": "#cdd5dd",
        "scrollbar": "#c3ccd5",
        "scrollbar-hover": "#a9b6c3",
        "scrollbar-active": "#8c9baa",
        "scrollbar-background": "#f7f8f9",
        "scrollbar-background-hover": "#f7f8f9",
        "scrollbar-background-active": "#f7f8f9",
        "tone-muted": "#566575",
        "tone-faint": "#a3afba",
        "tone-live": "#0b7377",
        "tone-title": "#0f1b26",
        "wrong-background": "#f2cfcc",
    },
)

CONTRAST = Theme(
    name="itop-contrast",
    dark=True,
    primary="#6fb7ff",
    secondary="#d7b0ff",
    accent="#ffd75f",
    success="#5fff5f",
    warning="#ffd75f",
    error="#ff8787",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#1c1c1c",
    variables={
        "block-cursor-background": "#001d47",
        "block-cursor-foreground": "#ffffff",
        "block-cursor-text-style": "bold",
        "input-cursor-background": "#ffd75f",
        "input-selection-background": "#005faf",
        "border": "#ffffff",
        "border-blurred": "#bcbcbc",
        "scrollbar": "#bcbcbc",
        "scrollbar-hover": "#ffffff",
        "scrollbar-active": "#ffffff",
        "scrollbar-background": "#000000",
        "scrollbar-background-hover": "#000000",
        "scrollbar-background-active": "#000000",
        "tone-muted": "#d0d0d0",
        "tone-faint": "#a8a8a8",
        "tone-live": "#5fffff",
        "tone-title": "#ffffff",
        "wrong-background": "#870000",
    },
)
"""Every text at least 7 : 1 against its background (WCAG AAA)."""

SIXTEEN = Theme(
    name="itop-16",
    ansi=True,
    dark=True,
    primary="ansi_bright_blue",
    secondary="ansi_magenta",
    accent="ansi_yellow",
    success="ansi_green",
    warning="ansi_yellow",
    error="ansi_red",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    variables={
        "ansi-background": "ansi_black",
        "ansi-foreground": "ansi_white",
        "block-cursor-background": "ansi_blue",
        "block-cursor-foreground": "ansi_bright_white",
        "block-cursor-text-style": "bold",
        "input-cursor-background": "ansi_yellow",
        "input-cursor-foreground": "ansi_black",
        "input-selection-background": "ansi_blue",
        "input-selection-foreground": "ansi_bright_white",
        "border": "ansi_default",
        "border-blurred": "ansi_bright_black",
        "scrollbar": "ansi_bright_black",
        "scrollbar-hover": "ansi_default",
        "scrollbar-active": "ansi_default",
        "scrollbar-background": "ansi_default",
        "scrollbar-background-hover": "ansi_default",
        "scrollbar-background-active": "ansi_default",
        "tone-muted": "ansi_default",
        "tone-faint": "ansi_bright_black",
        "tone-live": "ansi_cyan",
        "tone-title": "ansi_default",
        "wrong-background": "ansi_red",
    },
)
"""Only the sixteen colours that the terminal's owner has chosen, on the terminal's own background, dark or light: so no
white or black, of which one cannot be seen on it."""

THEMES = (DARK, LIGHT, CONTRAST, SIXTEEN)


def for_terminal(color_system: str | None) -> Theme:
    """The theme for somebody who has chosen none.

    Args:
        color_system: What the terminal can show, as rich calls it: "standard" is sixteen colours, to the nearest of
            which those of another theme would be moved. They come out as greys.
    """
    return SIXTEEN if color_system == "standard" else DARK
