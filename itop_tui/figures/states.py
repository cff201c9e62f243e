"""How each state of a run is shown, by the app and by every command; needs neither Textual nor a theme.

A state is always a glyph, a word and a colour, in that order of importance: on a monochrome terminal, or to
somebody who does not tell red from green, the glyph and the word say it alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Tone = Literal["text", "muted", "faint", "line", "live", "good", "warn", "bad", "accent", "title"]
"""What a piece of text means; a theme gives each tone its colour."""

Part = tuple[str, Tone]
"""A piece of text and what it means."""


@dataclass(frozen=True, slots=True)
class StateLook:
    """How one state is shown."""

    glyph: str
    word: str
    tone: Tone


STATES: dict[str, StateLook] = {
    "queued": StateLook("○", "queued", "muted"),
    "starting": StateLook("◔", "starting", "live"),
    "running": StateLook("●", "running", "live"),
    "paused": StateLook("‖", "paused", "warn"),
    "stopping": StateLook("◑", "stopping", "warn"),
    "completed": StateLook("✓", "completed", "good"),
    "stopped": StateLook("■", "stopped", "muted"),
    "failed": StateLook("✗", "failed", "bad"),
    "killed": StateLook("†", "killed", "bad"),
    "preempted": StateLook("↯", "preempted", "warn"),
    "lost": StateLook("¿", "lost", "bad"),
}


DAMAGED = StateLook("!", "damaged", "bad")
"""How a run is shown whose state cannot be read: what became of it is not known."""


def look(status: str) -> StateLook:
    """How a state is shown; a state written by a newer version is shown by its own name."""
    return STATES.get(status) or StateLook("·", status, "text")
