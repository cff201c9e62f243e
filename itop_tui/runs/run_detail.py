"""The pane beside the list: the metrics of the run at the cursor, why it is in its state, its loss in one line.

Of a group of runs it shows the means.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from itertools import zip_longest

from rich.text import Text
from textual.message import Message
from textual.reactive import reactive

from db.records import ALARM_KINDS, RunRecord, RunStatus
from itop_tui.figures import run_view
from itop_tui.figures.format import (
    UNKNOWN,
    age_of,
    count,
    duration,
    energy,
    moment,
    percent,
    plain,
    plural,
    share,
    sparkline,
    steps,
)
from itop_tui.figures.metric_text import metric_text
from itop_tui.figures.states import Part, look
from itop_tui.look.toned import Toned
from itop_tui.runs.run_columns import COLUMNS, FIELDS, RunColumn, spread
from itop_tui.runs.run_lines import GroupLine

Fact = tuple[str, list[Part]]
"""A label, and what is said under it."""
_SHORT_NAMES = {"target_density": "density", "total_epochs": "epochs"}
_LABEL = 11
_COLUMN, _GAP = 38, 2
"""A column of facts needs so many cells; between two of them stay so many."""


class RunDetail(Toned):
    """Describes the run at the cursor, or the group."""

    class Shown(Message):
        """The pane became visible."""

    run: reactive[RunRecord | None] = reactive(None)
    """The run described."""
    group: reactive[GroupLine | None] = reactive(None)
    """The group described, where the cursor is on one."""
    losses: reactive[tuple[float, ...]] = reactive(())
    """Its loss over its steps, decimated."""

    def __init__(self, clock: Callable[[], float], *, id: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self._clock = clock
        self._drawn_at = 0.0
        self._lines = 0

    def on_show(self) -> None:
        """What was hidden was not read."""
        self.post_message(self.Shown())

    def tick(self) -> None:
        """Draw times that moved on, ages too; not where the pane was just drawn, as it is all the time a run trains."""
        if self.is_on_screen and self.run is not None and self._clock() - self._drawn_at > 0.9:
            self.refresh()

    @property
    def room(self) -> int:
        """The cells of a line."""
        return max(10, self.content_size.width)

    def render(self) -> Text:
        """Draw the pane: below each other where it is narrow, in columns where it is wide."""
        now = self._drawn_at = self._clock()
        columns = max(1, self.content_size.width // _COLUMN)
        room = self.room // columns
        if self.group is not None:
            group = self.group.group
            title = self.group.called.label if self.group.called else group.label
            lines = [self.toned([(plain(title, limit=200), "title"), (f"   {plural(group.n, 'run')}", "muted")])]
            facts = _group_blocks(self.group, room - _LABEL - _GAP)
        elif self.run is not None:
            lines = self._title(self.run, now, wide=columns > 1)
            facts = self._blocks(self.run, now, room - _LABEL - _GAP)
        else:
            return self.toned([("No run is highlighted.", "muted")])
        blocks = [[self._fact(*fact) for fact in block] for block in facts]
        if columns == 1:
            for block in blocks:
                lines += [Text(), *block]
        else:
            lines += [Text(), *_beside(_shared_out(blocks, columns), room)]
        if len(lines) != self._lines:  # what lies below moves; most changes are within the lines
            self._lines = len(lines)
            self.call_after_refresh(self.refresh, layout=True)
        return Text("\n", end="", overflow="ellipsis", no_wrap=True).join(lines)

    def _title(self, run: RunRecord, now: float, *, wide: bool) -> list[Text]:
        """Name, state and reason: in one line where there is room, else below each other."""
        star = "★ " if run.starred_at is not None else ""
        name: Part = (star + plain(run.name, limit=200), "title")
        state: list[Part] = [
            *run_view.state(run, now),
            (f"   run {run.id} · {age_of(run.created_at, now)} old", "muted"),
        ]
        if run.archived_at is not None:
            state.append((" · archived", "muted"))
        reason = [(plain(content, limit=400), tone) for content, tone in run_view.reason_parts(run, now)]
        if wide:
            return [self.toned([name, ("   ", "text"), *state, ("   ", "text"), *reason])]
        lines = [self.toned([name]), self.toned(state)]
        for content, tone in reason:
            lines += [self.toned([(piece, tone)]) for piece in _wrapped(content, self.room, most=4)]
        return lines

    def _fact(self, label: str, parts: Sequence[Part]) -> Text:
        return self.toned([(f"{label:<{_LABEL}}", "muted"), *parts])

    def _blocks(self, run: RunRecord, now: float, width: int) -> list[list[Fact]]:
        """What is known of a run, in blocks of facts that belong together; `width` cells for each fact."""
        left, loss = run_view.seconds_left(run, now), metric_text("loss", run.loss)
        since_start: list[Part] = [(duration(run_view.elapsed(run, now)), "text")]
        if left is not None:
            since_start.append((f"  {duration(left)} left", "live"))
        progress: list[Fact] = [
            ("progress", run_view.progress_parts(run, now, max(12, min(width, 30)))),
            ("steps", [(steps(run.step, run.total_steps), "text")]),
            ("epoch", [(steps(run.epoch, run.total_epochs), "text")]),
            ("in all" if run.attempt_count > 1 or run.status is RunStatus.PAUSED else "time", since_start),
        ]
        results: list[Fact] = [
            ("best val", [(percent(run.best_val_accuracy), "title")]),
            ("test", [(percent(run.test_accuracy), "text")]),
            ("loss", [(loss, "bad" if loss in ("NaN", "∞", "-∞") else "text")]),
        ]
        if self.losses:
            results.append(("loss curve", [(sparkline(self.losses, max(8, min(width, 40)), log=True), "live")]))
        trained: list[Fact] = [
            ("model", [(plain(run.model), "text"), (" on ", "muted"), (plain(run.data), "text")]),
            ("method", [(plain(run_view.method(run)), "text")]),
        ]
        if run.method != "dense":
            interval = run.config.get("update_frequency", UNKNOWN)
            trained += [
                (
                    "density",
                    [(metric_text("density", run.density), "text"), (f"  target {share(run.target_density)}", "muted")],
                ),
                ("nonzeros", [(count(run.nonzeros), "text")]),
                ("R_s", [(metric_text("itop_rate", run.itop_rate), "title")]),
                ("death rate", [(metric_text("death_rate", run.death_rate), "text"), (f"  ΔT {interval}", "muted")]),
                ("FLOPs", [(share(run.flops_ratio), "text"), ("  of dense training", "muted")]),
            ]
        made: list[Fact] = [
            ("lr", [(metric_text("learning_rate", run.learning_rate), "text"), (f"  seed {run.seed}", "muted")]),
            ("speed", [(metric_text("samples_per_second", run.samples_per_second), "text")]),
            ("device", [(run.device or UNKNOWN, "text"), (f"  {run.host}" if run.host else "", "muted")]),
            ("attempts", [(str(run.attempt_count), "text")]),
            ("created", [(moment(run.created_at), "muted")]),
        ]
        if run.energy_wh is not None:
            made.append(("energy", [(energy(run.energy_wh), "text")]))
        if run.alarms:
            said = ", ".join(ALARM_KINDS.get(kind, plain(kind, 20)) for kind in run.alarms)
            made.append(("alarms", [(said, "bad")]))
        if run.parent_id is not None:
            made.append(("fork of", [(f"run {run.parent_id}", "text"), (f" at step {run.fork_step}", "muted")]))
        if run.group:
            made.append(("group", [(plain(run.group, limit=200), "text")]))
        if run.tags:
            made.append(("tags", [(plain(run_view.tags(run.tags), limit=200), "accent")]))
        if run.notes:
            pieces = _wrapped(plain(run.notes, limit=600), max(10, width), most=4)
            made += [("notes" if not at else "", [(piece, "text")]) for at, piece in enumerate(pieces)]
        return [progress, results, trained, made]


def _group_blocks(line: GroupLine, width: int) -> list[list[Fact]]:
    """The group in blocks of facts that belong together; `width` cells for each fact."""
    group = line.group
    states: list[Fact] = [
        (look(status).word, [(f"{look(status).glyph} {count}", look(status).tone)])
        for status, count in group.statuses.items()
        if count
    ]
    means: list[Fact] = []
    for column in (*COLUMNS, *FIELDS):
        if column.figure in group.mean and group.mean[column.figure] is not None:
            means += _mean_of(line, column, width)
    shared: list[Fact] = [
        (_SHORT_NAMES.get(name, name), [(plain(f"{value}", limit=100), "text")])
        for name, value in group.shared.items()
        if value is not None and value != ""
    ]
    ids = " ".join(map(str, group.run_ids))
    shared.append(("runs", [(ids if len(ids) <= width else f"{ids[: max(0, width - 1)]}…", "muted")]))
    return [block for block in (states, means, shared) if block]


def _mean_of(line: GroupLine, column: RunColumn, width: int) -> list[Fact]:
    """Mean and deviation, and below them the range."""
    group, name = line.group, column.figure
    write = column.mean or str
    mean = spread(write, group.mean[name], group.std.get(name), max(width, 24)).strip()
    some = group.count.get(name, group.n)
    facts: list[Fact] = [(column.title, [(mean, "title"), (f"  n {some}", "muted")])]
    low, high = (write(bounds.get(name)) for bounds in (group.minimum, group.maximum))
    if some > 1 and UNKNOWN not in (low, high):
        facts.append(("", [(f"{low} to {high}", "muted")]))
    if group.diverged.get(name):
        facts.append(("", [(f"{plural(group.diverged[name], 'run')} diverged", "bad")]))
    return facts


def _wrapped(text: str, width: int, *, most: int) -> list[str]:
    """Break a text into lines, at most so many."""
    lines = textwrap.wrap(text, width, break_long_words=True) or [""]
    return lines if len(lines) <= most else [*lines[: most - 1], lines[most - 1][: width - 1] + "…"]


def _shared_out(blocks: Sequence[list[Text]], columns: int) -> list[list[Text]]:
    """Deal blocks out to columns in order: to the next column once one holds its part of all lines."""
    part = sum(map(len, blocks)) / columns
    shared: list[list[Text]] = [[]]
    for block in blocks:
        if shared[-1] and len(shared) < columns and len(shared[-1]) + len(block) > part + 1:
            shared.append([])
        shared[-1] += block
    return shared


def _beside(columns: Sequence[Sequence[Text]], width: int) -> list[Text]:
    """Put columns of lines beside each other, each so many cells wide."""
    lines: list[Text] = []
    for row in zip_longest(*columns, fillvalue=Text()):
        line = Text(no_wrap=True, overflow="ellipsis", end="")
        for cell in row:
            cell = cell.copy()
            cell.truncate(width - _GAP, overflow="ellipsis")
            line.append_text(cell).append(" " * (width - cell.cell_len))
        lines.append(line)
    return lines
