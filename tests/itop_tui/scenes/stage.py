"""Opens the app in a scene and shows it at several sizes and in several themes without starting it again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from rich.segment import Segment
from textual.geometry import Region
from textual.pilot import Pilot
from textual.screen import ModalScreen, Screen
from textual.strip import Strip
from textual.widget import Widget

from itop_tui.app import ItopApp
from tests.itop_tui.scenes.scene import Scene, Setting
from tests.itop_tui.support import wait_for

Size = tuple[int, int]
SIZES: tuple[Size, ...] = ((80, 24), (120, 40), (200, 60))
_LASTING = frozenset({"reader", "devices", "log", "queue", "scheduler"})
"""Workers that run for as long as their screen is open."""

_TURNS = 5 / 60
"""Seconds of some turns of Textual's clock, which draws sixty times a second."""


class Stage:
    """A scene on the screen.

    Args:
        scene: The scene.
        app: The app that shows it.
        pilot: What presses the keys.
    """

    def __init__(self, scene: Scene, app: ItopApp, pilot: Pilot[None]) -> None:
        self.scene, self.app, self.pilot = scene, app, pilot

    async def enter(self) -> None:
        """Press the keys that lead to the scene."""
        for step in self.scene.steps:
            if isinstance(step, str):
                await self.pilot.press(step)
            else:
                await wait_for(self.pilot, partial(step, self.app))
        await wait_for(self.pilot, lambda: type(self.app.screen) is self.scene.shows)
        await self.settle()
        assert not self.scene.tab or self.scene.tab == getattr(self.app.screen, "tab", "")

    async def settle(self) -> None:
        """Wait until the whole scene is on the screen and nothing on it changes any more."""
        before: list[list[list[Segment]]] = []
        while True:
            await wait_for(self.pilot, lambda: _at_rest(self.app) and self.scene.ready(self.app))
            now = [_drawn(screen) for screen in self.app.screen_stack]  # a dialog's own frame shows nothing below it
            if now == before:
                return
            before = now
            # What lies below a dialog is drawn a turn of its screen's clock later, and then a turn of the dialog's.
            await self.pilot.pause(_TURNS if len(self.app.screen_stack) > 1 else None)

    async def resize(self, size: Size) -> None:
        """Show it in another size."""
        if self.app.size != size:
            await self.pilot.resize_terminal(*size)
            await self.settle()

    async def use_theme(self, theme: str) -> None:
        """Show it in another theme.

        Under a dialog the app's keys do not work, so no theme changes there: dialogs are opened again.
        """
        if self.app.theme == theme:
            return
        dialog = isinstance(self.app.screen, ModalScreen)
        while dialog and len(self.app.screen_stack) > 1:
            await self.app.pop_screen()
        self.app.theme = theme
        await (self.enter() if dialog else self.settle())

    def frame(self) -> list[list[Segment]]:
        """What is on the screen, line by line."""
        return _drawn(self.app.screen)

    def text(self) -> str:
        """The text on the screen."""
        return "\n".join("".join(segment.text for segment in line) for line in self.frame())

    def visible_text(self) -> str:
        """The text on the screen without trailing spaces; of a dialog, the dialog alone in its place."""
        screen = self.app.screen
        if not isinstance(screen, ModalScreen):
            return "\n".join(line.rstrip(" ") for line in self.text().splitlines())
        parts = list(_parts(screen))
        return "\n".join(_within(strip, line, parts) for line, strip in enumerate(screen._compositor.render_strips()))


def _drawn(screen: Screen[Any]) -> list[list[Segment]]:
    return [list(strip) for strip in screen._compositor.render_strips()]


def _parts(parent: Widget) -> Iterator[Region]:
    """Where the widgets of a dialog lie; a container that is itself invisible counts by what is in it."""
    for child in parent.children:
        if not child.display:
            continue
        if child.visible and (child.styles.background.a > 0 or not child.children):
            yield child.region
        else:
            yield from _parts(child)


def _within(strip: Strip, line: int, parts: Iterable[Region]) -> str:
    """The text of a line inside some regions, blank outside of them."""
    text, end = "", 0
    for region in sorted(parts, key=lambda region: region.x):
        if region.y <= line < region.bottom and region.right > end:
            start = max(end, region.x)
            text += " " * (start - end) + strip.crop(start, region.right).text
            end = region.right
    return text.rstrip(" ")


def _at_rest(app: ItopApp) -> bool:
    """Whether nothing is pending that would still be shown: no timer before a reading, and no reading."""
    pauses = (timer for pump in (app, *app.screen_stack) for timer in pump._timers if timer._repeat == 0)
    readings = (worker for worker in app.workers if worker.group not in _LASTING)
    return all(timer._task is None or timer._task.done() for timer in pauses) and all(
        worker.is_finished for worker in readings
    )


@asynccontextmanager
async def on_stage(scene: Scene, setting: Setting, size: Size = SIZES[0]) -> AsyncIterator[Stage]:
    """The app in a scene."""
    app = scene.data(setting)
    async with app.run_test(size=size, notifications=True) as pilot:
        stage = Stage(scene, app, pilot)
        await stage.enter()
        yield stage
