"""Explains the field at the cursor of the form."""

from __future__ import annotations

from rich.text import Text
from textual.reactive import reactive

from itop_tui.figures.format import plain, plural
from itop_tui.look.toned import Part, Toned
from itop_tui.new_run import form_layout
from itop_tui.new_run.run_form import FieldSpec, RunForm, shown


class FieldHelp(Toned):
    """Explains a field: the limits first, so that a low pane holds them."""

    spec: reactive[FieldSpec | None] = reactive(None, layout=True)
    """The field explained."""
    folded: reactive[bool] = reactive(False, layout=True)
    """Whether its section is folded: then that is said instead."""
    lists: reactive[bool] = reactive(True, layout=True)
    """Whether lists make a sweep."""
    state: reactive[Part | None] = reactive(None, layout=True)
    """What is wrong with what the field holds, or what it held at the start."""

    def show_state(self, form: RunForm) -> None:
        """Say what the form says of the field."""
        name = "" if self.spec is None else self.spec.name
        idle = form.without_effect(name) if name else None
        if name in form.problems:
            self.state = (plain(form.problems[name], limit=300), "bad")
        elif idle is not None:
            self.state = (idle, "warn")
        else:
            note = form.note(name)
            self.state = (note, "accent") if note else None

    def render(self) -> Text:
        """Draw the explanation."""
        spec, text = self.spec, Text(overflow="fold")
        if spec is None:
            return text
        if self.folded:
            fields = sum(other.section == spec.section for other in form_layout.FIELD_ORDER)
            text.append(spec.section, self.tone("title"))
            text.append(f"  {plural(fields, 'field')}, folded: ↵ or a click shows them", self.tone("muted"))
            return text
        text.append(spec.label, self.tone("title"))
        text.append(f"  {spec.allowed}", self.tone("live"))
        text.append(f"  default {shown(spec.default)}", self.tone("muted"))
        if self.state is not None:
            text.append(f"  {self.state[0]}", self.tone(self.state[1]))
        text.append(f"\n{spec.help}", self.tone("text"))
        if self.lists and spec.listed:
            text.append(f"\nA sweep: {spec.listed}", self.tone("muted"))
        return text
