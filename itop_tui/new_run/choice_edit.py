"""Editing a choice, or a list of choices with commas between: what each key makes of the text. No widget."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["after_key", "replaced", "stepped"]


def replaced(entry: str, choice: str) -> str:
    """Put a choice in; in a list, in the place of the last one."""
    *before, _ = entry.split(",")
    return ",".join([*before, choice])


def stepped(entry: str, choices: Sequence[str], step: int) -> str:
    """Go on to the next choice (1), or back (-1), around the end."""
    value = entry.split(",")[-1]
    here = choices.index(value) if value in choices else (-1 if step > 0 else 0)
    return replaced(entry, choices[(here + step) % len(choices)])


def _starting_with(entry: str, choices: Sequence[str], letter: str) -> str:
    """Go on to the next choice that begins with a letter, if there is one."""
    value = entry.split(",")[-1]
    here = choices.index(value) + 1 if value in choices else 0
    for choice in (*choices[here:], *choices[:here]):
        if choice.lower().startswith(letter.lower()):
            return replaced(entry, choice)
    return entry


def _lengthened(entry: str, choices: Sequence[str]) -> str:
    """Make a list of it, or a longer one, by the next choice that is not in it, if there is one."""
    values = entry.split(",")
    after = choices.index(values[-1]) + 1 if values[-1] in choices else 0
    others = [one for one in (*choices[after:], *choices[:after]) if one not in values]
    return ",".join([*values, *others[:1]])


def _shortened(entry: str) -> str:
    """Take the last choice out of a list."""
    values = entry.split(",")
    return ",".join(values[:-1] or values)


def after_key(entry: str, choices: Sequence[str], key: str, character: str | None, *, lists: bool) -> str | None:
    """What a key makes of a choice; None where it means nothing here.

    Args:
        entry: The choice, or the list.
        choices: What there is to choose from.
        key: The key, as textual names it.
        character: What it writes, if anything.
        lists: Whether a list may be made.
    """
    match key:
        case "left" | "right":
            return stepped(entry, choices, 1 if key == "right" else -1)
        case "comma":
            return _lengthened(entry, choices) if lists else entry
        case "backspace" | "delete":
            return _shortened(entry)
        case "enter" | "space":
            return None
    return _starting_with(entry, choices, character) if character is not None and character.isprintable() else None
