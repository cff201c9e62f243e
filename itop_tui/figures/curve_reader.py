"""Reads a run's curves: once, then only what is new.

`CurveReader` lives in the reader's thread.  It loads each metric thinned out by the database (lowest and
highest value of every bucket, so that no peak is lost), and from then on reads only the steps recorded
since, thinning out again in memory when they pile up.  Another window, resolution or smoothing, and a resume
that took recorded steps back, load again.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from db.errors import RunNotFound
from db.history import metrics
from db.records import MaskUpdate, RunRecord
from db.runs import runs
from db.session import Database
from itop_tui.figures.chart_metrics import find
from itop_tui.figures.curves import EMPTY, Curve, CurveRequest, CurveTrack, RunCurves
from itop_tui.figures.events import drops
from itop_tui.figures.update_metrics import read_sparse
from itop_tui.figures.x_axis import Linear

_RATE = "learning_rate"
_TAIL_LIMIT = 20_000
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


class CurveReader:
    """Reads the curves of one run; used by one thread at a time."""

    def __init__(self, database: Database, run_id: int) -> None:
        self._database = database
        self._run_id = run_id
        self._loaded: tuple[CurveRequest, int, tuple[Stretch, ...]] | None = None
        self._tracks: dict[str, CurveTrack] = {}
        self._before: dict[str, Curve] = {}
        self._first: float | None = None
        self._last: float | None = None

    def read(
        self,
        request: CurveRequest,
        *,
        generation: int,
        reached: int,
        lineage: tuple[Stretch, ...] = (),
        starts: Sequence[int] = (),
    ) -> RunCurves:
        """Bring the curves up to date.

        Args:
            request: What is wanted.
            generation: A number that changes when recorded steps were taken back (the count of attempts).
            reached: About the last recorded step (the run's progress).
            lineage: What of the runs it was forked from lies before it.
            starts: Steps that attempts began after.
        """
        loaded = (replace(request, across="step"), generation, lineage)  # the same steps for every x axis
        if self._loaded != loaded or not self._follow(request):
            self._load(request, reached, lineage)
            self._loaded = loaded
        updates = metrics.mask_updates(self._database, self._run_id)
        by_name = {name: track.curve() for name, track in self._tracks.items()}
        falls = np.empty(0)
        if request.drops:
            rate = _joined([self._before.get(_RATE, EMPTY), by_name[_RATE]])
            falls = drops(rate.steps, rate.values)
        by_name.update(read_sparse(self._database, self._run_id, request.names, updates))
        return RunCurves(
            request=request,
            by_name=by_name,
            updates=np.asarray([update.step for update in updates if update.update], dtype=np.float64),
            first=self._first,
            last=self._last,
            before=self._before,
            drops=falls,
            moments=metrics.moments(self._database, self._run_id, beside=starts) if request.across == "hour" else None,
        )

    def _load(self, request: CurveRequest, reached: int, lineage: tuple[Stretch, ...]) -> None:
        """Read everything the request shows, thinned out by the database, several metrics at a time."""
        begin = metrics.steps(self._database, self._run_id, limit=1)
        # Asked for before the metrics are read: what is recorded meanwhile is read again by `_follow`.
        end = metrics.steps(self._database, self._run_id, after=max(-1, reached - 2))
        self._first = float(begin[0].step) if begin else None
        self._last = float(end[-1].step) if end else float(reached) if begin else None
        dense = [name for name in request.names if _is_dense(name)]
        wanted = [*dense, _RATE] if request.drops and _RATE not in dense else dense

        self._tracks = self._read_tracks(self._run_id, wanted, request)
        self._before = self._read_before(request, wanted, lineage)
        if lineage and self._first is not None:
            starts = [curve.steps[0] for curve in self._before.values() if len(curve.steps)]
            self._first = min([self._first, *map(float, starts)])

    def _read_tracks(
        self, run_id: int, names: Sequence[str], request: CurveRequest, stretch: Stretch | None = None
    ) -> dict[str, CurveTrack]:
        """Metrics of a run over the steps of the request, and of the stretch of it that lies before a fork."""
        smoothed = [name for name in names if request.smoothing and _is_noisy(name)]
        buckets = request.buckets
        tracks = {name: CurveTrack(buckets, request.smoothing if name in smoothed else 0.0) for name in names}
        first, last = request.bounds(Linear())
        begin = None if stretch is None else stretch.after + 1
        if stretch is not None and begin is not None:
            first = begin if first is None else max(first, begin)
            last = stretch.until if last is None else min(last, stretch.until)
        if first is not None and last is not None and first > last:
            return tracks

        def read(some: Sequence[str], since: int | None, thinned: int | None) -> None:
            found = metrics.several(self._database, [run_id], some, first=since, last=last, buckets=thinned)[run_id]
            for name, series in found.items():
                tracks[name].extend(series.steps, series.values)

        # Thinned curves are few numbers, and most of the work is asking: it is done once for all of them. Smooth ones
        # are made of every step, which SQLite reads without holding the interpreter: threads share that work.
        with ThreadPoolExecutor(max_workers=1 + len(smoothed)) as pool:
            parts = [pool.submit(read, [name for name in names if name not in smoothed], first, buckets)]
            parts += [pool.submit(read, [name], begin, None) for name in smoothed]
        for part in parts:
            part.result()
        return tracks

    def _read_before(
        self, request: CurveRequest, dense: Sequence[str], lineage: tuple[Stretch, ...]
    ) -> dict[str, Curve]:
        """The metrics of the ancestors, one after the other, each up to where its descendant was forked from it."""
        parts: dict[str, list[Curve]] = {name: [] for name in (*dense, *request.names)}
        for stretch in lineage:
            for name, track in self._read_tracks(stretch.run_id, dense, request, stretch).items():
                curve = track.curve()
                # Behind a smooth curve, the raw one of another run would only be in the way.
                smooth = len(curve.smooth_steps) > 0
                parts[name].append(Curve(curve.smooth_steps, curve.smooth_values) if smooth else curve)
            sparse = [name for name in request.names if name not in dense]
            updates: list[MaskUpdate] = metrics.mask_updates(self._database, stretch.run_id) if sparse else []
            read = read_sparse(
                self._database, stretch.run_id, sparse, updates, after=stretch.after, until=stretch.until
            )
            for name, curve in read.items():
                parts[name].append(curve)
        return {name: _joined(curves) for name, curves in parts.items() if curves}

    def _follow(self, request: CurveRequest) -> bool:
        """Append what was recorded since; False where too much was, and loading again is cheaper."""
        after = -1 if self._last is None else int(self._last)
        new = metrics.steps(self._database, self._run_id, after=after, limit=_TAIL_LIMIT)
        if len(new) == _TAIL_LIMIT:
            return False
        if not new:
            return True
        self._first = float(new[0].step) if self._first is None else self._first
        self._last = float(new[-1].step)
        bound = request.bounds(Linear())[1]
        seen = new if bound is None else [row for row in new if row.step <= bound]
        for name, track in self._tracks.items():
            points = [(row.step, row.value(name)) for row in seen if row.step > track.last]
            known = [(step, value) for step, value in points if value is not None]
            track.extend([step for step, _ in known], [value for _, value in known])
        return True


def _joined(curves: Sequence[Curve]) -> Curve:
    """Raw curves one after the other."""
    return Curve(np.concatenate([curve.steps for curve in curves]), np.concatenate([curve.values for curve in curves]))


def _is_dense(name: str) -> bool:
    figure = find(name)
    return figure is not None and figure.source == "step"


def _is_noisy(name: str) -> bool:
    figure = find(name)
    return figure is not None and figure.noisy
