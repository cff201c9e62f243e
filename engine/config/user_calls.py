"""What surrounds every call of the user's code: a neutral command line, and a clear word where it ends the process."""

from __future__ import annotations

import contextlib
import inspect
import re
import site
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from engine.config.references import OWN_PACKAGES, PROGRAM, module_file, parse, shown_path

__all__ = ["PRIVATE_PREFIX", "ReferenceProblem", "accepted", "describe", "user_code"]

PRIVATE_PREFIX = "_itop_user_"
"""What the private names of the user's modules begin with; see `engine.config.user_imports`."""

_PRIVATE_NAME = re.compile(rf"{PRIVATE_PREFIX}[0-9a-f]+\.?")
_LONGEST = 200


class ReferenceProblem(Exception):  # noqa: N818 - internal: model and data errors are made of its message
    """The user's code cannot be found or ended the process; the message says where."""


def describe(error: BaseException) -> str:
    """Return an exception as `Type: message` on one line."""
    text = _PRIVATE_NAME.sub("", " ".join(str(error).split()))
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


@contextlib.contextmanager
def user_code(reference: str) -> Iterator[None]:
    """Run code of the user's in the body: importing it, or calling it.

    Its `sys.argv` has no arguments, whatever this process was started with: a module that parses its command line when
    it is imported gets its defaults. An attempt to end the process (`sys.exit`) becomes an error that says where.
    Other exceptions pass.

    Args:
        reference: What is imported or called.

    Raises:
        ReferenceProblem: The code raised `SystemExit`, `KeyboardInterrupt` or another exception that is no `Exception`.
    """
    found = parse(reference)
    file = None
    if found is not None:
        file = found.file or module_file(found.module)
    before, sys.argv = sys.argv, [str(file or "")]
    try:
        yield
    except Exception:
        raise
    except BaseException as error:
        raise ReferenceProblem(_ended(reference if found is None else found.code, error)) from error
    finally:
        sys.argv = before


def accepted(function: Callable[..., Any], offered: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the offered keyword arguments that a function takes; all of them if it takes `**kwargs`.

    Positional-only parameters are left out; builtins without a signature get nothing.
    """
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {}
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return dict(offered)
    by_name = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    return {name: value for name, value in offered.items() if name in by_name}


def _ended(code: str, error: BaseException) -> str:
    """Say which code ended the process, how, and where."""
    where = _where(error.__traceback__)
    if not isinstance(error, SystemExit):
        return f"{code} ended the process: {describe(error)[:_LONGEST]}{where}"
    given = "" if error.code is None else repr(error.code)
    said = _refused_arguments(error.__traceback__)
    return f"{code} ended the process: sys.exit({given[:_LONGEST]}){where}" + (f": {said}" if said else "")


def _where(trace: TracebackType | None) -> str:
    """The last line of the user's own on the way to an exception."""
    own = [folder for name in OWN_PACKAGES if (folder := PROGRAM / name).is_dir()]
    installed = [Path(entry) for entry in (*site.getsitepackages(), sysconfig.get_path("stdlib"))]
    line = ""
    while trace is not None:
        file = Path(trace.tb_frame.f_code.co_filename)
        if file.is_file() and not any(file.is_relative_to(folder) for folder in (*own, *installed)):
            line = f" in {shown_path(file)} line {trace.tb_lineno}"
        trace = trace.tb_next
    return line


def _refused_arguments(trace: TracebackType | None) -> str:
    """What argparse had to say before it ended the process: its message is on standard error, where few look."""
    while trace is not None:
        frame = trace.tb_frame
        if frame.f_globals.get("__name__") == "argparse" and frame.f_code.co_name == "error":
            return " ".join(str(frame.f_locals.get("message", "")).split())[:_LONGEST]
        trace = trace.tb_next
    return ""
