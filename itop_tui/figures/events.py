"""What happened to a run, as charts mark it: resumes, forks, checkpoints, drops of the learning rate, divergence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from db.records import AttemptRecord, CheckpointRecord, RunRecord
from itop_tui.figures.axis import label
from itop_tui.figures.braille import FloatArray
from itop_tui.figures.chart_data import Event
from itop_tui.figures.format import figure, plain
from itop_tui.figures.x_axis import Scale

_KINDS = {"last": "latest", "nan": "before it diverged"}


def happenings(
    run: RunRecord, attempts: Sequence[AttemptRecord], checkpoints: Sequence[CheckpointRecord]
) -> tuple[Event, ...]:
    """Forks, resumes and checkpoints of a run, by step."""
    found = [
        Event(attempt.start_step, "resume", f"resumed at {attempt.start_step:,} (attempt {attempt.number})")
        for attempt in attempts
        if attempt.number > 1
    ]
    if run.fork_step is not None:
        found.append(Event(run.fork_step, "fork", f"forked from run {run.parent_id} at {run.fork_step:,}"))
    kinds: dict[int, list[str]] = {}
    for checkpoint in checkpoints:
        kinds.setdefault(checkpoint.step, []).append(_KINDS.get(checkpoint.kind, plain(checkpoint.kind, 20)))
    for step, names in kinds.items():
        found.append(Event(step, "checkpoint", f"checkpoint {step:,} ({', '.join(names)})"))
    return tuple(sorted(found, key=lambda one: (one.x, one.kind)))


def drops(steps: FloatArray, rates: FloatArray) -> FloatArray:
    """The steps at which a learning rate fell by a third or more after it had stood still, as at a milestone.

    A rate that slides down all the time, as a cosine does, has no drops.
    """
    if len(rates) < 3 or not np.isfinite(rates).all():
        return np.empty(0)
    fell = rates[2:] < rates[1:-1] * 0.67
    still = np.abs(rates[1:-1] - rates[:-2]) <= 0.01 * np.abs(rates[:-2])
    return steps[2:][fell & still]


def drop(step: float, steps: FloatArray, rates: FloatArray) -> Event:
    """A drop of the learning rate at a step, with what it drops to where that is known."""
    rate = rates[steps == step]
    to = f" to {label(float(rate[0]))}" if len(rate) else ""
    return Event(int(step), "drop", f"learning rate drops{to} at {step:,.0f}")


def placed(found: Sequence[Event], scale: Scale) -> tuple[Event, ...]:
    """What happened at steps, by their places on the x axis."""
    places = scale.place(np.array([one.x for one in found], dtype=np.float64)).tolist()
    return tuple(Event(place, one.kind, one.text) for place, one in zip(places, found, strict=True))


def breaks(steps: FloatArray, values: FloatArray, whose: str = "") -> list[tuple[float, str]]:
    """Where values begin to be not finite: steps, each with what to say, "NaN at step 123", and of `whose` values."""
    bad = ~np.isfinite(values)
    begins = np.flatnonzero(bad & ~np.concatenate([[False], bad[:-1]])) if len(bad) else ()
    of = f" in {whose}" if whose else ""
    return [(float(steps[at]), f"{figure(float(values[at]))}{of} at step {steps[at]:,.0f}") for at in begins]
