"""Reading the curves of a comparison: each run's own, or those of its seeds joined, at the resolution of a chart.

Blocks while it reads, so it is called in threads. What is drawn of one run keeps every peak; what is joined from
several seeds, and what is smoothed, rests on the averages of equal ranges of steps, two for each column of the chart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from db.history import metrics
from db.history.declared import METRICS
from db.records import Series
from db.runs import attempts
from db.session import Database
from itop_tui.figures.braille import FloatArray
from itop_tui.figures.comparison import Entry, join
from itop_tui.figures.curves import CurveRequest, Members, smoothed
from itop_tui.figures.events import breaks
from itop_tui.figures.x_axis import Hours, Linear, Scale, hours

_EXCHANGED = frozenset({"churn", "pruned", "grown"})
RAW_UP_TO = 4
"""Curves up to which what was recorded stays behind the smoothed ones; more would hide them."""
_READERS = 4
"""Threads that read at once; SQLite reads without holding the interpreter."""


def epoch_length(entry: Entry) -> float | None:
    """Steps of one epoch of an entry's runs; None where that is not known."""
    run = entry.runs[0]
    return run.total_steps / run.total_epochs if run.total_steps and run.total_epochs else None


def epochs_known(compared: Iterable[Entry]) -> bool:
    """Whether the x axis can count epochs: how long each entry's are is known."""
    return all(epoch_length(entry) is not None for entry in compared)


def members_of(compared: Iterable[Entry]) -> tuple[Members, ...]:
    """The runs of each entry, as they are read."""
    return tuple(
        Members(tuple(run.id for run in entry.runs), max(run.step for run in entry.runs), epoch_length(entry) or 1.0)
        for entry in compared
    )


def _nothing() -> FloatArray:
    return np.empty(0)


@dataclass(frozen=True, slots=True, eq=False)
class EntryCurve:
    """One metric of one entry, its positions in the unit of the x axis.

    Attributes:
        x: Positions, ascending, shape (m,).
        y: The value, or the mean over the seeds that reach a position; smoothed where that was asked for.
        std: The seeds' sample standard deviation; empty for a single run, nan where fewer than two reach.
        n: How many seeds reach a position; empty for a single run.
        raw_x: The positions of what was recorded, where `y` is smoothed; empty for a group.
        raw_y: What was recorded.
        broken: Where values are not finite: (position, "NaN in run 7 at step 123").
    """

    x: FloatArray
    y: FloatArray
    std: FloatArray = field(default_factory=_nothing)
    n: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, dtype=np.intp))
    raw_x: FloatArray = field(default_factory=_nothing)
    raw_y: FloatArray = field(default_factory=_nothing)
    broken: tuple[tuple[float, str], ...] = ()

    @property
    def runs(self) -> int:
        """How many runs have the metric."""
        return int(self.n.max()) if len(self.n) else int(len(self.x) > 0)


@dataclass(frozen=True, slots=True, eq=False)
class EntryCurves:
    """All curves of one moment."""

    request: CurveRequest
    by_name: dict[str, tuple[EntryCurve, ...]]
    """For each metric, the curve of each entry."""
    scales: dict[int, Scale]
    """The x axis of each run; without those whose hours are not known."""
    reach: float
    """The furthest position that any run came to."""

    def of(self, figure: str, runs: tuple[int, ...]) -> EntryCurve | None:
        """The curve of the entry that has these runs; None where it was not read."""
        for members, curve in zip(self.request.members, self.by_name.get(figure, ()), strict=False):
            if members.runs == runs:
                return curve
        return None


def read_curves(db: Database, request: CurveRequest) -> EntryCurves:
    """Read the curves of a comparison."""
    found: dict[tuple[str, Members], EntryCurve] = {}
    plain: dict[tuple[int | None, int | None], list[Members]] = {}
    joined: list[tuple[str, Members]] = []
    scales = _scales(db, request)
    noisy = [figure for figure in request.names if request.smoothing and METRICS[figure].noisy]
    for members in request.members:
        if not scales.keys() & set(members.runs):
            found.update({(figure, members): EntryCurve(_nothing(), _nothing()) for figure in request.names})
        elif len(members.runs) == 1:
            plain.setdefault(request.bounds(scales[members.runs[0]]), []).append(members)
            joined += [(figure, members) for figure in noisy]
        else:
            joined += [(figure, members) for figure in request.names]
    for (first, last), alone in plain.items():
        ids = [members.runs[0] for members in alone]
        read = metrics.several(db, ids, request.names, first=first, last=last, buckets=request.buckets)
        for members in alone:
            run_id = members.runs[0]
            for figure, recorded in read[run_id].items():
                x, y = _arrays(db, run_id, figure, recorded)
                broken = _broken(run_id, x, y, scales[run_id])
                found[figure, members] = EntryCurve(scales[run_id].place(x), y, broken=broken)
    # Read run by run, so that the runs of one group are read at once too.
    parts = [(figure, members, run_id) for figure, members in joined for run_id in members.runs if run_id in scales]
    with ThreadPoolExecutor(max_workers=_READERS) as pool:
        read_parts = pool.map(lambda part: _middle(db, request, part[0], part[1], part[2], scales[part[2]]), parts)
        middles = dict(zip(parts, read_parts, strict=True))
    for figure, members in joined:
        own = {run_id: middles[figure, members, run_id] for run_id in members.runs if run_id in scales}
        curve = _joined(db, request, figure, own, scales)
        raw = found.get((figure, members))  # what was recorded stays behind the smoothed curve
        found[figure, members] = curve if raw is None else replace(curve, raw_x=raw.x, raw_y=raw.y, broken=raw.broken)
    by_name = {figure: tuple(found[figure, members] for members in request.members) for figure in request.names}
    return EntryCurves(request, by_name, scales, _reach(request, scales))


def _scales(db: Database, request: CurveRequest) -> dict[int, Scale]:
    """The x axis of each run: its own hours, or the steps or epochs of its entry."""
    if request.across != "hour":
        return {
            run_id: Linear(members.epoch if request.across == "epoch" else 1.0)
            for members in request.members
            for run_id in members.runs
        }

    def own(run_id: int) -> Scale | None:
        tries = attempts.for_run(db, run_id)
        starts = [attempt.start_step for attempt in tries if attempt.start_step > 0]
        return hours(metrics.moments(db, run_id, beside=starts), tries)

    ids = [run_id for members in request.members for run_id in members.runs]
    with ThreadPoolExecutor(max_workers=_READERS) as pool:
        return {run_id: scale for run_id, scale in zip(ids, pool.map(own, ids), strict=True) if scale is not None}


def _reach(request: CurveRequest, scales: Mapping[int, Scale]) -> float:
    """The furthest position of any run."""
    ends = [
        scale.hours[-1] if isinstance(scale, Hours) else scale.place(np.array([float(members.reach)]))[0]
        for members in request.members
        for scale in (scales[run_id] for run_id in members.runs if run_id in scales)
    ]
    return float(max(ends, default=0.0))


def _middle(db: Database, request: CurveRequest, figure: str, members: Members, run_id: int, scale: Scale) -> Series:
    """The middle of one run's curve: what means over seeds and moving averages rest on."""
    first, last = request.bounds(scale)
    if METRICS[figure].source != "step":
        return metrics.series(db, run_id, figure, first=first, last=last)
    until = max(1, members.reach) if last is None else last
    return metrics.averages(db, run_id, figure, first=first or 0, last=until, buckets=request.buckets)


def _joined(
    db: Database, request: CurveRequest, figure: str, middles: Mapping[int, Series], scales: Mapping[int, Scale]
) -> EntryCurve:
    """The curves of an entry's runs as one, or the smoothed curve of its only run."""
    curves: list[tuple[FloatArray, FloatArray]] = []
    broken: list[tuple[float, str]] = []
    for run_id, middle in middles.items():
        x, y = _arrays(db, run_id, figure, middle)
        broken += _broken(run_id, x, y, scales[run_id])
        if request.smoothing and METRICS[figure].noisy:
            y = smoothed(x, y, request.smoothing)
        curves.append((scales[run_id].place(x), y))
    if len(curves) == 1:
        return EntryCurve(*curves[0], broken=tuple(broken))
    made = join(curves)
    return EntryCurve(made.steps, made.mean, made.std, made.n, broken=tuple(broken))


def _arrays(db: Database, run_id: int, figure: str, series: Series) -> tuple[FloatArray, FloatArray]:
    """A metric's steps and values; the first mask, before the first step, is no update: nothing was exchanged in it."""
    x, y = np.asarray(series.steps, dtype=np.float64), np.asarray(series.values, dtype=np.float64)
    if figure not in _EXCHANGED or not len(x):
        return x, y
    begun = metrics.steps(db, run_id, limit=1)
    later = x >= begun[0].step if begun else np.zeros(len(x), dtype=bool)
    return x[later], y[later]


def _broken(run_id: int, x: FloatArray, y: FloatArray, scale: Scale) -> tuple[tuple[float, str], ...]:
    """Where a run's values begin to be not finite."""
    found = breaks(x, y, f"run {run_id}")
    places = scale.place(np.array([step for step, _ in found])).tolist()
    return tuple((place, text) for place, (_, text) in zip(places, found, strict=True))
