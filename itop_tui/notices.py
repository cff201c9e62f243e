"""What the app reports: the messages it keeps, and runs that ended (also by the terminal, or by a command)."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from itop_tui.figures import run_view
from itop_tui.figures.format import count, fit, plain, plural
from itop_tui.preferences import ENDINGS, Notify

if TYPE_CHECKING:
    from db.records import Alarm, RunRecord

__all__ = [
    "Notice",
    "Severity",
    "alarms_said",
    "code_sentences",
    "kind",
    "post",
    "post_sentence",
    "sentences",
    "start_commands",
    "wanted",
]

Severity = Literal["information", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Notice:
    """One message of the app, as the message log keeps it.

    Attributes:
        at: When, in unix seconds.
        severity: How serious it is.
        text: What it says; data, not markup.
    """

    at: float
    severity: Severity
    text: str


_FAILED = ("failed", "killed", "lost", "preempted")
_BY_NAME = 3
"""The most endings that are reported one by one; of more, their number is."""
_AT_ONCE, _PATIENCE = 8, 5.0
"""The most commands that run at one time, and the seconds one of them is waited for before another starts
anyway."""


def kind(status: str) -> str:
    """Which of `itop_tui.preferences.ENDINGS` the end of a run is."""
    if status == "completed":
        return "finished"
    return "failed" if status in _FAILED else "stopped"


def sentences(ended: Sequence[RunRecord]) -> list[tuple[str, bool]]:
    """What is said of runs that ended at one time, and whether all went well: a few by name, many by their number.

    Among many, those that failed are still named where they are few.
    """
    if len(ended) <= _BY_NAME:
        return [run_view.ending(run) for run in ended]
    kinds = Counter(kind(run.status) for run in ended)
    parts = ", ".join(f"{count(kinds[each])} {each}" for each in ENDINGS if kinds[each])
    failed = [run for run in ended if kind(run.status) == "failed"]
    named = failed if len(failed) <= _BY_NAME else []
    return [(f"{plural(len(ended), 'run')} ended: {parts}.", not failed), *map(run_view.ending, named)]


def code_sentences(changed: Sequence[tuple[RunRecord, str]]) -> list[str]:
    """What is said of runs that started with other code than they were queued with: a few by name, many by number."""
    if len(changed) > _BY_NAME:
        return [f"{count(len(changed))} runs started with other code than they were queued with."]
    return [
        f"Run {run.id} ({fit(run.name, 30).rstrip()}) started with other code than it was queued with: "
        f"{plain(names, limit=200)} changed."
        for run, names in changed
    ]


def alarms_said(raised: Sequence[tuple[RunRecord, Alarm]]) -> str:
    """One message for the alarms of one time: the first in full, and how many more there are."""
    run, first = raised[0]
    runs = {other.id for other, _ in raised}
    more = f" And {plural(len(raised) - 1, 'more alarm')}" if len(raised) > 1 else ""
    of = f" of {plural(len(runs), 'run')}" if len(runs) > 1 else ""
    return f"Run {run.id} ({plain(run.name, 30)}): {run_view.alarm(first)}.{more}{of}{'.' if more else ''}"


def wanted(ended: Iterable[RunRecord], how: Notify) -> tuple[RunRecord, ...]:
    """Those of the runs whose end is to be reported outside the app too."""
    return tuple(run for run in ended if kind(run.status) in how.on)


def post(ended: Sequence[RunRecord], *, write: Callable[[str], object]) -> None:
    """Ask the terminal, to which `write` writes, to show endings."""
    for sentence, _ in sentences(ended):
        post_sentence(sentence, write=write)


def post_sentence(sentence: str, *, write: Callable[[str], object]) -> None:
    """Ask the terminal to show a sentence."""
    # OSC 9, which iTerm2, kitty, WezTerm, Windows Terminal and foot show as a notification; others ignore it.
    write(f"\x1b]9;itop: {plain(sentence, limit=200)}\x07")


def start_commands(
    ended: Iterable[RunRecord], command: Sequence[str], *, going: Callable[[], bool] = lambda: True
) -> str | None:
    """Start a person's command for each ending. It may take a while where there are many: call it in a thread.

    Args:
        ended: The runs.
        command: The words of the command, as `itop_tui.preferences.Notify` has them.
        going: Whether to start any more of them.

    Returns:
        Why the command could not be started, or None where it was.
    """
    started: deque[subprocess.Popen[bytes]] = deque()
    for run in ended:
        if len(started) == _AT_ONCE:
            with contextlib.suppress(subprocess.TimeoutExpired):
                started.popleft().wait(timeout=_PATIENCE)
        if not going():
            break
        sentence, _ = run_view.ending(run)
        values = {"run": str(run.id), "name": plain(run.name), "status": str(run.status), "sentence": plain(sentence)}
        try:
            process = subprocess.Popen(
                [_filled(word, values) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **{f"ITOP_{name.upper()}": value for name, value in values.items()}},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            return f"notify.command = {command[0]!r} cannot be started: {why}"
        started.append(process)
    return None


def _filled(word: str, values: dict[str, str]) -> str:
    # In one pass, and not by str.format: a name may hold braces of its own.
    return re.sub("|".join(rf"\{{{name}\}}" for name in values), lambda found: values[found[0][1:-1]], word)
