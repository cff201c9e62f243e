"""What the run would be: layers, sizes, FLOPs, length, from a helper process while the form is typed into.

One plan is computed at a time, and what was typed last counts.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from rich.text import Text
from textual import work
from textual.message import Message
from textual.reactive import reactive
from textual.timer import Timer

from itop_tui.figures.dense_part import dense_names, has_dense_part
from itop_tui.figures.format import UNKNOWN, bar, count, duration, fit, plain, plural, r_s, share, short_count, size
from itop_tui.look.toned import Part, Toned
from itop_tui.service.estimates import Estimate, estimate, expected_r_s
from itop_tui.service.sweeps import Grid

if TYPE_CHECKING:
    from db.session import Database
    from engine.config.run_config import RunConfig
    from itop_tui.screen import ItopScreen

_LABEL = 13
_PAUSE = 0.25
"""Seconds without a key before a plan is computed."""


class PlanPane(Toned):
    """Shows a plan, or why there is none.

    Args:
        from_step: The step of the checkpoint that the run continues from; the plan is of what remains.
    """

    @dataclass
    class Estimated(Message):
        """It is known how long runs will take."""

        grid: Grid
        taken: Estimate

    plan: reactive[Mapping[str, Any] | None] = reactive(None, layout=True)
    """The plan, by the names of `itop plan --json`."""
    r_s: float | None = None
    """The R_s to expect, None where only training tells; set before the plan."""
    taken: reactive[Estimate | None] = reactive(None, layout=True)
    """How long it will take, and how much disk, with what that is estimated from; of a sweep, all runs together."""
    of: reactive[str] = reactive("", layout=True)
    """Which run of a sweep the plan is of, or which part of a run; empty for a whole single run."""
    runs = 1
    """How many runs `taken` is of; set before the plan."""
    note: reactive[str] = reactive("", layout=True)
    """What is shown instead of a plan, or beside one that is out of date."""

    def __init__(self, *, from_step: int = 0) -> None:
        super().__init__()
        self.from_step = from_step
        self.wanted: Grid | None = None
        """What the plan must be of; None while something is wrong."""
        self.planning: Grid | None = None
        """What a plan is being computed of."""
        self._timer: Timer | None = None

    def show_soon(self, grid: Grid | None) -> None:
        """Compute the plan of other runs, once no key is pressed."""
        self.wanted = grid
        if grid is None:
            self.plan, self.of, self.note = None, "", "fix the settings to see the plan"
            return
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(_PAUSE, self._plan_now)

    def on_show(self) -> None:
        """Compute the plan that was not computed while the pane was hidden."""
        if self.plan is None:
            self.show_soon(self.wanted)

    def _plan_now(self) -> None:
        if self.wanted is None or self.planning is not None:
            return
        # Hidden it needs no plan; how long a sweep takes is said elsewhere too.
        if not self.display and not self.wanted.axes:
            return
        self.planning = self.wanted
        # The first one waits for the helper process, which has torch to import.
        self.note = "…" if self.plan is not None else "loading torch…"
        itop = cast("ItopScreen", self.screen).itop
        self._compute(itop.plan if self.display else None, itop.database if itop.is_open else None, self.planning)

    @work(thread=True, group="plan", exit_on_error=False)
    def _compute(
        self,
        plan_of: Callable[[RunConfig | Mapping[str, Any]], Mapping[str, Any]] | None,
        database: Database | None,
        grid: Grid,
    ) -> None:
        if grid.axes:
            # The plan may take seconds, and the time of a sweep hardly depends on it.
            self._report(grid, self._estimate(database, grid, None))
        plan, note = None, ""
        try:
            first = grid.configs[0]
            # Only a fork has a step to begin at, and only then it stands among the settings.
            asked = {**first.as_dict(), "from_step": self.from_step} if self.from_step else first
            plan = None if plan_of is None else plan_of(asked)
        except Exception as error:  # the form works without a plan
            note = f"{error}".strip() or type(error).__name__
        taken = None if plan is None else self._estimate(database, grid, plan)
        self._report(grid, taken)
        self.app.call_from_thread(self._planned, grid, plan, taken, note)

    def _estimate(self, database: Database | None, grid: Grid, plan: Mapping[str, Any] | None) -> Estimate | None:
        if database is None:
            return None
        try:
            estimated = partial(estimate, from_step=self.from_step) if self.from_step else estimate
            taken = estimated(database, grid.configs, plan)
            return taken.of_all(grid.points / len(grid.configs)) if grid.points else taken
        except Exception:  # the form works without an estimate; the poller reports a database that cannot be read
            return None

    def _report(self, grid: Grid, taken: Estimate | None) -> None:
        if taken is not None:
            self.post_message(self.Estimated(grid, taken))

    def _planned(self, grid: Grid, plan: Mapping[str, Any] | None, taken: Estimate | None, note: str) -> None:
        self.planning = None
        not_asked = plan is None and not note
        if self.wanted is not None and (self.wanted != grid or (not_asked and self.display)):
            self._plan_now()  # What was typed, or shown, meanwhile.
        elif self.wanted is not None and self.is_attached:
            self.r_s = None if plan is None else expected_r_s(plan, grid.configs[0])
            self.runs = grid.runs
            after = f"after step {self.from_step:,}" if self.from_step else ""
            first = f"of the first of {self.runs:,} runs" if self.runs > 1 else ""
            self.of = ", ".join(filter(None, (first, after)))
            self.taken, self.plan, self.note = taken, plan, note

    def render(self) -> Text:
        """Draw the plan."""
        text = Text(overflow="ellipsis", no_wrap=True, end="")
        text.append("plan", self.tone("title"))
        if self.of:
            text.append(f" {self.of}", self.tone("muted"))
        if self.plan is None:
            self._why_none(text)
            return text
        if self.note:
            text.append(f"  {plain(self.note, limit=300)}", self.tone("muted"))
        text.append("\n")
        together: list[tuple[str, list[Part]]] = [(f"all {self.runs:,} runs together", [])] if self.runs > 1 else []
        for label, parts in (*self._facts(self.plan), *(together if self.taken is not None else ()), *self._takes()):
            text.append(f"{label:<{_LABEL}}", self.tone("muted"))
            text.append_text(self.toned(parts)).append("\n")
        layers = self.plan.get("layers") or ()
        if layers:
            text.append("\n")
            self._layers(text, layers)
        return text

    def _why_none(self, text: Text) -> None:
        """Say beside the title, or below it where that is too long, why there is no plan."""
        note = plain(self.note, limit=300)
        width = max(24, self.content_size.width)
        title = f"plan {self.of}" if self.of else "plan"
        beside = len(title) + len(f"  {note}") <= width
        lines = [f"  {note}"] if beside else ["", *textwrap.wrap(note, width)]
        text.append("\n".join(lines), self.tone("muted")).append("\n")

    def _facts(self, plan: Mapping[str, Any]) -> list[tuple[str, list[Part]]]:
        parameters, maskable, nonzeros = (plan.get(key) for key in ("parameters", "maskable", "nonzeros"))
        forward, dense = plan.get("forward_flops"), plan.get("dense_forward_flops")
        training, dense_training = plan.get("training_flops"), plan.get("dense_training_flops")
        return [
            ("parameters", [(count(parameters), "text"), (f"  {count(maskable)} maskable", "muted")]),
            ("active", [(count(nonzeros), "text"), (f"  {share(_ratio(nonzeros, maskable))}", "title")]),
            *self._dense_part(plan.get("coverage")),
            ("forward", _flops(forward, dense)),
            ("training", _flops(training, dense_training)),
            ("steps", [(count(plan.get("steps")), "text")]),
            ("mask updates", [(count(plan.get("mask_updates")), "text")]),
            ("expected R_s", [(r_s(self.r_s), "title")]),
            *self._past(),
        ]

    def _dense_part(self, coverage: Mapping[str, Any] | None) -> list[tuple[str, list[Part]]]:
        """What stays dense, and how dense that makes the whole; nothing where every matrix has a mask."""
        if coverage is None or not has_dense_part(coverage):
            return []
        width = max(24, self.content_size.width) - _LABEL
        of_all: list[Part] = [("  of all matrix weights", "muted")]
        rows: list[tuple[str, list[Part]]] = [
            ("density", [(share(coverage["density"]), "title"), *of_all]),
            ("left dense", [(share(coverage["dense_share"]), "text"), *of_all]),
        ]
        names: list[tuple[str, list[Part]]] = [
            ("", [(line, "muted")]) for line in textwrap.wrap(dense_names(coverage), width)
        ]
        return rows + names

    def _takes(self) -> list[tuple[str, list[Part]]]:
        if self.taken is None:
            return []
        width = max(24, self.content_size.width) - _LABEL
        rows = [
            ("takes about", duration(self.taken.seconds), self.taken.seconds is not None, self.taken.seconds_from),
            ("disk about", size(self.taken.bytes), self.taken.bytes is not None, self.taken.bytes_from),
        ]
        found: list[tuple[str, list[Part]]] = []
        for label, shown, known, why in rows:
            beside = known and len(shown) + 2 + len(why) <= width
            if known:
                found.append((label, [(shown, "title"), (f"  {why}" if beside else "", "muted")]))
            if not beside:
                lines = textwrap.wrap(why, width)
                found += [("" if known or number else label, [(line, "muted")]) for number, line in enumerate(lines)]
        return found

    def _past(self) -> list[tuple[str, list[Part]]]:
        if self.taken is None or self.taken.past_r_s is None:
            return []
        runs = plural(self.taken.past_runs, "past run")
        return [("R_s so far", [(r_s(self.taken.past_r_s), "title"), (f"  in {runs} of this recipe", "muted")])]

    def _layers(self, text: Text, layers: Sequence[Mapping[str, Any]]) -> None:
        width = max(24, self.content_size.width)
        name_width = max(8, width - 29)
        text.append(f"{'layer':<{name_width}} {'shape':>13} {'density':>13}\n", self.tone("muted"))
        for layer in layers:
            shape = "×".join(str(extent) for extent in layer.get("shape") or ())
            density = layer.get("density")
            filled, empty = bar(density if isinstance(density, float | int) else 0.0, 6)
            text.append(fit(str(layer.get("name", "")), name_width), self.tone("text"))
            text.append(f" {fit(shape, 13, right=True)} ", self.tone("muted"))
            text.append(filled, self.tone("live"))
            text.append(empty, self.tone("line"))
            text.append(f"{share(density) if density is not None else UNKNOWN:>7}\n", self.tone("text"))


def _ratio(part: object, whole: object) -> float | None:
    if isinstance(part, int | float) and isinstance(whole, int | float) and whole:
        return part / whole
    return None


def _flops(number: object, dense: object) -> list[Part]:
    if not isinstance(number, int | float):
        return [(UNKNOWN, "faint")]
    of_dense: list[Part] = [(share(_ratio(number, dense)), "title"), (" of dense", "muted")]
    return [(short_count(number), "text"), (" FLOPs  ", "muted"), *of_dense]
