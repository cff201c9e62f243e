"""What the pane beside the list says of a group of runs. Pure: text and tones, no widget."""

from __future__ import annotations

from itop_tui.figures.format import UNKNOWN, plain, plural
from itop_tui.look.theme import look
from itop_tui.look.toned import Part
from itop_tui.runs.run_columns import COLUMNS, RunColumn, spread
from itop_tui.runs.run_fields import FIELDS
from itop_tui.runs.run_lines import GroupLine

Fact = tuple[str, list[Part]]
_NAMES = {"target_density": "density", "total_epochs": "epochs"}


def title(line: GroupLine) -> list[Part]:
    """The name of the group, and how many runs it has."""
    return [(plain(line.group.label, limit=200), "title"), (f"   {plural(line.group.n, 'run')}", "muted")]


def blocks(line: GroupLine, width: int) -> list[list[Fact]]:
    """The group in blocks of facts that belong together; `width` cells for each fact."""
    group = line.group
    states: list[Fact] = [
        (look(status).word, [(f"{look(status).glyph} {count}", look(status).tone)])
        for status, count in group.statuses.items()
        if count
    ]
    figures: list[Fact] = []
    for column in (*COLUMNS, *FIELDS):
        if column.figure in group.mean and group.mean[column.figure] is not None:
            figures += _figure(line, column, width)
    shared: list[Fact] = [
        (_NAMES.get(name, name), [(plain(f"{value}", limit=100), "text")])
        for name, value in group.shared.items()
        if value is not None and value != ""
    ]
    ids = " ".join(map(str, group.run_ids))
    shared.append(("runs", [(ids if len(ids) <= width else f"{ids[: max(0, width - 1)]}…", "muted")]))
    return [block for block in (states, figures, shared) if block]


def _figure(line: GroupLine, column: RunColumn, width: int) -> list[Fact]:
    """Mean and deviation, and below them the range."""
    group, name = line.group, column.figure
    write = column.mean or str
    mean = spread(write, group.mean[name], group.std.get(name), max(width, 24)).strip()
    some = group.count.get(name, group.n)
    facts: list[Fact] = [(column.title, [(mean, "title"), (f"  n {some}", "muted")])]
    low, high = (write(bounds.get(name)) for bounds in (group.minimum, group.maximum))
    if some > 1 and UNKNOWN not in (low, high):
        facts.append(("", [(f"{low} to {high}", "muted")]))
    if group.diverged.get(name):
        facts.append(("", [(f"{plural(group.diverged[name], 'run')} diverged", "bad")]))
    return facts
