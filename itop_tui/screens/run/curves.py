"""A run's curves as arrays ready to draw: read once, then only what is new.

`CurveReader` lives in the reader's thread.  It loads each figure thinned out by the database (lowest and
highest value of every bucket, so that no peak is lost), and from then on reads only the steps recorded
since, thinning out again in memory when they pile up.  Another window, resolution or smoothing, and a resume
that took recorded steps back, load anew.

A smoothed curve is the exponential moving average over every recorded step, corrected for its start; it is
computed from all of them and only then thinned out, since the average of a thinned curve would be a lie.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from db import metrics
from db.records import StepMetric
from db.session import Database
from itop_tui.widgets.braille import FloatArray, extremes

SMOOTHED = frozenset({"loss", "accuracy", "samples_per_second"})
"""Figures that are noisy from step to step; the others are smooth as they are."""
_TAIL_LIMIT = 20_000
_POINTS_PER_BUCKET = 3
_DOTS_A_COLUMN = 2
"""Columns of braille dots in a cell: with a bucket for each, a thinned curve is drawn as if it were whole."""


@dataclass(frozen=True, slots=True)
class CurveRequest:
    """What the charts show.

    Attributes:
        names: Figures of `StepMetric`.
        window: The first and last step wanted; None for all.
        columns: Width of the widest chart in cells.
        smoothing: Weight of the past in the moving average, 0 for none.
    """

    names: tuple[str, ...] = ("loss", "accuracy", "itop_rate", "death_rate")
    window: tuple[float, float] | None = None
    columns: int = 80
    smoothing: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One figure over the steps, thinned out.

    Attributes:
        steps: Ascending, shape (n,).
        values: Shape (n,); NaN and infinities as recorded.
        smooth_steps: Positions of the smoothed curve; empty where it is not wanted.
        smooth_values: The smoothed curve.
    """

    steps: FloatArray
    values: FloatArray
    smooth_steps: FloatArray = field(default_factory=lambda: np.empty(0))
    smooth_values: FloatArray = field(default_factory=lambda: np.empty(0))

    @property
    def broken(self) -> tuple[tuple[float, str], ...]:
        """Where the curve begins to be not finite: (step, "NaN at step 123")."""
        bad = ~np.isfinite(self.values)
        begins = np.flatnonzero(bad & ~np.concatenate([[False], bad[:-1]])) if len(bad) else ()
        return tuple(
            (float(self.steps[i]), f"{_name(float(self.values[i]))} at step {self.steps[i]:,.0f}") for i in begins
        )


EMPTY = Curve(np.empty(0), np.empty(0))


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """All curves of one moment.

    Attributes:
        request: What was asked.
        by_name: Each figure of the request, and "val_loss" and "val_accuracy" by epochs.
        updates: Steps of mask updates.
        first: The first recorded step, None without any.
        last: The last one.
    """

    request: CurveRequest
    by_name: dict[str, Curve]
    updates: FloatArray
    first: float | None
    last: float | None


def _name(value: float) -> str:
    return "NaN" if math.isnan(value) else "∞" if value > 0 else "−∞"


class Average:
    """An exponential moving average, corrected for its start, that can be continued.

    Args:
        weight: Weight of the past, in [0, 1).
    """

    def __init__(self, weight: float) -> None:
        self._weight = weight
        self._sum = 0.0
        self._norm = 0.0

    def extend(self, values: Sequence[float]) -> FloatArray:
        """Return the average after each further value: NaN where the value is not finite, which it leaves out."""
        result = np.empty(len(values))
        total, norm, past = self._sum, self._norm, self._weight
        for index, value in enumerate(values):
            if math.isfinite(value):
                total = past * total + (1 - past) * value
                norm = past * norm + (1 - past)
                result[index] = total / norm
            else:
                result[index] = math.nan
        self._sum, self._norm = total, norm
        return result


class _Track:
    """One figure while it grows."""

    def __init__(self, buckets: int, smoothing: float) -> None:
        self._buckets = buckets
        self._average = Average(smoothing) if smoothing else None
        self._steps, self._values = np.empty(0), np.empty(0)
        self._smooth_steps, self._smooth_values = np.empty(0), np.empty(0)

    @property
    def last(self) -> float:
        return float(self._steps[-1]) if len(self._steps) else -math.inf

    def extend(self, steps: Sequence[float], values: Sequence[float]) -> None:
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
        return Curve(self._steps, self._values, self._smooth_steps, self._smooth_values)


class CurveReader:
    """Reads the curves of one run; used by one thread at a time.

    Args:
        database: Where they are recorded.
        run_id: Whose they are.
    """

    def __init__(self, database: Database, run_id: int) -> None:
        self._database = database
        self._run_id = run_id
        self._loaded: tuple[CurveRequest, int] | None = None
        self._tracks: dict[str, _Track] = {}
        self._first: float | None = None
        self._last: float | None = None

    def read(self, request: CurveRequest, *, generation: int, reached: int) -> Curves:
        """Bring the curves up to date.

        Args:
            request: What is wanted.
            generation: A number that changes when recorded steps were taken back (the count of attempts).
            reached: About the last recorded step (the run's progress).
        """
        if self._loaded != (request, generation) or not self._follow(request):
            self._load(request, reached)
            self._loaded = (request, generation)
        by_name = {name: track.curve() for name, track in self._tracks.items()}
        by_name.update(self._epochs(request))
        updates = [update.step for update in metrics.mask_updates(self._database, self._run_id) if update.update]
        return Curves(request, by_name, np.asarray(updates, dtype=np.float64), self._first, self._last)

    def _load(self, request: CurveRequest, reached: int) -> None:
        """Read everything the request shows, thinned out by the database, several figures at a time."""
        begin = metrics.steps(self._database, self._run_id, limit=1)
        # Asked for before the figures are read: whatever is recorded meanwhile is read again by `_follow`.
        end = metrics.steps(self._database, self._run_id, after=max(-1, reached - 2))
        self._first = float(begin[0].step) if begin else None
        self._last = float(end[-1].step) if end else float(reached) if begin else None
        first, last = self._bounds(request)

        def load(name: str) -> _Track:
            smoothing = request.smoothing if name in SMOOTHED else 0.0
            buckets = _DOTS_A_COLUMN * request.columns
            track = _Track(buckets, smoothing)
            series = metrics.series(
                self._database,
                self._run_id,
                name,
                first=None if smoothing else first,
                last=last,
                buckets=None if smoothing else buckets,
            )
            track.extend(series.steps, series.values)
            return track

        # SQLite reads without holding the interpreter, so threads share the work among the cores.
        with ThreadPoolExecutor(max_workers=len(request.names) or 1) as pool:
            self._tracks = dict(zip(request.names, pool.map(load, request.names), strict=True))

    @staticmethod
    def _bounds(request: CurveRequest) -> tuple[int | None, int | None]:
        """The steps to read: the window and a column more on either side, so that lines reach the edges."""
        if request.window is None:
            return None, None
        low, high = request.window
        margin = math.ceil((high - low) / max(1, request.columns)) + 1
        return math.floor(low) - margin, math.ceil(high) + margin

    def _follow(self, request: CurveRequest) -> bool:
        """Append what was recorded since; False where too much was, and loading anew is cheaper."""
        after = -1 if self._last is None else int(self._last)
        new = metrics.steps(self._database, self._run_id, after=after, limit=_TAIL_LIMIT)
        if len(new) == _TAIL_LIMIT:
            return False
        if not new:
            return True
        self._first = float(new[0].step) if self._first is None else self._first
        self._last = float(new[-1].step)
        bound = self._bounds(request)[1]
        seen = new if bound is None else [row for row in new if row.step <= bound]
        for name, track in self._tracks.items():
            points = [(row.step, _figure(row, name)) for row in seen if row.step > track.last]
            known = [(step, value) for step, value in points if value is not None]
            track.extend([step for step, _ in known], [value for _, value in known])
        return True

    def _epochs(self, request: CurveRequest) -> dict[str, Curve]:
        wanted = {"loss": "val_loss", "accuracy": "val_accuracy"}
        if not any(name in wanted for name in request.names):
            return {}
        rows = metrics.epochs(self._database, self._run_id)
        curves: dict[str, Curve] = {}
        for name in (wanted[name] for name in request.names if name in wanted):
            points = [(row.step, getattr(row, name)) for row in rows if getattr(row, name) is not None]
            curves[name] = Curve(
                np.asarray([step for step, _ in points], dtype=np.float64),
                np.asarray([value for _, value in points], dtype=np.float64),
            )
        return curves


def _figure(row: StepMetric, name: str) -> float | None:
    value: float | None = getattr(row, name)
    return value
