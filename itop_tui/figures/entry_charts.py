"""What the charts of a comparison show: an entry a curve, groups of seeds with a band, the marks of one entry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from itop_tui.figures.braille import FloatArray, Range
from itop_tui.figures.chart_data import FEW, ChartData, Event, Line
from itop_tui.figures.chart_metrics import ChartSpec, comparison_metrics, find, outliers
from itop_tui.figures.comparison import Entry
from itop_tui.figures.comparison_curves import RAW_UP_TO, EntryCurve, EntryCurves, epochs_known
from itop_tui.figures.curve_difference import difference, zero
from itop_tui.figures.events import placed
from itop_tui.figures.run_charts import never
from itop_tui.figures.x_axis import OVER_R_S, Across, Linear, Scale, across_note

_BY_LETTER = " "
"""The label of a curve that its letter names already."""


def compared_charts() -> tuple[ChartSpec, ...]:
    """The charts of a comparison, one for each metric that is declared now."""
    return tuple(ChartSpec((metric.name,), metric.short_title) for metric in comparison_metrics())


@dataclass(frozen=True, slots=True, eq=False)
class MarkedRun:
    """What charts mark of one run: its mask updates, and what else happened, by their steps."""

    updates: FloatArray
    happenings: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class MarkedEntry:
    """The entry whose marks the charts show, by its letter, and what happened to its runs, by their ids."""

    letter: str
    runs: Mapping[int, MarkedRun]

    def places(self, scales: Mapping[int, Scale]) -> tuple[FloatArray, tuple[Event, ...]]:
        """Where its mask updates lie on the x axis, each once, and what else happened.

        Marks of a run that has no scale are left out.
        """
        updates: list[float] = []
        events: dict[tuple[float, str], str] = {}
        for run_id, found in self.runs.items():
            scale = scales.get(run_id)
            if scale is None:
                continue
            whose = f", run {run_id}" if len(self.runs) > 1 else ""
            updates += scale.place(found.updates).tolist()
            for one in placed(found.happenings, scale):
                events.setdefault((one.x, one.kind), f"{one.text}{whose}")
        return np.unique(np.array(updates)), tuple(Event(x, kind, text) for (x, kind), text in events.items())


@dataclass(frozen=True, slots=True, eq=False)
class ChartedEntries:
    """The entries of a comparison as charts show them: without those that are hidden, by their `key`."""

    entries: tuple[Entry, ...]
    hidden: frozenset[int]
    curves: EntryCurves | None
    marked: MarkedEntry | None
    read_beside: bool = True
    """Whether a list beside the charts shows the values at the cursor."""
    baseline: Entry | None = None
    """The entry to which curves show the difference; None for the curves themselves."""

    @property
    def minus(self) -> str:
        """The letter of the entry that is subtracted; empty for none. Differences may be below zero."""
        return self.baseline.letter if self.baseline is not None else ""

    @property
    def epochs_known(self) -> bool:
        """Whether the x axis can count epochs: the length of every entry's is known."""
        return epochs_known(self.entries)

    @property
    def explores(self) -> bool:
        """Whether the x axis can be R_s: a run has a mask that changes."""
        return any(run.method != "dense" and not run.config.get("fix") for entry in self.entries for run in entry.runs)

    def window_scale(self, across: Across) -> Scale:
        """A window is one of the x axis: each run may have another scale."""
        return Linear()

    def _known(self, across: Across) -> EntryCurves | None:
        return self.curves if self.curves is not None and self.curves.request.across == across else None

    def limits(self, across: Across) -> Range | None:
        """From the beginning to the furthest position of any run."""
        known = self._known(across)
        return (0.0, known.reach) if known is not None and known.reach > 0 else None

    def note(self, across: Across) -> str:
        """What a reader has to know of the x axis."""
        if across == "itop_rate":
            return OVER_R_S
        return across_note(self.curves.scales.values()) if self.curves is not None else ""

    def never(self, spec: ChartSpec) -> bool:
        """Whether none of the runs will record what a chart shows."""
        return all(never(spec, run) for entry in self.entries for run in entry.runs)

    def _minus_baseline(self, curves: Sequence[EntryCurve | None]) -> Sequence[EntryCurve | None]:
        """Curves as they are, or without the baseline's."""
        at = next((at for at, entry in enumerate(self.entries) if entry == self.baseline), None)
        if at is None or (under := curves[at]) is None:
            return curves
        return [
            zero(under) if place == at else difference(curve, under) if curve is not None else None
            for place, curve in enumerate(curves)
        ]

    def _why_empty(self, across: Across, known: EntryCurves, curves: Sequence[EntryCurve | None]) -> str:
        if across == "itop_rate" and not known.scales:
            return "no R_s grew yet"
        if self.baseline is not None and any(curve is not None and len(curve.x) for curve in curves):
            return f"{self.baseline.letter} has nothing where others do"
        return "none of these runs recorded it"

    def chart(self, spec: ChartSpec, across: Across, *, with_marks: bool) -> ChartData:
        """What one chart shows."""
        known, name = self._known(across), spec.names[0]
        if known is None or name not in known.by_name:
            return ChartData(empty="reading …", x_unit=across, read_beside=self.read_beside)
        recorded = [known.of(name, _ids(entry)) for entry in self.entries]
        each = self._minus_baseline(recorded)
        curves = [
            (at, entry, curve)
            for at, (entry, curve) in enumerate(zip(self.entries, each, strict=True))
            if curve is not None and entry.key not in self.hidden
        ]
        marks: FloatArray = np.empty(0)
        happened: tuple[Event, ...] = ()
        if self.marked is not None and with_marks:
            marks, happened = self.marked.places(known.scales)
        metric = find(name)
        return ChartData(
            lines=lines_of(curves, FEW if metric is None else outliers(metric)),
            marks=marks,
            broken=tuple(mark for _, _, curve in curves for mark in curve.broken),
            empty=self._why_empty(across, known, recorded),
            x_unit=across,
            events=happened,
            whose=self.marked.letter if self.marked is not None else "",
            smoothing=known.request.smoothing if metric is not None and metric.noisy else 0.0,
            x_note=across_note(known.scales.values()),
            averaged=any(curve.averaged for _, _, curve in curves),
            read_beside=self.read_beside,
        )


def _ids(entry: Entry) -> tuple[int, ...]:
    return tuple(run.id for run in entry.runs)


def lines_of(curves: Sequence[tuple[int, Entry, EntryCurve]], outlying: float) -> tuple[Line, ...]:
    """The lines of a chart, of each entry that is shown, with its place; raw ones first, so that they lie behind.

    Of each, a share of `outlying` at most may lie outside of the y axis.
    """
    shown = [each for each in curves if len(each[2].x)]
    raw = [
        Line("", curve.raw_x, curve.raw_y, f"dim-{at}", position=at)
        for at, _, curve in shown
        if len(curve.raw_x) and len(shown) <= RAW_UP_TO
    ]
    own = [
        Line(_BY_LETTER, curve.x, curve.y, f"curve-{at}", marker=entry.letter, position=at, std=curve.std, n=curve.n,
             last=curve.last, runs=entry.n, mean_x=curve.mean_x, mean_y=curve.mean_y, outliers=outlying)
        for at, entry, curve in shown
    ]  # fmt: skip
    return (*raw, *own)
