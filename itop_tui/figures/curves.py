"""A run's curves as arrays ready to draw, thinned out so that no peak is lost.

A smoothed curve is the exponential moving average over every recorded step, corrected for its start, and only then
thinned out: the average of a thinned curve would be wrong. Of long runs it is that of the means of equal ranges of
steps, which are finer than the screen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import repeat

import numpy as np

from db.records import Series
from itop_tui.figures.braille import FloatArray, extremes
from itop_tui.figures.events import breaks
from itop_tui.figures.x_axis import Across, Explored, Scale

SMOOTHING = (0.0, 0.6, 0.9, 0.98)
"""Weights of the past in the moving average, from none to much."""
SMOOTHED = SMOOTHING[1]
"""The weight with which charts begin."""
_POINTS_PER_BUCKET = 3
_DOTS_A_COLUMN = 2
"""Columns of braille dots in a cell."""


@dataclass(frozen=True, slots=True)
class Members:
    """The runs of one entry of a comparison, as they are read, and the steps of one of their epochs."""

    runs: tuple[int, ...]
    reach: int = field(compare=False)
    """The last step any of them took; the same members may have come further since."""
    epoch: float = 1.0
    attempts: int = field(default=0, compare=False)
    """How often they were started and resumed: another number where recorded steps may have been taken back."""


@dataclass(frozen=True, slots=True)
class CurveRequest:
    """What the charts show.

    Attributes:
        names: Metrics of `itop_tui.figures.chart_metrics`.
        window: The first and last step wanted, of a comparison the first and last position; None for all.
        columns: Width of the widest chart in cells.
        smoothing: Weight of the past in the moving average, 0 for none.
        across: What the x axis counts.
        drops: Whether the drops of the learning rate are wanted, to mark them.
        members: Of a comparison, the runs of each entry; its curves come in the unit of the x axis. Empty for the
            charts of one run, whose curves come in steps.
    """

    names: tuple[str, ...] = ("loss", "accuracy", "itop_rate", "death_rate")
    window: tuple[float, float] | None = None
    columns: int = 80
    smoothing: float = 0.0
    across: Across = "step"
    drops: bool = False
    members: tuple[Members, ...] = ()

    def bounds(self, scale: Scale) -> tuple[int | None, int | None]:
        """The steps to read: the window, and a column more on either side, so that lines reach the edges."""
        if self.window is None:
            return None, None
        low, high = (scale.step(edge) for edge in self.window)
        margin = math.ceil((high - low) / max(1, self.columns)) + 1
        return max(0, math.floor(low) - margin), max(1, math.ceil(high) + margin)

    @property
    def buckets(self) -> int:
        """Into how many parts a curve is thinned: with one for each column of dots, it is drawn as if it were whole."""
        return _DOTS_A_COLUMN * self.columns


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One metric over the steps, thinned out, NaN and infinities as recorded; and smoothed, where that is wanted."""

    steps: FloatArray
    values: FloatArray
    smooth_steps: FloatArray = field(default_factory=lambda: np.empty(0))
    smooth_values: FloatArray = field(default_factory=lambda: np.empty(0))

    @property
    def broken(self) -> tuple[tuple[float, str], ...]:
        """Where the curve begins to be not finite: (step, "NaN at step 123")."""
        return tuple(breaks(self.steps, self.values))


EMPTY = Curve(np.empty(0), np.empty(0))


@dataclass(frozen=True, slots=True, eq=False)
class RunCurves:
    """All curves of one moment, in steps."""

    request: CurveRequest
    by_name: dict[str, Curve]
    updates: FloatArray
    first: float | None
    """The first recorded step, an ancestor's where the run is a fork; None without any."""
    last: float | None
    before: dict[str, Curve] = field(default_factory=dict)
    """Each metric of the request in the runs it was forked from, up to the fork."""
    drops: FloatArray = field(default_factory=lambda: np.empty(0))
    """Steps at which the learning rate dropped."""
    moments: Series | None = None
    """Times of some steps, where they are wanted."""
    explored: Explored | None = None
    """Its R_s as an x axis; None where it has not grown."""


class MovingAverage:
    """An exponential moving average, corrected for its start, that can be continued; `weight` is that of the past."""

    def __init__(self, weight: float) -> None:
        self._weight = weight
        self._sum = 0.0
        self._norm = 0.0

    def extend(self, values: Sequence[float], pasts: Iterable[float] | None = None) -> FloatArray:
        """Return the average after each further value: NaN where the value is not finite, which it leaves out.

        Before some values the past may weigh less: `pasts` is what it weighs before each.
        """
        result = np.empty(len(values))
        total, norm = self._sum, self._norm
        for index, (value, past) in enumerate(zip(values, pasts or repeat(self._weight), strict=False)):
            if math.isfinite(value):
                total = past * total + (1 - past) * value
                norm = past * norm + (1 - past)
                result[index] = total / norm
            else:
                result[index] = math.nan
        self._sum, self._norm = total, norm
        return result


def smoothed(steps: FloatArray, values: FloatArray, weight: float) -> FloatArray:
    """Return the moving average of a curve whose points may lie any number of steps apart; NaN where it is not finite.

    A point that comes d steps after another weighs as if the value between them had been recorded d times, so that a
    thinned curve is smoothed as the whole one would be. The weight is that of the past, for one step.
    """
    result, known = np.full(len(values), np.nan), np.isfinite(values)
    gaps = np.diff(steps[known], prepend=steps[known][:1] - 1)
    result[known] = MovingAverage(weight).extend(values[known].tolist(), (weight**gaps).tolist())
    return result


class CurveTrack:
    """One metric while it grows, thinned out to buckets when points pile up; smoothed by the weight of the past."""

    def __init__(self, buckets: int, smoothing: float) -> None:
        self._buckets = buckets
        self._average = MovingAverage(smoothing) if smoothing else None
        self._steps, self._values = np.empty(0), np.empty(0)
        self._smooth_steps, self._smooth_values = np.empty(0), np.empty(0)

    @property
    def last(self) -> float:
        """The last step."""
        return float(self._steps[-1]) if len(self._steps) else -math.inf

    def extend(self, steps: Sequence[float], values: Sequence[float]) -> None:
        """Append later points."""
        x, y = np.asarray(steps, dtype=np.float64), np.asarray(values, dtype=np.float64)
        self._steps, self._values = self._thin(np.concatenate([self._steps, x]), np.concatenate([self._values, y]))
        if self._average is not None:
            self._smooth_steps, self._smooth_values = self._thin(
                np.concatenate([self._smooth_steps, x]),
                np.concatenate([self._smooth_values, self._average.extend(values)]),
            )

    def _thin(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        if len(x) <= 2 * _POINTS_PER_BUCKET * self._buckets:
            return x, y
        return extremes(x, y, self._buckets)

    def curve(self) -> Curve:
        """The metric as it is now."""
        return Curve(self._steps, self._values, self._smooth_steps, self._smooth_values)


class AverageTrack:
    """The averages of one metric over equal ranges of steps, from a first one on, while it grows.

    A point lies at the middle of its range; it is NaN where a value in the range is not finite.
    """

    def __init__(self, origin: int, width: int) -> None:
        self._origin, self._width = origin, width
        self._whole = self._steps = self._values = np.empty(0)
        self._means = np.empty(0)
        self.last: float = -math.inf
        """The last step."""

    def load(self, whole: Series, last: int) -> None:
        """Begin with ranges that are complete, up to and with a step."""
        self._whole, self._means = np.asarray(whole.steps, dtype=np.float64), np.asarray(whole.values, dtype=np.float64)
        self.last = last

    def extend(self, steps: Sequence[float], values: Sequence[float]) -> None:
        """Append later points."""
        self._steps, self._values = np.append(self._steps, steps), np.append(self._values, values)
        self.last = max([self.last, *steps[-1:]])

    def curve(self) -> Curve:
        """The averages as they are now, those of the last range so far among them."""
        finite = np.where(np.isfinite(self._values), self._values, np.nan)
        ranges, at, n = np.unique((self._steps - self._origin) // self._width, return_inverse=True, return_counts=True)
        middles = np.minimum(self._origin + ranges * self._width + (self._width - 1) // 2, self.last)
        means = np.bincount(at, finite, len(n)) / n
        return Curve(np.append(self._whole, middles), np.append(self._means, means))
