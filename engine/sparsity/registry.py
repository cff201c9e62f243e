"""A registry of named rules, and the one sentence a misspelt name gets.

Every family of rules in this package (distributions, death, growth, redistribution, schedules) is a `Registry`: a
mapping from a lower-case name to a small function on tensors. A user adds a rule by registering a function of the
same signature:

    from engine.sparsity import GROWTH

    @GROWTH.register("middle_out")
    def middle_out(layer, count, generator):
        ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from engine.spelling import nearest

Rule = TypeVar("Rule", bound=Callable[..., object])


LISTED = 20
"""The most names an error message lists; a large model has hundreds of parameters."""


def unknown_value(field: str, value: object, allowed: Iterable[str]) -> ValueError:
    """Builds the error for a value outside its list: field, value, nearest spelling and everything allowed."""
    names = sorted(allowed)
    meant = nearest(value, names, likeness=0.4)
    hint = f" Did you mean {meant!r}?" if meant else ""
    shown = ", ".join(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")
    return ValueError(f"{field}: {value!r} is not known.{hint} Allowed: {shown}.")


class Registry(Generic[Rule]):
    """Named rules of one family; names are accepted in any case.

    Args:
        field: The configuration field that chooses among them, named in error messages.

    Attributes:
        shown: What each rule does, in a few words, by its spelling in a run's configuration.
    """

    def __init__(self, field: str) -> None:
        self.field = field
        self._rules: dict[str, Rule] = {}
        self._needs: dict[str, frozenset[str]] = {}
        self._spelling: dict[str, str] = {}
        self.shown: dict[str, str] = {}

    def register(
        self, name: str, about: str = "", *, needs: Iterable[str] = (), shown: str = ""
    ) -> Callable[[Rule], Rule]:
        """Registers the decorated function.

        `engine.config.rules` reads these arguments from the source, without running it: write them as literals.

        Args:
            name: The name users write; the latest registration of a name wins.
            about: What the rule does, in a few words for a help text.
            shown: Its spelling in a run's configuration, where that differs in case.
            needs: What the rule reads beside weights and masks: `"gradient"` and `"momentum"` are provided.

        Returns:
            A decorator that hands the function back unchanged.
        """

        def decorate(rule: Rule) -> Rule:
            self._rules[name] = rule
            self.shown[shown or name] = about
            self._needs[name] = frozenset(needs)
            self._spelling[name.casefold()] = name
            return rule

        return decorate

    def canonical(self, name: str) -> str:
        """Returns the registered spelling of a name.

        Raises:
            ValueError: Nothing of that name is registered.
        """
        try:
            return self._spelling[str(name).casefold()]
        except KeyError:
            raise unknown_value(self.field, name, self._rules) from None

    def __getitem__(self, name: str) -> Rule:
        return self._rules[self.canonical(name)]

    def needs(self, name: str) -> frozenset[str]:
        """Returns what the named rule reads beside weights and masks."""
        return self._needs[self.canonical(name)]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.casefold() in self._spelling

    def __iter__(self) -> Iterator[str]:
        return iter(self._rules)

    def __len__(self) -> int:
        return len(self._rules)


FAMILIES: dict[str, Registry[Any]] = {}
"""The registry of each configuration field that chooses a rule. Importing `engine.sparsity` fills it."""


def family(field: str) -> Registry[Rule]:
    """Makes the registry of a configuration field, by which `SparsityConfig` checks the field's value."""
    registry: Registry[Rule] = Registry(field)
    FAMILIES[field] = registry
    return registry
