"""The head of a run's screen: what it is, its state, its progress and its results.

The lines are made by pure functions of the run and the time, so that they can be read in a test.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.text import Text
from textual.reactive import reactive

from db.records import Alarm, RunRecord
from db.runs.silence import no_sign, silence
from itop_tui.figures import run_view
from itop_tui.figures.format import bar, count, duration, energy, fit, percent, plain, plural
from itop_tui.figures.metric_text import metric_text
from itop_tui.figures.run_times import in_state
from itop_tui.keys import in_brackets
from itop_tui.look.theme import Tone, look
from itop_tui.look.toned import Part, TonedLines
from itop_tui.run.config_view import differences
from itop_tui.run.run_reader import RunView

_GAP = "   "


def state_parts(view: RunView, now: float) -> list[Part]:
    """The run's state in words, with how long it is or was in it, and any sign that it is silent."""
    run = view.run
    parts = run_view.state(run, now)
    quiet = silence(run, now)
    took = in_state(run, view.attempts[-1] if view.attempts else None, view.pauses, now)
    if quiet is not None:
        parts.append((f" {no_sign(quiet)}", "warn"))
    elif took is not None:
        parts.append((f" {took[0]} {duration(took[1])}", "muted"))
    return parts


_MOST_ALARMS = 2
"""The alarms that the head shows; `itop show` lists all."""


def head_metrics(run: RunRecord) -> list[tuple[str, str]]:
    """The latest and best metrics by name; what was not recorded is left out or shown as unknown."""
    known: list[tuple[str, str]] = [
        ("loss", metric_text("loss", run.loss)),
        ("acc", metric_text("accuracy", run.accuracy)),
        ("val", metric_text("val_accuracy", run.val_accuracy)),
        ("best", percent(run.best_val_accuracy)),
        ("test", percent(run.test_accuracy)),
    ]
    if run.config.get("sparse"):
        known += [
            ("density", metric_text("density", run.density)),
            ("R_s", metric_text("itop_rate", run.itop_rate)),
            ("ζ", metric_text("death_rate", run.death_rate)),
        ]
    else:
        known.append(("density", metric_text("density", run.density)))
    known.append(("lr", metric_text("learning_rate", run.learning_rate)))
    if run.energy_wh is not None:
        known.append(("energy", energy(run.energy_wh)))
    return known


def header_lines(view: RunView, now: float, width: int) -> list[list[Part]]:
    """The lines of the head, none wider than `width` but the last ones, which may be folded."""
    run = view.run
    first, where = _first_line(view, now, width)
    lines = [first, _progress_line(run, now, width), *_figure_lines(run, width)]
    if where:
        taken = sum(cell_len(text) for text, _ in lines[-1])
        if taken + len(_GAP) + cell_len(where) <= width:
            lines[-1] += [(_GAP, "text"), (where, "muted")]
        else:
            lines.append([(where, "muted")])
    if view.parent is not None or run.parent_id is not None:
        lines.append(_fork_line(run, view.parent, width))
    if view.changed_code:
        key = in_brackets("run", "provenance")
        lines.append([("code ", "muted"), (f"changed before it started: {plain(view.changed_code, 200)}{key}", "warn")])
    if run.damaged:
        lines.append([(run_view.damage(run.damaged), "bad")])
    lines += _alarm_lines(view.alarms, width)
    if run.reason:
        tone = look(run.status).tone if run.status.is_terminal else "muted"
        lines.append([("reason ", "muted"), (plain(run.reason, 400), tone if tone != "live" else "muted")])
    return lines


def _fork_line(run: RunRecord, parent: RunRecord | None, width: int) -> list[Part]:
    """What it was forked from and where, and as many of the changed settings as there is room for."""
    named = f"run {run.parent_id}"
    if parent is not None:
        named += f" {plain(parent.name, 60)}"
    at = f" at step {run.fork_step:,}" if run.fork_step is not None else ""
    line: list[Part] = [("fork of ", "muted"), (f"{named}{at}", "text")]
    if parent is None:
        return line
    changed = differences(run.config, parent.config)
    if not changed:
        return [*line, (": nothing was changed", "muted")]
    taken = sum(cell_len(text) for text, _ in line)
    key = in_brackets("run", "tab_config")
    for number, row in enumerate(changed):
        name, rest = f"{': ' if number == 0 else ', '}{row.name} ", f"{row.parent} → {row.value}"
        left = len(changed) - number
        more = f", {left - 1} more{key}" if left > 1 else ""
        if taken + cell_len(name + rest + more) > width and number:
            return [*line, (f", {left} more{key}", "muted")]
        line += [(name, "muted"), (rest, "accent")]
        taken += cell_len(name + rest)
    return line


def _first_line(view: RunView, now: float, width: int) -> tuple[list[Part], str]:
    """State, name and what is trained; and where it runs, in case there was no room for that."""
    run, state = view.run, state_parts(view, now)
    taken = sum(cell_len(text) for text, _ in state) + len(_GAP)
    whole = plain(run.name, 200)
    name = fit(whole, min(cell_len(whole), max(8, width - taken)))
    taken += cell_len(name)
    parts: list[Part] = [*state, (_GAP, "text"), (name, "title")]
    what = f"{plain(run.model, 60)} on {plain(run.data, 60)} · {plain(run_view.method(run), 60)}"
    where = " ".join(
        part
        for part in (
            plain(run.device or "", 20),
            f"pid {run.pid}" if run.pid is not None else "",
            plain(run.host or "", 40),
        )
        if part
    )
    if taken + len(_GAP) + cell_len(what) <= width:
        parts += [(_GAP, "text"), (what, "text")]
        taken += len(_GAP) + cell_len(what)
    if where and taken + len(_GAP) + cell_len(where) <= width:
        parts += [(_GAP, "text"), (where, "muted")]
        where = ""
    return parts, where


def _progress_line(run: RunRecord, now: float, width: int) -> list[Part]:
    done = run_view.progress(run)
    words: list[Part] = []
    if done is not None:
        # Rounded down, so that nothing short of the end reads 100%.
        words.append((f" {int(done * 100 + 1e-9)}%", "text"))
    total = f" / {count(run.total_steps)}" if run.total_steps > 0 else ""
    words.append((f"  step {count(run.step)}{total}", "text"))
    epochs = f" / {count(run.total_epochs)}" if run.total_epochs > 0 else ""
    words.append((f"  epoch {count(run.epoch)}{epochs}", "text"))
    left = run_view.seconds_left(run, now)
    if left is not None:
        words.append((f"  ETA {duration(left)}", "live"))
    if run.samples_per_second is not None and run.status.is_active:
        words.append(("  " + metric_text("samples_per_second", run.samples_per_second), "muted"))
    while words and sum(cell_len(text) for text, _ in words) + 8 > width:
        words.pop()
    room = max(6, min(60, width - sum(cell_len(text) for text, _ in words) - 1))
    filled, empty = bar(done or 0.0, room)
    return [(filled, run_view.progress_tone(run)), (empty, "line"), *words]


def _alarm_lines(raised: Sequence[Alarm], width: int) -> list[list[Part]]:
    """A line for each of the first alarms, and how many there are beside them."""
    hidden = len(raised) - _MOST_ALARMS
    lines: list[list[Part]] = []
    for number, one in enumerate(raised[:_MOST_ALARMS], 1):
        more = f"  and {plural(hidden, 'more alarm')}" if hidden > 0 and number == _MOST_ALARMS else ""
        said = fit(run_view.alarm(one), max(1, width - 2 - cell_len(more))).rstrip()
        lines.append([(f"{run_view.ALARM} ", "bad"), (said, "warn"), (more, "muted")])
    return lines


def _figure_lines(run: RunRecord, width: int) -> list[list[Part]]:
    lines: list[list[Part]] = [[]]
    taken = 0
    for name, value in head_metrics(run):
        size = cell_len(name) + 1 + cell_len(value)
        if taken and taken + len(_GAP) + size > width:
            lines.append([])
            taken = 0
        if taken:
            lines[-1].append((_GAP, "text"))
            taken += len(_GAP)
        tone: Tone = "bad" if value in ("NaN", "∞", "-∞") else "text"
        lines[-1] += [(f"{name} ", "muted"), (value, tone)]
        taken += size
    return lines


class RunHeader(TonedLines):
    """Shows the head of the run."""

    view: reactive[RunView | None] = reactive(None, layout=True)
    """The run; None until it is read."""
    now: reactive[float] = reactive(0.0)
    """The time, in unix seconds."""

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """As many lines as there are, a long reason folded."""
        return max(2, len(self._drawn(width).wrap(self.app.console, max(width, 1))))

    def render(self) -> Text:
        """Draw the lines."""
        return self._drawn(self.size.width)

    def _drawn(self, width: int) -> Text:
        if self.view is None:
            return Text("reading the run …", self.tone("muted"))
        return self.joined(header_lines(self.view, self.now, max(20, width)))
