"""What is shown of a run: its state, how far it is, how long it still takes. For screens and commands alike.

Pure functions of a record.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.cells import cell_len

from db.records import ALARM_KINDS, Alarm, RunRecord, RunStatus
from db.runs.silence import no_sign, silence
from itop_tui.figures.format import UNKNOWN, age, bar, fit, percent, plain, share
from itop_tui.figures.states import DAMAGED, Part, Tone, look


def progress(run: RunRecord) -> float | None:
    """The share of its steps a run has done, between 0 and 1; None where its length is not known."""
    if run.total_steps <= 0:
        return None
    return min(1.0, max(0.0, run.step / run.total_steps))


def percent_done(run: RunRecord) -> int | None:
    """The same in per cent, rounded down, so that nothing short of the end reads 100%."""
    done = progress(run)
    return None if done is None else math.floor(done * 100 + 1e-9)


def seconds_left(run: RunRecord, now: float) -> float | None:
    """How long a running run still takes, by the speed it has now; None where that cannot be said.

    A run that has gone silent has no time left to tell.
    """
    if run.status is not RunStatus.RUNNING or run.total_steps <= run.step or silence(run, now) is not None:
        return None
    speed = run.samples_per_second
    if speed is None or not math.isfinite(speed) or speed <= 0:
        return None
    try:
        samples_a_step = int(run.config.get("batch_size") or 0) * int(run.config.get("accumulate") or 1)
    except (TypeError, ValueError):
        return None
    return (run.total_steps - run.step) * samples_a_step / speed if samples_a_step else None


def elapsed(run: RunRecord, now: float) -> float | None:
    """How long a run takes or took since its first start, breaks between its attempts included; None before it."""
    if run.started_at is None:
        return None
    return max(0.0, (run.ended_at if run.ended_at is not None else now) - run.started_at)


def name(run: RunRecord, width: int) -> str:
    """A run's name in exactly `width` cells.

    Names that itop makes begin with the method, and what tells the runs of a sweep apart comes after it: where such a
    name is too long, its beginning is cut off rather than what differs.
    """
    whole, method = plain(run.name, limit=4 * width + 200), f"{run.method.lower()}-"
    if cell_len(whole) > width and whole.startswith(method):
        whole = f"…{whole.removeprefix(method)}"
    return fit(whole, width)


def state(run: RunRecord, now: float) -> list[Part]:
    """The glyph and the word of a run's state; a running run that has gone silent says so, an alarm has a sign."""
    shown = look(run.status)
    if run.damaged and not run.status.is_active:
        return [(f"{DAMAGED.glyph} {DAMAGED.word}", DAMAGED.tone)]
    if run.status is RunStatus.QUEUED and run.held:
        return [("◌ held", "warn")]
    if silence(run, now) is not None:
        return [(f"{shown.glyph} silent", "warn")]
    if run.alarms:
        return [(ALARM, "bad"), (f" {shown.word}", shown.tone)]
    return [(f"{shown.glyph} {shown.word}", shown.tone)]


def state_cell(run: RunRecord, now: float, width: int) -> list[Part]:
    """The same in exactly `width` cells."""
    *sign, (word, tone) = state(run, now)
    return [*sign, (fit(word, width - sum(cell_len(text) for text, _ in sign)), tone)]


ALARM = "▲"
"""Stands in the place of a state's glyph where the run has raised an alarm; the word says the state."""


def alarm(raised: Alarm) -> str:
    """An alarm in a sentence, without its run."""
    of = f" ({plain(raised.layer, 60)})" if raised.layer else ""
    kind = ALARM_KINDS.get(raised.kind, plain(raised.kind, 20))
    return f"{kind}{of} at step {raised.step:,}: {plain(raised.message, 200)}"


def progress_tone(run: RunRecord) -> Tone:
    """The colour of the progress bar of a run that is heard of."""
    if run.status is RunStatus.COMPLETED:
        return "good"
    return look(run.status).tone if run.status.is_active else "muted"


def progress_parts(run: RunRecord, now: float, width: int) -> list[Part]:
    """A progress bar with the percentage and the time left, in exactly `width` cells (at least 12)."""
    done = progress(run)
    if done is None or (run.status is RunStatus.QUEUED and run.step == 0):
        return [(" " * width, "faint")]
    left = seconds_left(run, now)
    share_done = f" {percent_done(run):3d}%"
    time_left = f" {age(left) if left is not None else '':>3}"
    filled, empty = bar(done, width - len(share_done) - len(time_left))
    tone = "warn" if silence(run, now) is not None else progress_tone(run)
    return [
        (filled, tone),
        (empty, "line"),
        (share_done, "text" if run.status.is_active else "muted"),
        (time_left, "live"),
    ]


def damage(fields: Sequence[str]) -> str:
    """What is said of a row whose fields cannot be read; empty where all can."""
    return f"damaged in the database: {', '.join(fields)}" if fields else ""


def reason_parts(run: RunRecord, now: float) -> list[Part]:
    """Why a run is in the state it is in, in a sentence; empty where there is nothing to add."""
    if run.damaged:
        return [(damage(run.damaged), "bad")]
    quiet = silence(run, now)
    if quiet is not None:
        return [(no_sign(quiet), "warn")]
    if run.status is RunStatus.QUEUED:
        return [("held: it does not start by itself" if run.held else run.reason or "waits for its device", "muted")]
    if not run.reason:
        return []
    return [(run.reason, look(run.status).tone if run.status.is_terminal else "muted")]


def density(run: RunRecord) -> str:
    """The density a run aims at: "dense" for a dense one."""
    if run.method == "dense":
        return "dense"
    return share(run.target_density if run.target_density is not None else run.density)


def method(run: RunRecord) -> str:
    """The method, with the length of an extended run: "RigL-ITOP 5×"."""
    multiplier = run.config.get("multiplier")
    return f"{run.method} {multiplier}×" if isinstance(multiplier, int) and multiplier > 1 else run.method


def tags(names: Sequence[str]) -> str:
    """Tags in one line."""
    return " ".join(f"#{name}" for name in names) or UNKNOWN


def ending(run: RunRecord) -> tuple[str, bool]:
    """How a run ended, in a sentence, and whether that is how it was meant to."""
    words = f"Run {run.id} ({fit(run.name, 30).rstrip()}) {look(run.status).word}"
    well = run.status in (RunStatus.COMPLETED, RunStatus.STOPPED)
    if run.status is RunStatus.COMPLETED and run.best_val_accuracy is not None:
        return f"{words}: best validation accuracy {percent(run.best_val_accuracy)}.", well
    return (f"{words}: {plain(run.reason, limit=200)}" if run.reason and not well else f"{words}."), well
