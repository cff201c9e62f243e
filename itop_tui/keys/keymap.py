"""The user's own keys: which key does which action, read from their file and put into the registry of actions.

Every action has an id, its screen and its name (`runs.stop_run`); `itop keys` lists them. A key is written as it is
pressed ("S", "?", "+"), or by its name ("ctrl+s", "pageup", "f5"). Errors are reported and ignored.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import permutations
from typing import Any

from textual.binding import Binding, BindingsMap
from textual.dom import DOMNode
from textual.keys import Keys, _character_to_key

from engine.config.settings_file import quoted
from engine.spelling import hint
from itop_tui import keys as registry
from itop_tui.keys import RUN_TABS, Action, Scope, bindings, in_scope, key_name
from itop_tui.keys.meanings import same_meaning

__all__ = ["apply", "checked", "install"]

_NAMED = {key.value for key in Keys} | {"space", "enter", "escape", "tab", "backspace", "delete"}
_LONGEST_NAME = 60
_MODIFIERS = ("ctrl", "shift", "alt", "super", "meta", "hyper")


def checked(given: Mapping[str, Any]) -> tuple[dict[str, str], list[str]]:
    """Read a table of keys.

    Args:
        given: By action's id, a key or a list of keys; an empty list takes the keys away.

    Returns:
        By action's id, its keys separated by commas, as the registry writes them; and a sentence for each thing that
        makes no sense, and for each key that gets another meaning than on other screens, which is allowed.
    """
    known = {action.id: action for action in registry.DEFAULTS}
    chosen: dict[str, str] = {}
    problems: list[str] = []
    for name, value in given.items():
        if name not in known:
            near = hint(name[:_LONGEST_NAME], known)
            problems.append(f"keys: there is no action {quoted(name)}{near} (itop keys lists them)")
            continue
        keys = value if isinstance(value, list) else [value]
        wrong = [key for key in keys if not isinstance(key, str) or _key(key) is None]
        if wrong:
            problems.append(f'keys: {name} = {quoted(wrong[0])}: must be a key, such as "s", "ctrl+s" or "f5"')
            continue
        chosen[name] = ",".join(filter(None, map(_key, keys)))
    chosen, problems = _without_clashes(chosen, problems)
    return chosen, [*problems, *_two_meanings(chosen)]


def _key(written: str) -> str | None:
    """A key as textual names it; None where it is none."""
    if len(written) == 1:
        return written if written.isalnum() else _character_to_key(written)
    *modifiers, last = written.lower().split("+")
    if any(modifier not in _MODIFIERS for modifier in modifiers):
        return None
    if len(last) == 1 and modifiers:
        return f"{'+'.join(modifiers)}+{last if last.isalnum() else _character_to_key(last)}"
    return written.lower() if last in _NAMED or re.fullmatch(r"f([1-9]|1\d|2[0-4])", last) else None


def _without_clashes(chosen: dict[str, str], problems: list[str]) -> tuple[dict[str, str], list[str]]:
    """Leave out choices that would give one key two meanings at one place."""
    while True:
        clash = _clash(_rekeyed(chosen), chosen)
        if clash is None:
            return chosen, problems
        mine, other, key = clash
        problems.append(
            f"keys: {mine.id} = {key_name(key)!r}: {other.id} ({other.label}) has that key; give it another one too"
        )
        del chosen[mine.id]


def _clash(registry: Iterable[Action], chosen: Mapping[str, str]) -> tuple[Action, Action, str] | None:
    holders: dict[tuple[str, str], list[Action]] = defaultdict(list)
    for action in registry:
        for key in filter(None, action.key.split(",")):
            holders[action.scope, key].append(action)
    for (_, key), sharing in holders.items():
        for mine, other in permutations(sharing, 2):
            if mine.id in chosen and _work_together(mine, other):
                return mine, other, key
    return None


def _two_meanings(chosen: Mapping[str, str]) -> Iterator[str]:
    """Say of each chosen key that it means something else on another screen, once a key."""
    holders: dict[str, list[Action]] = defaultdict(list)
    for action in _rekeyed(chosen):
        for key in filter(None, action.key.split(",")):
            holders[key].append(action)
    for key, sharing in holders.items():
        for mine, other in permutations(sharing, 2):
            if mine.id in chosen and mine.scope != other.scope and not same_meaning(mine, other):
                yield (
                    f"keys: {mine.id} = {key_name(key)!r}: on another screen that key is {other.id} ({other.label}); "
                    "one key with two meanings is allowed, but easily pressed by mistake"
                )
                break


def _work_together(one: Action, other: Action) -> bool:
    """Whether both work at one time: the tabs of a run's screen share keys, of which each has its own use."""
    return one.heading == other.heading or not {one.heading, other.heading} <= RUN_TABS


def _rekeyed(chosen: Mapping[str, str]) -> tuple[Action, ...]:
    return tuple(
        replace(action, key=chosen[action.id], shown=None) if action.id in chosen else action
        for action in registry.DEFAULTS
    )


def install(chosen: Mapping[str, str]) -> None:
    """Make keys that `checked` gave those of the registry, so that all places show them; an empty table undoes it."""
    registry.ACTIONS = _rekeyed(chosen)


def apply(node: DOMNode, scope: Scope) -> None:
    """Bind a screen's (or the app's) keys as the registry has them now.

    Bindings are declared by the class, which was made before the user's keys were read.
    """
    own = in_scope(scope)
    ids = {action.id for action in own}
    kept = [(key, binding) for key, binding in node._bindings if binding.id not in ids]
    keys: dict[str, list[Binding]] = {}
    for key, binding in [*kept, *BindingsMap(bindings(action for action in own if action.key))]:
        keys.setdefault(key, []).append(binding)
    node._bindings.key_to_bindings = keys
