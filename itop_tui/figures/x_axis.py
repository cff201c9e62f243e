"""What the x axis of charts counts: steps, epochs, the hours that training took, or R_s.

Curves are read by steps; a `Scale` says where a step lies on the axis and which step a place on it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from db.records import AttemptRecord, MaskUpdate, Series
from itop_tui.figures.braille import FloatArray
from itop_tui.figures.format import duration, plural

Across = Literal["step", "epoch", "hour", "itop_rate"]
ACROSS: tuple[Across, ...] = ("step", "epoch", "hour", "itop_rate")
"""What the x axis can count, in the order a key goes through them."""
EXPLORED = "R_s, a straight line between mask updates"
"""What a reader has to know of an x axis of R_s."""
OVER_R_S = "over R_s"
"""The same where there is little room."""
TIME = "training time"
"""What an x axis of hours is called: what it writes may be seconds or days."""


def axis_name(across: str) -> str:
    """What an x axis is called."""
    return {"hour": TIME, "itop_rate": "R_s"}.get(across, f"{across}s")


@dataclass(frozen=True, slots=True)
class Linear:
    """Steps, or epochs of so many steps."""

    steps: float = 1.0

    @property
    def unit(self) -> Across:
        """What it counts."""
        return "step" if self.steps == 1.0 else "epoch"

    def place(self, steps: FloatArray) -> FloatArray:
        """Where steps lie on the axis."""
        return steps / self.steps

    def step(self, place: float) -> float:
        """Which step a place on the axis is."""
        return place * self.steps


@dataclass(frozen=True, slots=True, eq=False)
class Hours:
    """The hours that training took, without the pauses between attempts.

    Attributes:
        steps: Some steps, ascending.
        hours: When each was taken, from the first one on, strictly ascending.
        left_out: How many pauses between attempts there were.
        seconds_left_out: How long they were together.
    """

    steps: FloatArray
    hours: FloatArray
    left_out: int = 0
    seconds_left_out: float = 0.0

    @property
    def unit(self) -> Across:
        """What it counts."""
        return "hour"

    def place(self, steps: FloatArray) -> FloatArray:
        """Where steps lie on the axis; what lies before the first one (a parent's) continues at the mean speed."""
        placed: FloatArray = np.interp(steps, self.steps, self.hours)
        pace = (self.hours[-1] - self.hours[0]) / (self.steps[-1] - self.steps[0])
        before, after = steps < self.steps[0], steps > self.steps[-1]
        placed[before] = self.hours[0] - (self.steps[0] - steps[before]) * pace
        placed[after] = self.hours[-1] + (steps[after] - self.steps[-1]) * pace
        return placed

    def step(self, place: float) -> float:
        """Which step a place on the axis is."""
        pace = (self.steps[-1] - self.steps[0]) / (self.hours[-1] - self.hours[0])
        if place < self.hours[0]:
            return float(self.steps[0] - (self.hours[0] - place) * pace)
        if place > self.hours[-1]:
            return float(self.steps[-1] + (place - self.hours[-1]) * pace)
        return float(np.interp(place, self.hours, self.steps))

    @property
    def note(self) -> str:
        """What was left out, in a few words."""
        if not self.left_out:
            return TIME
        return f"{TIME}, {plural(self.left_out, 'pause')} of {duration(self.seconds_left_out)} left out"


@dataclass(frozen=True, slots=True, eq=False)
class Explored:
    """R_s: the share of all maskable weights that were ever active. It grows at mask updates, and never shrinks.

    Between two updates it is a straight line, so that what happened there has places of its own. What comes after its
    last growth lies at its end.

    Attributes:
        steps: The steps at which it grew, ascending, the first mask's among them.
        rates: What it was there, strictly ascending.
        last: The last step of the run.
    """

    steps: FloatArray
    rates: FloatArray
    last: float

    @property
    def unit(self) -> Across:
        """What it counts."""
        return "itop_rate"

    def place(self, steps: FloatArray) -> FloatArray:
        """Where steps lie on the axis."""
        placed: FloatArray = np.interp(steps, self.steps, self.rates)
        return placed

    def step(self, place: float) -> float:
        """Which step a place on the axis is: at its end, the last one."""
        return self.last if place >= self.rates[-1] else float(np.interp(place, self.rates, self.steps))

    @property
    def note(self) -> str:
        """What a reader has to know of it."""
        return EXPLORED


Scale = Linear | Hours | Explored
"""The x axis."""


def across_note(scales: Iterable[Scale]) -> str:
    """What is to be known of the x axis of several runs; empty for steps and epochs."""
    known = list(scales)
    if any(isinstance(scale, Explored) for scale in known):
        return EXPLORED
    timed = [scale for scale in known if isinstance(scale, Hours)]
    if not timed:
        return ""
    return TIME + (", pauses left out" if any(scale.left_out for scale in timed) else "")


def explored(updates: Iterable[MaskUpdate], last: float) -> Explored | None:
    """The scale of a run's R_s, by its mask updates and its last step; None while it has not grown."""
    steps: list[float] = []
    rates: list[float] = []
    for update in updates:
        if update.itop_rate is not None and (not rates or update.itop_rate > rates[-1]):
            steps.append(float(update.step))
            rates.append(update.itop_rate)
    if len(rates) < 2:
        return None
    return Explored(np.array(steps), np.array(rates), max(last, steps[-1]))


def hours(moments: Series, attempts: Sequence[AttemptRecord]) -> Hours | None:
    """The scale of a run's own time; None while fewer than two steps are known.

    Between the last step before an attempt and its first one, both among the moments, lies a pause, which is left out.
    """
    if len(moments.steps) < 2:
        return None
    steps = np.asarray(moments.steps, dtype=np.float64)
    seconds = np.diff(np.asarray(moments.values, dtype=np.float64))
    usual = float(np.median(seconds / np.diff(steps)))
    starts = {attempt.start_step for attempt in attempts if attempt.start_step > 0}
    paused, gone = 0, 0.0
    for index in range(len(seconds)):
        if int(steps[index]) in starts and steps[index + 1] == steps[index] + 1:
            pause = max(0.0, float(seconds[index]) - usual)
            paused, gone = paused + 1, gone + pause
            seconds[index] -= pause
    # A clock that was set back, or two steps in one tick of it: time stands still at most.
    passed = np.concatenate([[0.0], np.cumsum(np.maximum(seconds, 1e-6))])
    return Hours(steps, passed / 3600, paused, gone)
