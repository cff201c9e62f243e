"""What runs and groups are called by where several are shown: what distinguishes each from the others.

A name that a person gave stays, and the difference stands beside it where there is room. A name that itop made, or that
all of those shown share, distinguishes nothing: the difference is the name. A difference is written as a query asks for
it (`lr=0.01 epochs=600`), so that what a name says can be typed in the filter. Pure functions of records.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len

from itop_tui.figures.format import fit, plain, shortened
from itop_tui.service.words import short_value

if TYPE_CHECKING:
    from db.finding.grouping import RunGroup
    from db.records import RunRecord

_SELF_EXPLAINING = frozenset({"model", "data"})
"""Settings whose values say what they are of."""
OF_METHOD = frozenset({"sparse", "fix", "growth", "death", "redistribution"})
"""Settings that a method's name stands for."""
_LEAST_NAME = 12
"""The fewest cells in which a long name is worth showing beside a difference."""
_LONGEST_VALUE = 40
_USUAL = 0.75
"""The share of those shown whose value of a setting is the usual one, which a name need not say."""
_MOST_NAMED = 300
"""Groups of a list that are called by what differs; further ones are hardly read, and each costs a configuration."""


@dataclass(frozen=True, slots=True)
class Called:
    """What one of several things is called.

    Attributes:
        name: What a person called it; empty where no person did, and where all that are shown are called the same.
        parts: What distinguishes it from the others, in an order that all share; empty for one that is alone.
        unique: Whether no other one has its name.
        telling: The places of the parts, that of the one which distinguishes it from most others first.
        settings: Of each part, the setting (or method, or run) that it is of.
    """

    name: str = ""
    parts: tuple[str, ...] = ()
    unique: bool = False
    telling: tuple[int, ...] = ()
    settings: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """All that is needed to know it among the others."""
        return self.name if self.name and self.unique else " ".join(filter(None, (self.name, *self.parts)))

    def fitted(self, width: int) -> tuple[str, str]:
        """Its name and its difference in at most so many cells together, one of them between; either may be empty.

        A name that no other one has comes first, and takes what it needs. Otherwise the difference does.
        """
        name = plain(self.name)
        if name and self.unique:
            return shortened(name, width), self.beside(width - cell_len(name) - 1)
        if not self.parts:
            return shortened(name, width), ""
        beside = (name and self.beside(width - min(cell_len(name), _LEAST_NAME) - 1)) or self.beside(width)
        if not beside:
            return "", _cut(self.parts[self._order[0]], width)
        left = width - cell_len(beside) - 1
        return (shortened(name, left) if left >= min(cell_len(name), _LEAST_NAME) else ""), beside

    def without(self, said: Collection[str]) -> Called:
        """The same without the settings that are said beside it, unless those are all that distinguish it."""
        kept = [at for at, setting in enumerate(self.settings) if setting not in said]
        if not kept or len(kept) == len(self.parts):
            return self
        return replace(
            self,
            parts=tuple(self.parts[at] for at in kept),
            telling=tuple(kept.index(at) for at in self._order if at in kept),
            settings=tuple(self.settings[at] for at in kept),
        )

    @property
    def _order(self) -> Sequence[int]:
        return self.telling or range(len(self.parts))

    def beside(self, width: int) -> str:
        """The most telling parts that fit whole, and how many more there are: "lr=0.01 +2"; empty where none does.

        The most telling one stands alone where there is no room to say how many more there are.
        """
        for count in range(len(self.parts), 0, -1):
            kept = [self.parts[at] for at in sorted(self._order[:count])]
            more = [f"+{len(self.parts) - count}"] if count < len(self.parts) else []
            text = plain(" ".join([*kept, *more]))
            if cell_len(text) <= width:
                return text
        alone = plain(self.parts[self._order[0]]) if self.parts else ""
        return alone if cell_len(alone) <= width else ""


def called(shown: Sequence[Sequence[RunRecord]]) -> list[Called]:
    """What each of several things is called: runs, or groups of runs of one recipe, in their order."""
    names = [_given(members) for members in shown]
    if len(shown) > 1 and len(set(names)) == 1:
        names = [""] * len(shown)
    counted = Counter(names)
    differing = differences(shown)
    return [
        replace(one, name=name, unique=bool(name) and counted[name] == 1)
        for name, one in zip(names, differing, strict=True)
    ]


def groups_called(groups: Sequence[RunGroup], samples: Mapping[int, RunRecord]) -> dict[str, Called]:
    """What groups of one recipe each are called, by their keys; those that only their label describes are left out.

    Args:
        groups: The groups that are shown.
        samples: The first run of each, by its id.
    """
    known = [(each.key, samples[each.run_ids[0]]) for each in groups[:_MOST_NAMED] if each.run_ids[0] in samples]
    parts = differences([[run] for _, run in known], seeds=False)
    return {key: each for (key, _), each in zip(known, parts, strict=True) if each.parts}


def namesakes(runs: Iterable[RunRecord]) -> dict[int, Called]:
    """What those of some runs are called that share their name with others of them, by their ids.

    For lists, which are read often and from the start: nothing of the engine is asked about the settings.
    """
    by_name: dict[str, list[RunRecord]] = defaultdict(list)
    for run in runs:
        by_name[run.name].append(run)
    found: dict[int, Called] = {}
    for name, same in by_name.items():
        if len(same) > 1:
            parts = differences([[run] for run in same], in_recipe=_always, has_effect=_always)
            found |= {run.id: replace(each, name=name) for run, each in zip(same, parts, strict=True)}
    return found


# ------------------------------------------------------------------------------------------------------ names given


def _given(members: Sequence[RunRecord]) -> str:
    """What people called these runs; empty where itop named one of them."""
    names = [given_name(run) for run in members]
    return common_name(names) if all(names) else ""


def common_name(names: Sequence[str]) -> str:
    """Return what names have in common, word by word; a word in which they differ is written as "*".

    >>> common_name(["rigl-d0.05-s1-vgg", "rigl-d0.05-s2-vgg"])
    'rigl-d0.05-*-vgg'
    """
    if len(set(names)) == 1:
        return names[0]
    words = [re.split(r"([-_ ./,:]+)", name) for name in names]
    if len({len(each) for each in words}) == 1:
        kept = [parts[0] if len(set(parts)) == 1 else "*" for parts in zip(*words, strict=True)]
        if any(re.search(r"\w", word) for word in kept):
            return "".join(kept)
    return f"{names[0]} (+{len(names) - 1})"


def given_name(run: RunRecord) -> str:
    """What a person called a run: without the values that a sweep put behind it; empty where itop named it."""
    from db.runs.facets import Experiment, default_name

    try:
        if run.name == default_name(run.config, Experiment(run.method, run.recipe or "")):
            return ""
    except (TypeError, ValueError):  # a damaged configuration gives no name
        return run.name
    name = run.name
    while swept := next((end for end in _swept(name, run.config) if name.endswith(end) and name != end), ""):
        name = name.removesuffix(swept)
    return name


def _swept(name: str, config: Mapping[str, Any]) -> Iterable[str]:
    """What a sweep may have put behind the name of a run with these settings."""
    return (f"-{field}{short_value(value)}" for field, value in config.items() if field in name)


# -------------------------------------------------------------------------------------------------- what differs


def _in_recipe(setting: str) -> bool:
    from db.declared_settings import in_recipe

    return in_recipe(setting)


def _has_effect(setting: str, config: Mapping[str, Any]) -> bool:
    from engine.config.field_info import irrelevant_because

    return irrelevant_because(config, setting) is None


def _always(*_: object) -> bool:
    return True


Column = list[str | None]
"""What is written of one setting, for each that is shown; None where it has no effect, or several values."""


def differences(
    shown: Sequence[Sequence[RunRecord]],
    *,
    seeds: bool = True,
    without: Collection[str] = (),
    in_recipe: Callable[[str], bool] = _in_recipe,
    has_effect: Callable[[str, Mapping[str, Any]], bool] = _has_effect,
) -> list[Called]:
    """What distinguishes each of several things from the others; without names that people gave.

    The method comes first, then the settings of the recipe: those that distinguish pairs which nothing before them
    does, most pairs first, and those that differ as well. The seed, settings that change no result, and the run's
    number are last, each only where nothing else distinguishes two.

    Args:
        shown: The runs of each.
        seeds: Whether the seed and the number of a run say something; not of one that stands for its group.
        without: Settings (or the method) that are said elsewhere.
        in_recipe: Whether a setting belongs to a recipe.
        has_effect: Whether a setting has an effect in a configuration.
    """
    if len(shown) < 2:
        return [Called()] * len(shown)
    columns = {name: column for name, column in _columns(shown, has_effect).items() if name not in without}
    kinds = [0] * len(shown)
    """Of each, the number of those that it is not distinguished from yet."""
    chosen: list[str] = []

    def take(name: str) -> None:
        chosen.append(name)
        known: dict[tuple[int, str | None], int] = {}
        kinds[:] = [known.setdefault(pair, len(known)) for pair in zip(kinds, columns[name], strict=True)]

    recipe = [name for name in columns if name not in ("method", "seed") and in_recipe(name)]
    others = [name for name in columns if name not in ("method", "seed") and not in_recipe(name)]
    if "method" in columns:
        take("method")
    for tier in (recipe, ["seed"] if "seed" in columns and seeds else [], others):
        while name := _most_telling([each for each in tier if each not in chosen], columns, kinds):
            take(name)
    said = OF_METHOD if "method" in chosen else frozenset[str]()
    as_well = [name for name in recipe if name not in chosen and name not in said and _values(columns[name]) > 1]
    alike = Counter(kinds)
    if seeds and any(number > 1 for number in alike.values()):
        columns["run"] = [
            f"run {members[0].id}" if alike[kind] > 1 and len(members) == 1 else None
            for members, kind in zip(shown, kinds, strict=True)
        ]
        chosen.append("run")
    first = [name for name in chosen if name == "method" or name in recipe]
    said_by: dict[str, _Usual | None] = {name: _usual(columns[name]) for name in (*first, *as_well)}
    said_by |= dict.fromkeys((name for name in chosen if name not in first), None)
    alike_in: dict[str, dict[str | None, list[int]]] = {name: defaultdict(list) for name in said_by}
    for name, places in alike_in.items():
        for at, text in enumerate(columns[name]):
            places[text].append(at)
    return [_called_by(columns, alike_in, said_by, at) for at in range(len(shown))]


def _called_by(
    columns: Mapping[str, Column],
    alike_in: Mapping[str, Mapping[str | None, Sequence[int]]],
    said_by: Mapping[str, _Usual | None],
    at: int,
) -> Called:
    """What one of those that are shown is called by these settings, each with its usual value.

    A usual value is said only where it distinguishes this one from another; so is what has None instead.
    """
    own = [name for name in said_by if columns[name][at] is not None]
    left, telling = list(own), []
    others: Sequence[int] | None = None
    """Those that it is not distinguished from yet; None for all."""
    while left:
        # Of all others, those alike in each setting are known: lists may be long.
        stay = {
            name: len(alike_in[name][columns[name][at]])
            if others is None
            else sum(columns[name][other] == columns[name][at] for other in others)
            for name in left
        }
        before = len(columns[left[0]]) if others is None else len(others)
        best = min(left, key=lambda name: (stay[name], own.index(name)))
        usual = said_by[best]
        left.remove(best)
        if stay[best] < before or (usual is not None and columns[best][at] != usual.value):
            telling.append(best)
        alike = alike_in[best][columns[best][at]] if others is None else others
        others = [other for other in alike if columns[best][other] == columns[best][at]]
    kept = [name for name in own if name in telling]
    parts = tuple(f"{columns[name][at]}" for name in kept)
    return Called("", parts, False, tuple(map(kept.index, telling)), tuple(kept))


@dataclass(frozen=True, slots=True)
class _Usual:
    """The value of a setting that most have; None where none is usual."""

    value: str | None


def _usual(column: Column) -> _Usual:
    known = Counter(value for value in column if value is not None)
    value, count = known.most_common(1)[0]
    return _Usual(value if count >= _USUAL * known.total() else None)


def _columns(
    shown: Sequence[Sequence[RunRecord]], has_effect: Callable[[str, Mapping[str, Any]], bool]
) -> dict[str, Column]:
    """What is written of the method and of each setting in which not all are the same, in the settings' order."""
    columns: dict[str, Column] = {"method": [_shared(run.method for run in members) for members in shown]}
    every = [run for members in shown for run in members]
    for name in dict.fromkeys(name for run in every for name in run.config):
        first = every[0].config.get(name)
        if all(run.config.get(name) == first for run in every):
            continue
        columns[name] = [
            _shared(_written(name, run.config) if has_effect(name, run.config) else None for run in members)
            for members in shown
        ]
    return {name: column for name, column in columns.items() if len(set(column)) > 1}


def _cut(part: str, width: int) -> str:
    """A part that is too long: of the setting's name as much as there is room for beside the value."""
    name, equals, value = plain(part).rpartition("=")
    room = width - cell_len(value) - 1
    return f"{fit(name, room).rstrip()}={value}" if equals and room > 1 else shortened(part, width)


def _shared(texts: Iterable[str | None]) -> str | None:
    """What all say; None where they differ."""
    distinct = set(texts)
    return distinct.pop() if len(distinct) == 1 else None


def _written(name: str, config: Mapping[str, Any]) -> str | None:
    """A setting as a name says it."""
    if name not in config or (name, config[name]) == ("sparse_init", "GMP"):  # the method's name says it
        return None
    text = written_value(config[name])
    return f"seed {text}" if name == "seed" else text if name in _SELF_EXPLAINING else f"{name}={text}"


def written_value(value: object) -> str:
    """The value of a setting as a name says it: all digits of a number; of a path, the file's name."""
    text = short_value(value)
    if isinstance(value, float) and float(text) != value:
        text = str(value)
    text = plain(text, limit=1_000)
    if isinstance(value, str) and "/" in text:
        text = text.rstrip("/").rpartition("/")[2]
    return shortened(text, _LONGEST_VALUE)


def _values(column: Column) -> int:
    return len(set(column) - {None})


def _most_telling(names: Sequence[str], columns: Mapping[str, Column], kinds: Sequence[int]) -> str:
    """The first of the settings that distinguish most pairs which are alike by now; empty where none does."""
    best, most = "", 0
    alike = Counter(kinds)
    for name in names:
        together = Counter(zip(kinds, columns[name], strict=True))
        parted = sum(n * n for n in alike.values()) - sum(n * n for n in together.values())
        if parted > most:
            best, most = name, parted
    return best
