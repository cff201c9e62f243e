"""Names of parameters and modules as people write them: patterns, and the error for one that matches nothing.

A pattern (`fnmatch`: `*`, `?`, `[…]`) stands for a parameter's own name, for the weight that it is the tensor behind
(`fc.weight` for `fc.weight_v`), or for a module that it lies in, at any depth.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from fnmatch import fnmatchcase
from functools import lru_cache

_PARAMETRISED = re.compile(r"(?P<module>.*?\.?)parametrizations\.(?P<weight>[^.]+)\.original\d*")
_HOOKED = re.compile(r"(?P<weight>.*weight\w*)_(v|g|orig)")
_NEAREST = 5


@lru_cache(maxsize=65_536)
def own_names(parameter: str) -> tuple[str, ...]:
    """Returns a parameter's name and, where it is behind another weight, that weight's."""
    if found := _PARAMETRISED.fullmatch(parameter):
        return parameter, found["module"] + found["weight"]
    if found := _HOOKED.fullmatch(parameter):
        return parameter, found["weight"]
    return (parameter,)


@lru_cache(maxsize=65_536)
def modules_around(parameter: str) -> tuple[str, ...]:
    """Returns the names of the modules that a parameter lies in, the innermost first."""
    parts = parameter.split(".")[:-1]
    return tuple(".".join(parts[:length]) for length in range(len(parts), 0, -1))


def names_itself(pattern: str, parameter: str) -> bool:
    """Says whether a pattern matches a parameter's own name."""
    return any(fnmatchcase(name, pattern) for name in own_names(parameter))


def names_module(pattern: str, parameter: str) -> bool:
    """Says whether a pattern matches a module that a parameter lies in."""
    return any(fnmatchcase(name, pattern) for name in modules_around(parameter))


def names(pattern: str, parameter: str) -> bool:
    """Says whether a pattern matches a parameter or a module that it lies in."""
    return names_itself(pattern, parameter) or names_module(pattern, parameter)


def unknown_name(field: str, pattern: str, parameters: Collection[str]) -> ValueError:
    """Builds the error for a pattern that matches nothing: the field, the pattern and the nearest names.

    Args:
        field: The setting.
        pattern: What was given.
        parameters: The names of the parameters that it could have matched.
    """
    known = dict.fromkeys(name for one in parameters for name in (*own_names(one), *modules_around(one)))
    by_folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(pattern.casefold(), by_folded, n=_NEAREST, cutoff=0.4)
    close = [by_folded[name] for name in near]
    hint = f" Did you mean {close[0]!r}?" if close else ""
    shown = close[1:] or sorted(parameters)[: 4 * _NEAREST]
    others = [name for name in shown if name not in close[:1]]
    rest = f" {'Near it' if close[1:] else 'Allowed'}: {', '.join(others)}." if others else ""
    return ValueError(f"{field}: {pattern!r} is not known.{hint}{rest}")
