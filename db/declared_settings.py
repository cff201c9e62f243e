"""What is known of the settings in a run's configuration: their names, kinds and meanings.

The store keeps configurations as JSON and needs none of this. Where the engine is imported, it declares its settings
here, and queries, groups and columns then know them by name; without it, `config.NAME` still reads each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias

__all__ = ["DeclaredSetting", "SettingKind", "Unit", "declare", "declared", "in_recipe"]

SettingKind: TypeAlias = Literal["text", "number", "flag"]
Unit: TypeAlias = Literal["", "whole", "share", "seconds"]


@dataclass(frozen=True, slots=True)
class DeclaredSetting:
    """One setting.

    Attributes:
        name: Its name in the configuration.
        kind: What it holds, where it is not empty.
        unit: What a number counts.
        help: What it means, in a few words.
        in_recipe: Whether a difference in it makes two experiments, not two repetitions.
    """

    name: str
    kind: SettingKind
    unit: Unit
    help: str
    in_recipe: bool


def _none() -> Iterable[DeclaredSetting]:
    return ()


_source: Callable[[], Iterable[DeclaredSetting]] = _none


def declare(source: Callable[[], Iterable[DeclaredSetting]]) -> None:
    """Say where the settings are declared; the source is called when they are first needed."""
    global _source
    _source = source
    declared.cache_clear()


@cache
def declared() -> dict[str, DeclaredSetting]:
    """The declared settings by name, in the order of their declaration."""
    return {setting.name: setting for setting in _source()}


def in_recipe(name: str) -> bool:
    """Whether a setting belongs to a run's recipe; one that is not declared does."""
    setting = declared().get(name)
    return setting is None or setting.in_recipe
