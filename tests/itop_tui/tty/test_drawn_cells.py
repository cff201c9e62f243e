"""What is written to the terminal: the same picture as Textual's own updates make, in fewer bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import ClassVar

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import get_character_cell_size
from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.app import ComposeResult
from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip
from textual.widgets import Static

from itop_tui.tty.drawn_cells import DrawnCells
from itop_tui.tty.terminal_app import TerminalApp

WIDTH, HEIGHT = 16, 3
CONSOLE = Console(color_system="truecolor", width=WIDTH)
PLAIN = ("", "", "")
_CODE = re.compile(r"\x1b\[([0-9;]*)([Hm])|(.)", re.DOTALL)
_BLANK_SHOWS = {"4", "7", "9", "21", "51", "52", "53"}


class Terminal:
    """A small terminal: places of the cursor, colours and attributes, wide and joining characters."""

    def __init__(self) -> None:
        self.cells = {(y, x): (" ", PLAIN) for y in range(HEIGHT) for x in range(WIDTH)}
        self.written = 0

    def feed(self, text: str) -> None:
        self.written += len(text)
        y = x = 0
        look = PLAIN
        for match in _CODE.finditer(text):
            codes, kind, character = match.groups()
            if kind == "H":
                y, x = (int(part) - 1 for part in codes.split(";"))
            elif kind == "m":
                look = turned(look, codes.split(";"))
            elif character != "\n":
                size = get_character_cell_size(character)
                if size == 0:
                    at = (y, x - 1) if self.cells[y, x - 1][0] else (y, x - 2)
                    self.cells[at] = (self.cells[at][0] + character, self.cells[at][1])
                else:
                    self.cells[y, x] = (character, seen(character, look))
                    for more in range(1, size):
                        self.cells[y, x + more] = ("", look)
                x += size
        assert look == PLAIN, "what is written later would have this look"


def turned(look: tuple[str, str, str], codes: list[str]) -> tuple[str, str, str]:
    attributes, foreground, ground = look
    while codes:
        code = codes.pop(0)
        if code in ("", "0"):
            attributes, foreground, ground = PLAIN
        elif code in ("38", "48"):
            colour = ";".join(codes[:4])
            del codes[:4]
            foreground, ground = (colour, ground) if code == "38" else (foreground, colour)
        elif code == "39":
            foreground = ""
        elif code == "49":
            ground = ""
        else:
            attributes = ",".join(sorted({*filter(None, attributes.split(",")), code}))
    return attributes, foreground, ground


def seen(character: str, look: tuple[str, str, str]) -> tuple[str, str, str]:
    """What is seen of a character's look: of a blank, only its ground, unless it is underlined or the like."""
    if character != " " or _BLANK_SHOWS & set(look[0].split(",")):
        return look
    return "", "", look[2]


styles = st.builds(
    Style,
    color=st.sampled_from([None, "#ff0000", "#00ff00"]),
    bgcolor=st.sampled_from([None, "#101010", "#202020"]),
    bold=st.sampled_from([None, True]),
    underline=st.sampled_from([None, True]),
)
texts = st.text(st.sampled_from("ab 7⣿─宽\u0301"), max_size=8)


@st.composite
def strips(draw: st.DrawFn, width: int) -> Strip:
    """A strip of exactly so many cells; a joining character has one before it, whatever the segments are."""
    made = Strip([Segment(draw(texts), draw(styles)) for _ in range(draw(st.integers(1, 3)))])
    if made.text.startswith("\u0301"):
        made = Strip([Segment("x"), *made])
    return made.adjust_cell_length(width, draw(styles))


@st.composite
def updates(draw: st.DrawFn) -> LayoutUpdate | ChopsUpdate:
    """The whole screen, or some of its parts: the columns are cut at 5."""
    if draw(st.integers(0, 4)) == 0:
        lines: list[Iterable[Strip]] = [[draw(strips(5)), draw(strips(WIDTH - 5))] for _ in range(HEIGHT)]
        return LayoutUpdate(lines, Region(0, 0, WIDTH, HEIGHT))
    chops = [{0: draw(st.none() | strips(5)), 5: draw(st.none() | strips(WIDTH - 5))} for _ in range(HEIGHT)]
    spans = draw(
        st.lists(
            st.tuples(st.integers(0, HEIGHT - 1), st.sampled_from([0, 5]), st.sampled_from([5, WIDTH])),
            min_size=1, max_size=4, unique_by=lambda span: span[0],
        )
    )  # fmt: skip
    return ChopsUpdate(chops, sorted(spans), [[5, WIDTH]] * HEIGHT)


@settings(max_examples=40)
@given(st.lists(st.lists(updates(), min_size=1, max_size=3), min_size=1, max_size=4))
def test_the_picture_is_the_one_of_textuals_own_updates(frames: list[list[LayoutUpdate | ChopsUpdate]]) -> None:
    drawn, ours, theirs = DrawnCells(), Terminal(), Terminal()
    for made in frames:
        ours.feed(drawn.shortened(made).render_segments(CONSOLE))
        for update in made:
            theirs.feed(update.render_segments(CONSOLE))
        assert ours.cells == theirs.cells


def line(text: str, style: str = "#ff0000 on #101010") -> LayoutUpdate:
    return LayoutUpdate([[Strip([Segment(text, Style.parse(style))])]], Region(0, 0, len(text), 1))


def part(text: str, style: str = "#ff0000 on #101010") -> ChopsUpdate:
    return ChopsUpdate([{0: Strip([Segment(text, Style.parse(style))])}], [(0, 0, len(text))], [[len(text)]])


def test_only_what_differs_is_written_and_words_whole() -> None:
    drawn = DrawnCells()
    drawn.write([line("step 1234  loss 0.5")], ColorSystem.TRUECOLOR)
    written = drawn.write([part("step 1235  loss 0.5")], ColorSystem.TRUECOLOR)
    assert written == "\x1b[1;6H\x1b[38;2;255;0;0;48;2;16;16;16m1235\x1b[0m"
    assert drawn.write([part("step 1235  loss 0.5")], ColorSystem.TRUECOLOR) == ""


def test_of_what_is_drawn_over_in_the_same_frame_only_the_last_is_written() -> None:
    drawn = DrawnCells()
    drawn.write([line("step 1234  loss 0.5")], ColorSystem.TRUECOLOR)
    many = [part(f"step {step}  loss 0.5") for step in range(1235, 1300)]
    assert drawn.write(many, ColorSystem.TRUECOLOR) == "\x1b[1;6H\x1b[38;2;255;0;0;48;2;16;16;16m1299\x1b[0m"


def test_a_joining_character_at_the_start_of_a_part_joins_nothing() -> None:
    """It would stand over the last character of the widget beside it, or at no place at all."""
    drawn, ours = DrawnCells(), Terminal()
    widgets = [Strip([Segment("left")]), Strip([Segment(""), Segment("\u0301"), Segment("right")])]
    ours.feed(drawn.write([LayoutUpdate([widgets], Region(0, 0, 9, 1))], ColorSystem.TRUECOLOR))
    assert "".join(ours.cells[0, x][0] for x in range(9)) == "leftright"
    chops = [{0: None, 4: Strip([Segment("\u0301wrong")])}]
    ours.feed(drawn.write([ChopsUpdate(chops, [(0, 4, 9)], [[4, 9]])], ColorSystem.TRUECOLOR))
    assert "".join(ours.cells[0, x][0] for x in range(9)) == "leftwrong"


def test_another_colour_is_a_difference() -> None:
    drawn = DrawnCells()
    drawn.write([line("ab cd")], ColorSystem.TRUECOLOR)
    assert "ab cd" in drawn.write([part("ab cd", "#00ff00 on #101010")], ColorSystem.TRUECOLOR)


def test_what_is_drawn_as_a_whole_is_written_as_a_whole() -> None:
    """Something else may stand there: the terminal was another program's, or has another size."""
    drawn = DrawnCells()
    assert "ab cd" in drawn.write([line("ab cd")], ColorSystem.TRUECOLOR)
    assert "ab cd" in drawn.write([line("ab cd")], ColorSystem.TRUECOLOR)


class Below(Screen[None]):
    def compose(self) -> ComposeResult:
        yield Static("below")


class Seen(TerminalApp):
    """Counts what is drawn of which screen."""

    SCREENS: ClassVar = {"below": Below}

    def __init__(self) -> None:
        super().__init__()
        self.drawn: list[CompositorUpdate] = []

    def _display(self, screen: Screen[None], renderable: object) -> None:
        if isinstance(renderable, CompositorUpdate):
            self.drawn.append(renderable)


async def test_a_screen_that_is_covered_draws_nothing() -> None:
    app: Seen = Seen()
    async with app.run_test() as pilot:
        below = Below()
        await app.push_screen(below)
        await app.push_screen(Screen())
        await pilot.pause()
        app.drawn.clear()
        below.query_one(Static).update("something else")
        await pilot.pause()
        await pilot.pause()
        assert app.drawn == []
        await app.pop_screen()
        await pilot.pause()
        strips = app.screen._compositor.render_strips()
        assert strips[0].text.startswith("something else")
