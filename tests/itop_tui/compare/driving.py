"""Presses keys on a comparison and reads what it shows; functions, so that mypy assumes no value from before a key."""

from __future__ import annotations

from textual.pilot import Pilot

from itop_tui.app import ItopApp
from itop_tui.compare.compare_screen import CompareScreen
from itop_tui.dialogs.run_picker import RunPicker
from itop_tui.figures.chart_data import Line
from itop_tui.widgets.sheet import SheetView
from tests.itop_tui.support import wait_for


async def press(pilot: Pilot[None], screen: CompareScreen, *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await wait_for(pilot, lambda: screen.is_settled, f"what {key} asks for")


def app_of(screen: CompareScreen) -> ItopApp:
    """The app, by its own type."""
    assert isinstance(screen.app, ItopApp)
    return screen.app


def ids(screen: CompareScreen) -> tuple[int, ...]:
    """The runs that are compared now."""
    return screen.compared.ids


def window(screen: CompareScreen) -> tuple[float, float] | None:
    """What the charts show now."""
    return screen.curves.window


def reported_as_broken(screen: CompareScreen) -> list[str]:
    """What the chosen chart says of values that are not finite."""
    return [text for _, text in screen.curves.chart.data.broken]


def logarithmic(screen: CompareScreen) -> bool:
    return screen.curves.chart.log_scale


def lines(screen: CompareScreen) -> list[Line]:
    return [line for line in screen.curves.chart.data.lines if line.position is not None and line.marker]


def text(screen: CompareScreen, sheet: str) -> str:
    return screen.query_one(f"#{sheet}", SheetView).sheet.as_text()


async def pick(pilot: Pilot[None], screen: CompareScreen, query: str, found: int) -> RunPicker:
    """Open the picker and type a query, until so many runs are listed."""
    await pilot.press("A")
    await wait_for(pilot, lambda: isinstance(app_of(screen).screen, RunPicker), "the picker")
    shown = app_of(screen).screen
    assert isinstance(shown, RunPicker)
    await pilot.press(*("space" if letter == " " else letter for letter in query))
    await wait_for(pilot, lambda: shown.typed == query and len(shown.matching) == found, "what matches")
    return shown
