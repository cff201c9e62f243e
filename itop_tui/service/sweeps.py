"""Lists in settings make a grid of runs: reading them, the points of the grid, and what a group still misses.

"0.05,0.1" is a list; "1..5" among whole numbers is 1,2,3,4,5. The command line and the form share all of this, so that
the same grid is the same group wherever it was made.
"""

from __future__ import annotations

import difflib
import hashlib
import itertools
import math
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from engine.config.experiments import experiment_key
from engine.config.run_config import ConfigError, Problem, RunConfig
from itop_tui.service.words import short_value

if TYPE_CHECKING:
    from db.records import RunRecord
    from db.session import Database

MOST = 1000
"""The most runs that are queued at once without a question."""
LARGEST = 50_000
"""The most runs of one grid."""
SAMPLED = 200
"""Of a grid that has more runs, so many are made while it is typed."""

_ONE_VALUE = frozenset({"data_dir", "weights", "save", "include", "exclude", "layer_densities", "devices"})
"""Settings that are paths or lists themselves, in which a comma is a comma."""
_PLACE = re.compile(r"\{(\w+)\}", re.ASCII)
"""A place in the name of a sweep that is filled with a run's value."""
_RANGE = re.compile(r"(\d+)\s*\.\.\s*(\d+)", re.ASCII)
_LIKE_A_RANGE = re.compile(r"[-+.\de]*\d\s*\.\.\s*[-+.\d]*", re.ASCII | re.IGNORECASE)


class GridTooLargeError(ValueError):
    """A grid has more runs than anybody means."""

    def __init__(self, points: int) -> None:
        self.points = points
        super().__init__(f"this grid has {points:,} runs, more than the {LARGEST:,} that one sweep may queue")


@dataclass(frozen=True, slots=True)
class Grid:
    """The runs that lists make.

    Attributes:
        axes: The settings that are lists, each with its values as text, in the order of the form.
        configs: A configuration for each point, the last axis varying fastest, equal ones once; of a sample those of
            some points, the first one among them.
        points: How many runs a sample stands for; 0 where the configurations are all there are.
    """

    axes: Mapping[str, tuple[str, ...]]
    configs: tuple[RunConfig, ...]
    points: int = 0

    @property
    def runs(self) -> int:
        """How many runs there are; of a sample before equal ones are found."""
        return self.points or len(self.configs)


def kinds_of(name: str) -> set[Any]:
    """The types a setting's value may have."""
    annotation = RunConfig.model_fields[name].annotation
    return set(get_args(annotation)) or {annotation}


def may_list(name: str) -> bool:
    """Whether a list may be written for a setting."""
    return name not in _ONE_VALUE


def values_of(name: str, text: str) -> tuple[str, ...] | None:
    """The values of a list as it was written, each once; None where the text is no list.

    Raises:
        ConfigError: A range in it makes no sense.
        GridTooLargeError: It has more values than a grid may.
    """
    if not may_list(name):
        return None
    kinds = kinds_of(name)
    numbers = bool(kinds & {int, float})
    if "," not in text and not (numbers and ".." in text):
        return None
    values: list[str] = []
    for part in filter(None, map(str.strip, text.split(","))):
        values += _range(name, part, whole=int in kinds) if numbers and ".." in part else [part]
    return tuple(dict.fromkeys(values))


def _range(name: str, part: str, *, whole: bool) -> Sequence[str]:
    found = _RANGE.fullmatch(part)
    if not whole and _LIKE_A_RANGE.fullmatch(part):
        raise ConfigError([Problem(name, part, "a range is for whole numbers; write a list, as in 0.05,0.1")])
    if found is None:
        raise ConfigError([Problem(name, part, "must be a range as in 1..5, or a list as in 1,2,5")])
    if len(found[1]) > 12 or len(found[2]) > 12:
        raise ConfigError([Problem(name, part, "must be a range of numbers that a setting may have")])
    low, high = int(found[1]), int(found[2])
    if low > high:
        raise ConfigError([Problem(name, part, f"a range goes upwards: {high}..{low}")])
    if high - low >= LARGEST:
        raise GridTooLargeError(high - low + 1)
    return [str(number) for number in range(low, high + 1)]


def axes_of(settings: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The settings that are lists, in the order of the form.

    Raises:
        ConfigError: With each range that makes no sense.
        GridTooLargeError: A list is too long.
    """
    axes: dict[str, tuple[str, ...]] = {}
    problems: list[Problem] = []
    for name in RunConfig.model_fields:
        text = settings.get(name)
        if not isinstance(text, str):
            continue
        try:
            values = values_of(name, text)
        except ConfigError as error:
            problems += error.problems
        else:
            if values:
                axes[name] = values
    if problems:
        raise ConfigError(problems)
    return axes


def expand(
    settings: Mapping[str, Any],
    make: Callable[[Mapping[str, Any]], RunConfig] = RunConfig.create,
    *,
    repetitions: int = 1,
) -> Grid:
    """Make the configurations of a grid; settings without a list give a grid of one point.

    Raises:
        ConfigError: With each problem of any point once.
        GridTooLargeError: It has more than `LARGEST` runs.
    """
    axes = axes_of(settings)
    _count(axes, repetitions)
    made = _made(settings, axes, itertools.product(*axes.values()), make)
    configs: dict[str, RunConfig] = {}
    for config in made:
        for one in seeded(config, repetitions):
            configs.setdefault(experiment_key(one), one)  # 0.1 and 0.10 are one point
    return Grid(axes, tuple(configs.values()))


def sample(settings: Mapping[str, Any]) -> Grid:
    """Make a grid as `expand` does; of one with more than `SAMPLED` runs, so many that are chosen evenly.

    It is for what is done at every key: a thousand configurations take a third of a second. Every axis is checked: all
    its values, or `SAMPLED` of them with the first and the last. Which of them do not go together is only known when
    all runs are made.

    Raises:
        ConfigError: With each problem found once.
        GridTooLargeError: It has more than `LARGEST` runs.
    """
    axes = axes_of(settings)
    points = _count(axes)
    if points <= SAMPLED:
        return expand(settings)
    first = {name: values[0] for name, values in axes.items()}
    checked = [
        tuple({**first, name: values[number]}.values())
        for name, values in axes.items()
        for number in sorted({*range(0, len(values), math.ceil(len(values) / SAMPLED)), len(values) - 1})
    ]
    _made(settings, axes, dict.fromkeys(checked), RunConfig.create)
    # The same ones each time, so that what is estimated from them does not move.
    chosen = sorted({0, *random.Random(0).sample(range(1, points), SAMPLED - 1)})
    return Grid(axes, tuple(_made(settings, axes, (_point(axes, each) for each in chosen), RunConfig.create)), points)


def _count(axes: Mapping[str, Sequence[str]], repetitions: int = 1) -> int:
    """How many points a grid has, where that is not too many."""
    points = repetitions * math.prod(map(len, axes.values()))
    if points > LARGEST:
        raise GridTooLargeError(points)
    return points


def _point(axes: dict[str, tuple[str, ...]], number: int) -> tuple[str, ...]:
    """The values of a point by its number, the last axis varying fastest."""
    values: list[str] = []
    for axis in reversed(axes.values()):
        number, place = divmod(number, len(axis))
        values.insert(0, axis[place])
    return tuple(values)


def _made(
    settings: Mapping[str, Any],
    axes: Mapping[str, Sequence[str]],
    points: Iterable[tuple[str, ...]],
    make: Callable[[Mapping[str, Any]], RunConfig],
) -> list[RunConfig]:
    """The configurations of points; raises with each problem of any of them once."""
    configs: list[RunConfig] = []
    problems: dict[str, Problem] = {}
    for values in points:
        try:
            configs.append(make({**settings, **dict(zip(axes, values, strict=True))}))
        except ConfigError as error:
            problems |= {str(problem): problem for problem in error.problems}
    if problems:
        raise ConfigError(list(problems.values()))
    return configs


def seeded(config: RunConfig, repetitions: int) -> list[RunConfig]:
    """Give configurations with consecutive seeds, the first with the configuration's own."""
    return [config, *(config.with_changes(seed=config.seed + offset) for offset in range(1, repetitions))]


def group_name(grid: Grid) -> str:
    """Name a group by its axes and a digest of its settings: the same grid has the same name, in later versions too."""
    keys = "\n".join(sorted(map(experiment_key, grid.configs)))
    digest = hashlib.blake2b(keys.encode(), digest_size=3).hexdigest()
    return "-".join(["sweep", *grid.axes, digest])


def run_names(name: str, configs: Sequence[RunConfig], axes: Iterable[str]) -> list[str]:
    """Name the runs of a grid: what was typed, and the values in which they differ ("paper-density0.05-seed1").

    `{density}` in the name is replaced by a run's density; axes that the name has no place for are appended.

    Args:
        name: What was typed.
        configs: The runs.
        axes: The settings in which they differ, in the order of the form.

    Raises:
        ConfigError: The name has a place for something that is no setting.
    """
    wanted = [field for field in _PLACE.findall(name) if field not in RunConfig.model_fields]
    if wanted:
        near = difflib.get_close_matches(wanted[0], RunConfig.model_fields, n=1, cutoff=0.5)
        hint = f" (did you mean {{{near[0]}}}?)" if near else ""
        problem = (
            f"{{{wanted[0]}}} is no setting{hint}; what stands in braces is replaced by a run's value, as in {{seed}}"
        )
        raise ConfigError([Problem("name", name, problem)])
    placed = set(_PLACE.findall(name))
    appended = [field for field in axes if field not in placed]

    def named(config: RunConfig) -> str:
        filled = _PLACE.sub(lambda found: short_value(getattr(config, found[1])), name)
        return "-".join([filled, *(f"{field}{short_value(getattr(config, field))}" for field in appended)])

    return [named(config) for config in configs]


def differing(configs: Sequence[RunConfig], axes: Iterable[str]) -> list[str]:
    """The settings that tell the runs of a grid apart: its axes, and the seed where repetitions have several."""
    names = list(axes)
    if len({config.seed for config in configs}) > 1 and "seed" not in names:
        names.append("seed")
    return names


def missing(db: Database, group: str, configs: Sequence[RunConfig]) -> list[RunConfig]:
    """The configurations that no run of the group has, will have or is working on: not at all, or only failed ones."""
    from db.records import RunQuery, RunStatus
    from db.runs import runs

    gone = (RunStatus.FAILED, RunStatus.KILLED, RunStatus.LOST)
    known = runs.list_runs(db, RunQuery(group=group, archived=None, limit=None))
    had = {_key_of_run(run) for run in known if run.status not in gone}
    return [config for config in configs if experiment_key(config) not in had]


def as_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Give a stored configuration's settings as far as this version knows them."""
    return {name: value for name, value in config.items() if name in RunConfig.model_fields}


def _key_of_run(run: RunRecord) -> str:
    try:
        return experiment_key(RunConfig.create(as_settings(run.config)))
    except ConfigError:  # of another version: no point of this grid
        return ""


_MANY = {"data": "data sets", "lr": "learning rates", "epochs": "numbers of epochs", "l1": "l1 penalties",
         "l2": "weight decays", "momentum": "momenta", "max_steps": "largest steps", "weights": "weights"}  # fmt: skip


def many_of(name: str, number: int) -> str:
    """So many values of a setting, in words: "2 densities", "1 seed"."""
    label = name.replace("_", " ")
    if number != 1:
        label = _MANY.get(name) or re.sub(r"y$", "ie", label) + ("es" if label.endswith(("s", "ch")) else "s")
    return f"{number:,} {label}"


def axes_shown(grid: Grid) -> str:
    """What a grid is made of: "2 densities × 2 growths × 3 seeds"."""
    return " × ".join(many_of(name, len(values)) for name, values in grid.axes.items())


def size_shown(grid: Grid) -> str:
    """How large a grid is, and of what: "12 runs: 2 densities × 2 growths × 3 seeds"."""
    of = axes_shown(grid)
    runs = f"{grid.runs:,} run{'s' if grid.runs != 1 else ''}"
    return f"{runs}: {of}" if of else runs


def many(number: int) -> str | None:
    """What is said before so many runs are queued; None where nothing has to be asked."""
    return f"This queues {number:,} runs." if number > MOST else None
