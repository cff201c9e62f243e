"""The pane beside the list: the highlighted run's key figures, why it is where it is, and its loss in one line."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence

from rich.text import Text
from textual.reactive import reactive

from db.records import RunRecord
from itop_tui import run_view
from itop_tui.format import (
    UNKNOWN,
    age,
    count,
    duration,
    figure,
    moment,
    percent,
    plain,
    rate,
    ratio,
    share,
    sparkline,
    steps,
)
from itop_tui.widgets.toned import Part, Toned

_LABEL = 11


class RunDetail(Toned):
    """Describes one run.

    Args:
        clock: The time, in unix seconds.
        id: The widget's id.
    """

    run: reactive[RunRecord | None] = reactive(None)
    """The run described."""
    losses: reactive[tuple[float, ...]] = reactive(())
    """Its loss over its steps, decimated."""

    def __init__(self, clock: Callable[[], float], *, id: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self._clock = clock

    @property
    def room(self) -> int:
        """The cells of a line."""
        return max(10, self.content_size.width)

    def render(self) -> Text:
        """Draw the pane."""
        run = self.run
        if run is None:
            return self.toned([("No run is highlighted.", "muted")])
        now = self._clock()
        lines: list[Sequence[Part]] = [
            [(plain(run.name, limit=200), "title")],
            [*run_view.state(run, now), (f"   run {run.id} · {age(now - run.created_at)} old", "muted")],
        ]
        text = Text(overflow="ellipsis", no_wrap=True, end="")
        for line in lines:
            text.append_text(self.toned(line)).append("\n")
        for content, tone in run_view.reason_parts(run, now):
            for piece in _wrapped(plain(content, limit=400), self.room, most=4):
                text.append(piece + "\n", self.tone(tone))
        text.append("\n")
        for label, parts in self._facts(run, now):
            if label:
                text.append(f"{label:<{_LABEL}}", self.tone("muted"))
                text.append_text(self.toned(parts))
            text.append("\n")
        return text

    def _facts(self, run: RunRecord, now: float) -> list[tuple[str, list[Part]]]:
        width = self.room - _LABEL
        facts: list[tuple[str, list[Part]]] = [
            ("progress", run_view.progress_parts(run, now, max(12, min(width, 30)))),
            ("steps", [(steps(run.step, run.total_steps), "text")]),
            ("epoch", [(steps(run.epoch, run.total_epochs), "text")]),
            ("time", [(duration(run_view.elapsed(run, now)), "text"), *self._left(run, now)]),
            ("", []),
            ("best val", [(percent(run.best_val_accuracy), "title")]),
            ("test", [(percent(run.test_accuracy), "text")]),
            ("loss", [self._number(figure(run.loss))]),
        ]
        if self.losses:
            facts.append(("loss curve", [(sparkline(self.losses, max(8, min(width, 40))), "live")]))
        facts += [("", []), ("model", [(plain(run.model), "text")]), ("data", [(plain(run.data), "text")])]
        facts.append(("method", [(plain(run_view.method(run)), "text")]))
        if run.method != "dense":
            interval = run.config.get("update_frequency", UNKNOWN)
            facts += [
                ("density", [(share(run.density), "text"), (f"  target {share(run.target_density)}", "muted")]),
                ("nonzeros", [(count(run.nonzeros), "text")]),
                ("R_s", [(ratio(run.itop_rate, 3), "title")]),
                (
                    "ζ now",
                    [(figure(run.death_rate, 3), "text"), (f"  ΔT {interval}", "muted")],
                ),
                ("FLOPs", [(share(run.flops_ratio), "text"), ("  of dense training", "muted")]),
            ]
        facts += [
            ("", []),
            ("lr", [(figure(run.learning_rate, 3), "text"), (f"  seed {run.seed}", "muted")]),
            ("speed", [(rate(run.samples_per_second), "text")]),
            ("device", [(run.device or UNKNOWN, "text"), (f"  {run.host}" if run.host else "", "muted")]),
            ("attempts", [(str(run.attempt_count), "text")]),
            ("created", [(moment(run.created_at), "muted")]),
        ]
        if run.parent_id is not None:
            facts.append(("fork of", [(f"run {run.parent_id}", "text"), (f" at step {run.fork_step}", "muted")]))
        if run.tags:
            facts.append(("tags", [(plain(run_view.tags(run.tags), limit=200), "accent")]))
        if run.notes:
            facts.append(("notes", [(plain(run.notes, limit=200), "text")]))
        return facts

    @staticmethod
    def _left(run: RunRecord, now: float) -> list[Part]:
        left = run_view.seconds_left(run, now)
        return [] if left is None else [(f"  {duration(left)} left", "live")]

    @staticmethod
    def _number(shown: str) -> Part:
        return (shown, "bad" if shown in ("NaN", "∞", "-∞") else "text")


def _wrapped(text: str, width: int, *, most: int) -> list[str]:
    """Break a text into lines, at most so many."""
    lines = textwrap.wrap(text, width, break_long_words=True) or [""]
    return lines if len(lines) <= most else [*lines[: most - 1], lines[most - 1][: width - 1] + "…"]
