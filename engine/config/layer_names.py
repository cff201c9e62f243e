"""Settings that name layers: lists of names, and a density for each of some names.

They are kept as one line of text, as a person writes it: `emb,head` and `fc1=0.1,fc2=0.5`. Which names a model has is
only known once it is built; here the form alone is checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

__all__ = ["densities", "densities_text", "names", "names_text"]

NAMES = "names of parameters or modules of the model, with commas between, as in emb,head; *, ? and [] are wildcards"
DENSITIES = "NAME=DENSITY with commas between, each density from 0 to 1, as in fc1=0.1,fc2=0.5"


def names(text: str | None) -> tuple[str, ...]:
    """Returns the names of a list as it is kept."""
    return () if text is None else tuple(text.split(","))


def densities(text: str | None) -> dict[str, float]:
    """Returns the density of each name of a list as it is kept."""
    pairs = (pair.rpartition("=") for pair in names(text))
    return {name: float(density) for name, _, density in pairs}


def names_text(value: object) -> object:
    """Brings a list of names into the form that is kept: each name once, in order; None where there is none.

    Args:
        value: Text, or several names.

    Raises:
        ValueError: It is neither.
    """
    parts = _parts(value)
    return value if parts is None else ",".join(sorted(set(parts))) or None


def densities_text(value: object) -> object:
    """Brings densities by name into the form that is kept; the order stays, for of two that match the last one counts.

    Args:
        value: Text, or a mapping of names to numbers.

    Raises:
        ValueError: A part is no name with a density from 0 to 1.
    """
    if isinstance(value, Mapping):
        value = [f"{name}={density}" for name, density in value.items()]
    parts = _parts(value)
    if parts is None:
        return value
    kept: dict[str, str] = {}
    for part in parts:
        name, _, density = (piece.strip() for piece in part.rpartition("="))
        if not name or not _is_share(density):
            raise ValueError(f"{part!r} must be {DENSITIES.replace(' with commas between', '', 1)}")
        kept.pop(name, None)
        kept[name] = repr(float(density)).removesuffix(".0")
    return ",".join(f"{name}={density}" for name, density in kept.items()) or None


def _parts(value: object) -> list[str] | None:
    """Splits a list; None where the value is none, for the schema to refuse."""
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, Iterable) or isinstance(value, Mapping | bytes):
        return None
    parts = list(value)
    if not all(isinstance(part, str) for part in parts):
        return None
    return [part.strip() for one in parts for part in one.split(",") if part.strip()]


def _is_share(text: str) -> bool:
    try:
        return 0 <= float(text) <= 1
    except ValueError:
        return False
