"""The lines of the list of runs: a run, or a group of runs with their means; and their cells. No widget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from db.records import RunRecord
from itop_tui.figures.differences import Called
from itop_tui.figures.format import UNKNOWN, bar, fit
from itop_tui.figures.states import Part, look
from itop_tui.runs.run_columns import CellContext, RunColumn, spread

if TYPE_CHECKING:
    from db.finding.grouping import RunGroup


@dataclass(frozen=True, slots=True)
class GroupLine:
    """A line that stands for several runs.

    Attributes:
        group: The runs and their means.
        open: Whether they are listed below it.
        sample: One of them, for what they have in common; None where it was not read.
        alike: Whether they differ by the seed alone.
        called: What distinguishes it from the other groups; None where its label does.
    """

    group: RunGroup
    open: bool
    sample: RunRecord | None = None
    alike: bool = False
    called: Called | None = None


Row = RunRecord | GroupLine


def ids_of(row: Row) -> tuple[int, ...]:
    """The runs a line stands for."""
    return tuple(row.group.run_ids) if isinstance(row, GroupLine) else (row.id,)


def name_of(row: Row) -> int | str:
    """What a line is called, so that the cursor finds it again: the id of a run, the key of a group."""
    return row.group.key if isinstance(row, GroupLine) else row.id


def glyphs(row: Row) -> str:
    """What stands before a line beside its selection mark: whether it is starred or archived."""
    if isinstance(row, GroupLine):
        return "▾" if row.open else "▸"
    return "★" if row.starred_at is not None else "▫" if row.archived_at is not None else " "


def cell(row: Row, column: RunColumn, scene: CellContext, width: int, *, member: bool = False) -> list[Part]:
    """What stands in a column of a line, in exactly `width` cells; `member` says that groups are listed too."""
    if isinstance(row, GroupLine):
        return _group_cell(row, column, scene, width)
    if member and column.key == "name" and width > 4:
        return [("  ", "faint"), *column.cell(row, scene, width - 2)]
    return column.cell(row, scene, width)


def _group_cell(line: GroupLine, column: RunColumn, scene: CellContext, width: int) -> list[Part]:
    group = line.group
    if column.key == "state":
        return _states(line, width)
    if column.key == "id":
        return [(fit(f"×{group.n}", width, right=True), "accent")]
    if column.key == "name":
        shown = line.called.without(scene.said).fitted(width)[1] if line.called else group.label
        return [(fit(shown, width), "title")]
    if column.key == "progress":
        ended = sum(count for status, count in group.statuses.items() if status == "completed")
        text = f" {ended}/{group.n}"
        filled, empty = bar(ended / group.n if group.n else 0.0, max(0, width - len(text)))
        return [(filled, "good"), (empty, "line"), (fit(text, width - len(filled) - len(empty)), "muted")]
    if column.mean is not None and column.figure in group.mean:
        if column.key == "itop" and group.shared.get("method") == "dense":
            return [(fit(UNKNOWN, width, right=True), "faint")]  # A dense run explores nothing.
        return _mean(group, column, width)
    # What is the same for all of them is shown as of one of them.
    same = column.sort in group.shared or (line.alike and column.same)
    if same and line.sample is not None:
        return column.cell(line.sample, scene, width)
    return [(" " * width, "text")]


def _mean(group: RunGroup, column: RunColumn, width: int) -> list[Part]:
    """A mean with its deviation, and of how many runs it is; a mark shows that some diverged, NaN that all did."""
    assert column.mean is not None
    name = column.figure
    diverged = group.diverged.get(name, 0)
    if diverged and not group.count.get(name, 0):
        return [(fit("NaN", width, right=True), "bad")]
    count = group.count.get(name, group.n)
    of = count if 0 < count < group.n else None
    shown = spread(column.mean, group.mean[name], group.std.get(name), width - bool(diverged), of)
    if diverged:
        return [(shown, "text"), ("!", "bad")]
    return [(shown, "faint" if shown.strip() == "–" else "text")]


def _states(line: GroupLine, width: int) -> list[Part]:
    """How many runs are in which state: "✓3 ●1"."""
    parts: list[Part] = []
    used = 0
    for status, count in sorted(line.group.statuses.items(), key=lambda pair: -pair[1]):
        if not count:
            continue
        shown = f"{look(status).glyph}{count} "
        if used + len(shown) > width:
            break
        parts.append((shown, look(status).tone))
        used += len(shown)
    return [*parts, (" " * (width - used), "text")]
