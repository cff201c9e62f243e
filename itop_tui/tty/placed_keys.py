"""Reading keys with their places: the part of kitty's keyboard protocol that textual's parser leaves out.

https://sw.kovidgoyal.net/kitty/keyboard-protocol/: with alternate keys a key is reported as
`CSI code:shifted:base ; modifiers ; text u`, where `base` is the key of the standard layout at that place. textual
reads `code` only, and fails on the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from textual import events
from textual._xterm_parser import XTermParser

from itop_tui.keys.key_places import placed

ASK_FOR_PLACES = "\x1b[=4;2u"
"""Asks a terminal to report alternate keys too, beside what textual asks for."""

_ALTERNATES = re.compile(r"\x1b\[(\d+):(\d*)(?::(\d*))?(;[\d:;]*)?([u~ABCDEFHPQRS])")
_MOST = 0x10FFFF


class PlacesParser(XTermParser):
    """Textual's parser, which also understands where a key is."""

    def _sequence_to_key_events(self, sequence: str, alt: bool = False) -> Iterable[events.Key]:
        match = _ALTERNATES.fullmatch(sequence)
        if match is None:
            yield from super()._sequence_to_key_events(sequence, alt)
            return
        code, _, base, rest, end = match.groups(default="")
        modifiers = rest.split(";")[1].partition(":")[0] if rest else ""
        shift = bool(int(modifiers or 1) - 1 & 1)
        for key in super()._sequence_to_key_events(f"\x1b[{code}{rest}{end}", alt):
            known = end == "u" and base and 0 < int(base) <= _MOST and chr(int(base)).isprintable()
            yield placed(key, chr(int(base)), shift=shift) if known else key
