"""Custom models and data sets, named as `package.module:function`.

Imported from wherever Python finds them, the current folder included (a console script leaves it out of its path,
and it is where people keep the file they are working on).
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["ReferenceProblem", "accepted", "describe", "import_function"]


class ReferenceProblem(Exception):  # noqa: N818 - internal: model and data errors are made of its message
    """A reference cannot be followed; the message says at which part."""


def describe(error: BaseException) -> str:
    """Return an exception as `Type: message` on one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def import_function(reference: str) -> Callable[..., Any]:
    """Import what `package.module:function` names.

    Raises:
        ReferenceProblem: when the module does not import, has no such name, or the name is not callable.
    """
    module_name, _, path = reference.partition(":")
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.append(here)
    try:
        target: Any = importlib.import_module(module_name)
    except Exception as error:  # the module is the user's: anything can happen while it runs
        raise ReferenceProblem(f"module {module_name!r} does not import: {describe(error)}") from error
    for part in path.split("."):
        if not hasattr(target, part):
            raise ReferenceProblem(f"{module_name!r} has no {path!r}")
        target = getattr(target, part)
    if not callable(target):
        raise ReferenceProblem(f"it is not a function but of type {type(target).__name__}")
    function: Callable[..., Any] = target
    return function


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
