"""What a key means: the same on every screen where it does something.

A key of one action means that action. Where actions of several names or labels have a key, they are one thing done to
what each screen shows, and `MEANINGS` says which (a test proves that no such key is left out).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from itop_tui import keys as registry
from itop_tui.keys.action import Action, Scope, key_name

__all__ = ["MEANINGS", "SCREENS", "KeyRow", "key_rows", "meaning", "same_meaning"]

SCREENS: Mapping[Scope, str] = {
    "app": "everywhere",
    "runs": "list",
    "run": "run",
    "compare": "comparison",
    "queue": "queue",
    "mask": "mask",
    "form": "form",
}
"""How a table of keys calls the screens, in its order."""

MEANINGS: Mapping[str, str] = {
    "A": "add a chart, or a run to compare",
    "0": "show everything",
    "1": "open the tab of that number",
    "2": "open the tab of that number",
    "3": "open the tab of that number",
    "4": "open the tab of that number",
    "5": "open the tab of that number",
    "c": "compare",
    "comma": "previous match or layer",
    "ctrl+r": "reset to the first state",
    "delete": "remove what the cursor is on",
    "down": "move down",
    "e": "choose what is shown",
    "end": "the last one",
    "enter": "open",
    "f": "fork",
    "full_stop": "next match or layer",
    "h": "move to the left",
    "home": "the first one",
    "i": "more or less detail",
    "j": "move down",
    "k": "move up",
    "l": "move to the right",
    "left": "move to the left",
    "left_square_bracket": "one step back",
    "equals_sign": "more",
    "minus": "less",
    "pagedown": "next page or section",
    "pageup": "previous page or section",
    "percent_sign": "select all",
    "plus": "more",
    "q": "back; on the list, quit",
    "r": "resume",
    "right": "move to the right",
    "right_square_bracket": "one step forward",
    "shift+down": "move the run down",
    "shift+tab": "previous part",
    "shift+up": "move the run up",
    "slash": "find",
    "space": "switch the line at the cursor",
    "tab": "next part",
    "up": "move up",
    "v": "another view",
    "x": "remove what the cursor is on",
}
"""By key, what the actions that have it are in one short phrase."""


@dataclass(frozen=True, slots=True)
class KeyRow:
    """Keys that do the same.

    Attributes:
        keys: The keys, as they are written.
        meaning: What they do.
        screens: Where they do it.
    """

    keys: tuple[str, ...]
    meaning: str
    screens: tuple[str, ...]


def same_meaning(one: Action, other: Action) -> bool:
    """Whether two actions may share a key on different screens: by name, or because the registry gives them one."""
    if one.name == other.name:
        return True
    first, second = (
        {key for action in registry.DEFAULTS if action.id == each.id for key in _keys(action)} for each in (one, other)
    )
    return not first.isdisjoint(second)


def key_rows(actions: Iterable[Action]) -> list[KeyRow]:
    """What each key of some actions means and where, in their order; keys of the same actions share a row."""
    holders: dict[str, list[Action]] = {}
    for action in actions:
        for key in _keys(action):
            holders.setdefault(key, []).append(action)
    rows: dict[tuple[str, tuple[str, ...]], KeyRow] = {}
    for key, held in holders.items():
        words = "; ".join(dict.fromkeys(meaning(action, key) for action in held))
        scopes = {action.scope for action in held}
        screens = tuple(name for scope, name in SCREENS.items() if scope in scopes)
        if "app" in scopes:
            screens = (SCREENS["app"],)
        row = rows.get((words, screens), KeyRow((), words, screens))
        rows[words, screens] = KeyRow((*row.keys, key_name(key)), words, screens)
    return list(rows.values())


def meaning(action: Action, key: str = "") -> str:
    """What a key of an action means, its first one if none is given; one that the user chose means what that does."""
    own = next(default for default in registry.DEFAULTS if default.id == action.id)
    keys = _keys(own)
    return MEANINGS.get(key if key in keys else next(iter(keys), ""), action.label)


def _keys(action: Action) -> list[str]:
    return [key for key in action.key.split(",") if key]
