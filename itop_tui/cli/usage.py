"""What is wrong with a command line, in one line that names the flag, the value, what is allowed and the nearest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args, get_origin

from cyclopts import CycloptsError
from cyclopts.exceptions import (
    CoercionError,
    MissingArgumentError,
    RepeatArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
    ValidationError,
)

from engine.spelling import hint

_KINDS: dict[object, str] = {int: "a whole number", float: "a number", bool: "true or false"}


def wrong_usage(error: CycloptsError, commands: Sequence[str]) -> str:
    """Put the parser's error into words."""
    if isinstance(error, UnknownOptionError):
        word = (error.token.keyword or error.token.value).split("=", 1)[0]
        known = [name for argument in error.argument_collection for name in argument.names]
        return f"there is no flag {word} here{hint(word.replace('_', '-'), known)}"
    if isinstance(error, UnknownCommandError) or (isinstance(error, UnusedCliTokensError) and not error.command_chain):
        word = (error.unused_tokens or ["?"])[0]
        return f"there is no command {word}{hint(word, commands)}"
    if isinstance(error, UnusedCliTokensError):
        return f"too much on the command line: {' '.join(error.unused_tokens or [])}"
    if isinstance(error, MissingArgumentError) and error.argument is not None:
        name = error.keyword or error.argument.name
        return f"{name} needs a value" if name.startswith("-") else f"which {name.lower()}? It is missing"
    if isinstance(error, RepeatArgumentError):
        return f"{error.token.keyword} is given twice"
    if isinstance(error, CoercionError) and error.token is not None:
        return f"{_given(error, error.token.keyword, error.token.value)}: must be {_allowed(error)}"
    if isinstance(error, ValidationError) and error.argument is not None and error.argument.tokens:
        token = error.argument.tokens[0]
        return f"{_given(error, token.keyword, token.value)}: {_bound(error.exception_message)}"
    return " ".join(str(error).split())


def _given(error: CycloptsError, keyword: str | None, value: str) -> str:
    name = keyword or (error.argument.name if error.argument is not None else "the value")
    return f"{name} = '{value}'"


def _allowed(error: CoercionError) -> str:
    if get_origin(error.target_type) is not Literal:
        return _KINDS.get(error.target_type, "valid")
    choices = [str(choice) for choice in get_args(error.target_type)]
    typed = "" if error.token is None else error.token.value.lower()
    return f"one of {', '.join(choices)}{hint(typed, choices)}"


def _bound(message: str) -> str:
    """A validator's sentence ("Must be >= 0.") as this command line says it."""
    told = message.rstrip(".").replace(">=", "at least").replace("<=", "at most")
    return told[:1].lower() + told[1:]
