"""The fields of a new run, all in one widget that draws the visible lines, in as many columns as have room.

Fifty fields as fifty times four widgets take more than a second to open; one widget takes a few milliseconds, and the
arrow keys, the marks and the notes are drawn the way the form needs them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.binding import Binding
from textual.geometry import Offset, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from itop_tui.figures.format import plain
from itop_tui.look.toned import Toned
from itop_tui.new_run import choice_edit, form_layout
from itop_tui.new_run.field_painter import EDITOR, NARROWEST, FieldPainter
from itop_tui.new_run.form_layout import Arrangement, Place, Stop, Title
from itop_tui.new_run.line_edit import LineEdit
from itop_tui.new_run.run_form import ALL_FIELDS, Entry, FieldSpec, RunForm
from itop_tui.service import sweeps

_GAP = 1
"""Cells between two columns."""
_MOST_COLUMNS = 3


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
        Binding("down", "move_down(1)", show=False),
        Binding("up", "move_down(-1)", show=False),
        Binding("tab", "move(1)", show=False),
        Binding("shift+tab", "move(-1)", show=False),
        Binding("ctrl+home", "jump(0)", show=False),
        Binding("ctrl+end", "jump(-1)", show=False),
    ]
    ALLOW_SELECT = False

    class Edited(Message):
        """A field holds something else."""

    class Arranged(Message):
        """Other fields are shown than before."""

    @dataclass
    class FieldHighlighted(Message):
        """The cursor is on another field, or on the title of its section where that is folded."""

        spec: FieldSpec
        folded: bool

    @dataclass
    class ListWanted(Message):
        """The choices of a field are to be shown as a list."""

        spec: FieldSpec

    def __init__(self, form: RunForm, *, id: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self.form = form
        self.current: FieldSpec = form_layout.FIELD_ORDER[0]
        """The field at the cursor; where its section is folded, the cursor is on the title."""
        self._folded: frozenset[str] = frozenset()
        self._only: frozenset[str] | None = None
        self._columns = 1
        self._painter = FieldPainter(self)
        self._arrangement = Arrangement()
        self._edit = LineEdit.at_end(str(form.entries[self.current.name]))

    @property
    def only_changed(self) -> bool:
        """Whether only fields are shown that differ from the start, or are wrong."""
        return self._only is not None

    @property
    def on_title(self) -> bool:
        """Whether the cursor is on the title of a folded section."""
        return not self.only_changed and self.current.section in self._folded

    def show_form(self, form: RunForm) -> None:
        """Edit something else from now on, the cursor where it was."""
        self.form = form
        self._only = None
        self._take_up()
        self.show_problems()

    def show_problems(self) -> None:
        """Show what the form says of its fields now."""
        self._arrange()
        self.refresh()

    def go_to(self, name: str) -> None:
        """Put the cursor on a field, which is shown then."""
        spec = ALL_FIELDS[name]
        if self._only is not None and name not in self._only | self.form.of_interest:
            self._only = None
        self._folded -= {spec.section}
        self._arrange()
        self._go(spec)
        self.post_message(self.Arranged())

    def action_reset_field(self) -> None:
        """Give the field at the cursor the value it had at the start."""
        if self._may_edit and self.display:
            self._enter(self.form.start[self.current.name])

    def _take_up(self) -> None:
        """Hold the text of the field at the cursor ready to be edited."""
        text = str(self.form.entries[self.current.name])
        if self._edit.text != text:
            self._edit = LineEdit.at_end(text)

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Whether a key is text for the field at the cursor; textual asks it."""
        return self._is_text and character is not None and character.isprintable() and not self._finds(character)

    @property
    def _may_edit(self) -> bool:
        """Whether keys change the field at the cursor: a search also finds those that have no effect now."""
        return not self.on_title and self._is_open(self.current.name)

    @property
    def _is_text(self) -> bool:
        return self.current.kind == "text" and self._may_edit

    def _finds(self, character: str | None) -> bool:
        """Whether "/" finds a field rather than being text: where there is no path and no text that it would go on."""
        if character != "/" or not self._is_text:
            return character == "/"
        setting = bool(self.current.section)
        if setting and sweeps.kinds_of(self.current.name) & {int, float}:
            return True
        return not self._edit.text and (not setting or sweeps.may_list(self.current.name))

    @property
    def caret(self) -> Offset | None:
        """Where the caret is on the widget; on a switch or a choice, the first cell of its value."""
        place = self._arrangement.place(self.current)
        if not self.has_focus or place is None:
            return None
        x, y = place.column * (self._painter.width + _GAP), place.row - self.scroll_offset.y
        if self.on_title:
            return Offset(x + 1, y)
        before = cell_len(self._painter.visible_text(self.current, self._edit)[0]) if self._is_text else 0
        return Offset(x + EDITOR + 1 + before, y)

    # ---------------------------------------------------------------------------------------------------- arranging

    def on_resize(self) -> None:
        """Use the width, and keep the cursor visible."""
        width = self.scrollable_size.width
        self._columns = max(1, min(_MOST_COLUMNS, (width + _GAP) // (NARROWEST + _GAP)))
        if self.screen.has_class("-narrow"):
            self._columns = 1  # The notes beside fields say more there than a second column.
        self._painter.alone = self._columns == 1
        self._painter.width = (width - (self._columns - 1) * _GAP) // self._columns
        self._arrange()
        self._scroll(0)  # so that what was scrolled for the cursor in another size is not hidden in this one
        self._scroll_into_view()

    def _arrange(self) -> None:
        """Find out what stands where."""
        if self._only is not None:
            self._only |= self.form.of_interest
        self._arrangement = Arrangement(
            self._columns,
            folded=() if self.only_changed else self._folded,
            visible=self._only,
            messages=self._painter.messages(self.form),
        )
        self.virtual_size = Size(self.scrollable_size.width, self._arrangement.height)

    def action_fold(self) -> None:
        """Fold the section of the field at the cursor, or unfold it."""
        self._fold(self.current.section)

    def _fold(self, section: str) -> None:
        if not section or self.only_changed:
            return
        self._folded ^= {section}
        self._arrange()
        if self.current.section == section and not self.on_title and not self._is_open(self.current.name):
            self.action_move(1)
        else:
            self._go(self.current)
        self.post_message(self.Arranged())

    def action_show_changed(self) -> None:
        """Show only the fields that differ from the start or are wrong, or all again."""
        shown = self.form.of_interest
        if self._only is None and not shown:
            self.notify("Nothing differs from the start.", markup=False)
            return
        self._only = shown if self._only is None else None
        self._arrange()
        stops, hidden = self._stops(), self._arrangement.place(self.current) is None
        self._go(stops[0].field if hidden and stops else self.current)
        self.post_message(self.Arranged())

    # ------------------------------------------------------------------------------------------------------- moving

    def _is_open(self, name: str) -> bool:
        return self.form.without_effect(name) is None

    def _stops(self) -> list[Stop]:
        return self._arrangement.stops(self._is_open)

    @property
    def _here(self) -> Place:
        return self._arrangement.place(self.current) or Place(0, 0)

    def _go(self, spec: FieldSpec) -> None:
        self.current = spec
        self._edit = LineEdit.at_end(str(self.form.entries[spec.name]))
        self._scroll_into_view()
        self.refresh()
        self.post_message(self.FieldHighlighted(spec, self.on_title))

    def _go_if(self, stop: Stop | None) -> None:
        if stop is not None:
            self._go(stop.field)

    def _scroll_into_view(self) -> None:
        here, top, height = self._here, self.scroll_offset.y, max(1, self.size.height)
        title = isinstance(self._arrangement.line(here.column, here.row - 1), Title)
        first = here.row - 1 if title else here.row
        last = min(self._arrangement.last_row(here), here.row + height - 1)
        if first < top:
            self._scroll(max(0, first))
        elif last >= top + height:
            self._scroll(last - height + 1)

    def _scroll(self, row: int) -> None:
        # Forced: whether there is a scroll bar is only found out later, where there are more lines than before.
        self.scroll_to(y=row, animate=False, immediate=True, force=True)

    def action_move(self, step: int) -> None:
        """Go to the next field that has an effect, or the one before."""
        self._go_if(form_layout.next_read(self._stops(), self._here, step))

    def action_move_down(self, step: int) -> None:
        """Go down in the column, or up."""
        self._go_if(form_layout.next_in_column(self._stops(), self._here, step))

    def action_move_beside(self, step: int) -> None:
        """Go to the column to the right, or to the left."""
        self._go_if(form_layout.beside(self._stops(), self._here, step))

    def action_jump(self, index: int) -> None:
        """Go to the first (0) or last (-1) field."""
        stops = self._stops()
        self._go_if(stops[index] if stops else None)

    def action_move_section(self, step: int) -> None:
        """Go to the first field of the next section, or of the one before, and show as much of it as there is room."""
        first: dict[str, Stop] = {}
        for stop in self._stops():
            first.setdefault(stop.field.section, stop)
        sections = list(first)
        if not sections:
            return
        at = sections.index(self.current.section) if self.current.section in first else 0
        section = sections[max(0, min(len(sections) - 1, at + step))]
        self._go(first[section].field)
        title = self._arrangement.title(section)
        self._scroll(title.row if title is not None else 0)

    # ------------------------------------------------------------------------------------------------------ editing

    def _enter(self, entry: Entry) -> None:
        self.form.set(self.current.name, entry)
        self._take_up()
        self.show_problems()
        self._scroll_into_view()
        self.post_message(self.Edited())

    def on_key(self, event: events.Key) -> None:
        """Edit the field at the cursor. No printed key reaches the screen, where it could mean to quit."""
        if self._finds(event.character) or (event.character == "?" and not self._is_text):
            return
        if self._may_edit:
            kinds = {"text": self._text_key, "switch": self._switch_key, "choice": self._choice_key}
            handled = kinds[self.current.kind](event)
        else:
            handled = self._title_key(event) if self.on_title else event.is_printable
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
        if self._is_text:
            self._edit.insert(plain(event.text.strip()))
            self._enter(self._edit.text)

    def choose(self, choice: str) -> None:
        """Put a choice into the field at the cursor; in a list, in the place of the last one."""
        self._enter(choice_edit.replaced(str(self.form.entries[self.current.name]), choice))

    def _choice_key(self, event: events.Key) -> bool:
        spec, entry = self.current, str(self.form.entries[self.current.name])
        changed = choice_edit.after_key(entry, spec.choices, event.key, event.character, lists=self.form.lists)
        if changed is not None:
            self._enter(changed)
        elif event.key in ("enter", "space"):
            self.post_message(self.ListWanted(spec))
        return changed is not None or event.key in ("enter", "space")

    def _switch_key(self, event: events.Key) -> bool:
        if event.key in ("left", "right"):
            self._enter(event.key == "right")
        elif event.key in ("enter", "space"):
            self._enter(not self.form.entries[self.current.name])
        else:
            return event.is_printable
        return True

    def _title_key(self, event: events.Key) -> bool:
        if event.key in ("enter", "space", "right"):
            self.action_fold()
            return True
        return event.is_printable

    def on_click(self, event: events.Click) -> None:
        """Go to a field; a click on its editor switches it, goes through its choices or lists them.

        A click on a title folds the section, or unfolds it.
        """
        column, x = divmod(event.x, self._painter.width + _GAP)
        line = self._arrangement.line(column, self.scroll_offset.y + event.y)
        if isinstance(line, Title):
            self._fold(line.section)
        if not isinstance(line, FieldSpec) or not self._is_open(line.name):
            return
        self._go(line)
        spec, at, width = self.current, x - EDITOR, self._painter.editor_width(line)
        if not 0 <= at < width:
            return
        if spec.kind == "switch":
            self._enter(not self.form.entries[spec.name])
        elif spec.kind == "choice":
            if at in (0, width - 1):
                entry = str(self.form.entries[spec.name])
                self._enter(choice_edit.stepped(entry, spec.choices, -1 if at == 0 else 1))
            else:
                self.post_message(self.ListWanted(spec))

    # ------------------------------------------------------------------------------------------------------ drawing

    def render_line(self, y: int) -> Strip:
        """Draw a line of the screen."""
        width, base, row = self._painter.width, self.rich_style, self.scroll_offset.y + y
        cells: list[Strip] = []
        for column in range(self._columns):
            cells += [Strip.blank(_GAP, base)] if column else []
            segments = self._cell(column, row)
            cells.append(Strip(segments).adjust_cell_length(width, base))
        return Strip.join(cells).adjust_cell_length(self.scrollable_size.width, base)

    def _cell(self, column: int, row: int) -> list[Segment]:
        line = self._arrangement.line(column, row)
        here = self.has_focus and self._here == Place(column, row)
        if isinstance(line, FieldSpec):
            edit = self._edit if here and self._is_text else None
            return self._painter.field(line, self.form, edit, here=here)
        if isinstance(line, Title):
            return self._painter.title(line, self.form, here=here)
        return self._painter.message(line, self.form) if line is not None else []
