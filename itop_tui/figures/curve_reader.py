"""Reads the curves of runs, once and then only what is new: for a run's screen those of a run and its ancestors.

A comparison reads many runs in the same way (`itop_tui.figures.comparison_curves`). A reader lives in a thread. It
loads each metric thinned out by the database (lowest and highest value of every bucket, so that no peak is lost), and
from then on reads only the steps recorded since, thinning out again in memory when they pile up. Another window,
resolution or smoothing, and a resume that took recorded steps back, load again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from db.errors import RunNotFound
from db.history import metrics
from db.records import MaskUpdate, RunRecord, StepMetric
from db.runs import runs
from db.session import Database
from itop_tui.figures.chart_metrics import find
from itop_tui.figures.curves import EMPTY, AverageTrack, Curve, CurveRequest, CurveTrack, RunCurves, smoothed
from itop_tui.figures.events import drops
from itop_tui.figures.update_metrics import read_sparse
from itop_tui.figures.x_axis import Linear, explored

_RATE = "learning_rate"
_TAIL_LIMIT = 20_000
_SMOOTHED_WHOLE = 10_000
"""Steps up to which a moving average is made of each step; of longer runs, of averages finer than the screen."""
_GENERATIONS = 32
"""Generations that are followed; a longer chain is cut."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """The steps of an ancestor that its descendants continue: later than `after`, up to and with `until`."""

    run_id: int
    after: int
    until: int


def lineage(db: Database, run: RunRecord) -> tuple[Stretch, ...]:
    """The ancestors' stretches, the oldest first; those of deleted ancestors and what lies before are missing."""
    stretches: list[Stretch] = []
    child = run
    while child.parent_id is not None and child.fork_step is not None and len(stretches) < _GENERATIONS:
        try:
            parent = runs.get(db, child.parent_id)
        except RunNotFound:
            break
        begins = parent.fork_step if parent.parent_id is not None and parent.fork_step is not None else -1
        # A fork from a checkpoint that the parent itself was started from has nothing of the parent before it.
        if child.fork_step > begins:
            stretches.append(Stretch(parent.id, begins, child.fork_step))
        child = parent
    return tuple(reversed(stretches))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is read of a run; where something else is wanted, everything is loaded again.

    Attributes:
        names: Metrics; those of epochs and updates are few enough to read all of them each time.
        buckets: Into how many parts those of steps are thinned.
        first: The first step; None for the first there is.
        last: The last step; None for all, and those to come.
        smoothing: Weight of the past in the moving average of noisy metrics over every step; 0 for none.
        begin: Of an ancestor's stretch, which grows no more, its first step: that average counts from there.
        averaged: Metrics whose averages over equal ranges of steps are wanted too.
        width: The steps of such a range.
        updates: Whether the mask updates are wanted too.
        generation: A number that changes when recorded steps were taken back (the count of attempts).
    """

    names: tuple[str, ...]
    buckets: int
    first: int | None = None
    last: int | None = None
    smoothing: float = 0.0
    begin: int | None = None
    averaged: tuple[str, ...] = ()
    width: int = 1
    updates: bool = False
    generation: int = 0


class RunTracks:
    """The metrics of one run, or of a stretch of it, by their steps; used by one thread at a time.

    `curves` are the metrics as they were recorded, and smoothed; `averages` those that are wanted as averages.
    """

    def __init__(self, database: Database, run_id: int) -> None:
        self._database, self._run_id = database, run_id
        self._wanted: Wanted | None = None
        self._tracks: dict[str, CurveTrack] = {}
        self._averages: dict[str, AverageTrack] = {}
        self.first: float | None = None
        """The first recorded step; None without any."""
        self.last: float | None = None
        self.updates: list[MaskUpdate] = []
        self.curves: dict[str, Curve] = {}
        self.averages: dict[str, Curve] = {}

    def read(self, wanted: Wanted) -> None:
        """Bring everything up to date."""
        if self._wanted != wanted or not self._follow(wanted):
            self._load(wanted)
            self._wanted = wanted
        sources = {figure.source for figure in map(find, wanted.names) if figure is not None}
        if wanted.updates or "update" in sources:
            self.updates = metrics.mask_updates(self._database, self._run_id)
        own = (wanted.begin, wanted.last) if wanted.begin is not None else (None, None)
        few = read_sparse(self._database, self._run_id, wanted.names, self.updates, *own)
        self.curves = {**{name: track.curve() for name, track in self._tracks.items()}, **few}
        self.averages = {**{name: track.curve() for name, track in self._averages.items()}, **few}

    def _load(self, wanted: Wanted) -> None:
        """Read everything, thinned out by the database, several metrics at a time."""
        begin = metrics.steps(self._database, self._run_id, limit=1)
        # Asked for before the metrics are read: what is recorded meanwhile is read again by `_follow`.
        end = metrics.steps(self._database, self._run_id, latest=1)
        self.first, self.last = float(begin[0].step) if begin else None, float(end[0].step) if end else None
        dense = [name for name in wanted.names if is_dense(name)]
        noisy = [name for name in dense if wanted.smoothing and is_noisy(name)]
        self._tracks = {name: CurveTrack(wanted.buckets, wanted.smoothing * (name in noisy)) for name in dense}
        origin, last = wanted.first or 0, wanted.last
        self._averages = {name: AverageTrack(origin, wanted.width) for name in wanted.averaged}
        if wanted.first is not None and last is not None and wanted.first > last:
            return

        def read(some: Sequence[str], since: int | None, thinned: int | None) -> None:
            found = metrics.several(self._database, [self._run_id], some, first=since, last=last, buckets=thinned)
            for name, series in found[self._run_id].items():
                self._tracks[name].extend(series.steps, series.values)

        seen = -1 if self.last is None else int(self.last) if last is None else min(int(self.last), last)
        whole = max(0, seen + 1 - origin) // wanted.width
        stop = origin + whole * wanted.width

        def average(name: str) -> None:
            found = metrics.averages(self._database, self._run_id, name, first=origin, last=stop - 1, buckets=whole)
            self._averages[name].load(found, stop - 1)

        # Thinned curves are few numbers, and most of the work is asking: it is done once for all of them. Smooth ones
        # are made of every step, which SQLite reads without holding the interpreter: threads share that work.
        rough = [name for name in dense if name not in noisy]
        with ThreadPoolExecutor(max_workers=1 + len(noisy) + len(wanted.averaged)) as pool:
            parts = [pool.submit(read, rough, wanted.first, wanted.buckets)] if rough else []
            parts += [pool.submit(read, [name], wanted.begin, None) for name in noisy]
            parts += [pool.submit(average, name) for name in wanted.averaged if whole]
        for part in parts:
            part.result()
        if wanted.averaged:  # the steps of the range that is not complete yet
            self._take(metrics.steps(self._database, self._run_id, after=stop - 1, until=seen))

    def _follow(self, wanted: Wanted) -> bool:
        """Append what was recorded since; False where too much was, and loading again is cheaper."""
        if wanted.begin is not None:
            return True  # an ancestor's stretch is complete
        after = -1 if self.last is None else int(self.last)
        new = metrics.steps(self._database, self._run_id, after=after, limit=_TAIL_LIMIT)
        if new and len(new) < _TAIL_LIMIT:
            self.first = float(new[0].step) if self.first is None else self.first
            self.last = float(new[-1].step)
            self._take(new if wanted.last is None else [row for row in new if row.step <= wanted.last])
        return len(new) < _TAIL_LIMIT

    def _take(self, new: Sequence[StepMetric]) -> None:
        """Append steps to what does not have them yet."""
        tracks: list[tuple[str, CurveTrack | AverageTrack]] = [*self._tracks.items(), *self._averages.items()]
        for name, track in tracks:
            points = [(row.step, row.value(name)) for row in new if row.step > track.last]
            known = [(step, value) for step, value in points if value is not None]
            track.extend([step for step, _ in known], [value for _, value in known])


class CurveReader:
    """Reads the curves of one run; used by one thread at a time."""

    def __init__(self, database: Database, run_id: int) -> None:
        self._database = database
        self._run_id = run_id
        self._own = RunTracks(database, run_id)
        self._ancestors: dict[Stretch, RunTracks] = {}

    def read(
        self,
        request: CurveRequest,
        *,
        generation: int,
        lineage: tuple[Stretch, ...] = (),
        starts: Sequence[int] = (),
    ) -> RunCurves:
        """Bring the curves up to date.

        Args:
            request: What is wanted.
            generation: A number that changes when recorded steps were taken back (the count of attempts).
            lineage: What of the runs it was forked from lies before it.
            starts: Steps that attempts began after.
        """
        names = tuple(dict.fromkeys((*request.names, *([_RATE] if request.drops else []))))
        first, last = request.bounds(Linear())  # the same steps for every x axis
        wanted = Wanted(names, request.buckets, first, last, request.smoothing, updates=True, generation=generation)
        wanted = self._of_averages(wanted) if request.smoothing else wanted
        own = self._own
        own.read(wanted)
        before = self._read_before(wanted, lineage, request.smoothing)
        falls = np.empty(0)
        if request.drops:
            rate = _joined([before.get(_RATE, EMPTY), own.curves[_RATE]])
            falls = drops(rate.steps, rate.values)
        starting = [float(curve.steps[0]) for curve in before.values() if len(curve.steps)]
        return RunCurves(
            request=request,
            by_name=_smoothed(own, wanted, request.smoothing),
            updates=np.asarray([update.step for update in own.updates if update.update], dtype=np.float64),
            first=None if own.first is None else min([own.first, *starting]),
            last=own.last,
            before=before,
            drops=falls,
            explored=explored(own.updates, own.last) if own.last is not None else None,
            moments=metrics.moments(self._database, self._run_id, beside=starts) if request.across == "hour" else None,
        )

    def _of_averages(self, wanted: Wanted) -> Wanted:
        """The same, smoothed from averages where to read every step of the window would take long."""
        end = metrics.steps(self._database, self._run_id, latest=1)
        reach = end[0].step if end else 0
        first = wanted.first or 0
        span = (reach if wanted.last is None else min(reach, wanted.last)) + 1 - first
        if reach <= _SMOOTHED_WHOLE:
            return wanted
        noisy = tuple(name for name in wanted.names if is_dense(name) and is_noisy(name))
        return replace(wanted, smoothing=0.0, averaged=noisy, width=range_width(span, wanted.buckets))

    def _read_before(self, own: Wanted, lineage: tuple[Stretch, ...], smoothing: float) -> dict[str, Curve]:
        """The metrics of the ancestors, one after the other, each up to where its descendant was forked from it."""
        parts: dict[str, list[Curve]] = {name: [] for name in own.names if lineage}
        for stretch in lineage:
            begin = stretch.after + 1
            first = begin if own.first is None else max(begin, own.first)
            last = stretch.until if own.last is None else min(stretch.until, own.last)
            tracks = self._ancestors.setdefault(stretch, RunTracks(self._database, stretch.run_id))
            tracks.read(replace(own, first=first, last=last, begin=begin, updates=False))
            for name, curve in _smoothed(tracks, own, smoothing).items():
                # Behind a smooth curve, the raw one of another run would only be in the way.
                smooth = len(curve.smooth_steps) > 0
                parts[name].append(Curve(curve.smooth_steps, curve.smooth_values) if smooth else curve)
        return {name: _joined(curves) for name, curves in parts.items() if curves}


def _smoothed(tracks: RunTracks, wanted: Wanted, weight: float) -> dict[str, Curve]:
    """The curves of a run, those that were read as averages smoothed."""
    found = dict(tracks.curves)
    for name in wanted.averaged:
        raw, means = found[name], tracks.averages[name]
        found[name] = Curve(raw.steps, raw.values, means.steps, smoothed(means.steps, means.values, weight))
    return found


def range_width(span: int, buckets: int) -> int:
    """The steps over which a curve is averaged: two to four ranges a bucket.

    A power of two: what was read of a run that goes on is continued until the run is twice as long.
    """
    return 1 << max(0, math.ceil(math.log2(max(1, span) / (2 * buckets))))


def _joined(curves: Sequence[Curve]) -> Curve:
    """Raw curves one after the other."""
    return Curve(np.concatenate([curve.steps for curve in curves]), np.concatenate([curve.values for curve in curves]))


def is_dense(name: str) -> bool:
    """Whether a metric is one of steps, of which there are too many to read all of them each time."""
    figure = find(name)
    return figure is not None and figure.source == "step"


def is_noisy(name: str) -> bool:
    """Whether a metric jumps from step to step, so that it is smoothed where that is asked for."""
    figure = find(name)
    return figure is not None and figure.noisy
