"""The fields of a new run, all in one widget that draws the visible lines.

Fifty fields as fifty times four widgets take more than a second to open; one widget takes a few milliseconds, and the
arrow keys, the marks and the notes are drawn the way the form needs them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding
from textual.geometry import Offset, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from itop_tui.figures.format import fit, plain
from itop_tui.look.theme import Tone
from itop_tui.look.toned import Toned
from itop_tui.new_run.line_edit import LineEdit
from itop_tui.new_run.run_form import AFTER_FIELDS, ALL_FIELDS, Entry, FieldSpec, RunForm, shown

_EDITOR = 21
"""The cell at which the editors begin."""


LINES: tuple[FieldSpec | str, ...] = tuple(
    line
    for section, specs in groupby(ALL_FIELDS.values(), key=lambda spec: spec.section)
    for line in (*(("", str(section)) if section else ()), *specs)
)
"""The lines of the form: a field, a section's title, or an empty one."""


class SettingsForm(ScrollView, Toned, can_focus=True):
    """Shows and edits the fields of a `RunForm`."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "settings--field",
        "settings--current",
        "settings--wrong",
        "settings--caret",
        "settings--section",
    }
    BINDINGS: ClassVar = [
        Binding("down,tab", "move(1)", show=False),
        Binding("up,shift+tab", "move(-1)", show=False),
        Binding("ctrl+home", "jump(0)", show=False),
        Binding("ctrl+end", "jump(-1)", show=False),
    ]
    ALLOW_SELECT = False

    class Edited(Message):
        """A field holds something else."""

    @dataclass
    class FieldHighlighted(Message):
        """The cursor is on another field."""

        spec: FieldSpec

    @dataclass
    class ListWanted(Message):
        """The choices of a field are to be shown as a list."""

        spec: FieldSpec

    def __init__(self, form: RunForm, *, id: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self.form = form
        self._line = 0
        self._edit = LineEdit.at_end(str(form.entries[self.current.name]))

    @property
    def current(self) -> FieldSpec:
        """The field at the cursor."""
        spec = LINES[self._line]
        assert isinstance(spec, FieldSpec)
        return spec

    def show_form(self, form: RunForm) -> None:
        """Edit something else from now on, the cursor where it was."""
        self.form = form
        self._take_up()
        self.refresh()

    def go_to(self, name: str) -> None:
        """Put the cursor on a field."""
        self._go(LINES.index(ALL_FIELDS[name]))

    def action_reset_field(self) -> None:
        """Give the field at the cursor the value it had at the start."""
        self._enter(self.form.start[self.current.name])

    def _take_up(self) -> None:
        """Hold the text of the field at the cursor ready to be edited."""
        text = str(self.form.entries[self.current.name])
        if self._edit.text != text:
            self._edit = LineEdit.at_end(text)

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Whether a key is text for the field at the cursor; textual asks it."""
        return self.current.kind == "text" and character is not None and character.isprintable()

    @property
    def caret(self) -> Offset | None:
        """Where the caret is on the widget; on a switch or a choice, the first cell of its value."""
        spec = self.current
        if not self.has_focus:
            return None
        before = 0 if spec.kind != "text" else cell_len(self._window(spec)[0])
        return Offset(_EDITOR + 1 + before, self._line - self.scroll_offset.y)

    # ------------------------------------------------------------------------------------------------------- moving

    def on_resize(self) -> None:
        """Keep the cursor visible."""
        self.virtual_size = Size(self.scrollable_size.width, len(LINES))
        self._scroll_into_view()

    def _open_lines(self) -> list[int]:
        """The lines the cursor can be on."""
        return [
            line
            for line, spec in enumerate(LINES)
            if isinstance(spec, FieldSpec) and self.form.without_effect(spec.name) is None
        ]

    def _go(self, line: int) -> None:
        self._line = line
        self._edit = LineEdit.at_end(str(self.form.entries[self.current.name]))
        self._scroll_into_view()
        self.refresh()
        self.post_message(self.FieldHighlighted(self.current))

    def _scroll_into_view(self) -> None:
        top, height = self.scroll_offset.y, max(1, self.size.height)
        first = self._line - 1 if self._line > 0 and isinstance(LINES[self._line - 1], str) else self._line
        if first < top:
            self.scroll_to(y=max(0, first), animate=False, immediate=True)
        elif self._line >= top + height:
            self.scroll_to(y=self._line - height + 1, animate=False, immediate=True)

    def action_move(self, step: int) -> None:
        """Go to the next field that has an effect, or the one before."""
        beyond = [line for line in self._open_lines() if (line > self._line if step > 0 else line < self._line)]
        if beyond:
            self._go(beyond[0] if step > 0 else beyond[-1])

    def action_jump(self, index: int) -> None:
        """Go to the first (0) or last (-1) field."""
        self._go(self._open_lines()[index])

    def action_move_section(self, step: int) -> None:
        """Go to the first field of the next section, or of the one before, and show as much of it as there is room."""
        sections = list(dict.fromkeys(spec.section for spec in ALL_FIELDS.values()))
        there = max(0, min(len(sections) - 1, sections.index(self.current.section) + step))
        for line in self._open_lines():
            spec = LINES[line]
            if isinstance(spec, FieldSpec) and spec.section == sections[there]:
                self._go(line)
                title = next((at for at in range(line, -1, -1) if isinstance(LINES[at], str)), 0)
                self.scroll_to(y=title, animate=False, immediate=True)
                return

    # ------------------------------------------------------------------------------------------------------ editing

    def _enter(self, entry: Entry) -> None:
        self.form.set(self.current.name, entry)
        self._take_up()
        self.refresh()
        self.post_message(self.Edited())

    def on_key(self, event: events.Key) -> None:
        """Edit the field at the cursor. No printed key reaches the screen, where it could mean to quit."""
        spec = self.current
        handled = False
        if spec.kind == "text":
            handled = self._text_key(event)
        elif event.key in ("enter", "space", "left", "right"):
            handled = True
            if spec.kind == "switch":
                on = bool(self.form.entries[spec.name])
                self._enter(event.key == "right" if event.key in ("left", "right") else not on)
            elif event.key in ("left", "right"):
                self._choose(1 if event.key == "right" else -1)
            else:
                self.post_message(self.ListWanted(spec))
        elif spec.kind == "choice" and event.key in ("comma", "backspace", "delete"):
            handled = True
            self._lengthen() if event.key == "comma" else self._shorten()
        elif event.is_printable and event.character != "?":
            handled = True
            if spec.kind == "choice":
                self._choose_letter(event.character or "")
        if handled:
            event.stop()
            event.prevent_default()

    def _text_key(self, event: events.Key) -> bool:
        if event.key == "enter":
            self.action_move(1)
            return True
        if event.is_printable and event.character:
            self._edit.insert(event.character)
        elif not self._edit.key(event.key):
            return False
        if self._edit.text != self.form.entries[self.current.name]:
            self._enter(self._edit.text)
        else:
            self.refresh()
        return True

    def on_paste(self, event: events.Paste) -> None:
        """Take in what is pasted, on one line."""
        event.stop()
        if self.current.kind == "text":
            self._edit.insert(plain(event.text.strip()))
            self._enter(self._edit.text)

    def _choose(self, step: int) -> None:
        choices = self.current.choices
        *before, value = self._chosen()
        here = choices.index(value) if value in choices else (-1 if step > 0 else 0)
        self._enter(",".join([*before, choices[(here + step) % len(choices)]]))

    def choose(self, choice: str) -> None:
        """Put a choice into the field at the cursor; in a list, in the place of the last one."""
        *before, _ = self._chosen()
        self._enter(",".join([*before, choice]))

    def _chosen(self) -> list[str]:
        """What the field at the cursor holds: several where it is a list."""
        return str(self.form.entries[self.current.name]).split(",")

    def _lengthen(self) -> None:
        """Make a list of the field, or a longer one: the next choice that is not in it."""
        spec, values = self.current, self._chosen()
        if not self.form.lists:
            return
        after = spec.choices.index(values[-1]) + 1 if values[-1] in spec.choices else 0
        others = [one for one in (*spec.choices[after:], *spec.choices[:after]) if one not in values]
        if others:
            self._enter(",".join([*values, others[0]]))

    def _shorten(self) -> None:
        """Take the last choice out of a list."""
        values = self._chosen()
        if len(values) > 1:
            self._enter(",".join(values[:-1]))

    def _choose_letter(self, letter: str) -> None:
        """Choose the next one that begins with a letter."""
        choices = self.current.choices
        *before, value = self._chosen()
        here = choices.index(value) + 1 if value in choices else 0
        for choice in (*choices[here:], *choices[:here]):
            if choice.lower().startswith(letter.lower()):
                self._enter(",".join([*before, choice]))
                return

    def on_click(self, event: events.Click) -> None:
        """Go to a field; a click on its editor switches it, goes through its choices or lists them."""
        line = self.scroll_offset.y + event.y
        if line not in self._open_lines():
            return
        self._go(line)
        spec, at = self.current, event.x - _EDITOR
        if not 0 <= at < self._editor_width:
            return
        if spec.kind == "switch":
            self._enter(not self.form.entries[spec.name])
        elif spec.kind == "choice":
            if at in (0, self._editor_width - 1):
                self._choose(-1 if at == 0 else 1)
            else:
                self.post_message(self.ListWanted(spec))

    # ------------------------------------------------------------------------------------------------------ drawing

    @property
    def _editor_width(self) -> int:
        return max(16, min(44, (self.scrollable_size.width - _EDITOR) * 2 // 5))

    def _width_of(self, spec: FieldSpec) -> int:
        """The run's own texts have no note beside them, and so more room."""
        return (
            self._editor_width
            if spec.section or spec.name in AFTER_FIELDS
            else max(16, min(60, self.scrollable_size.width - _EDITOR - 2))
        )

    def _window(self, spec: FieldSpec) -> tuple[str, str, str]:
        """The visible part of the text that is edited: before, under and behind the caret."""
        return LineEdit(plain(self._edit.text), self._edit.caret).window(self._width_of(spec) - 2)

    def render_line(self, y: int) -> Strip:
        """Draw a line of the screen."""
        width, base = self.scrollable_size.width, self.rich_style
        line = self.scroll_offset.y + y
        if line >= len(LINES):
            return Strip.blank(width, base)
        spec = LINES[line]
        if isinstance(spec, str):
            style = base + self.get_component_rich_style("settings--section", partial=True)
            return Strip([Segment(f" {spec}" if spec else "", style)]).adjust_cell_length(width, base)
        form, name = self.form, spec.name
        problem, idle = form.problems.get(name), form.without_effect(name)
        changed = bool(spec.section) and form.changed(name)
        here = line == self._line and self.has_focus
        mark = "!" if problem else "•" if changed else " "
        label_tone: Tone = "faint" if idle else "title" if changed or here else "text"
        segments = [
            Segment("▌" if here else " ", base + self.tone("accent")),
            Segment(f"{mark} ", base + self.tone("bad" if problem else "accent")),
            Segment(fit(spec.label, _EDITOR - 3), base + self.tone(label_tone)),
            *self._editor(spec, base, here=here, wrong=problem is not None, idle=idle is not None),
        ]
        note = problem or idle or (f"was {shown(form.start[name])}" if changed else "")
        tone: Tone = "bad" if problem else "faint" if idle else "muted"
        room = width - _EDITOR - self._width_of(spec) - 2
        segments.append(Segment("  " + fit(note, max(0, room)), base + self.tone(tone)))
        return Strip(segments).adjust_cell_length(width, base)

    def _editor(self, spec: FieldSpec, base: Style, *, here: bool, wrong: bool, idle: bool) -> list[Segment]:
        width, entry = self._width_of(spec), self.form.entries[spec.name]
        look = "wrong" if wrong else "current" if here else "field"
        style = base if idle else base + self.get_component_rich_style(f"settings--{look}", partial=True)
        text_tone: Tone = "faint" if idle else "text"
        if spec.kind == "switch":
            tone: Tone = "faint" if idle else "live" if entry else "muted"
            return [Segment(fit(" ━● on" if entry else " ○─ off", width), style + self.tone(tone))]
        if spec.kind == "choice":
            arrow = style + self.tone("faint" if idle else "live" if here else "muted")
            choice = fit(f" {entry}", width - 2)
            return [Segment("‹", arrow), Segment(choice, style + self.tone(text_tone)), Segment("›", arrow)]
        if here:
            before, under, behind = self._window(spec)
            caret = style + self.get_component_rich_style("settings--caret", partial=True)
            text = style + self.tone("text")
            padding = " " * (width - 1 - cell_len(before + under + behind))
            return [Segment(" " + before, text), Segment(under, caret), Segment(behind + padding, text)]
        if not entry:
            hint = {"name": "named for its settings", **dict.fromkeys(AFTER_FIELDS, "no other run")}.get(
                spec.name, "empty"
            )
            return [Segment(fit(f" {hint}", width), style + self.tone("faint"))]
        return [Segment(fit(f" {entry}", width - 1) + " ", style + self.tone(text_tone))]
