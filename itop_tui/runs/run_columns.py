"""The columns of the list of runs: what each shows of a run and of a group of runs, and how wide it is.

`COLUMNS` are those a list has by itself where there is room; `FIELDS` and the settings of the configuration are the
others, of which a person may choose any. Which settings there are is only asked when the chooser opens.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

from rich.cells import cell_len

from db.records import RunRecord, RunStatus
from itop_tui.figures import run_view
from itop_tui.figures.differences import Called
from itop_tui.figures.format import (
    UNKNOWN,
    age_of,
    count,
    duration,
    energy,
    explored,
    figure,
    fit,
    moment,
    percent,
    rate,
    ratio,
    share,
    short_count,
    sparkline,
)
from itop_tui.look.theme import Tone
from itop_tui.look.toned import Part


@dataclass(frozen=True, slots=True)
class CellContext:
    """What a cell needs to know beside the run it shows.

    Attributes:
        now: The time.
        curves: The loss of runs over their steps, by their ids.
        called: What runs are called whose names do not distinguish them, by their ids.
        said: The settings that visible columns show.
    """

    now: float
    curves: Mapping[int, tuple[float, ...]] = field(default_factory=dict)
    called: Mapping[int, Called] = field(default_factory=dict)
    said: frozenset[str] = frozenset()


Cell = Callable[[RunRecord, CellContext, int], list[Part]]
"""Draws a run's cell: given the record, the scene and the width, parts that fill exactly that width."""
Figure = Callable[[float | None], str]
"""Writes a figure."""


@dataclass(frozen=True, slots=True)
class RunColumn:
    """One column of the list.

    Attributes:
        width: The fewest cells it needs.
        rank: Columns of low rank are kept when there is little room.
        sort: The name of `db.runs.runs.SORTS` it sorts by; empty where it cannot be sorted by.
        short: What its head says where the title does not fit.
        ascending: Whether a first sort by it goes upwards.
        figure: The figure of the query language whose mean and deviation a group shows; empty for what has none.
        same: Whether what it shows is the same for all runs of one recipe.
    """

    key: str
    title: str
    width: int
    rank: int
    sort: str
    cell: Cell
    right: bool = False
    short: str = ""
    ascending: bool = False
    about: str = ""
    figure: str = ""
    mean: Figure | None = None
    same: bool = False

    def head(self, width: int) -> str:
        """What the head says in so many cells."""
        return self.title if len(self.title) <= width else self.short or self.title[:width]


def text_cell(get: Callable[[RunRecord], str], *, muted: bool = False) -> Cell:
    """A cell of words."""
    tone: Tone = "muted" if muted else "text"
    return lambda run, scene, width: [(fit(get(run), width), tone)]


def number_cell(get: Callable[[RunRecord], str], *, muted: bool = False) -> Cell:
    """A cell of a figure, which stands out where it diverged."""

    def cell(run: RunRecord, scene: CellContext, width: int) -> list[Part]:
        shown = get(run)
        tone: Tone = "bad" if shown in ("NaN", "∞", "-∞") else "faint" if shown == "–" else "muted" if muted else "text"
        return [(fit(shown, width, right=True), tone)]

    return cell


def spread(write: Figure, mean: float | None, std: float | None, width: int, of: int | None = None) -> str:
    """Write a mean and its deviation, "97.12 ±0.31%", as far as the room goes: the mean at least.

    Of how many runs it is, where some have none: "97.12 ±0.31% of 3", and before the deviation where there is less
    room.
    """
    middle = write(mean)
    whole = [middle]
    if mean is not None and std is not None:
        deviation = write(std)
        bare = middle[:-1] if middle.endswith("%") and deviation.endswith("%") else middle
        whole = [f"{bare} ±{deviation}", f"{bare}±{deviation}", middle]
    if of is not None and mean is not None:
        whole = [*(f"{text} of {of}" for text in whole), f"{middle}/{of}", middle]
    return next((text.rjust(width) for text in whole if len(text) <= width), fit(middle, width, right=True))


def _state(run: RunRecord, scene: CellContext, width: int) -> list[Part]:
    return run_view.state_cell(run, scene.now, width)


def _alarms(run: RunRecord, scene: CellContext, width: int) -> list[Part]:
    return [(fit(" ".join(run.alarms) or UNKNOWN, width), "bad" if run.alarms else "faint")]


def _name(run: RunRecord, scene: CellContext, width: int) -> list[Part]:
    tone: Tone = "title" if run.status.is_active else "muted" if run.archived_at is not None else "text"
    called = scene.called.get(run.id)
    if called is None:
        return [(run_view.name(run, width), tone)]
    name, beside = called.without(scene.said).fitted(width)
    if not name:
        return [(fit(beside, width), tone)]
    return [(f"{name} ", tone), (fit(beside, max(0, width - cell_len(name) - 1)), "muted")]


def _progress(run: RunRecord, scene: CellContext, width: int) -> list[Part]:
    if run.status is RunStatus.COMPLETED:  # its state says that it is at its end
        return [(fit(f"{count(run.step)} steps", width), "muted")]
    return run_view.progress_parts(run, scene.now, width)


def _age(run: RunRecord, scene: CellContext, width: int) -> list[Part]:
    return [(fit(age_of(run.created_at, scene.now), width, right=True), "muted")]


def _method(run: RunRecord, scene: CellContext, width: int) -> list[Part]:
    whole = run_view.method(run)
    # All of itop's own methods end in "-ITOP": what tells them apart stays.
    return [(fit(whole if len(whole) <= width else whole.replace("-ITOP", ""), width), "text")]


def _curve(run: RunRecord, scene: CellContext, width: int) -> list[Part]:
    drawn = sparkline(scene.curves.get(run.id, ()), width, log=True)
    return [(fit(drawn, width), "live" if run.status.is_active else "muted")]


def _loss(value: float | None) -> str:
    return figure(value, 3)


COLUMNS: tuple[RunColumn, ...] = (
    RunColumn("state", "state", 11, 0, "status", _state, ascending=True, about="what the run is doing"),
    RunColumn("id", "id", 5, 0, "id", number_cell(lambda run: str(run.id), muted=True), right=True,
              about="the run's number"),
    RunColumn("name", "name", 12, 0, "name", _name, ascending=True, about="the run's name"),
    RunColumn("model", "model", 12, 6, "model", text_cell(lambda run: run.model), ascending=True, same=True,
              about="the network"),
    RunColumn("data", "data", 9, 7, "data", text_cell(lambda run: run.data), ascending=True, same=True,
              about="the data set"),
    RunColumn("method", "method", 6, 3, "method", _method, ascending=True, same=True,
              about="dense, static, SET-ITOP, RigL-ITOP, …"),
    RunColumn("density", "density", 5, 5, "target_density", number_cell(run_view.density), right=True, short="dens.",
              same=True, about="the target density"),
    RunColumn("progress", "progress", 12, 1, "progress",
              _progress,
              about="steps done, and time left"),
    RunColumn("best", "best", 6, 2, "best_val_accuracy", number_cell(lambda run: percent(run.best_val_accuracy)),
              right=True, figure="best_val_accuracy", mean=percent, about="best validation accuracy"),
    RunColumn("test_accuracy", "test", 6, 3, "test_accuracy", number_cell(lambda run: percent(run.test_accuracy)),
              right=True, figure="test_accuracy", mean=percent, about="test accuracy with the best weights"),
    RunColumn("itop", "R_s", 4, 4, "itop_rate", number_cell(lambda run: ratio(explored(run))), right=True,
              figure="itop_rate", mean=ratio, about="share of weights ever active"),
    RunColumn("loss", "loss", 8, 9, "loss", number_cell(lambda run: figure(run.loss, 3), muted=True), right=True,
              figure="loss", mean=_loss, about="training loss of the last step"),
    RunColumn("curve", "loss curve", 8, 8, "", _curve, short="curve", about="the loss over all steps"),
    RunColumn("speed", "speed", 8, 11, "samples_per_second",
              number_cell(lambda run: rate(run.samples_per_second) if run.status == "running" else "–", muted=True),
              right=True, about="samples a second, while it runs"),
    RunColumn("flops", "FLOPs", 6, 10, "flops_ratio", number_cell(lambda run: share(run.flops_ratio), muted=True),
              right=True, figure="flops_ratio", mean=share, about="share of the FLOPs of dense training"),
    RunColumn("device", "device", 7, 12, "device", text_cell(lambda run: run.device or "", muted=True),
              about="where it runs or ran"),
    RunColumn("tags", "tags", 10, 13, "",
              text_cell(lambda run: run_view.tags(run.tags) if run.tags else "", muted=True), about="its tags"),
    RunColumn("age", "age", 4, 2, "created_at", _age, right=True, about="since it was made"),
)  # fmt: skip

_RANK = 20


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
    return RunColumn(key, title, 19, _RANK, key, text_cell(lambda run: moment(getattr(run, key)), muted=True),
                  about=about)  # fmt: skip


def _took(run: RunRecord, scene: CellContext, width: int) -> list[Part]:
    return [(fit(duration(run_view.elapsed(run, scene.now)), width, right=True), "muted")]


FIELDS: tuple[RunColumn, ...] = (
    _figure("test_accuracy_last", "test last", 9, percent, "test accuracy with the last weights", figure="test_last"),
    _figure("val_accuracy", "val", 6, percent, "validation accuracy of the last epoch"),
    _figure("val_loss", "val loss", 8, _loss, "validation loss of the last epoch"),
    _figure("accuracy", "train", 6, percent, "training accuracy of the last step", figure="train"),
    _figure("learning_rate", "lr now", 8, _loss, "the learning rate of the last step"),
    _figure("death_rate", "ζ", 6, _loss, "death rate (ζ) of the last step", figure="current_death_rate"),
    RunColumn("density_now", "dens. now", 9, _RANK, "density", number_cell(lambda run: share(run.density)),
              right=True, about="the density of the masks"),
    _figure("training_flops", "FLOPs done", 10, short_count, "floating-point operations so far"),
    _figure("energy_wh", "energy", 8, energy, "energy that its devices used while it trained"),
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
    RunColumn("alarms", "alarms", 16, _RANK, "", _alarms, about="the kinds of alarms that it has raised"),
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
