"""Runs side by side, without a widget: which settings differ, which result is best, and seeds joined into one curve.

What is compared is an `Entry`: one run, or the runs of one recipe that differ by their seed. A metric of a group is its
mean ± the sample standard deviation (n − 1), as papers report it; n is the number of its runs that have the metric.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from db.finding.spread import mean_and_spread
from db.history.declared import METRICS
from itop_tui.figures.differences import Called, called, common_name
from itop_tui.figures.format import (
    UNKNOWN,
    duration,
    energy,
    explored,
    figure,
    percent,
    share,
    short_count,
    shortened,
    whole,
)
from itop_tui.figures.metric_text import writer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from db.records import AttemptRecord, RunRecord

    FloatArray = NDArray[np.float64]

MOST = 20
"""The most entries that are compared: more letters and lines than that cannot be distinguished."""
LETTERS = "ABCDEFGHIJKLMNOPQRST"


# ------------------------------------------------------------------------------------------------------------ entries


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that is compared: a run, or the runs of one recipe, called by what distinguishes it from the others."""

    letter: str
    called: Called
    runs: tuple[RunRecord, ...]

    @property
    def label(self) -> str:
        """What it is called where there is room for all that is needed to know it."""
        return self.called.label or common_name([run.name for run in self.runs])

    def fitted(self, width: int) -> tuple[str, str]:
        """What it is called in at most so many cells: its name, and what distinguishes it; either may be empty."""
        return self.called.fitted(width) if self.called != Called() else (shortened(self.label, width), "")

    @property
    def n(self) -> int:
        """How many runs it joins."""
        return len(self.runs)

    def label_with_n(self, n: int) -> str:
        """Its name, with how many of its runs have what is shown, where it joins several."""
        return f"{self.label} (n = {n})" if self.n > 1 else self.label

    @property
    def caption(self) -> str:
        """What it joins: "run 5", or "3 runs"."""
        return f"run {self.key}" if self.n == 1 else f"{self.n} runs"

    @property
    def status(self) -> str:
        """The state of its runs; empty where they do not share one."""
        states = {run.status for run in self.runs}
        return self.runs[0].status if len(states) == 1 else ""

    @property
    def key(self) -> int:
        """What stays the same when entries are reordered: the id of its first run."""
        return self.runs[0].id


def entries(runs: Sequence[RunRecord], *, grouped: bool = False) -> tuple[Entry, ...]:
    """Make the entries of a comparison, in the order of the runs; `grouped` joins those that differ only by the seed.

    Raises:
        ValueError: They make more entries than are compared.
    """
    parts: dict[object, list[RunRecord]] = {}
    for run in runs:
        parts.setdefault(_recipe(run) if grouped else run.id, []).append(run)
    if len(parts) > MOST:
        things = "recipes" if grouped else "runs"
        raise ValueError(f"{len(parts)} {things} are too many to compare: {MOST} at most")
    members = list(parts.values())
    return tuple(
        Entry(letter, name, tuple(own)) for letter, name, own in zip(LETTERS, called(members), members, strict=False)
    )


def fitting(runs: Sequence[RunRecord], *, grouped: bool) -> tuple[bool, int]:
    """Whether seeds are joined so that runs can be distinguished, and how many runs, the first ones, are compared.

    `grouped` is whether they are to be joined where that leaves several groups.
    """
    groups = len({_recipe(run) for run in runs})
    if len(runs) <= MOST:
        return grouped and groups > 1, len(runs)  # of one group, its seeds are what can be compared
    return (True, len(runs)) if groups <= MOST else (False, MOST)


def _recipe(run: RunRecord) -> str:
    if run.recipe is not None:
        return run.recipe
    from db.runs.facets import recipe

    return recipe(run.config)  # a run recorded before recipes were


# ----------------------------------------------------------------------------------------------------------- settings


def differing_settings(runs: Sequence[RunRecord]) -> dict[str, list[Any]]:
    """Return the settings in which runs differ, each with the value of every run, in the runs' order.

    A setting that a run's stored configuration does not have is None there.
    """
    from engine.config.run_config import RunConfig

    names = [*RunConfig.model_fields, *(name for run in runs for name in run.config)]
    values = {name: [run.config.get(name) for run in runs] for name in dict.fromkeys(names)}
    return {name: row for name, row in values.items() if any(value != row[0] for value in row)}


def entry_settings(compared: Sequence[Entry]) -> dict[str, list[tuple[Any, ...]]]:
    """Return the settings in which any runs of a comparison differ: of each entry, its distinct values in order."""
    runs = [run for entry in compared for run in entry.runs]
    places = {run.id: position for position, run in enumerate(runs)}
    return {
        name: [_distinct(values[places[run.id]] for run in entry.runs) for entry in compared]
        for name, values in differing_settings(runs).items()
    }


def setting_of(name: str, values: Sequence[Any]) -> str:
    """The values that a setting has in the runs of an entry."""
    from engine.config.field_info import setting_text

    return ", ".join(UNKNOWN if value is None else setting_text(name, value) for value in values)


def _distinct(values: Iterable[Any]) -> tuple[Any, ...]:
    seen: list[Any] = []
    for value in values:  # a setting may be a list: it has no hash
        if value not in seen:
            seen.append(value)
    return tuple(seen)


# ------------------------------------------------------------------------------------------------------------ results


@dataclass(frozen=True, slots=True)
class Result:
    """A metric in which runs are compared.

    Attributes:
        name: Its name in records and JSON.
        label: Its name in a table.
        short: The same in a table's head.
        write: How it is written.
        best: Whether the largest (1) or the smallest (-1) is the best; 0 where neither is.
    """

    name: str
    label: str
    short: str
    write: Callable[[Any], str]
    best: int = 0


RESULTS = (
    Result("test_accuracy", "test accuracy", "test acc", percent, 1),
    Result("best_val_accuracy", "best val accuracy", "best val acc", percent, 1),
    Result("loss", "last loss", "last loss", writer(METRICS["loss"]), -1),
    Result("density", "density", "density", writer(METRICS["density"])),
    Result("nonzeros", "active weights", "active", writer(METRICS["nonzeros"])),
    Result("itop_rate", "R_s", "R_s", writer(METRICS["itop_rate"])),
    Result("training_flops", "training FLOPs", "FLOPs", short_count),
    Result("flops_ratio", "share of dense", "of dense", share),
    Result("step", "steps", "steps", whole),
    Result("seconds", "time", "time", duration),
    Result("energy_wh", "energy", "energy", energy),
    Result("samples_per_second", "samples a second", "samples", writer(METRICS["samples_per_second"]), 1),
)
"""The metrics compared, in a table's order; `seconds` is worked out, the others are a run's own."""


@dataclass(frozen=True, slots=True)
class Stat:
    """A metric of an entry.

    Attributes:
        mean: Over the runs that have it; None where none has. A run that diverged makes it nan or infinite.
        std: The sample standard deviation; None of fewer than two runs, and where the mean is no number.
        n: How many runs have the metric.
    """

    mean: float | None
    std: float | None
    n: int


NO_STAT = Stat(None, None, 0)
"""A metric that no run has."""


def statistic(values: Iterable[float | None]) -> Stat:
    """Return mean and sample standard deviation of the values that are known.

    >>> statistic([1.0, 3.0, None])
    Stat(mean=2.0, std=1.4142135623730951, n=2)
    """
    known = [float(value) for value in values if value is not None]
    if not all(map(math.isfinite, known)):
        return Stat(sum(known) / len(known), None, len(known))
    return Stat(*mean_and_spread(known), len(known))


def result_of(run: RunRecord, name: str, seconds: Mapping[int, float | None]) -> float | None:
    """One result of one run, by its name in `RESULTS`; `seconds` is how long each run took."""
    if name == "seconds":
        return seconds.get(run.id)
    value: float | None = explored(run) if name == "itop_rate" else getattr(run, name)
    return value


def results(compared: Sequence[Entry], seconds: Mapping[int, float | None]) -> dict[str, list[Stat]]:
    """Return each result of every entry, in the order of `RESULTS`."""
    return {
        result.name: [statistic(result_of(run, result.name, seconds) for run in entry.runs) for entry in compared]
        for result in RESULTS
    }


def best(stats: Sequence[Stat], direction: int) -> frozenset[int]:
    """The positions of the best means, several where they are equal; none where fewer than two are known.

    The direction is 1 where the largest is the best, -1 where the smallest is, 0 where none is.
    """
    known = [stat.mean for stat in stats if stat.mean is not None and math.isfinite(stat.mean)]
    if not direction or len(known) < 2:
        return frozenset()
    chosen = max(known) if direction > 0 else min(known)
    return frozenset(position for position, stat in enumerate(stats) if stat.mean == chosen)


def write_stat(stat: Stat, write: Callable[[Any], str], runs: int = 1) -> str:
    """Write a metric of an entry of so many runs: "93.10%", "93.10% ± 0.12%", or "93.10% ± 0.12% of 3" where it has 5.

    A deviation of significant digits has two of them: of a few runs, no more of it is known.
    """
    text = write(stat.mean)
    if stat.std is not None:
        text += f" ± {figure(stat.std, 2) if write is figure else write(stat.std)}"
    return f"{text} of {stat.n}" if 0 < stat.n < runs else text


def write_result(result: Result, stat: Stat, runs: int = 1) -> str:
    """Write a result of an entry of so many runs; what is the same in all of them by its nature has no deviation."""
    same = stat.std == 0 and not result.best
    return write_stat(Stat(stat.mean, None, stat.n) if same else stat, result.write, runs)


def seconds_taken(taken: Sequence[AttemptRecord], now: float) -> float | None:
    """Return how long attempts of one run took together, or have taken until now; None where there was none."""
    if not taken:
        return None
    return sum((one.ended_at if one.ended_at is not None else now) - one.started_at for one in taken)


# ------------------------------------------------------------------------------------------------------------- curves


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """Curves of several seeds as one.

    Attributes:
        steps: The common grid, ascending, shape (m,).
        mean: The mean over the seeds that reach a step, shape (m,); nan where none does.
        std: Their sample standard deviation; nan where fewer than two do.
        n: How many seeds reach it, shape (m,).
    """

    steps: FloatArray
    mean: FloatArray
    std: FloatArray
    n: NDArray[np.intp]


def join(curves: Sequence[tuple[FloatArray, FloatArray]]) -> Joined:
    """Join curves recorded at different steps.

    The common grid holds every step at which any of them has a point. Between its own points a curve is a straight
    line; before its first and after its last one, and beside a value that is not finite, it has no value and does not
    count.

    Args:
        curves: Of each seed, its steps (ascending) and values, both of shape (points,).
    """
    import numpy as np

    filled = [(steps, values) for steps, values in curves if len(steps)]
    if not filled:
        empty = np.empty(0)
        return Joined(empty, empty, empty, np.empty(0, dtype=np.intp))
    grid = np.unique(np.concatenate([steps for steps, _ in filled]))
    rows = np.stack([
        np.interp(grid, steps, np.where(np.isfinite(values), values, np.nan), left=np.nan, right=np.nan)
        for steps, values in filled
    ])  # fmt: skip
    known = np.isfinite(rows)
    n = known.sum(axis=0)
    some = np.maximum(n, 1)
    # Away from zero, so that a metric that hardly changes keeps its digits in the squares.
    shift = np.where(known, rows, 0.0).max(axis=0)
    mean = shift + np.where(known, rows - shift, 0.0).sum(axis=0) / some
    squares = (np.where(known, rows - mean, 0.0) ** 2).sum(axis=0)
    std = np.where(n > 1, np.sqrt(squares / np.maximum(n - 1, 1)), np.nan)
    return Joined(grid, np.where(n > 0, mean, np.nan), std, n)
