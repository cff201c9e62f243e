"""How the comparison looks, at three sizes and in two themes.

Run with `--snapshot-update` after a change that was meant, and look at the pictures.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from textual.pilot import Pilot

from db.session import Database
from itop_tui import theme
from itop_tui.app import ItopApp
from itop_tui.screens.compare import CompareScreen
from tests.itop_tui.run_screen.hosting import NOW, StillReader, until

SIZES = [(80, 24), (120, 40), (200, 60)]
Shot = Callable[..., bool]


@pytest.fixture
def shoot(snap_compare: Shot) -> Callable[..., bool]:
    """Compares the screen, after some keys, with its picture."""

    def compare(size: tuple[int, int], *keys: str, light: bool = False) -> bool:
        async def before(pilot: Pilot[None]) -> None:
            app = pilot.app
            assert isinstance(app, ItopApp)
            await until(pilot, lambda: app.is_open and app.snapshot is not None, "the database")
            app.theme = theme.LIGHT.name if light else theme.DARK.name
            app.open_compare((1, 2, 3, 4, 5, 6))
            await until(pilot, lambda: isinstance(app.screen, CompareScreen), "the screen")
            screen = app.screen
            assert isinstance(screen, CompareScreen)
            await until(pilot, lambda: screen.is_settled, "the runs")
            for key in keys:
                await pilot.press(key)
                await until(pilot, lambda: screen.is_settled, "what is shown")
            if screen.read is not None:  # how long the recording took is no part of the picture
                screen.read.seconds.update({run.id: 60.0 * run.id for run in screen.read.runs})
                screen.show()
            await pilot.pause()

        app = ItopApp(Database.open, reader=StillReader, clock=lambda: NOW)
        app.animation_level = "none"
        return snap_compare(app, terminal_size=size, run_before=before)

    return compare


@pytest.mark.parametrize("size", SIZES)
def test_curves(shoot: Shot, size: tuple[int, int]) -> None:
    assert shoot(size)


@pytest.mark.parametrize("size", SIZES)
def test_groups_of_seeds_in_the_light(shoot: Shot, size: tuple[int, int]) -> None:
    assert shoot(size, "g", light=True)


@pytest.mark.parametrize("size", SIZES)
def test_results(shoot: Shot, size: tuple[int, int]) -> None:
    assert shoot(size, "g", "2")


def test_scatter(shoot: Shot) -> None:
    assert shoot((120, 40), "g", "4")


def test_layers_in_the_light(shoot: Shot) -> None:
    assert shoot((120, 40), "5", light=True)
