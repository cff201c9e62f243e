"""Text in drawings and pages: escaped, without what XML does not know, and cut to the room there is."""

from __future__ import annotations

import re
from html import escape

CHARACTER = 6.2
"""About the width of a character of a drawing, in pixels."""


def text_of(text: str) -> str:
    """Any text as XML takes it: markup escaped, without characters that XML does not know or that turn text round."""
    known = re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\N{REPLACEMENT CHARACTER}", text)
    return escape(re.sub("[\u200e\u200f\u202a-\u202e\u2066-\u2069]", "", known), quote=True)


def cut(text: str, wide: float) -> str:
    """A text that fits into so many pixels, about."""
    most = max(8, int(wide / CHARACTER))
    return text if len(text) <= most else f"{text[: most - 1]}…"
