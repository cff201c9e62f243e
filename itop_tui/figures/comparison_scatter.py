"""The scatter plots of a comparison, as in the paper: what a run explored, or cost, against its accuracy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from db.history.declared import METRICS
from itop_tui.figures import axis
from itop_tui.figures.comparison import Entry, result_of, statistic
from itop_tui.figures.format import plural

ACCURACIES = {"test_accuracy": "test accuracy", "best_val_accuracy": "best validation accuracy"}


@dataclass(frozen=True, slots=True)
class Point:
    """An entry of a comparison as a point: the means over the `n` of its runs that have both metrics.

    Bars reach their deviations to either side; 0 for none.
    """

    letter: str
    position: int
    x: float
    y: float
    x_std: float = 0.0
    y_std: float = 0.0
    n: int = 1


@dataclass(frozen=True, slots=True)
class ScatterData:
    """What a scatter plot shows: points, and what to say of entries that lack values in some or all runs.

    `x_percent` says whether the x-axis is in per cent; the other one is.
    """

    title: str = ""
    x_label: str = ""
    y_label: str = ""
    x_percent: bool = False
    points: tuple[Point, ...] = ()
    missing: str = ""

    def ranges(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The ranges of both axes, bars included."""
        xs = [edge for point in self.points for edge in (point.x - point.x_std, point.x + point.x_std)]
        ys = [edge for point in self.points for edge in (point.y - point.y_std, point.y + point.y_std)]
        return axis.padded(min(xs), max(xs)), axis.padded(min(ys), max(ys))


def scatter_data(
    compared: Sequence[Entry],
    seconds: Mapping[int, float | None],
    accuracy: str,
    *,
    hidden: frozenset[int] = frozenset(),
) -> tuple[ScatterData, ScatterData]:
    """R_s against accuracy, and training FLOPs against accuracy: the plots of the paper.

    A dense run has no R_s: the first plot names it as missing, the second shows it. Entries that are hidden, by their
    `key`, are left out, and the others keep their places.
    """
    plots = []
    for name, title, label in (
        ("itop_rate", "R_s and accuracy", "R_s explored"),
        ("flops_ratio", "FLOPs and accuracy", "training FLOPs of dense"),
    ):
        points: list[Point] = []
        missing: list[str] = []
        fewer: list[str] = []
        for at, entry in enumerate(compared):
            if entry.key in hidden:
                continue
            pairs = [(result_of(run, name, seconds), result_of(run, accuracy, seconds)) for run in entry.runs]
            known = [(x, y) for x, y in pairs if x is not None and y is not None]
            across, up = statistic(x for x, _ in known), statistic(y for _, y in known)
            if across.mean is None or up.mean is None or not math.isfinite(across.mean + up.mean):
                missing.append(entry.letter)
                continue
            points.append(Point(entry.letter, at, across.mean, up.mean, across.std or 0.0, up.std or 0.0, up.n))
            if up.n < entry.n:
                fewer.append(f"{entry.letter}: n = {up.n} of {plural(entry.n, 'run')}")
        missing_text = [f"without {label} or {ACCURACIES[accuracy]}: {', '.join(missing)}"] if missing else []
        said = "; ".join(missing_text + fewer)
        in_percent = name not in METRICS or METRICS[name].percent
        plots.append(ScatterData(title, label, ACCURACIES[accuracy], in_percent, tuple(points), said))
    return plots[0], plots[1]
