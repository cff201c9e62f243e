"""The one registry of what can be done in the app.

Keys, key bar, command palette and help are all read from `ACTIONS`. An action names the widget that does it (`target`;
the screen, where it names none), and that widget alone implements `action_<name>`. So a key cannot be in the help and
not work, or work and not be in the help (a test proves it). The screens with many have a module each.
"""

from __future__ import annotations

from collections.abc import Iterable

from textual.binding import Binding, BindingType

from itop_tui.keys import app_actions, compare_actions, list_actions, run_actions
from itop_tui.keys.action import Action, Scope, When, key_name, writes

__all__ = [
    "ACTIONS",
    "DEFAULTS",
    "RUN_TABS",
    "Action",
    "Scope",
    "When",
    "bindings",
    "find",
    "in_brackets",
    "in_scope",
    "key_name",
    "writes",
]  # fmt: skip

ACTIONS: tuple[Action, ...] = (
    *list_actions.ACTIONS, *app_actions.QUEUE, *app_actions.FORM, *run_actions.ACTIONS, *app_actions.MASK,
    *compare_actions.ACTIONS, *app_actions.APP,
)  # fmt: skip

DEFAULTS = ACTIONS
"""The registry with the default keys; `itop_tui.keys.keymap.install` puts the user's own keys into `ACTIONS`."""

RUN_TABS = frozenset({"Charts", "Layers", "Config", "Checkpoints", "Log"})
"""The headings under which actions of a run's screen stand that work on one tab only."""


def in_scope(*scopes: Scope) -> tuple[Action, ...]:
    """The actions of some scopes, in the order of the registry."""
    return tuple(action for action in ACTIONS if action.scope in scopes)


def find(scope: Scope, name: str) -> Action:
    """The action of that name.

    Raises:
        KeyError: If there is none.
    """
    for action in in_scope(scope):
        if action.name == name:
            return action
    raise KeyError(f"{scope}.{name}")


def in_brackets(scope: Scope, name: str) -> str:
    """The key of an action as a message ends with it, " (g)"; empty where the user took its keys."""
    key = find(scope, name).key_shown
    return f" ({key})" if key else ""


def bindings(actions: Iterable[Action]) -> list[BindingType]:
    """The key bindings of some actions, for a screen's `BINDINGS`."""
    return [
        Binding(
            action.key,
            action.name,
            action.label,
            show=action.footer,
            key_display=action.key_shown,
            tooltip=action.help,
            id=action.id,
            priority=action.priority,
        )
        for action in actions
    ]
