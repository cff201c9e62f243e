"""The preferences of the user: a file they write, and the little that the app remembers by itself.

``config.toml`` in `ITOP_HOME` is the user's. Errors in it are reported and ignored; whatever it holds or is, it never
keeps the app from starting:

    theme = "itop-contrast"

    [keys]                        # `itop keys` lists what there is
    "runs.stop_run" = "S"
    "run.zoom_in" = ["i", "+"]

    [notify]                      # when a run ends while the app is open
    on = ["finished", "failed"]
    desktop = true                # by the terminal, where it can (OSC 9)
    command = ["notify-send", "itop", "{sentence}"]

    [alarms]                      # when a run is reported while it trains; see `engine.alarms.thresholds`
    dead_outputs = 0.8

``state.json`` beside it is the app's own: the theme that was chosen last.
"""

from __future__ import annotations

import contextlib
import json
import os
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from engine.alarms import thresholds
from engine.config.settings_file import LONGEST_QUOTE, on_one_line, quoted, text_of
from engine.spelling import hint
from itop_tui.look.theme import THEMES

__all__ = ["ENDINGS", "Notify", "Preferences", "config_path", "load", "remember"]

ENDINGS = ("finished", "stopped", "failed")
"""The kinds of endings that can be reported."""


@dataclass(frozen=True, slots=True)
class Notify:
    """How the end of a run is reported, beside the toast in the app.

    Attributes:
        on: Which of `ENDINGS`.
        desktop: Whether to ask the terminal for a notification of its own.
        command: The words of a command to start; ``{run}``, ``{name}``, ``{status}`` and ``{sentence}`` stand for the
            run's id, its name, its state and what happened.
    """

    on: tuple[str, ...] = ENDINGS
    desktop: bool = False
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Preferences:
    """What was read.

    Attributes:
        theme: The theme to start with; None for the default.
        keys: Keys by action, as they were written; `itop_tui.keys.keymap` makes sense of them.
        notify: How endings are reported.
        problems: A sentence for each thing in the file that makes no sense and was ignored.
    """

    theme: str | None = None
    keys: Mapping[str, Any] = field(default_factory=dict)
    notify: Notify = field(default_factory=Notify)
    problems: tuple[str, ...] = ()


def config_path() -> Path:
    """Where the person's file is; it need not exist."""
    from db import paths

    return paths.home() / "config.toml"


def _state_path() -> Path:
    return config_path().with_name("state.json")


def load() -> Preferences:
    """Read the person's file and what the app remembers; what is wrong is among the problems, nothing is raised."""
    path = config_path()
    problems: list[str] = []
    given = _read(path, tomllib.loads, problems)
    problems += _unknown(given, ("theme", "keys", "notify", "alarms"), str(path))
    theme = _theme(given.get("theme"), problems)
    keys = given.get("keys", {})
    if not isinstance(keys, dict):
        problems.append(f"keys = {quoted(keys)}: must be a table of actions and keys")
        keys = {}
    notify = _notify(given.get("notify", {}), problems)
    # Workers read them; the app says what makes no sense.
    problems += thresholds.parse(given.get("alarms", {}))[1]
    if notify.command and (whose := _not_own(path)):
        problems.append(f"notify.command in {path} is not run: {whose}")
        notify = replace(notify, command=())
    remembered = _remembered(problems)
    return Preferences(theme or remembered, keys, notify, tuple(problems))


def _read(path: Path, parse: Callable[[str], Any], problems: list[str]) -> dict[str, Any]:
    """A table from a file; what keeps it from being read is put among the problems, unless there is no such file."""
    try:
        found = parse(text_of(path))
    except FileNotFoundError:
        return {}
    # The errors of both parsers and of a wrong encoding are ValueErrors; what is nested too deeply is the last.
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
        problems.append(f"{path} cannot be read: {on_one_line(why, 200)}; it is ignored")
        return {}
    if isinstance(found, dict):
        return found
    problems.append(f"{path} cannot be read: it is {quoted(found)}, not a table; it is ignored")
    return {}


def _not_own(path: Path) -> str | None:
    """Why a command that a file names must not be run: others could have written it there."""
    from db import users

    try:
        status = path.stat()
    except OSError:
        return "the file cannot be looked at"
    if status.st_uid != os.geteuid():
        return f"the file is owned by {users.name_of(status.st_uid)}"
    return "other users can write to the file (chmod go-w)" if status.st_mode & 0o022 else None


def remember(theme: str) -> None:
    """Keep the theme for the next start; where that cannot be written it is simply forgotten."""
    from db import private_files, read_only

    if read_only.asked_for():
        return
    path = _state_path()
    with contextlib.suppress(OSError):
        private_files.make_folder(path.parent)
        draft = path.with_name(f".state-{os.getpid()}")
        try:
            with open(draft, "w", encoding="utf-8", opener=private_files.opener) as file:
                json.dump({"theme": theme}, file)
            draft.replace(path)
        except OSError:  # a folder has this name, or the disk is full
            draft.unlink()


def _remembered(problems: list[str]) -> str | None:
    theme = _read(_state_path(), json.loads, problems).get("theme")
    # Of another kind, or of a theme of another version, it is forgotten: the next choice replaces it.
    return theme if isinstance(theme, str) and theme in _theme_names() else None


def _theme_names() -> list[str]:
    return [theme.name for theme in THEMES]


def _theme(value: object, problems: list[str]) -> str | None:
    if value is None or value in _theme_names():
        return None if value is None else str(value)
    problems.append(
        f"theme = {quoted(value)}: must be one of {', '.join(_theme_names())}{hint(quoted(value), _theme_names())}"
    )
    return None


def _notify(value: object, problems: list[str]) -> Notify:
    if not isinstance(value, dict):
        problems.append(f"notify = {quoted(value)}: must be a table with on, desktop and command")
        return Notify()
    problems += _unknown(value, ("on", "desktop", "command"), "[notify]")
    on = _words(value.get("on", list(ENDINGS)))
    if on is None or not set(on) <= set(ENDINGS):
        problems.append(f"notify.on = {quoted(value['on'])}: must be a list of {', '.join(ENDINGS)}")
        on = ENDINGS
    desktop = value.get("desktop", False)
    if not isinstance(desktop, bool):
        problems.append(f"notify.desktop = {quoted(desktop)}: must be true or false")
        desktop = False
    command = _words(value.get("command", []))
    if command is None:
        problems.append(f"notify.command = {quoted(value['command'])}: must be a list of words")
        command = ()
    return Notify(on, desktop, command)


def _words(value: object) -> tuple[str, ...] | None:
    words = value if isinstance(value, list) else None
    return tuple(words) if words is not None and all(map(_is_word, words)) else None


def _is_word(value: object) -> bool:
    return isinstance(value, str) and "\x00" not in value  # no command can be given a NUL


def _unknown(given: Mapping[str, Any], known: Iterable[str], where: str) -> list[str]:
    known = tuple(known)
    return [
        f"{on_one_line(name, LONGEST_QUOTE)} in {where}: there is no such setting; there are {', '.join(known)}"
        f"{hint(name[:LONGEST_QUOTE], known)}"
        for name in given
        if name not in known
    ]
