"""What the screen of the queue looks like, with fixed data and a clock that stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from itop_tui import theme
from itop_tui.app import ItopApp
from itop_tui.screens.queue import QueueScreen, sampling
from tests.itop_tui.queue_screen.support import DEVICES, sample_state, sample_tracks
from tests.itop_tui.support import MemoryReader, memory_app, sample_runs, screen_text, started, wait_for

Compare = Callable[..., bool]


@pytest.fixture(autouse=True)
def fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue and devices that stand still."""
    monkeypatch.setattr("itop_tui.screens.queue.state.read", lambda database: sample_state())
    monkeypatch.setattr("itop_tui.screens.queue.state.scheduler_runs", lambda database: True)
    monkeypatch.setattr("engine.launch.devices.list_devices", lambda: DEVICES)
    monkeypatch.setattr("itop_tui.screens.queue.sampling._name", lambda pid: "python3")
    monkeypatch.setattr("itop_tui.screens.queue.screen.Tracks", sample_tracks)
    monkeypatch.setattr(sampling, "_FIRST", 3600.0)


def queue_app(name: str = theme.DARK.name) -> ItopApp:
    app = memory_app(MemoryReader(sample_runs()))
    app.theme = name
    return app


def opened(*keys: str) -> Callable[[Pilot[Any]], Any]:
    async def prepare(pilot: Pilot[Any]) -> None:
        app = pilot.app
        assert isinstance(app, ItopApp)
        await started(pilot, 12)
        await pilot.press("Q")
        await wait_for(pilot, lambda: isinstance(app.screen, QueueScreen) and "python3" in screen_text(app))
        await wait_for(pilot, lambda: "extended" in screen_text(app))
        await pilot.press(*keys)

    return prepare


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
def test_queue(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snap_compare(queue_app(), terminal_size=size, run_before=opened("space", "space"))


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_queue_in_the_light_on_a_device(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snap_compare(queue_app(theme.LIGHT.name), terminal_size=size, run_before=opened("home"))
