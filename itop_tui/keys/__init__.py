"""The one registry of what can be done in the app.

Keys, key bar, command palette and help are all read from `ACTIONS`. An action names the widget that does it (`target`;
the screen, where it names none), and that widget alone implements `action_<name>`. So a key cannot be in the help and
not work, or work and not be in the help (a test proves it). Each screen's actions are in a module of its own.
"""

from __future__ import annotations

from collections.abc import Iterable

from textual.binding import Binding, BindingType

from itop_tui.keys import (
    app_actions,
    compare_actions,
    form_actions,
    list_actions,
    mask_actions,
    queue_actions,
    run_actions,
)
from itop_tui.keys.action import Action, Scope, When, key_name, writes

__all__ = [
    "ACTIONS", "DEFAULTS", "RUN_TABS", "Action", "Scope", "When", "bindings", "find", "in_scope", "key_name",
    "writes",
]  # fmt: skip

ACTIONS: tuple[Action, ...] = (
    *list_actions.ACTIONS,
    *queue_actions.ACTIONS,
    *form_actions.ACTIONS,
    *run_actions.ACTIONS,
    *mask_actions.ACTIONS,
    *compare_actions.ACTIONS,
    *app_actions.ACTIONS,
)

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
    for action in ACTIONS:
        if action.scope == scope and action.name == name:
            return action
    raise KeyError(f"{scope}.{name}")


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
