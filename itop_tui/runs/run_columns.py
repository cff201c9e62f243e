"""The columns of the list of runs: what each shows of a run and of a group of runs, and how wide it is.

`COLUMNS` are those a list has by itself where there is room; `itop_tui.runs.run_fields` makes one of any other field
of a run or setting of its configuration, and `itop_tui.runs.run_layout` finds which ones fit a line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from db.records import RunRecord
from itop_tui.figures import run_view
from itop_tui.figures.format import age, explored, figure, fit, percent, rate, ratio, share, sparkline
from itop_tui.look.theme import Tone
from itop_tui.look.toned import Part


@dataclass(frozen=True, slots=True)
class CellContext:
    """What a cell needs to know beside the run it shows.

    Attributes:
        now: The time, in unix seconds.
        curves: The loss of runs over their steps, by the run's id, where it has been read.
    """

    now: float
    curves: Mapping[int, tuple[float, ...]] = field(default_factory=dict)


Cell = Callable[[RunRecord, CellContext, int], list[Part]]
"""Draws a run's cell: given the record, the scene and the width, parts that fill exactly that width."""
Figure = Callable[[float | None], str]
"""Writes a figure."""


@dataclass(frozen=True, slots=True)
class RunColumn:
    """One column of the list.

    Attributes:
        key: Its name.
        title: What its head says.
        width: The fewest cells it needs.
        rank: Columns of low rank are kept when there is little room.
        sort: The name of `db.runs.runs.SORTS` it sorts by; empty where it cannot be sorted by.
        cell: Draws a run's cell.
        right: Whether it is aligned to the right.
        short: What its head says where the title does not fit.
        ascending: Whether a first sort by it goes upwards.
        about: What it shows, in a few words, for the chooser.
        figure: The figure of the query language whose mean and deviation a group shows; empty for what has none.
        mean: Writes that figure.
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


def spread(write: Figure, mean: float | None, std: float | None, width: int) -> str:
    """Write a mean and its deviation, "97.12 ±0.31%", as far as the room goes: the mean at least."""
    middle = write(mean)
    if mean is None or std is None:
        return fit(middle, width, right=True)
    deviation = write(std)
    if middle.endswith("%") and deviation.endswith("%"):
        middle = middle[:-1]
    for whole in (f"{middle} ±{deviation}", f"{middle}±{deviation}"):
        if len(whole) <= width:
            return fit(whole, width, right=True)
    return fit(write(mean), width, right=True)


def _state(run: RunRecord, scene: CellContext, width: int) -> list[Part]:
    return [(fit(text, width), tone) for text, tone in run_view.state(run, scene.now)]


def _progress(run: RunRecord, scene: CellContext, width: int) -> list[Part]:
    return run_view.progress_parts(run, scene.now, width)


def _name(run: RunRecord, scene: CellContext, width: int) -> list[Part]:
    tone: Tone = "title" if run.status.is_active else "muted" if run.archived_at is not None else "text"
    return [(run_view.name(run, width), tone)]


def _age(run: RunRecord, scene: CellContext, width: int) -> list[Part]:
    return [(fit(age(scene.now - run.created_at), width, right=True), "muted")]


def _method(run: RunRecord, scene: CellContext, width: int) -> list[Part]:
    whole = run_view.method(run)
    # All of itop's own methods end in "-ITOP": what tells them apart stays.
    return [(fit(whole if len(whole) <= width else whole.replace("-ITOP", ""), width), "text")]


def _curve(run: RunRecord, scene: CellContext, width: int) -> list[Part]:
    drawn = sparkline(scene.curves.get(run.id, ()), width)
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
    RunColumn("progress", "progress", 12, 1, "progress", _progress, about="steps done, and time left"),
    RunColumn("best", "best", 6, 2, "best_val_accuracy", number_cell(lambda run: percent(run.best_val_accuracy)),
              right=True, figure="best_val_accuracy", mean=percent, about="best validation accuracy"),
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
