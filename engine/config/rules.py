"""The rules that a run may choose among, as `engine.sparsity` declares them, read without importing torch.

A rule is declared once, by its decorator: `@GROWTH.register("gradient", "RigL: the largest dense gradient")`. Importing
those modules would import torch, which takes seconds and which the app never does, so their syntax trees are read
instead. A test compares what is found with the registries themselves.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DEATH", "DISTRIBUTIONS", "GROWTH", "REDISTRIBUTION", "SCHEDULES", "RuleInfo", "choices", "listed"]

_FOLDER = Path(__file__).parents[1] / "sparsity"


@dataclass(frozen=True, slots=True)
class RuleInfo:
    """A rule as it is declared.

    Attributes:
        about: What it does, in a few words; may be empty.
        needs: What it reads beside weights and masks: gradient, momentum.
    """

    about: str
    needs: tuple[str, ...]


def _declared(registry: str, module: str) -> dict[str, RuleInfo]:
    """The rules of a registry, in the order of registration, by the names that people write."""
    found: dict[str, RuleInfo] = {}
    for node in ast.parse((_FOLDER / module).read_text(encoding="utf-8")).body:
        for call in reversed(getattr(node, "decorator_list", [])):  # the lowest decorator is applied first
            match call:
                case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="register")) if name == registry:
                    words = [ast.literal_eval(argument) for argument in call.args]
                    named = {each.arg: ast.literal_eval(each.value) for each in call.keywords}
                    about = words[1] if len(words) > 1 else ""
                    found[named.get("shown") or words[0]] = RuleInfo(about, named.get("needs", ()))
    return found


DISTRIBUTIONS = _declared("DISTRIBUTIONS", "distributions.py")
GROWTH = _declared("GROWTH", "growth.py")
DEATH = _declared("DEATH", "death.py")
REDISTRIBUTION = _declared("REDISTRIBUTION", "redistribution.py")
SCHEDULES = _declared("SCHEDULES", "schedules.py")


def choices(rules: Mapping[str, RuleInfo]) -> tuple[str, ...]:
    """The names of rules, as the arguments of a `Literal`."""
    return tuple(rules)


def listed(rules: Mapping[str, RuleInfo]) -> str:
    """Rules with what they do, for a help text: "random (SET), momentum_neuron"."""
    return ", ".join(f"{name} ({rule.about})" if rule.about else name for name, rule in rules.items())
