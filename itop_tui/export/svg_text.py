"""Text in drawings and pages: escaped, without what XML does not know, cut to the room there is; and what they note."""

from __future__ import annotations

import re
from html import escape

CHARACTER = 6.2
"""About the width of a character of a drawing, in pixels."""


def text_of(text: str) -> str:
    """Any text as XML takes it: markup escaped, without characters that XML does not know or that turn text round."""
    known = re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\N{REPLACEMENT CHARACTER}", text)
    return escape(re.sub("[\u200e\u200f\u202a-\u202e\u2066-\u2069]", "", known), quote=True)


def cut(text: str, wide: float, *, middle: bool = False) -> str:
    """A text that fits into so many pixels, about.

    It may be cut in its middle: of names that begin alike, the end says more.
    """
    most = max(8, int(wide / CHARACTER))
    if len(text) <= most:
        return text
    end = most // 2 if middle else 0
    return f"{text[: most - 1 - end]}…{text[len(text) - end :]}"


def note_of(smoothing: float, x_note: str = "") -> str:
    """How curves are to be read: their moving average and the x axis, as a note; empty where that is plain."""
    smooth = f"smoothed by a moving average of weight {smoothing:g}" if smoothing else ""
    return " · ".join(part for part in (smooth, x_note) if part)
