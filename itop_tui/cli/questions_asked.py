"""The question that a command asks before it does what is hard to undo."""

from __future__ import annotations

import sys

from itop_tui.cli.errors import CommandError, UsageError
from itop_tui.cli.terminal import console


def confirm(about: str, question: str, *, refused: str, hint: str) -> None:
    """Ask on the terminal; ends the command unless the answer is yes.

    Args:
        about: What would be done, as a sentence; empty where the question says it.
        question: What is asked.
        refused: What the command ends with otherwise.
        hint: What does it without asking, said where there is no terminal to ask on.
    """
    if not sys.stdin.isatty():
        why = about[:1].lower() + about[1:].rstrip(".") if about else "there is no terminal to ask on"
        raise UsageError(f"{refused}: {why}; {hint}")
    console(stderr=True).print(" ".join(filter(None, (about, question, "[y/N] "))), end="", markup=False)
    try:
        answer = input()
    except EOFError:
        answer = ""
        console(stderr=True).print()
    if answer.strip().lower() not in ("y", "yes"):
        raise CommandError(refused)
