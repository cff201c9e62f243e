"""What the charts of one run show: its metrics as curves, those of its ancestors before a fork, and its marks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from db.history.declared import MACHINE_METRICS, Metric
from db.records import AttemptRecord, CheckpointRecord, RunRecord
from itop_tui.figures.braille import Range
from itop_tui.figures.chart_data import TONES, ChartData, Event, Line
from itop_tui.figures.chart_metrics import ChartSpec, outliers
from itop_tui.figures.comparison import Stat
from itop_tui.figures.curves import EMPTY, Curve, RunCurves
from itop_tui.figures.events import drop, happenings, placed
from itop_tui.figures.format import MASK_FIGURES
from itop_tui.figures.metric_text import writer
from itop_tui.figures.x_axis import OVER_R_S, Across, Explored, Hours, Linear, Scale, hours

_MARKERS = "●▲■◆✚★▼○"
"""On each line of a chart with several, so that they can be distinguished without colour."""
_OF_UPDATES = frozenset({"update", "layer"})


@dataclass(frozen=True, slots=True, eq=False)
class ChartedRun:
    """A run as charts show it, with the curves that were read of it last; None before anything was."""

    run: RunRecord
    attempts: tuple[AttemptRecord, ...]
    checkpoints: tuple[CheckpointRecord, ...]
    curves: RunCurves | None

    @property
    def minus(self) -> str:
        """The letter of the entry that is subtracted: none."""
        return ""

    @property
    def epochs_known(self) -> bool:
        """Whether the x axis can count epochs."""
        return self.run.total_steps > 0 and self.run.total_epochs > 0

    @property
    def explores(self) -> bool:
        """Whether the x axis can be R_s: it has grown."""
        return self.curves is not None and self.curves.explored is not None

    def window_scale(self, across: Across) -> Scale:
        """The x axis, as a window is one of steps; steps where what it needs is not known."""
        if across == "epoch" and self.epochs_known:
            return Linear(self.run.total_steps / self.run.total_epochs)
        if across == "hour" and self.curves is not None and self.curves.moments is not None:
            return hours(self.curves.moments, self.attempts) or Linear()
        if across == "itop_rate" and self.curves is not None:
            return self.curves.explored or Linear()
        return Linear()

    def limits(self, across: Across) -> Range | None:
        """The positions of the first and last step."""
        return limits(self.curves, self.window_scale(across))

    def note(self, across: Across) -> str:
        """What a reader has to know of the x axis."""
        scale = self.window_scale(across)
        if isinstance(scale, Explored):
            return OVER_R_S
        return scale.note if isinstance(scale, Hours) else ""

    def never(self, spec: ChartSpec) -> bool:
        """Whether a chart will have no data, whatever else is recorded."""
        return never(spec, self.run)

    def chart(self, spec: ChartSpec, across: Across, *, with_marks: bool) -> ChartData:
        """What one chart shows."""
        known = happenings(self.run, self.attempts, self.checkpoints)
        return chart_data(spec, self.curves, self.run, self.window_scale(across), known if with_marks else None)


def chart_data(
    spec: ChartSpec,
    curves: RunCurves | None,
    run: RunRecord,
    scale: Scale,
    known: tuple[Event, ...] | None = (),
) -> ChartData:
    """What a chart shows of what was read; `known` is what else happened, None where nothing is to be marked."""
    unit = scale.unit
    figures = spec.figures
    if curves is None or any(figure.name not in curves.by_name for figure in figures):
        return ChartData(empty="reading …", x_unit=unit)
    lines: list[Line] = []
    broken: list[tuple[float, str]] = []
    labels = spec.labels()
    for number, figure in enumerate(figures):
        curve = curves.by_name[figure.name]
        if _says_nothing(figure, run):
            continue
        right = figure.unit != figures[0].unit
        name = labels[figure.name]
        draw = partial(_line, scale=scale, figure=figure, right=right)
        before = curves.before.get(figure.name, EMPTY)
        # A parent's own hours and R_s are others: its curve has no place among this run's.
        if len(before.steps) and isinstance(scale, Linear):
            lines.append(draw(before, label=f"{name} parent".strip(), tone="parent"))
        marker = _MARKERS[number % len(_MARKERS)] if len(figures) > 2 or (right and number) else ""
        tone = TONES[number % len(TONES)]
        if len(curve.smooth_steps):
            lines.append(draw(curve, label=name, tone="raw"))
            smoothed = draw(Curve(curve.smooth_steps, curve.smooth_values), label=name, tone=tone, marker=marker)
            lines.append(replace(smoothed, smooth=True, last=Stat(float(curve.values[-1]), None, 1)))
        else:
            lines.append(draw(curve, label=name, tone=tone, marker=marker))
        places = scale.place(np.array([step for step, _ in curve.broken]))
        texts = [text if number == 0 else f"{name} {text}" for _, text in curve.broken]
        broken += zip(places.tolist(), texts, strict=True)
    if not any(len(line.x) for line in lines):
        lines = []
    right_ones = [figure for figure in figures if figure.unit != figures[0].unit]
    return ChartData(
        lines=tuple(lines),
        marks=scale.place(curves.updates) if known is not None else np.empty(0),
        broken=tuple(broken),
        empty=why_empty(spec, run),
        x_unit=unit,
        events=placed([*known, *_drops(curves)], scale) if known is not None else (),
        right_percent=bool(right_ones) and right_ones[0].percent,
        smoothing=curves.request.smoothing if any(line.tone == "raw" for line in lines) else 0.0,
        x_note=scale.note if not isinstance(scale, Linear) else "",
    )


def limits(curves: RunCurves | None, scale: Scale) -> Range | None:
    """The positions of the first and last step, an ancestor's among them where its curve has a place; None for none."""
    if curves is None or curves.first is None or curves.last is None or curves.last <= curves.first:
        return None
    first = curves.first
    if not isinstance(scale, Linear):  # from where it was forked on: an ancestor's own hours are others
        first = max(first, float(scale.steps[0]) - 1)
    low, high = scale.place(np.array([first, curves.last])).tolist()
    return low, high


def _line(curve: Curve, *, scale: Scale, figure: Metric, right: bool, label: str, tone: str, marker: str = "") -> Line:
    return Line(
        label=label,
        x=scale.place(curve.steps),
        y=curve.values,
        tone=tone,
        dotted=figure.source != "step" and tone != "parent",
        marker=marker,
        right=right,
        write=writer(figure),
        outliers=outliers(figure),
    )


def _drops(curves: RunCurves) -> list[Event]:
    rate = curves.by_name.get("learning_rate", EMPTY)
    return [drop(step, rate.steps, rate.values) for step in curves.drops.tolist()]


def _says_nothing(figure: Metric, run: RunRecord) -> bool:
    return run.method == "dense" and (figure.name in MASK_FIGURES or figure.source in _OF_UPDATES)


def _lacking(spec: ChartSpec, run: RunRecord) -> str:
    """Why a run never records what a chart shows; empty where it may."""
    figures = spec.figures
    if figures and all(_says_nothing(figure, run) for figure in figures):
        return "a dense run has no mask"
    if run.config.get("fix") and all(figure.name == "death_rate" or figure.source == "update" for figure in figures):
        return "the mask is fixed: nothing dies"
    known = run.metrics.keys() & set(MACHINE_METRICS)
    if not spec.of_machine or known & set(spec.names):
        return ""
    return "its machine does not report it" if known else "nothing was recorded" if run.status.is_terminal else ""


def never(spec: ChartSpec, run: RunRecord) -> bool:
    """Whether a run never records what a chart shows."""
    return not spec.figures or bool(_lacking(spec, run))


def why_empty(spec: ChartSpec, run: RunRecord) -> str:
    """Why there is nothing on a chart."""
    figures = spec.figures
    if not figures:
        return "choose metrics for this chart"
    if lacking := _lacking(spec, run):
        return lacking
    if run.status == "queued":
        return "waiting for its device"
    if not run.status.is_active:
        return "nothing was recorded"
    sources = {figure.source for figure in figures}
    if sources <= _OF_UPDATES:
        return "no mask update yet"
    return "no epoch yet" if sources == {"epoch"} else "no step yet"
