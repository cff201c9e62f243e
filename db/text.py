"""Text as both databases can hold it.

A file name, an argument or an environment variable need not be UTF-8: Python reads such bytes as lone surrogates, which
no database takes; and PostgreSQL takes no NUL. A run must neither fail to start nor lose its ending for that, so both
are replaced on the way in: of the text nothing else changes.
"""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["storable", "storable_json"]

_NUL, _IN_ITS_PLACE = "\x00", "\N{REPLACEMENT CHARACTER}"
# Not the end of an escaped backslash that "u0000" follows.
_ESCAPED_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def storable(text: str) -> str:
    """The text with a question mark for each lone surrogate, and U+FFFD for each NUL."""
    if text.isascii() and _NUL not in text:
        return text
    return text.encode("utf-8", "replace").decode().replace(_NUL, _IN_ITS_PLACE)


def storable_json(value: Any) -> str:
    """A JSON value as text whose strings are `storable`.

    Raises:
        TypeError: It holds something that JSON cannot.
        ValueError: It holds nan or an infinity, or itself.
    """
    written = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return storable(_ESCAPED_NUL.sub(rf"\1{_IN_ITS_PLACE}", written) if "\\u0000" in written else written)
