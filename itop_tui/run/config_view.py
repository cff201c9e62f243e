"""A run's settings by section: what was changed from the default, and what differs from the parent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len
from rich.text import Text
from textual.reactive import reactive

from engine.config.field_info import FIELD_SECTIONS, field_help, irrelevant_because, setting_text
from engine.config.run_config import RunConfig
from itop_tui.figures.format import fit, plain
from itop_tui.look.theme import Tone
from itop_tui.look.toned import Part, Toned

_NAME = 18
_COLUMN = 38
"""Least width of a column of settings."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as it is shown.

    Attributes:
        name: The field.
        value: As it is written.
        default: The default as it is written, where the value is another one; else None.
        parent: The parent's value as it is written, where it is another one; else None.
        moot: Why it has no effect, where it has none.
    """

    name: str
    value: str
    default: str | None
    parent: str | None
    moot: str | None

    @property
    def is_change(self) -> bool:
        """Whether it differs from the default or the parent."""
        return self.default is not None or self.parent is not None


def written(value: object, name: str = "") -> str:
    """A value (of the setting `name`) as people write it: yes and no, nothing as –."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return plain(setting_text(name, value), 300)


def sections(
    config: Mapping[str, Any],
    parent: Mapping[str, Any] | None = None,
    *,
    needle: str = "",
    only_changes: bool = False,
) -> list[tuple[str, list[Setting]]]:
    """The settings by section, those that were asked for.

    Args:
        config: The run's settings; ones this version does not know come last.
        parent: The parent's.
        needle: Only settings whose name, value or help hold this text.
        only_changes: Only settings that differ from the default or the parent's.
    """
    wanted = needle.casefold()
    result: list[tuple[str, list[Setting]]] = []
    known = {name for names in FIELD_SECTIONS.values() for name in names}
    groups: list[tuple[str, Sequence[str]]] = [(str(section.value), names) for section, names in FIELD_SECTIONS.items()]
    groups.append(("Of another version", sorted(set(config) - known)))
    for title, names in groups:
        rows: list[Setting] = []
        for name in names:
            row = _setting(name, config, parent)
            text = f"{name} {row.value} {field_help(name) if name in known else ''}".casefold()
            if wanted in text and (row.is_change or not only_changes):
                rows.append(row)
        if rows:
            result.append((title, rows))
    return result


def differences(config: Mapping[str, Any], parent: Mapping[str, Any]) -> list[Setting]:
    """The settings whose values differ from the parent's, in the order of the sections."""
    return [row for _, rows in sections(config, parent) for row in rows if row.parent is not None]


def _setting(name: str, config: Mapping[str, Any], parent: Mapping[str, Any] | None) -> Setting:
    field = RunConfig.model_fields.get(name)
    default = field.default if field is not None else None
    value = config.get(name, default)
    theirs = parent.get(name, default) if parent is not None else value
    return Setting(
        name=plain(name, 100),
        value=written(value, name),
        default=written(default, name) if field is not None and value != default else None,
        parent=written(theirs, name) if theirs != value else None,
        moot=irrelevant_because(config, name) if field is not None else None,
    )


class ConfigView(Toned):
    """Settings in as many columns as fit."""

    config: reactive[Mapping[str, Any]] = reactive({}, layout=True, always_update=False)
    """The run's settings."""
    parent_config: reactive[Mapping[str, Any] | None] = reactive(None, layout=True)
    """The parent's settings."""
    needle: reactive[str] = reactive("", layout=True)
    """Only settings that hold this text."""
    only_changes: reactive[bool] = reactive(False, layout=True)
    """Only settings that were changed."""

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """As many lines as the longest column has."""
        return max(1, len(self._lines(max(width, 1))))

    def render(self) -> Text:
        """Draw the settings."""
        return Text("\n", end="").join(self.toned(line) for line in self._lines(max(1, self.size.width)))

    def _lines(self, width: int) -> list[list[Part]]:
        shown = sections(self.config, self.parent_config, needle=self.needle, only_changes=self.only_changes)
        if not shown:
            what = "setting was changed" if self.only_changes and not self.needle else "setting holds that text"
            return [[(f"No {what}.", "muted")]]
        number = max(1, min(3, width // _COLUMN))
        columns = _balance([_block(title, rows, width // number - 2) for title, rows in shown], number)
        height = max(len(column) for column in columns)
        lines: list[list[Part]] = []
        for at in range(height):
            line: list[Part] = []
            for column in columns:
                parts = column[at] if at < len(column) else []
                line += parts
                taken = sum(cell_len(text) for text, _ in parts)
                line.append((" " * (width // number - taken), "text"))
            lines.append(line)
        return lines


def _block(title: str, rows: Sequence[Setting], width: int) -> list[list[Part]]:
    lines: list[list[Part]] = [[(fit(title, width), "title")]]
    for row in rows:
        mark = "±" if row.parent is not None else "●" if row.default is not None else " "
        value_tone: Tone = (
            "faint" if row.moot else "accent" if row.parent is not None else "text" if row.default else "muted"
        )
        other = row.parent if row.parent is not None else row.default
        note = f"  {row.moot}" if row.moot else ""
        if not row.moot and other is not None:
            note = f"  {'parent' if row.parent is not None else 'default'} {other}"
        room = max(4, width - _NAME - 3)
        value = fit(row.value, min(room, cell_len(row.value)))
        rest = room - cell_len(value)
        parts: list[Part] = [
            (f"{mark} ", "accent" if row.parent is not None else "live"),
            (fit(row.name, _NAME), "faint" if row.moot else "muted"),
            (" ", "text"),
            (value, value_tone),
        ]
        if other is not None and not row.moot and cell_len(note) > rest:
            note = f" ({other})"  # the mark before the name says whose value it is
        if rest > 4 and note:
            parts.append((fit(note, min(rest, cell_len(note))), "faint"))
        lines.append(parts)
    lines.append([])
    return lines


def _balance(blocks: Sequence[list[list[Part]]], number: int) -> list[list[list[Part]]]:
    """Lay blocks into columns, in order, so that the columns are about equally long."""
    total = sum(len(block) for block in blocks)
    columns: list[list[list[Part]]] = [[]]
    done = 0
    for block in blocks:
        # A block goes into the next column where more than half of it is beyond this column's share.
        if columns[-1] and len(columns) < number and done + len(block) / 2 > total * len(columns) / number:
            columns.append([])
        columns[-1] += block
        done += len(block)
    return columns
