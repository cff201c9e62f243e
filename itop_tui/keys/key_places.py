"""Keys by their place on the keyboard, for layouts whose letters do nothing here: Cyrillic, Greek, AZERTY's digits.

A terminal with kitty's keyboard protocol says which key a standard (US) layout has at that place. Without it the place
cannot be known in general; the letters of the standard Russian, Ukrainian and Greek layouts are then taken to be where
these layouts have them. The place counts only where the character itself means nothing: no field takes it, and no
action has it as its key. Latin letters always mean themselves.
"""

from __future__ import annotations

import unicodedata

from textual import events
from textual.keys import _character_to_key

__all__ = ["PlacedKey", "by_place", "placed"]

_SHIFTED = dict(zip("`1234567890-=[]\\;',./", '~!@#$%^&*()_+{}|:"<>?', strict=True))
_US = "qwertyuiop[]asdfghjkl;'zxcvbnm,."
_LAYOUTS = (
    (_US, "йцукенгшщзхъфывапролджэячсмитьбю"),
    ("s]'`o", "іїєґў"),  # where the Ukrainian and the Belarusian layout differ
    ("`", "ё"),
    ("qwertyuiop asdfghjkl zxcvbnm", ";ςερτυθιοπ ασδφγηξκλ ζχψωβνμ"),
)
_LETTERS = {
    theirs: ours
    for places, letters in _LAYOUTS
    for ours, theirs in zip(places, letters, strict=True)
    if not theirs.isascii()
}
"""The key of a US layout, by the letter that another layout has there."""


class PlacedKey(events.Key):
    """A key of which the terminal said where it is.

    Args:
        key: The key that was pressed.
        character: What it writes, if anything.
        base: What a US layout has at its place, without shift.
        shift: Whether shift was held.
    """

    __slots__ = ["base", "shift"]

    def __init__(self, key: str, character: str | None, base: str, shift: bool) -> None:
        super().__init__(key, character)
        self.base, self.shift = base, shift

    def copy(self) -> PlacedKey:
        """Give a copy of this event."""
        return PlacedKey(self.key, self.character, self.base, self.shift)


def placed(key: events.Key, base: str, *, shift: bool) -> events.Key:
    """Add to a key where it is; a key that writes what a US layout has there needs no addition."""
    written = key.key.rpartition("+")[2] or "+"
    return key if written.lower() == _character_to_key(base) else PlacedKey(key.key, key.character, base, shift)


def by_place(event: events.Key) -> tuple[str, str | None] | None:
    """What a key would be on a US layout: its name and its character; None where it means itself, or is not known."""
    *modifiers, last = event.key.split("+")
    written = event.character if event.character and event.character.isprintable() else last
    if len(written) != 1 and not isinstance(event, PlacedKey):
        return None
    if isinstance(event, PlacedKey):
        base, shift = event.base, event.shift
        if not _may_stand_for(written, base):
            return None
        if event.character and event.character.isalpha():
            shift = event.character.isupper()  # with caps lock, too
    else:
        shift = written.isupper()
        found = _LETTERS.get(written.lower())
        if found is None:
            return None
        base = found
    if event.character is None:
        return "+".join((*modifiers, _name(base))), None
    character = base.upper() if shift and base.isalpha() else _SHIFTED.get(base, base) if shift else base
    return _name(character), character


def _name(character: str) -> str:
    return character if character.isalnum() else _character_to_key(character)


def _may_stand_for(written: str, base: str) -> bool:
    """Whether what is written may mean the key of a US layout at its place.

    Letters that the user can read on the key as Latin ones mean themselves: on Dvorak the sign at the place of Q must
    not quit. The signs above which AZERTY has its digits may mean these.
    """
    if len(written) != 1:  # a sign, by its name
        return base.isdigit()
    if written.isascii():
        return not written.isalnum() and base.isdigit()
    latin = unicodedata.name(written, "").startswith("LATIN")
    return not latin or written in "ıİ" or not base.isalpha()
