"""An action: its name, its keys, its texts, what does it, and how its key is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from db.records import RunRecord

__all__ = ["CHANGING", "WRITING", "Action", "Scope", "When", "key_name", "writes"]

Scope = Literal["app", "runs", "form", "run", "mask", "compare", "queue"]
When = Callable[["RunRecord | None"], str | None]
"""Given the run at the cursor, why an action cannot be done now, or None where it can."""


# fmt: off
CHANGING = frozenset({
    "archive_run", "checkpoint_now", "delete_checkpoint", "delete_run", "demo", "duplicate_run", "extend_run",
    "fork_here",
    "fork_run", "hold_run", "kill_run", "launch", "launch_first", "launch_held", "lower_number", "move_bottom",
    "move_down", "move_top", "move_up", "new_run", "note_run", "pause_all", "pause_run", "raise_number", "rename_run",
    "resume_here", "resume_run", "star_run", "start_after", "start_scheduler", "stop_run", "tag_run", "undo_delete",
})
"""The actions that change runs or the queue, which a database that is only read does not allow."""
# fmt: on
WRITING = frozenset({"export"})
"""The actions that write files of this machine, which `ITOP_READ_ONLY` does not allow either."""


@dataclass(frozen=True, slots=True)
class Action:
    """Something a person can do.

    Attributes:
        name: What it is called in a keymap; what runs is the method `action_<name>`.
        key: The keys that do it, separated by commas; the first one is shown.
        label: One or two words, for the footer and the palette.
        help: A sentence, for the help and the palette.
        scope: The screen it belongs to; "app" is everywhere.
        heading: The heading of its group in the help.
        when: Why it cannot be done to the run at the cursor, if so.
        footer: Whether the footer shows it where there is room.
        shown: How the key is written, where that is not the key's own name.
        priority: Whether the key works also while a widget that takes text has the focus.
        target: What has the method: the name of the class of a part that the screen holds, or else of a widget on it
            (or another selector that finds the widget). Empty for the screen itself.
        call: What is run instead of `action_<name>`, with arguments: "zoom(-1)" runs `action_zoom(-1)`.
    """

    name: str
    key: str
    label: str
    help: str
    scope: Scope
    heading: str
    when: When | None = None
    footer: bool = True
    shown: str | None = None
    priority: bool = False
    target: str = ""
    call: str = ""

    @property
    def method(self) -> str:
        """The name of the method that does it, on the target."""
        return f"action_{self.call.partition('(')[0] or self.name}"

    @property
    def id(self) -> str:
        """The action's name in a keymap: its scope and its name."""
        return f"{self.scope}.{self.name}"

    @property
    def key_shown(self) -> str:
        """The key as the footer and the help write it."""
        return self.shown or key_name(self.key.split(",", 1)[0])

    def refusal(self, run: RunRecord | None) -> str | None:
        """Why the action cannot be done to `run`, or None where it can."""
        return self.when(run) if self.when else None


_KEY_NAMES = {
    "question_mark": "?",
    "slash": "/",
    "escape": "esc",
    "enter": "↵",
    "space": "space",
    "left": "←",
    "right": "→",
    "up": "↑",
    "down": "↓",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "left_curly_bracket": "{",
    "right_curly_bracket": "}",
    "underscore": "_",
    "plus": "+",
    "minus": "-",
    "equals_sign": "=",
    "asterisk": "*",
    "comma": ",",
    "full_stop": ".",
    "backslash": "\\",
    "circumflex_accent": "^",
    "dollar_sign": "$",
    "exclamation_mark": "!",
    "left_parenthesis": "(",
    "percent_sign": "%",
    "right_parenthesis": ")",
    "pageup": "pgup",
    "pagedown": "pgdn",
}


def key_name(key: str) -> str:
    """Write a key as a person would: `ctrl+s` is "^s", `question_mark` is "?"."""
    *modifiers, last = key.split("+")
    name = _KEY_NAMES.get(last, last)
    if modifiers == ["ctrl"]:
        return f"^{name}"
    return "+".join([*modifiers, name])


def writes(key: str) -> bool:
    """Whether a key writes something in a text field: letters and signs do, ctrl+s and escape do not."""
    return key == "space" or (len(key_name(key)) == 1 and key_name(key).isascii())
