"""A field of the form: its name, its editor, and what is to be said about it."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import HorizontalGroup
from textual.message import Message
from textual.reactive import reactive

from itop_tui.format import fit, plain
from itop_tui.run_form import FieldSpec, RunForm
from itop_tui.widgets.editors import Choice, Edited, TextEditor, Toggle
from itop_tui.widgets.toned import Part, Toned

LABEL = 21


class _Label(Toned):
    parts: reactive[tuple[Part, ...]] = reactive(())

    def render(self) -> Text:
        return self.toned(self.parts)


class _Note(Toned):
    parts: reactive[tuple[Part, ...]] = reactive((), layout=True)

    def render(self) -> Text:
        text = self.toned(self.parts)
        text.no_wrap, text.overflow = False, "fold"
        return text


class FieldRow(HorizontalGroup):
    """Shows and edits one field.

    Args:
        spec: The field.
        entry: What it holds.
    """

    class Changed(Message):
        """The field holds something else."""

        def __init__(self, row: FieldRow, entry: str | bool) -> None:
            self.row, self.entry = row, entry
            super().__init__()

    def __init__(self, spec: FieldSpec, entry: str | bool) -> None:
        super().__init__(id=f"field-{spec.name}")
        self.spec = spec
        self._entry = entry

    def compose(self) -> ComposeResult:
        """Lay out name, editor and note."""
        yield _Label()
        spec = self.spec
        if spec.kind == "switch":
            yield Toggle(bool(self._entry), id=spec.name)
        elif spec.kind == "choice":
            yield Choice(str(self._entry), spec.choices, free=spec.free, title=spec.label, id=spec.name)
        else:
            yield TextEditor(str(self._entry), placeholder="empty" if spec.optional else "", id=spec.name)
        yield _Note()

    @property
    def editor(self) -> Toggle | Choice | TextEditor:
        """The field's editor."""
        editor = self.query(f"#{self.spec.name}").first()
        assert isinstance(editor, Toggle | Choice | TextEditor)
        return editor

    def put(self, entry: str | bool) -> None:
        """Put something into the editor, as if it had been typed."""
        editor = self.editor
        if isinstance(editor, Toggle):
            editor.value = bool(entry)
        else:
            editor.value = plain(str(entry))

    def on_edited(self, message: Edited) -> None:
        """Hand on what was typed."""
        message.stop()
        self.post_message(self.Changed(self, message.entry))

    def show(self, form: RunForm) -> None:
        """Show what is wrong, what changed, and whether the field has an effect."""
        name = self.spec.name
        problem, idle, changed = form.problems.get(name), form.without_effect(name), form.changed(name)
        mark: Part = ("! ", "bad") if problem else ("• ", "accent") if changed else ("  ", "faint")
        tone = "faint" if idle else "title" if changed else "text"
        self.query_one(_Label).parts = (mark, (fit(self.spec.label, LABEL - 2), tone))
        self.editor.disabled = idle is not None
        note: tuple[Part, ...] = ()
        if problem:
            note = ((plain(problem, limit=200), "bad"),)
        elif idle:
            note = ((idle, "faint"),)
        elif changed:
            note = ((f"was {fit(form.start_shown(name), 24).rstrip()}", "muted"),)
        self.query_one(_Note).parts = note
        self.set_class(problem is not None, "-wrong")
