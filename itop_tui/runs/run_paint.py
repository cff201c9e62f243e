"""Painting the head and the lines of the list of runs, from what `run_lines` and `run_layout` say of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from itop_tui.look.theme import Tone
from itop_tui.runs.run_columns import Scene
from itop_tui.runs.run_layout import LEAD, Placed
from itop_tui.runs.run_lines import Row, cell, glyphs

Styles = Mapping[Tone, Style]
"""The style of each tone on the line's background."""


def paint_row(
    row: Row, placed: Sequence[Placed], scene: Scene, lead: str, base: Style, styles: Styles, *, member: bool
) -> Strip:
    """Paint a line.

    Args:
        row: The line.
        placed: Its columns.
        scene: The time, and what was read beside the runs.
        lead: The two cells that tell of the cursor and the mark.
        base: The style of what is between the columns.
        styles: The styles of the tones.
        member: Whether lines of runs belong to a group above them.
    """
    segments = [Segment(f"{lead}{glyphs(row)} ", styles["accent"])]
    x = LEAD
    for each in placed:
        if each.x > x:
            segments.append(Segment(" " * (each.x - x), base))
        drawn = cell(row, each.column, scene, each.width, member=member)
        segments += [Segment(text, styles[tone]) for text, tone in drawn]
        x = each.x + each.width
    return Strip(segments)


def paint_head(
    placed: Sequence[Placed], sort: str, base: Style, styles: Styles, *, descending: bool, at: str, cursor: Style
) -> Strip:
    """Paint the heads of the columns; the one the list is sorted by says so.

    Args:
        placed: The columns.
        sort: What the list is sorted by.
        base: The style of what is between the columns.
        styles: The styles of the tones.
        descending: Whether the largest comes first.
        at: The column that is held; empty for none.
        cursor: What is added to its style.
    """
    segments = [Segment(" " * LEAD, base)]
    x = LEAD
    for each in placed:
        segments.append(Segment(" " * (each.x - x), base))
        column = each.column
        sorted_by = bool(column.sort) and column.sort == sort
        title = column.head(each.width)
        if sorted_by:
            arrow = "▼" if descending else "▲"
            title = f"{title} {arrow}" if len(title) + 2 <= each.width else title[: each.width - 1] + arrow
        shown = title.rjust(each.width) if column.right else title.ljust(each.width)
        style = styles["accent" if sorted_by else "muted"]
        segments.append(Segment(shown, style + cursor if column.key == at else style))
        x = each.x + each.width
    return Strip(segments)
