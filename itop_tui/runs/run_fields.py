"""A column for every field of a run and every setting of its configuration.

The columns a list has by itself are `run_columns.COLUMNS`; these are the others, of which a person may choose any.
Settings are named as in the configuration; which there are is only asked (of `db.query`) when the chooser opens.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

from db.records import RunRecord
from itop_tui.figures import run_view
from itop_tui.figures.format import UNKNOWN, count, duration, figure, fit, moment, percent, ratio, short_count
from itop_tui.look.toned import Part
from itop_tui.runs.run_columns import COLUMNS, Cell, CellContext, Figure, RunColumn, number_cell, text_cell

_RANK = 20


def _when(get: Callable[[RunRecord], float | None]) -> Cell:
    return text_cell(lambda run: moment(get(run)), muted=True)


def _figure(key: str, title: str, width: int, write: Figure, about: str, *, figure: str = "") -> RunColumn:
    cell = number_cell(lambda run: write(getattr(run, key)))
    return RunColumn(key, title, width, _RANK, key, cell, right=True, figure=figure or key, mean=write, about=about)


def _whole(key: str, title: str, width: int, about: str) -> RunColumn:
    return RunColumn(key, title, width, _RANK, key, number_cell(lambda run: count(getattr(run, key))), right=True,
                  about=about)  # fmt: skip


def _words(key: str, title: str, width: int, about: str, *, sort: str = "") -> RunColumn:
    cell = text_cell(lambda run: f"{getattr(run, key) or ''}", muted=True)
    return RunColumn(key, title, width, _RANK, sort, cell, ascending=True, about=about)


def _time(key: str, title: str, about: str) -> RunColumn:
    return RunColumn(key, title, 19, _RANK, key, _when(lambda run: getattr(run, key)), about=about)


def _took(run: RunRecord, scene: CellContext, width: int) -> list[Part]:
    return [(fit(duration(run_view.elapsed(run, scene.now)), width, right=True), "muted")]


def _lr(value: float | None) -> str:
    return figure(value, 3)


FIELDS: tuple[RunColumn, ...] = (
    _figure("test_accuracy", "test", 6, percent, "test accuracy with the best weights"),
    _figure("test_accuracy_last", "test last", 9, percent, "test accuracy with the last weights", figure="test_last"),
    _figure("val_accuracy", "val", 6, percent, "validation accuracy of the last epoch"),
    _figure("val_loss", "val loss", 8, _lr, "validation loss of the last epoch"),
    _figure("accuracy", "train", 6, percent, "training accuracy of the last step", figure="train"),
    _figure("learning_rate", "lr now", 8, _lr, "the learning rate of the last step"),
    _figure("death_rate", "ζ", 6, _lr, "death rate (ζ) of the last step", figure="current_death_rate"),
    RunColumn("density_now", "dens. now", 9, _RANK, "density", number_cell(lambda run: ratio(run.density, 4)),
              right=True, about="the density of the masks"),
    _figure("training_flops", "FLOPs done", 10, short_count, "floating-point operations so far"),
    _whole("nonzeros", "nonzeros", 11, "active weights"),
    _whole("step", "step", 9, "steps done"),
    _whole("total_steps", "of steps", 9, "steps in all"),
    _whole("epoch", "epoch", 6, "epochs done"),
    _whole("total_epochs", "of epochs", 9, "epochs in all"),
    _whole("attempt_count", "attempts", 8, "starts and resumes"),
    _whole("priority", "priority", 8, "the higher, the sooner it starts"),
    RunColumn("seed", "seed", 6, _RANK, "seed", number_cell(lambda run: UNKNOWN if run.seed is None else str(run.seed)),
              right=True, ascending=True, about="the seed of the random numbers"),
    RunColumn("took", "took", 8, _RANK, "", _took, right=True, about="time since the first start, breaks included"),
    _words("group", "group", 12, "the group it was queued in", sort="group"),
    _words("host", "host", 12, "the computer it ran on", sort="host"),
    _words("reason", "reason", 24, "why it is in its state"),
    _words("notes", "notes", 24, "the first words of its notes"),
    _words("uid", "uid", 12, "the name of its folder", sort="uid"),
    RunColumn("parent", "fork of", 7, _RANK, "",
              number_cell(lambda run: UNKNOWN if run.parent_id is None else str(run.parent_id), muted=True), right=True,
              about="the run it was forked from"),
    _time("created_at", "created", "when it was made"),
    _time("started_at", "started", "when it first started"),
    _time("ended_at", "ended", "when it ended"),
)  # fmt: skip

_KNOWN = {column.key: column for column in (*COLUMNS, *FIELDS)}
SETTING = "config."
"""What the keys of columns that show a setting begin with."""


@cache
def column(key: str) -> RunColumn | None:
    """The column of that key; None where there is none by that name (any more)."""
    if key in _KNOWN:
        return _KNOWN[key]
    return _setting(key) if key.startswith(SETTING) else None


def _setting(key: str) -> RunColumn:
    from db.query import find_field

    name, field = key.removeprefix(SETTING), find_field(key)

    def cell(run: RunRecord, scene: CellContext, width: int) -> list[Part]:
        value = run.config.get(name)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return [(fit(_written(value), width, right=number), "faint" if value is None else "text")]

    return RunColumn(key, name, max(6, min(12, len(name))), _RANK, key, cell, same=name != "seed",
                  about=field.help if field else "a setting")  # fmt: skip


def _written(value: object) -> str:
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return figure(value, 6) if math.isfinite(value) else str(value)
    if isinstance(value, list | tuple):
        return " ".join(map(_written, value))
    return str(value)


def settings_columns() -> tuple[RunColumn, ...]:
    """A column of every setting."""
    from db.query import fields

    made = (column(SETTING + field.setting) for field in fields() if field.setting)
    return tuple(each for each in made if each is not None)
