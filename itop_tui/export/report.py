"""A comparison as one HTML page that needs nothing else: plots, tables, configuration, and how to repeat each run."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from db.history.declared import Metric
from db.records import RunRecord
from db.runs import attempts
from db.session import Database
from engine.config.run_config import ConfigError, RunConfig
from itop_tui.export.drawing import PAPER, Drawing, Trace
from itop_tui.export.svg_text import note_of, text_of
from itop_tui.figures.chart_metrics import comparison_metrics
from itop_tui.figures.comparison import (
    RESULTS,
    Entry,
    best,
    entries,
    entry_settings,
    results,
    seconds_taken,
    setting_of,
    write_result,
)
from itop_tui.figures.comparison_curves import RAW_UP_TO, EntryCurves, epochs_known, members_of, read_curves
from itop_tui.figures.comparison_scatter import scatter_data
from itop_tui.figures.curves import CurveRequest
from itop_tui.figures.format import moment, plural
from itop_tui.figures.x_axis import ACROSS, TIME, Across, across_note, axis_name
from itop_tui.look.series_colours import ON_DARK, ON_LIGHT
from itop_tui.service.command_lines import command_line

_COLUMNS = 260
"""Ranges of steps of a plot: as many as it has pixels, about."""
_OVER: dict[Across, str] = {"step": "steps", "epoch": "epochs", "hour": TIME, "itop_rate": "R_s"}
_SMOOTHING = 0.9
"""Of noisy figures: two curves that jump from step to step cannot be distinguished in a plot."""


def write_report(
    db: Database, runs: Sequence[RunRecord], path: Path, *, grouped: bool | None = None, across: Across = "step"
) -> None:
    """Write the page.

    Args:
        db: The database.
        runs: The runs, in order.
        path: The file.
        grouped: Whether runs that differ only by their seed are joined; None joins them where they are too many else.
        across: The x axis of the curves at first; a reader can choose any other that is known of the runs.

    Raises:
        ValueError: There are more runs than are compared.
    """
    compared = _entries(runs, grouped)
    now = time.time()
    seconds = {run.id: seconds_taken(attempts.for_run(db, run.id), now) for run in runs}
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{part}\n" for part in _page(db, compared, seconds, now, across))


def _entries(runs: Sequence[RunRecord], grouped: bool | None) -> tuple[Entry, ...]:
    if grouped is not None:
        return entries(runs, grouped=grouped)
    try:
        return entries(runs)
    except ValueError:
        return entries(runs, grouped=True)


def curve_drawing(figure: Metric, compared: Sequence[Entry], curves: EntryCurves) -> Drawing:
    """A chart of the comparison as a drawing; entries that did not record the metric are left out."""
    each = zip(compared, curves.by_name[figure.name], strict=True)
    known = [(at, entry, curve) for at, (entry, curve) in enumerate(each) if len(curve.x)]
    raw = [
        Trace("", "", at, curve.raw_x, curve.raw_y, part="raw")
        for at, _, curve in known
        if len(curve.raw_x) and len(known) <= RAW_UP_TO
    ]
    own = [
        Trace(entry.letter, entry.label_with_n(curve.last.n), at, curve.x, curve.y, curve.std)
        for at, entry, curve in known
    ]
    return Drawing(
        figure.short_title,
        axis_name(curves.request.across),
        figure.short_title,
        (*raw, *own),
        logarithmic=figure.logarithmic,
        y_percent=figure.percent,
        broken=tuple(mark for _, _, curve in known for mark in curve.broken),
        x_unit=curves.request.across,
        x_range=(0.0, curves.reach) if curves.reach > 0 else None,
        note=note_of(_SMOOTHING if figure.noisy else 0.0, across_note(curves.scales.values())),
    )


def scatter_drawings(
    compared: Sequence[Entry],
    seconds: Mapping[int, float | None],
    accuracy: str,
    *,
    hidden: frozenset[int] = frozenset(),
) -> tuple[Drawing, ...]:
    """R_s and training FLOPs against accuracy, as drawings; see `itop_tui.figures.comparison_scatter.scatter_data`."""
    import numpy as np

    made = []
    for data in scatter_data(compared, seconds, accuracy, hidden=hidden):
        traces = tuple(
            Trace(
                point.letter,
                compared[point.position].label_with_n(point.n),
                point.position,
                np.array([point.x]),
                np.array([point.y]),
                np.array([point.y_std]) if point.y_std else np.empty(0),
                point.x_std,
            )
            for point in data.points
        )
        made.append(
            Drawing(
                data.title,
                data.x_label,
                data.y_label,
                traces,
                points=True,
                x_percent=data.x_percent,
                y_percent=True,
                note=data.missing,
            )
        )
    return tuple(made)


def repeat_command(run: RunRecord) -> str | None:
    """The command that trains the same run again; None where its settings are of another version."""
    try:
        config = RunConfig.create(run.config)
    except ConfigError:
        return None
    return command_line(config, name=run.name, tags=run.tags)


# ------------------------------------------------------------------------------------------------------------- the page


def _page(
    db: Database, compared: Sequence[Entry], seconds: dict[int, float | None], now: float, across: Across
) -> Iterable[str]:
    runs = [run for entry in compared for run in entry.runs]
    title = f"itop: {plural(len(runs), 'run')} compared"
    yield (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{text_of(title)}</title><style>{_STYLE}</style></head><body><main>"
        f'<h1>{text_of(title)}</h1><p class="soft">{text_of(moment(now))}</p>'
    )
    if any(entry.n > 1 for entry in compared):
        yield (
            "<p>Runs that differ only by their seed are joined: mean ± one sample standard deviation (n − 1). A mean "
            "at a step counts the runs that reach it.</p>"
        )
    yield from _results(compared, seconds)
    yield from _settings(compared)
    yield '<h2>Accuracy and what it costs</h2><div class="plots">'
    accuracy = "test_accuracy" if any(run.test_accuracy is not None for run in runs) else "best_val_accuracy"
    yield from (_plot(drawing) for drawing in scatter_drawings(compared, seconds, accuracy))
    yield "</div>"
    yield from _curves(db, compared, across)
    yield from _runs(compared)
    yield "</main></body></html>"


def _plot(drawing: Drawing) -> str:
    return f"<figure>{drawing.svg(themed=True)}</figure>"


def _curves(db: Database, compared: Sequence[Entry], first: Across) -> Iterable[str]:
    """The curves over each x axis, and a choice between them that needs no script."""
    members = members_of(compared)

    def read(across: Across, *names: str) -> EntryCurves:
        request = CurveRequest(names, columns=_COLUMNS, smoothing=_SMOOTHING, across=across, members=members)
        return read_curves(db, request)

    choices = [across for across in ACROSS if read(across).scales and (across != "epoch" or epochs_known(compared))]
    chosen = first if first in choices else choices[0]
    yield '<h2>Curves</h2><div class="curves">'
    for across in choices if len(choices) > 1 else ():
        checked = " checked" if across == chosen else ""
        yield (
            f'<input type="radio" name="across" id="over-{across}"{checked}>'
            f'<label for="over-{across}">over {_OVER[across]}</label>'
        )
    for across in choices:
        yield f'<div class="plots over-{across}">'
        for figure in comparison_metrics():  # one at a time: a page of many long runs needs the memory of one plot
            curves = read(across, figure.name)
            if any(len(curve.x) for curve in curves.by_name[figure.name]):
                yield _plot(curve_drawing(figure, compared, curves))
        yield "</div>"
    yield "</div>"


def _results(compared: Sequence[Entry], seconds: dict[int, float | None]) -> Iterable[str]:
    found = results(compared, seconds)
    shown = [result for result in RESULTS if any(stat.n for stat in found[result.name])]
    marked = {result.name: best(found[result.name], result.best) for result in shown}
    joined = any(entry.n > 1 for entry in compared)
    yield '<h2>Results</h2><div class="wide"><table><thead><tr><th></th><th>run</th>'
    yield "<th>runs</th>" if joined else ""
    yield "".join(f'<th class="number">{text_of(result.label)}</th>' for result in shown) + "</tr></thead><tbody>"
    for at, entry in enumerate(compared):
        beside = f' <span class="soft">{text_of(" ".join(entry.called.parts))}</span>' if entry.called.unique else ""
        yield f'<tr><th>{_letter(entry, at)}</th><td class="name">{text_of(entry.label)}{beside}</td>'
        yield f'<td class="number">{entry.n}</td>' if joined else ""
        for result in shown:
            text = text_of(write_result(result, found[result.name][at], entry.n))
            yield f'<td class="number">{f"<b>★ {text}</b>" if at in marked[result.name] else text}</td>'
        yield "</tr>"
    of = "; of n: only n of the runs have it" if joined else ""
    yield f'</tbody></table></div><p class="soft">★ the best of its column{of}</p>'


def _settings(compared: Sequence[Entry]) -> Iterable[str]:
    yield "<h2>Settings that differ</h2>"
    differing = entry_settings(compared)
    if not differing:
        yield "<p>These runs have the same settings.</p>"
        return
    yield '<div class="wide"><table><thead><tr><th>setting</th>'
    yield "".join(f"<th>{_letter(entry, at)}</th>" for at, entry in enumerate(compared)) + "</tr></thead><tbody>"
    for name, row in differing.items():
        cells = "".join(f"<td>{text_of(setting_of(name, values))}</td>" for values in row)
        yield f"<tr><th>{text_of(name)}</th>{cells}</tr>"
    yield "</tbody></table></div>"


def _runs(compared: Sequence[Entry]) -> Iterable[str]:
    yield "<h2>The runs</h2>"
    for at, entry in enumerate(compared):
        for run in entry.runs:
            command = repeat_command(run)
            reason = f" · {run.reason}" if run.reason else ""
            yield (
                f"<details><summary>{_letter(entry, at)} {text_of(run.name)} "
                f'<span class="soft">run {run.id} · {text_of(run.status.value + reason)}</span></summary>'
            )
            if command is not None:
                yield f"<p>To repeat it:</p><pre>{text_of(command)}</pre>"
            yield '<div class="wide"><table><tbody>'
            for name, value in run.config.items():
                yield f"<tr><th>{text_of(str(name))}</th><td>{text_of(setting_of(name, (value,)))}</td></tr>"
            yield "</tbody></table></div></details>"


def _letter(entry: Entry, at: int) -> str:
    return f'<b class="letter" style="color:var(--curve-{at % len(ON_LIGHT)})">{entry.letter}</b>'


def _variables(colours: Sequence[str]) -> str:
    return "".join(f"--curve-{at}:{colour};" for at, colour in enumerate(colours))


# With a choice, only the plots of what is chosen; without one, they are there.
_SWITCH = (
    ".curves>label{margin:0 18px 0 4px;cursor:pointer}.curves>input{accent-color:var(--curve-0)}"
    ".curves>input:checked+label{font-weight:600}.curves>.plots{margin-top:12px}.curves>input~.plots{display:none}"
    + ",".join(f"#over-{across}:checked~.over-{across}" for across in ACROSS)
    + "{display:grid}@media print{.curves>input,.curves>label{display:none}}"
)
_STYLE = (
    ":root{color-scheme:light dark;"
    + "".join(f"--{name}:{value};" for name, value in PAPER.items())
    + _variables(ON_LIGHT)
    + "}"
    "@media (prefers-color-scheme:dark){:root{--paper:#10151b;--ink:#dbe2ea;--soft:#93a0af;--grid:#2a333e;"
    + _variables(ON_DARK)
    + "}}"
    "body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}"
    "main{max-width:1240px;margin:0 auto;padding:24px}h1{font-size:24px}h2{font-size:18px;margin:32px 0 8px}"
    ".soft{color:var(--soft)}.wide{overflow-x:auto}table{border-collapse:collapse;font-size:14px}"
    "th,td{padding:4px 9px;text-align:left;border-bottom:1px solid var(--grid);white-space:nowrap}"
    ".number{text-align:right;font-variant-numeric:tabular-nums}"
    "thead th{white-space:normal;vertical-align:bottom}.name{white-space:normal;min-width:16ch;max-width:32ch}"
    "td,summary{overflow-wrap:anywhere}"
    ".plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(440px,100%),1fr));gap:20px}"
    + _SWITCH
    + "figure{margin:0}figure svg{width:100%;height:auto}details{margin:6px 0}summary{cursor:pointer}"
    "pre{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--grid);padding:10px;border-radius:4px}"
)
