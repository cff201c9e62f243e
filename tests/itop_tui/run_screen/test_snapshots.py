"""How each tab looks, with fixed data and a stopped clock.

Run with `--snapshot-update` after a change that was meant, and look at the pictures.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from textual.pilot import Pilot

from db.paths import run_folder
from db.records import RunStatus
from db.session import Database
from engine.masks_client import MaskGrid, MaskLayer
from itop_tui.app import ItopApp
from itop_tui.poller import Snapshot, View
from itop_tui.screens.run import RunScreen
from itop_tui.screens.run.curves import Curve
from itop_tui.screens.run.mask import MaskScreen
from itop_tui.screens.run.reader import Request, RunReader, RunView
from itop_tui.widgets.heat_map import HeatMap
from itop_tui.widgets.log_view import LogView
from tests.itop_tui.run_screen import made
from tests.itop_tui.run_screen.hosting import NOW, shows_curves, until

SIZES = [(80, 24), (120, 40), (200, 60)]
Shot = Callable[..., bool]


class _NoRuns:
    """What the poller would read of an empty list."""

    def __init__(self, database: Database) -> None:
        pass

    def version(self) -> int:
        return 1

    def read(self, view: View) -> Snapshot:
        return Snapshot(view=view, runs=(), matching=0, total=3, active=1, queued=1, version=1)

    def settle(self) -> None:
        pass


@pytest.fixture
def shoot(home: Path, monkeypatch: pytest.MonkeyPatch, snap_compare: Shot) -> Callable[..., bool]:
    """Compares the screen of a made run, after some keys, with its picture."""

    def compare(
        size: tuple[int, int],
        *keys: str,
        view: Callable[[Request], RunView] = made.view,
        then: Callable[[Pilot[None], RunScreen], Awaitable[None]] | None = None,
        theme: str | None = None,
    ) -> bool:
        def read(reader: RunReader, *, with_curves: bool = True) -> RunView:
            return view(reader.request)

        monkeypatch.setattr(RunReader, "read", read)

        async def before(pilot: Pilot[None]) -> None:
            app = pilot.app
            assert isinstance(app, ItopApp)
            await until(pilot, lambda: app.is_open and app.snapshot is not None, "the database")
            if theme is not None:
                app.theme = theme
            app.open_run(12)
            await until(pilot, lambda: isinstance(app.screen, RunScreen), "the screen")
            screen = app.screen
            assert isinstance(screen, RunScreen)
            await until(pilot, lambda: shows_curves(screen), "the run")
            await pilot.press(*keys)
            if screen.tab == "charts":
                await until(pilot, lambda: shows_curves(screen), "the curves")
            if then is not None:
                await then(pilot, screen)
            await pilot.pause()

        app = ItopApp(Database.open, reader=_NoRuns, clock=lambda: NOW)
        return snap_compare(app, terminal_size=size, run_before=before)

    return compare


def write_log(text: str) -> None:
    folder = run_folder(made.run().uid)
    folder.mkdir(parents=True)
    (folder / "console.log").write_text(text, encoding="utf-8")


async def log_read(pilot: Pilot[None], screen: RunScreen) -> None:
    view = screen.query_one(LogView)
    await until(pilot, lambda: view.line_count > 0 and view.scroll_y == view.max_scroll_y, "the log")


@pytest.mark.parametrize("theme", ["itop-dark", "itop-light"])
@pytest.mark.parametrize("size", SIZES)
def test_charts(shoot: Shot, size: tuple[int, int], theme: str) -> None:
    assert shoot(size, theme=theme)


def test_a_fork_with_its_parent_and_everything_marked(shoot: Shot) -> None:
    parent = made.run(id=11, name="base", config={**made.run().config, "lr": 0.2, "growth": "random"})
    child = made.run(parent_id=11, fork_step=2_000)

    def view(request: Request) -> RunView:
        seen = made.view(request, run=child, parent=parent)
        if seen.curves is not None:
            whole = seen.curves.by_name
            before = {name: Curve(one.steps[one.steps <= 2_000], one.values[one.steps <= 2_000] * 1.2)
                      for name, one in whole.items()}  # fmt: skip
            own = {name: Curve(one.steps[one.steps > 2_000], one.values[one.steps > 2_000])
                   for name, one in whole.items()}  # fmt: skip
            seen = replace(
                seen,
                curves=replace(seen.curves, by_name=own, before=before),
                attempts=(made.attempt(), made.attempt(id=32, number=2, start_step=5_000)),
            )
        return seen

    assert shoot((120, 40), view=view)


def _mask() -> MaskGrid:
    rows, columns = np.mgrid[0:60, 0:90]
    active = (np.sin(rows / 9) * np.cos(columns / 13) * 0.5 + 0.5).astype(np.float32) * 0.4
    layer = MaskLayer("features.3", (64, 64, 3, 3), 15_483, 22_400)
    return MaskGrid(
        step=9_000, updates=12, layer=layer, layers=(layer,), window=(0, 64, 0, 576), active=active,
        grown=active / 5, explored=np.minimum(1, active * 1.8).astype(np.float32),
        row_density=active.mean(axis=1), column_density=active.mean(axis=0),
    )  # fmt: skip


@pytest.mark.parametrize("keys", [(), ("g",)], ids=["blocks", "glyphs"])
@pytest.mark.parametrize("theme", ["itop-dark", "itop-light"])
def test_a_mask(shoot: Shot, keys: tuple[str, ...], theme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("itop_tui.screens.run.mask.checkpoints.for_run", lambda db, run_id: [made.checkpoint()])

    class Reader:
        def grid(self, *_: object, **__: object) -> MaskGrid:
            return _mask()

    async def then(pilot: Pilot[None], screen: RunScreen) -> None:
        mask = MaskScreen(made.run(), "features.3", Reader())
        pilot.app.push_screen(mask)
        await until(pilot, lambda: mask.is_current and mask.grid is not None, "the mask")
        await pilot.press(*keys)
        await until(pilot, lambda: not mask._asking, "the mask")

    assert shoot((120, 40), then=then, theme=theme)


@pytest.mark.parametrize("size", SIZES)
def test_one_chart_smoothed_with_a_cursor(shoot: Shot, size: tuple[int, int]) -> None:
    assert shoot(size, "f", "m", "x", *["left_square_bracket"] * 12)


@pytest.mark.parametrize("size", SIZES)
def test_layers(shoot: Shot, size: tuple[int, int]) -> None:
    async def then(pilot: Pilot[None], screen: RunScreen) -> None:
        await until(pilot, lambda: screen.query_one("#layer-table").row_count == 6, "the layers")  # type: ignore[attr-defined]
        wide = screen.size.width >= 170
        heat = screen.query_one(HeatMap)
        await until(pilot, lambda: not wide or "features.0" in heat.render_line(1).text, "the heat map")

    assert shoot(size, "2", then=then)


def test_heat_map(shoot: Shot) -> None:
    async def then(pilot: Pilot[None], screen: RunScreen) -> None:
        heat = screen.query_one(HeatMap)
        await until(pilot, lambda: "features.0" in heat.render_line(1).text, "the heat map")

    assert shoot((120, 40), "2", "v", "v", then=then)


@pytest.mark.parametrize("size", SIZES)
def test_config(shoot: Shot, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    parent = made.run(id=11, config={**made.run().config, "lr": 0.2, "growth": "random"})
    child = made.run(parent_id=11, fork_step=4_000)
    monkeypatch.setattr("itop_tui.screens.run.config.moment", lambda at: "2026-02-25 06:00:00")
    assert shoot(size, "3", view=lambda request: made.view(request, run=child, parent=parent))


@pytest.mark.parametrize("size", SIZES)
def test_checkpoints(shoot: Shot, size: tuple[int, int]) -> None:
    stopped = made.run(status=RunStatus.KILLED, reason="killed by SIGKILL (signal 9)", ended_at=NOW - 30, signal=9)
    assert shoot(size, "4", view=lambda request: made.view(request, run=stopped))


@pytest.mark.parametrize("size", SIZES)
def test_log(shoot: Shot, size: tuple[int, int]) -> None:
    write_log("".join(f"epoch {n:3d}  loss \x1b[32m{2.3 / n:.4f}\x1b[0m  [bold]not markup[/]\n" for n in range(1, 60)))
    assert shoot(size, "5", then=log_read)


def test_a_run_that_diverged(shoot: Shot) -> None:
    def view(request: Request) -> RunView:
        seen = made.view(request, run=made.run(
            status=RunStatus.FAILED, reason="the loss became NaN at step 6,001", ended_at=NOW - 5, loss=math.nan,
        ))  # fmt: skip
        if seen.curves is not None:
            loss = seen.curves.by_name["loss"]
            values = np.where(loss.steps > 6_000, np.nan, loss.values)
            steps = np.where(loss.steps > 6_000, loss.steps, loss.steps)
            curves = {**seen.curves.by_name, "loss": Curve(steps, values)}
            seen = replace(seen, curves=replace(seen.curves, by_name=curves))
        return seen

    assert shoot((120, 40), view=view)


def test_a_run_that_waits(shoot: Shot) -> None:
    nothing = Curve(np.empty(0), np.empty(0))

    def view(request: Request) -> RunView:
        seen = made.view(
            request, attempts=(), checkpoints=(),
            run=made.run(
                status=RunStatus.QUEUED, name="[red]x[/red] \x1b[31m\u202eRTL 🎉 名前", started_at=None, step=0,
                epoch=0, loss=None, accuracy=None, val_accuracy=None, best_val_accuracy=None, density=None,
                itop_rate=None, death_rate=None, learning_rate=None, samples_per_second=None, host=None,
                device=None, pid=None, heartbeat_at=None,
            ),
        )  # fmt: skip
        if seen.curves is not None:
            by_name: dict[str, Any] = dict.fromkeys(seen.curves.by_name, nothing)
            seen = replace(seen, curves=replace(seen.curves, by_name=by_name, first=None, last=None))
        return seen

    assert shoot((80, 24), view=view)
