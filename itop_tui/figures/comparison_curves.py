"""The curves of a comparison: each run's own, or those of its seeds joined, at the resolution of a chart.

What is drawn of one run keeps every peak; what is joined from several seeds, and what is smoothed, rests on the
averages of equal ranges of steps, two to four for each column of the chart. Each run is read as its own screen reads it
(`itop_tui.figures.curve_reader`). Blocks while it reads, so it is called in threads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from db.history import metrics
from db.runs import attempts
from db.session import Database
from itop_tui.figures.braille import FloatArray
from itop_tui.figures.comparison import NO_STAT, Entry, Stat, join, statistic
from itop_tui.figures.curve_reader import RunTracks, Wanted, is_dense, is_noisy, range_width
from itop_tui.figures.curves import EMPTY, Curve, CurveRequest, Members, smoothed
from itop_tui.figures.events import breaks
from itop_tui.figures.x_axis import Hours, Linear, Scale, explored, hours

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
        Members(
            tuple(run.id for run in entry.runs),
            max(run.step for run in entry.runs),
            epoch_length(entry) or 1.0,
            sum(run.attempt_count for run in entry.runs),
        )
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
    last: Stat = NO_STAT
    """The last value that was recorded, whatever the window: over the runs that have one."""
    averaged: bool = False
    """Whether `y` rests on means over several steps."""
    mean_x: FloatArray = field(default_factory=_nothing)
    """The middles of the ranges over which a single run is averaged as the groups beside it are; empty without any."""
    mean_y: FloatArray = field(default_factory=_nothing)


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


@dataclass(frozen=True, slots=True, eq=False)
class _RunCurve:
    """A metric of one run: what was recorded, and averages of it."""

    recorded: Curve
    averages: Curve
    width: int
    """The steps of an average."""


class ComparisonCurves:
    """Reads the curves of a comparison: once, then what is new; used by one thread at a time."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._runs: dict[int, RunTracks] = {}

    def read(self, request: CurveRequest) -> EntryCurves:
        """Bring the curves of all entries up to date."""
        scales = _scales(self.database, request)
        timed = [(members, run_id) for members in request.members for run_id in members.runs if run_id in scales]
        self._runs = {run_id: self._runs.get(run_id) or RunTracks(self.database, run_id) for _, run_id in timed}
        with ThreadPoolExecutor(max_workers=_READERS) as pool:
            each = pool.map(lambda one: self._read_run(request, one[0], one[1], scales[one[1]]), timed)
            read = {run_id: curves for (_, run_id), curves in zip(timed, each, strict=True)}
        # The last values, wherever the window is: a search by key for each.
        ends = metrics.several(self.database, list(read), request.names, buckets=1)
        by_name: dict[str, tuple[EntryCurve, ...]] = {}
        for name in request.names:
            made = []
            for members in request.members:
                own = {run_id: read[run_id][name] for run_id in members.runs if run_id in read}
                last = statistic(value for run_id in own for value in ends[run_id][name].values[-1:])
                made.append(_entry_curve(request, name, own, scales, last, alone=len(members.runs) == 1))
            by_name[name] = tuple(made)
        return EntryCurves(request, by_name, scales, _reach(request, scales))

    def _read_run(self, request: CurveRequest, members: Members, run_id: int, scale: Scale) -> dict[str, _RunCurve]:
        """The metrics of a run, with averages of those that are joined or smoothed."""
        dense = tuple(filter(is_dense, request.names))
        first, last = request.bounds(scale)
        span = (max(1, members.reach) if last is None else last) + 1 - (first or 0)
        width = range_width(span, request.buckets)
        # Beside groups, a single run is read at the cursor as they are: by the means of the same ranges.
        joined = any(len(each.runs) > 1 for each in request.members)
        averaged = dense if joined else tuple(name for name in dense if request.smoothing and is_noisy(name))
        tracks = self._runs[run_id]
        tracks.read(
            Wanted(
                request.names, request.buckets, first, last, averaged=averaged, width=width, generation=members.attempts
            )
        )
        return {
            name: _RunCurve(tracks.curves[name], tracks.averages.get(name, EMPTY), width if name in dense else 1)
            for name in request.names
        }


def read_curves(db: Database, request: CurveRequest) -> EntryCurves:
    """Read the curves of a comparison once."""
    return ComparisonCurves(db).read(request)


def _entry_curve(
    request: CurveRequest,
    name: str,
    own: Mapping[int, _RunCurve],
    scales: Mapping[int, Scale],
    last: Stat,
    *,
    alone: bool,
) -> EntryCurve:
    """A metric of an entry: of its only run, smoothed where that was asked for, or of its runs joined."""
    if not own:
        return EntryCurve(_nothing(), _nothing())
    broken = tuple(mark for run_id, curve in own.items() for mark in _broken(run_id, curve.recorded, scales[run_id]))
    smooth = bool(request.smoothing) and is_noisy(name)
    parts = []
    for run_id, curve in own.items():
        shown = curve.averages if smooth or not alone else curve.recorded
        y = smoothed(shown.steps, shown.values, request.smoothing) if smooth else shown.values
        parts.append((scales[run_id].place(shown.steps), y))
    if not alone:
        made = join(parts)
        averaged = any(curve.width > 1 for curve in own.values())
        return EntryCurve(made.steps, made.mean, made.std, made.n, broken=broken, last=last, averaged=averaged)
    raw, scale = next((curve.recorded, scales[run_id]) for run_id, curve in own.items())
    behind = (scale.place(raw.steps), raw.values) if smooth else (_nothing(), _nothing())
    means = next(iter(own.values())).averages if not smooth else EMPTY
    return EntryCurve(
        *parts[0], raw_x=behind[0], raw_y=behind[1], broken=broken, last=last,
        mean_x=scale.place(means.steps), mean_y=means.values,
    )  # fmt: skip


def _scales(db: Database, request: CurveRequest) -> dict[int, Scale]:
    """The x axis of each run: its own hours or R_s, or the steps or epochs of its entry."""
    reach = {run_id: float(members.reach) for members in request.members for run_id in members.runs}
    if request.across in ("step", "epoch"):
        return {
            run_id: Linear(members.epoch if request.across == "epoch" else 1.0)
            for members in request.members
            for run_id in members.runs
        }

    def own(run_id: int) -> Scale | None:
        if request.across == "itop_rate":
            return explored(metrics.mask_updates(db, run_id), reach[run_id])
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


def _broken(run_id: int, curve: Curve, scale: Scale) -> tuple[tuple[float, str], ...]:
    """Where a run's values begin to be not finite."""
    found = breaks(curve.steps, curve.values, f"run {run_id}")
    places = scale.place(np.array([step for step, _ in found])).tolist()
    return tuple((place, text) for place, (_, text) in zip(places, found, strict=True))
