"""The editors of the form's fields, each one line high: a switch, a choice, a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.binding import Binding
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Input

from itop_tui.format import fit, plain
from itop_tui.widgets.toned import Toned


class Edited(Message):
    """An editor holds something else.

    Attributes:
        entry: What it holds now.
    """

    def __init__(self, entry: str | bool) -> None:
        self.entry = entry
        super().__init__()


class Toggle(Toned, can_focus=True):
    """A switch: "● on" or "○ off".

    Args:
        value: Whether it is on.
        id: The widget's id.
    """

    BINDINGS: ClassVar = [
        Binding("space,enter", "flip", "switch", show=False),
        Binding("left,h", "turn(False)", "off", show=False),
        Binding("right,l", "turn(True)", "on", show=False),
    ]
    ALLOW_SELECT = False
    value: reactive[bool] = reactive(False)

    def __init__(self, value: bool, *, id: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self.set_reactive(Toggle.value, value)

    def render(self) -> Text:
        """Draw the switch."""
        tone = "faint" if self.disabled else "live" if self.value else "muted"
        return self.toned([(" ━● on" if self.value else " ○─ off", tone)])

    def watch_value(self, value: bool) -> None:
        """Tell the form."""
        self.post_message(Edited(value))

    def action_flip(self) -> None:
        """Switch."""
        self.value = not self.value

    def action_turn(self, on: bool) -> None:
        """Switch on or off."""
        self.value = on

    def on_click(self) -> None:
        """Switch."""
        self.action_flip()


class Choice(Toned, can_focus=True):
    """One of several: arrows go through them, enter opens them as a list.

    Args:
        value: What is chosen.
        choices: What may be chosen.
        free: Whether the list also takes a text that is not in it.
        title: What the list is called.
        id: The widget's id.
    """

    BINDINGS: ClassVar = [
        Binding("left,h", "go(-1)", "the one before", show=False),
        Binding("right,l", "go(1)", "the next one", show=False),
        Binding("enter,space", "open", "open the list", show=False),
    ]
    ALLOW_SELECT = False
    value: reactive[str] = reactive("")

    def __init__(
        self,
        value: str,
        choices: Sequence[str],
        *,
        free: bool = False,
        title: str = "",
        id: str | None = None,  # noqa: A002 - textual's name
    ) -> None:
        super().__init__(id=id)
        self.choices = tuple(choices)
        self._free, self._title = free, title
        self.set_reactive(Choice.value, value)

    def render(self) -> Text:
        """Draw the choice."""
        tone = "faint" if self.disabled else "text"
        arrow = "live" if self.has_focus else "faint"
        return self.toned([("‹", arrow), (fit(f" {self.value}", max(1, self.size.width - 2)), tone), ("›", arrow)])

    def watch_value(self, value: str) -> None:
        """Tell the form."""
        self.post_message(Edited(value))

    def action_go(self, step: int) -> None:
        """Choose the one before or after."""
        if self.choices:
            here = self.choices.index(self.value) if self.value in self.choices else -1 if step > 0 else 0
            self.value = self.choices[(here + step) % len(self.choices)]

    def action_open(self) -> None:
        """Choose from a list."""
        from itop_tui.screens.picker import Item, Picker

        def chosen(value: str | None) -> None:
            if value is not None:
                self.value = value

        items = [Item(choice, choice) for choice in self.choices]
        self.app.push_screen(Picker(self._title, items, current=self.value, free=self._free), chosen)

    def on_click(self, event: events.Click) -> None:
        """Arrows go on, the middle opens the list."""
        if event.x == 0:
            self.action_go(-1)
        elif event.x == self.size.width - 1:
            self.action_go(1)
        else:
            self.action_open()


class TextEditor(Input):
    """A line of text.

    Args:
        value: The text.
        placeholder: What stands in an empty field.
        id: The widget's id.
    """

    def __init__(self, value: str, *, placeholder: str = "", id: str | None = None) -> None:  # noqa: A002
        super().__init__(plain(value), placeholder=placeholder, id=id, compact=True, max_length=1000)
        self.select_on_focus = False

    def on_input_changed(self, event: Input.Changed) -> None:
        """Tell the form."""
        event.stop()
        self.post_message(Edited(event.value))
