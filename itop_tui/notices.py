"""Telling a person who looks elsewhere that a run has ended: by the terminal, or by a command of their own."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING

from itop_tui import run_view
from itop_tui.format import plain
from itop_tui.preferences import Notify

if TYPE_CHECKING:
    from db.records import RunRecord

__all__ = ["kind", "tell"]

_FAILED = ("failed", "killed", "lost", "preempted")


def kind(status: str) -> str:
    """Which of `itop_tui.preferences.ENDINGS` the end of a run is."""
    if status == "completed":
        return "finished"
    return "failed" if status in _FAILED else "stopped"


def tell(run: RunRecord, how: Notify, *, write: Callable[[str], object]) -> str | None:
    """Tell of an ending as a person wants it told.

    Args:
        run: The run that has ended.
        how: What they want.
        write: Writes to the terminal.

    Returns:
        Why the command could not be started, or None where it was, or where there is none.
    """
    if kind(run.status) not in how.on:
        return None
    sentence, _ = run_view.ending(run)
    if how.desktop:
        # OSC 9, which iTerm2, kitty, WezTerm, Windows Terminal and foot show as a notification; others ignore it.
        write(f"\x1b]9;itop: {plain(sentence, limit=200)}\x07")
    if not how.command:
        return None
    values = {"run": str(run.id), "name": plain(run.name), "status": str(run.status), "sentence": plain(sentence)}
    try:
        subprocess.Popen(
            [_filled(word, values) for word in how.command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **{f"ITOP_{name.upper()}": value for name, value in values.items()}},
            start_new_session=True,
        )
    except OSError as error:
        return f"notify.command = {how.command[0]!r} cannot be started: {error.strerror or error}"
    return None


def _filled(word: str, values: dict[str, str]) -> str:
    # In one pass, and not by str.format: a name may hold braces of its own.
    return re.sub("|".join(rf"\{{{name}\}}" for name in values), lambda found: values[found[0][1:-1]], word)
