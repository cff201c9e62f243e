"""Following runs from the command line until they end: a live view in a terminal, plain lines elsewhere.

Following only reads: the runs belong to the scheduler, and they continue after Ctrl-C.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from db.errors import RunNotFound
from db.records import RunRecord, RunStatus
from db.runs import attempts, runs
from db.runs.silence import no_sign, silence
from db.session import Database
from engine.launch import submit
from itop_tui.cli.output_end import gives_back, wait
from itop_tui.cli.terminal import data, state, state_style
from itop_tui.figures.format import bar, duration, explored, figure, percent, r_s
from itop_tui.figures.run_view import percent_done, progress, seconds_left
from itop_tui.figures.states import look
from itop_tui.service import run_reading

_POLL_SECONDS = 0.2
_CARE_SECONDS = 2.0
"""How often runs whose process is gone are settled, and a scheduler that died is started again."""

_NARROWEST_BAR = 8
_ROOM_FOR_CTRL_C = 3  # the terminal echoes ^C behind the view; if it wrapped, the view could not be removed
# How wide a name may be and which cells are left out, from the widest terminal to the narrowest: the time, then the
# epoch (the share done says as much), then R_s, then loss and accuracy.
_LAYOUTS: tuple[tuple[int, frozenset[int]], ...] = (
    (24, frozenset()),
    (20, frozenset({6})),
    (20, frozenset({3, 6})),
    (12, frozenset({3, 6})),
    (12, frozenset({3, 5, 6})),
    (12, frozenset({3, 4, 5, 6})),
)


@dataclass(frozen=True, slots=True)
class Followed:
    """A run that is followed, and when its latest attempt started (unix seconds).

    Attributes:
        run: The run; of one that was removed permanently, how it was last seen.
        started_at: When its latest attempt started.
        gone: Whether it was removed permanently.
    """

    run: RunRecord
    started_at: float | None
    gone: bool = False

    @property
    def obstacle(self) -> str | None:
        """Why it will not go on by itself although it has not ended; None where it has ended, or may go on."""
        return obstacle_of(self.run, gone=self.gone)

    def seconds(self, now: float) -> float | None:
        """How long the latest attempt took, or has taken until now; None while the run waits."""
        run = self.run
        if self.started_at is None or run.status is RunStatus.QUEUED:
            return None
        ended_at = run.ended_at if run.status.is_terminal else None
        return max(0.0, (now if ended_at is None else ended_at) - self.started_at)


def obstacle_of(run: RunRecord, *, gone: bool = False) -> str | None:
    """Why a run will not go on by itself although it has not ended; None where it has ended, or may go on.

    Args:
        run: The run, as it was last seen.
        gone: Whether it was removed permanently.
    """
    if run.status.is_terminal:
        return None
    return "deleted" if gone or run.trashed_at is not None else held_because(run)


def held_because(run: RunRecord) -> str | None:
    """Say that a run is held, and why; None where it is not."""
    if run.status is not RunStatus.QUEUED or not run.held:
        return None
    reason = run.reason or "held"
    return reason if reason.startswith("held") else f"held: {reason}"


class SilenceWatch:
    """Says of a run that nothing is heard of it: once, and again only after it was heard of in between."""

    def __init__(self) -> None:
        self._silent: set[int] = set()

    def news(self, run: RunRecord, now: float) -> str | None:
        """What to tell the person who waits for a run: since when it is silent, and the way out; else None."""
        quiet = silence(run, now)
        if quiet is None:
            self._silent.discard(run.id)
            return None
        if run.id in self._silent:
            return None
        self._silent.add(run.id)
        return (
            f"Run {run.id} ({data(run.name).plain}): {no_sign(quiet)}. This waits on; if its machine is gone, "
            f"itop give-up {run.id} ends it as lost."
        )


def live_view(followed: Sequence[Followed], *, width: int, now: float) -> Table:
    """Build the live view: a line for each run, with a bar and its latest figures."""
    cells = [_cells(one, now) for one in followed]
    widths = [max(row[column].cell_len for row in cells) for column in range(7)]
    longest_name = widths[0]
    for name_width, left_out in _LAYOUTS:
        widths[0] = min(name_width, longest_name)
        shown = [column for column in range(7) if column not in left_out]
        if sum(widths[column] for column in shown) + 2 * len(shown) + _NARROWEST_BAR <= width:
            break
    spare = width - sum(widths[column] for column in shown) - 2 * len(shown)
    grid = Table.grid(padding=(0, 2, 0, 0))
    for column in shown:
        grid.add_column(no_wrap=True, overflow="ellipsis", width=widths[column])
        if column == 1:
            grid.add_column(no_wrap=True)
    for one, row in zip(followed, cells, strict=True):
        line: list[Text] = []
        for column in shown:
            line.append(row[column])
            if column == 1:
                line.append(_bar(one.run, max(_NARROWEST_BAR, min(40, spare))))
        grid.add_row(*line)
    return grid


def _bar(run: RunRecord, width: int) -> Text:
    filled, empty = bar(progress(run) or 0.0, width)
    style = state_style(run.status)
    return Text.assemble((filled, "" if style == "dim" else style), (empty, "dim"))


def _cells(followed: Followed, now: float) -> list[Text]:
    """Name, state, share, epoch, loss and accuracy, R_s, time."""
    run = followed.run
    remaining = seconds_left(run, now)
    time_text = f"{duration(remaining)} left" if remaining is not None else duration(followed.seconds(now))
    accuracy = run.val_accuracy if run.val_accuracy is not None else run.accuracy
    return [
        data(run.name),
        Text(f"{state(run.status).plain:<11}", style=state_style(run.status)),
        Text(f"{percent_done(run) or 0:3d}%"),
        Text(f"epoch {run.epoch:>{len(str(run.total_epochs))}}/{run.total_epochs}", style="dim"),
        Text(f"loss {figure(run.loss, 3):<8} acc {percent(accuracy, 1):<6}"),
        Text(f"R_s {r_s(explored(run)):<6}"),
        Text(time_text, style="dim"),
    ]


def plain_line(run: RunRecord) -> str:
    """Give a run's progress as one line, for output that is no terminal."""
    figures = [
        f"run {run.id} {data(run.name).plain}: {run.status.value}",
        f"epoch {run.epoch}/{run.total_epochs}" if run.total_epochs else "",
        f"step {run.step}/{run.total_steps}" if run.total_steps else f"step {run.step}",
        f"loss {figure(run.loss)}" if run.loss is not None else "",
        f"accuracy {percent(run.val_accuracy)}" if run.val_accuracy is not None else "",
        f"R_s {r_s(explored(run))}" if explored(run) is not None else "",
        data(run.reason).plain if run.status is RunStatus.QUEUED and run.reason else "",
    ]
    return "  ".join(text for text in figures if text)


def closing_line(followed: Followed, now: float) -> Text:
    """Say how a run ended, and why where it did not complete; of one that does not go on, what keeps it from that."""
    run = followed.run
    if followed.obstacle is not None:
        glyph = ("◌ ", "yellow") if not followed.gone and run.trashed_at is None else ("✗ ", "red")
        line = Text.assemble(glyph, f"run {run.id} ", data(run.name), ": ", data(followed.obstacle))
        if held_because(run) == followed.obstacle and not (run.reason or "").startswith("after run"):
            line.append(f"; itop release {run.id} lets it start", style="dim")
        return line
    shown = look(run.status)
    glyph = (f"{shown.glyph} ", state_style(run.status))
    line = Text.assemble(glyph, f"run {run.id} ", data(run.name), f": {shown.word}")
    taken, completed = followed.seconds(now), run.status is RunStatus.COMPLETED
    if taken is not None:
        line.append(f" after {duration(taken)}", style="dim")
    if completed and run.test_accuracy is not None:
        line.append(f", test accuracy {percent(run.test_accuracy)}")
    if completed and explored(run) is not None:
        line.append(f", R_s {r_s(explored(run))}")
    if not completed and run.reason:
        line.append(": ").append_text(data(run.reason))
    return line


@dataclass(slots=True)
class Follower:
    """Follows runs until each has ended, or will not go on by itself: it is held, or was deleted.

    One that gives no sign of life may come back, so it is waited for: until it ends, or a person gives it up.
    """

    database: Database
    run_ids: Sequence[int]
    out: Console
    # State, tenth of the steps and, while it waits, reason: of the plain lines that were printed last.
    printed: dict[int, tuple[str, int, str | None]] = field(default_factory=dict)
    known: dict[int, RunRecord] = field(default_factory=dict)  # how each was last seen
    started: dict[int, tuple[int, float]] = field(default_factory=dict)  # number and start of the latest attempt
    watch: SilenceWatch = field(default_factory=SilenceWatch)

    def until_ended(self, live: Live | None) -> list[Followed]:
        """Show progress, in a terminal `live`, until no run goes on any more, and return them."""
        seen, cared = -1, time.monotonic()
        followed = self._read()
        while True:
            version = self.database.data_version()
            if version != seen:
                seen, followed = version, self._read()
            self._show(followed, live)
            if all(one.run.status.is_terminal or one.obstacle is not None for one in followed):
                return followed
            if time.monotonic() - cared > _CARE_SECONDS:
                cared, seen = time.monotonic(), -1
                submit.reconcile(self.database)
                if any(one.run.status is RunStatus.QUEUED for one in followed):
                    submit.ensure_scheduler(self.database)
            wait(_POLL_SECONDS)

    def _read(self) -> list[Followed]:
        """Read all runs in one query; an attempt is read once, when it has begun."""
        found = {run.id: run for run in run_reading.read(self.database, self.run_ids)}
        gone: set[int] = set()
        for run_id in self.run_ids:
            if run_id not in found:  # in the trash, or removed permanently
                try:
                    found[run_id] = runs.get(self.database, run_id)
                except RunNotFound:
                    if run_id not in self.known:
                        raise
                    gone.add(run_id)
                    found[run_id] = self.known[run_id]
        self.known = found
        for run in found.values():
            if run.id not in gone and run.attempt_count and self.started.get(run.id, (0, 0.0))[0] != run.attempt_count:
                attempt = attempts.latest(self.database, run.id)
                if attempt is not None:
                    self.started[run.id] = (attempt.number, attempt.started_at)
        return [
            Followed(found[run_id], self.started[run_id][1] if run_id in self.started else None, run_id in gone)
            for run_id in self.run_ids
        ]

    def _show(self, followed: Sequence[Followed], live: Live | None) -> None:
        for one in followed:
            if not one.gone and (news := self.watch.news(one.run, time.time())) is not None:
                self.out.print(Text(news, style="yellow"), soft_wrap=True)  # above the live view
        if live is not None:
            view = live_view(followed, width=self.out.width - _ROOM_FOR_CTRL_C, now=time.time())
            live.update(view, refresh=True)
            return
        for run in (one.run for one in followed):
            done = progress(run)
            reason = run.reason if run.status is RunStatus.QUEUED else None
            point = (run.status.value, run.epoch if done is None else int(10 * done), reason)
            if self.printed.get(run.id) != point and not run.status.is_terminal:
                self.printed[run.id] = point
                self.out.print(Text(plain_line(run)), soft_wrap=True)


def follow(database: Database, run_ids: Sequence[int], *, out: Console) -> list[RunRecord] | None:
    """Follow runs until they end, then say how each ended.

    A run that is held or was deleted does not go on by itself: it is not waited for, and its line says why. Of one that
    gives no sign of life that is said, once; it is waited for until it ends or is given up.

    Returns:
        The runs as they are then, or None if the user detached with Ctrl-C; the runs then continue.
    """
    try:
        view = Live(console=out, auto_refresh=False, transient=True) if out.is_terminal else nullcontext()
        with gives_back(out), view as live:
            ended = Follower(database, run_ids, out).until_ended(live)
    except KeyboardInterrupt:
        names = ", ".join(str(run_id) for run_id in run_ids)
        runs_named = f"runs {names} continue" if len(run_ids) > 1 else f"run {names} continues"
        out.print(Text(f"Detached: {runs_named} in the background."))
        return None
    now = time.time()
    for one in ended:
        out.print(closing_line(one, now), soft_wrap=True)
    return [one.run for one in ended]
