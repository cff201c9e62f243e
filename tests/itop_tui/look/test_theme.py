"""That what the themes promise of their colours is so, on every ground that text is drawn on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.app import App, ComposeResult
from textual.color import Color
from textual.theme import Theme

from itop_tui.app import ItopApp
from itop_tui.chart.chart_colours import style_of
from itop_tui.chart.heat_map import HeatMap
from itop_tui.dialogs.chooser import Picker
from itop_tui.look import theme
from itop_tui.look.series_colours import ON_LIGHT
from itop_tui.look.theme import TONES
from itop_tui.new_run.new_run_screen import NewRunScreen
from itop_tui.runs.runs_screen import RunsScreen
from tests.itop_tui.support import MemoryReader, form_of, memory_app, sample_runs, screen_text, started, wait_for

GROUNDS = ("background", "surface", "panel", "block-cursor-background")


def colour(of: Theme, name: str) -> Color:
    """A variable's colour; what the theme does not name itself is one of its main colours."""
    return Color.parse(of.variables.get(name) or getattr(of, name))


def contrast(one: Color, other: Color) -> float:
    """The ratio of two colours' luminances, from 1 to 21, as WCAG 2 defines it."""

    def luminance(colour: Color) -> float:
        parts = [
            part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4
            for part in (value / 255 for value in colour.rgb)
        ]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_measured_as_defined() -> None:
    assert contrast(Color.parse("#ffffff"), Color.parse("#000000")) == pytest.approx(21)
    assert contrast(Color.parse("#777777"), Color.parse("#ffffff")) == pytest.approx(4.48, abs=0.01)


WRITTEN = [tone for tone in TONES if tone != "line"]
"""The tones of text; "line" is that of axes, frames and the empty part of bars."""
OWN_COLOURS = pytest.mark.parametrize("of", [theme.DARK, theme.LIGHT, theme.CONTRAST], ids=lambda of: of.name)
"""Each theme whose colours are its own: what the sixteen of a terminal look like is its owner's choice."""


@pytest.mark.parametrize("ground", GROUNDS)
@OWN_COLOURS
def test_all_that_is_written_can_be_read_on_every_ground(of: Theme, ground: str) -> None:
    least = 7 if of is theme.CONTRAST else 4.5
    for tone in WRITTEN:
        assert contrast(colour(of, TONES[tone]), colour(of, ground)) >= least, tone
    for position in range(len(ON_LIGHT)):  # their letters are written too
        curve = Color.parse(theme.curve_colour(of, position))
        assert contrast(curve, colour(of, ground)) >= 4.5, f"curve {position}"


@OWN_COLOURS
def test_what_is_typed_or_wrong_can_be_read(of: Theme) -> None:
    ink, ground = colour(of, "foreground"), colour(of, "background")
    assert contrast(ink, colour(of, "wrong-background")) >= 4.5
    assert contrast(ground, colour(of, "input-cursor-background")) >= 4.5
    selection, _, percent = of.variables["input-selection-background"].partition(" ")
    share = float(percent.rstrip("%") or 100) / 100
    assert contrast(ink, ground.blend(Color.parse(selection), share)) >= 4.5
    assert contrast(ink, ground.blend(colour(of, "error"), 0.22)) >= 4.5  # a banner


@OWN_COLOURS
def test_the_cursor_of_a_list_can_be_read_and_seen(of: Theme) -> None:
    cursor = colour(of, "block-cursor-background")
    assert contrast(colour(of, "block-cursor-foreground"), cursor) >= 7
    assert contrast(cursor, colour(of, "background")) >= 1.2


@pytest.mark.parametrize("of", theme.THEMES, ids=lambda of: of.name)
async def test_lists_to_choose_from_are_drawn_in_every_theme(of: Theme) -> None:
    app = memory_app(MemoryReader(sample_runs()))
    app.theme = of.name
    async with app.run_test(size=(120, 40)) as pilot:
        await started(pilot, 12)
        await pilot.press("n")
        await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen))
        form_of(app).fields.go_to("model")
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(app.screen, Picker) and "lenet5" in screen_text(app))
        await pilot.press("escape", "escape")
        await wait_for(pilot, lambda: isinstance(app.screen, RunsScreen))
        await pilot.press("e")
        await wait_for(pilot, lambda: "what the run is doing" in screen_text(app))


@pytest.mark.parametrize("in_file", [False, True], ids=["by key", "in the file"])
async def test_sixteen_colours_without_colour_are_the_terminals_own_ink(
    monkeypatch: pytest.MonkeyPatch, home: Path, in_file: bool
) -> None:
    """They had come out as black on black: the greys of the terminal's own colours are not known."""
    monkeypatch.setenv("NO_COLOR", "1")
    if in_file:
        write_preferences(home, 'theme = "itop-16"\n')
    app = memory_app(MemoryReader(sample_runs()))
    async with app.run_test(size=(120, 40)) as pilot:
        await started(pilot, 12)
        while app.theme != "itop-16":
            await pilot.press("ctrl+t")
        await pilot.press("n")
        await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen) and app.screen.focused)
        await pilot.press(*"my run")
        form = drawn(app)
        await pilot.press("escape", "y")
        await wait_for(pilot, lambda: isinstance(app.screen, RunsScreen))
        listed = drawn(app)
    for segments in (form, listed):
        styles = [segment.style for segment in segments if segment.text.strip() and segment.style]
        assert styles
        assert all(style.color is None or style.color.is_default for style in styles)
        assert all(style.bgcolor is None or style.bgcolor.is_default for style in styles)
        assert any(segment.style and segment.style.reverse for segment in segments), "the line or the caret"


WHITE_OR_BLACK = {0, 7, 15}
"""The colours that a terminal may have as its background."""


async def test_sixteen_colours_can_be_read_on_a_dark_terminal_and_on_a_light_one() -> None:
    """Titles, heads and keys had been white, on white too; and the line at the cursor in black ink on blue."""
    app = memory_app(MemoryReader(sample_runs()))
    app.theme = "itop-16"
    async with app.run_test(size=(120, 40)) as pilot:
        await started(pilot, 12)
        segments = drawn(app)
        await pilot.press("n")
        await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen) and app.screen.focused)
        segments += drawn(app)
        form_of(app).fields.go_to("model")
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(app.screen, Picker) and "lenet5" in screen_text(app))
        segments += drawn(app)
    styles = [segment.style for segment in segments if segment.text.strip() and segment.style]
    assert len(styles) > 200
    for style in styles:
        ink = None if style.color is None or style.color.is_default else style.color.number
        if style.bgcolor is None or style.bgcolor.is_default:
            assert ink not in WHITE_OR_BLACK
        else:
            assert ink is not None, "the ink may be as dark as the ground"


def test_charts_are_drawn_in_the_terminals_own_colours() -> None:
    """They were drawn in those that textual takes the sixteen for: titles in black, on black too."""
    variables = {**theme.SIXTEEN.variables, "foreground": "ansi_default", "primary": "ansi_bright_blue"}
    drawn_in = {name: style_of(name, variables, Color.parse("ansi_default")) for name in ("title", "first", "raw")}
    assert drawn_in == {"title": "bold default", "first": "color(12)", "raw": "dim color(12)"}
    assert Style.parse(drawn_in["raw"]).color == Color.parse("ansi_bright_blue").rich_color


def test_curves_that_are_compared_have_the_terminals_own_colours_too() -> None:
    own = [theme.curve_colour(theme.SIXTEEN, position) for position in range(6)]
    assert len(set(own)) == 6
    assert {RichColor.parse(name).number for name in own}.isdisjoint(WHITE_OR_BLACK)
    assert theme.curve_colour(theme.LIGHT, 8) == theme.curve_colour(theme.LIGHT, 0) == ON_LIGHT[0]


class _Heat(App[None]):
    """A heat map of ten values from low to high."""

    def __init__(self, of: Theme) -> None:
        super().__init__()
        self.register_theme(of)
        self.theme = of.name

    def compose(self) -> ComposeResult:
        yield HeatMap()

    def on_mount(self) -> None:
        self.query_one(HeatMap).show(("layer",), range(10), np.linspace(0.0, 1.0, 10).reshape(1, 10))


@pytest.mark.parametrize(("of", "least"), [(theme.DARK, 10), (theme.SIXTEEN, 5)], ids=["dark", "sixteen"])
async def test_a_heat_map_tells_values_apart_in_every_theme(of: Theme, least: int) -> None:
    """In the terminal's own colours it had two: textual mixes none of those."""
    app = _Heat(of)
    async with app.run_test(size=(60, 12)):
        cells = [segment.style for segment in app.query_one(HeatMap).render_line(1) if segment.style]
        assert len({style.bgcolor for style in cells if style.bgcolor}) >= least


def test_sixteen_colours_are_the_default_where_there_are_no_more() -> None:
    assert theme.for_terminal("standard") is theme.SIXTEEN
    assert all(theme.for_terminal(system) is theme.DARK for system in ("256", "truecolor", None))


async def test_a_terminal_of_sixteen_colours_starts_in_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("textual.constants.COLOR_SYSTEM", "standard")
    app = memory_app(MemoryReader(sample_runs()))
    async with app.run_test() as pilot:
        await started(pilot, 12)
        assert app.theme == "itop-16"


def write_preferences(home: Path, text: str) -> None:
    """Write the person's file."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "config.toml").write_text(text)


def drawn(app: ItopApp) -> list[Segment]:
    """What stands on the screen, with its styles."""
    return [segment for line in app.screen._compositor.render_strips() for segment in line]
