"""Draws the lines of the form: labels, marks, editors and what stands beside them."""

from __future__ import annotations

import textwrap

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from itop_tui.figures.format import fit, plain
from itop_tui.look.theme import Tone
from itop_tui.look.toned import Toned
from itop_tui.new_run.form_layout import Message, Title
from itop_tui.new_run.line_edit import LineEdit
from itop_tui.new_run.run_form import AFTER_FIELDS, FieldSpec, RunForm

EDITOR = 21
"""The cell of a column at which the editors begin."""
NARROWEST = EDITOR + 16
"""The cells that a column needs."""
_INDENT = 3
_HINTS = {"name": "named for its settings", **dict.fromkeys(AFTER_FIELDS, "no other run")}


class FieldPainter:
    """Draws for a widget, in its colours.

    Attributes:
        width: The cells of a column.
        alone: Whether there is one column only, which has room for notes beside its editors.

    Args:
        widget: Whose colours and component styles are used.
    """

    def __init__(self, widget: Toned) -> None:
        self._widget = widget
        self.width, self.alone = NARROWEST, True

    def editor_width(self, spec: FieldSpec) -> int:
        """The cells of a field's editor; in a column alone the run's own texts have more than settings."""
        if not self.alone:
            return self.width - EDITOR
        if spec.section or spec.name in AFTER_FIELDS:
            return max(16, min(44, (self.width - EDITOR) * 2 // 5))
        return max(16, min(60, self.width - EDITOR - 2))

    def visible_text(self, spec: FieldSpec, edit: LineEdit) -> tuple[str, str, str]:
        """The visible part of the text that is edited: before, under and behind the caret."""
        return LineEdit(plain(edit.text), edit.caret).window(self.editor_width(spec) - 2)

    def messages(self, form: RunForm) -> dict[str, list[str]]:
        """What is said below fields, where there is no room beside them: what is wrong, and why one is fixed."""
        if self.alone:
            return {}
        said = {**form.locked, **form.problems}
        return {name: textwrap.wrap(plain(text, limit=300), self.width - _INDENT - 2) for name, text in said.items()}

    # ------------------------------------------------------------------------------------------------------ drawing

    def title(self, line: Title, form: RunForm, *, here: bool) -> list[Segment]:
        """Draw the title of a section; of a folded one, how many of its fields differ from the start."""
        widget, base = self._widget, self._widget.rich_style
        style = base + widget.get_component_rich_style("settings--section", partial=True)
        parts = [
            Segment("▌" if here else " ", base + widget.tone("accent")),
            Segment(f"{'▸' if line.folded else '▾'} {line.section}", style),
        ]
        if line.folded:
            changed = sum(form.changed(name) for name in line.fields)
            wrong = sum(name in form.problems for name in line.fields)
            said = f"{changed} changed" if changed else "none changed"
            parts.append(Segment(f"  {said}", base + widget.tone("title" if changed else "muted")))
            if wrong:
                parts.append(Segment(f" ! {wrong} wrong", base + widget.tone("bad")))
        return parts

    def message(self, line: Message, form: RunForm) -> list[Segment]:
        """Draw a line below a field."""
        tone: Tone = "bad" if line.name in form.problems else "faint"
        return [Segment(" " * (_INDENT + 1) + line.text, self._widget.rich_style + self._widget.tone(tone))]

    def field(self, spec: FieldSpec, form: RunForm, edit: LineEdit | None, *, here: bool) -> list[Segment]:
        """Draw a field; `edit` is its text with the caret where it is edited."""
        widget, base, name = self._widget, self._widget.rich_style, spec.name
        problem, idle = form.problems.get(name), form.without_effect(name)
        changed = bool(spec.section) and form.changed(name)
        mark = "!" if problem else "•" if changed else " "
        label_tone: Tone = "faint" if idle else "title" if changed or here else "text"
        segments = [
            Segment("▌" if here else " ", base + widget.tone("accent")),
            Segment(f"{mark} ", base + widget.tone("bad" if problem else "accent")),
            Segment(fit(spec.label, EDITOR - _INDENT), base + widget.tone(label_tone)),
        ]
        note = form.note(name)
        if not self.alone:
            if idle and name not in form.locked:  # the value would say nothing
                return [*segments, Segment(fit(f" {idle}", self.editor_width(spec)), base + widget.tone("faint"))]
            return [*segments, *self._editor(spec, form, edit, here=here, note=note)]
        segments += self._editor(spec, form, edit, here=here)
        tone: Tone = "bad" if problem else "faint" if idle else "muted"
        room = self.width - EDITOR - self.editor_width(spec) - 2
        return [*segments, Segment("  " + fit(problem or idle or note, max(0, room)), base + widget.tone(tone))]

    def _editor(
        self, spec: FieldSpec, form: RunForm, edit: LineEdit | None, *, here: bool, note: str = ""
    ) -> list[Segment]:
        widget, width, entry = self._widget, self.editor_width(spec), form.entries[spec.name]
        idle = form.without_effect(spec.name) is not None
        look = "wrong" if spec.name in form.problems else "current" if here else "field"
        base = widget.rich_style
        style = base if idle else base + widget.get_component_rich_style(f"settings--{look}", partial=True)
        text_tone: Tone = "faint" if idle else "text"
        if spec.kind == "switch":
            tone: Tone = "faint" if idle else "live" if entry else "muted"
            return self._noted(" ━● on" if entry else " ○─ off", style, tone, width, note)
        if spec.kind == "choice":
            arrow = style + widget.tone("faint" if idle else "live" if here else "muted")
            inner = self._noted(f" {entry}", style, text_tone, width - 2, note)
            return [Segment("‹", arrow), *inner, Segment("›", arrow)]
        if edit is not None:
            before, under, behind = self.visible_text(spec, edit)
            caret = style + widget.get_component_rich_style("settings--caret", partial=True)
            text = style + widget.tone("text")
            rest = self._noted(behind, style, "text", width - 1 - cell_len(before + under), note)
            return [Segment(" " + before, text), Segment(under, caret), *rest]
        if not entry:
            return self._noted(f" {_HINTS.get(spec.name, 'empty')}", style, "faint", width, note)
        return [*self._noted(f" {entry}", style, text_tone, width - 1, note), Segment(" ", style)]

    def _noted(self, text: str, style: Style, tone: Tone, width: int, note: str) -> list[Segment]:
        """A text in so many cells, with a note at their right end where there is room for both."""
        room = width - cell_len(plain(text)) - cell_len(note) - 2
        if not note or room < 0:
            return [Segment(fit(text, width), style + self._widget.tone(tone))]
        padded = fit(text, width - cell_len(note))
        return [
            Segment(padded, style + self._widget.tone(tone)),
            Segment(note, style + self._widget.tone("muted")),
        ]
