"""What the field at the cursor means, what it may be, and what it is unless it is set."""

from __future__ import annotations

from rich.text import Text
from textual.reactive import reactive

from itop_tui.figures.format import plain
from itop_tui.look.toned import Toned
from itop_tui.new_run.run_form import FieldSpec, shown


class FieldHelp(Toned):
    """Explains a field, or shows a text of the form's own."""

    spec: reactive[FieldSpec | None] = reactive(None, layout=True)
    """The field explained."""
    lists: reactive[bool] = reactive(True, layout=True)
    """Whether lists make a sweep."""
    text: reactive[str] = reactive("", layout=True)
    """Shown where no field is explained."""

    def render(self) -> Text:
        """Draw the explanation: the limits first, so that a low pane holds them."""
        spec = self.spec
        if spec is None:
            return Text(plain(self.text), self.tone("muted"), overflow="fold")
        text = Text(overflow="fold")
        text.append(spec.label, self.tone("title"))
        text.append(f"  {spec.allowed}", self.tone("live"))
        text.append(f"  default {shown(spec.default)}\n", self.tone("muted"))
        text.append(spec.help, self.tone("text"))
        if self.lists and spec.listed:
            text.append(f"\nA sweep: {spec.listed}", self.tone("muted"))
        return text
