"""Errors that a command ends with, and the exit codes of `itop`."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum


class Exit(IntEnum):
    """What an exit code of `itop` means."""

    OK = 0
    FAILED = 1  # the command was understood, but could not be done, or the run it followed did not complete
    USAGE = 2  # the command line is wrong; nothing was done
    HUNG_UP = 129  # the terminal was closed
    INTERRUPTED = 130  # Ctrl-C


class CommandError(Exception):
    """A command cannot do what was asked; its problems have a line each, for the person who typed it."""

    def __init__(self, *problems: str, code: Exit = Exit.FAILED) -> None:
        super().__init__("\n".join(problems))
        self.problems: Sequence[str] = problems
        self.code = code


class UsageError(CommandError):
    """The command line is wrong; nothing was done."""

    def __init__(self, *problems: str) -> None:
        super().__init__(*problems, code=Exit.USAGE)
