"""The picture of a layer's mask: its states, its keys, and a real checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from textual.pilot import Pilot
from textual.widgets import OptionList

from db.paths import run_folder
from db.runs import checkpoints, runs
from db.session import Database
from engine.helpers.mask_replays import ReplayStore
from engine.helpers.masks import MaskStore, answer
from engine.helpers.masks_client import MaskError, MaskGrid, MaskLayer, MaskMoment, MaskServer, Window
from engine.training import checkpoint
from engine.training.mask_history import HISTORY_FILE, MaskHistory
from itop_tui.figures.format import share
from itop_tui.run.layers_tab import LayersPane
from itop_tui.run.mask_map import ACTIVE, BACK, DIED, GROWN, NEVER, ONCE, MaskMap, states
from itop_tui.run.mask_screen import MaskScreen
from itop_tui.run.run_screen import RunScreen
from tests.itop_tui.run.conftest import STOPPED
from tests.itop_tui.run.hosting import run_screen, until

LAYERS = (MaskLayer("fc1", (300, 64), 1920, 4000), MaskLayer("conv", (8, 2, 3, 3), 30, 60))


def grid(rows: int, cols: int, window: Window | None = None, layer: MaskLayer = LAYERS[0]) -> MaskGrid:
    height, width = layer.matrix
    shape = (min(rows, height), min(cols, width))
    active = np.full(shape, 0.25, dtype=np.float32)
    return MaskGrid(
        step=450, updates=4, layer=layer, layers=LAYERS, window=window or (0, height, 0, width),
        active=active, grown=active / np.float32(4), explored=active * np.float32(2),
        row_density=active.mean(axis=1), column_density=active.mean(axis=0),
    )  # fmt: skip


class FakeReader:
    """Answers at once, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None, Window | None]] = []

    def after(
        self, path: Path, layer: str, update: int | None, by: int, rows: int, cols: int, window: Window | None
    ) -> MaskMoment:
        raise AssertionError("there is no history of masks here")

    def grid(
        self, path: str, layer: str | None, rows: int, cols: int, window: Window | None, *, sha256: str | None
    ) -> MaskGrid:
        assert sha256
        self.asked.append((Path(path).name, layer, window))
        if layer == "broken":
            raise MaskError("step-1.pt is not what was written: its SHA-256 differs")
        return grid(rows, cols, window, next(one for one in LAYERS if one.name == layer))


def test_a_cell_of_one_weight_is_exact() -> None:
    one = np.array([[0, 1, 1, 1]], dtype=np.float32)
    made = grid(1, 4)
    exact = MaskGrid(
        made.step, made.updates, made.layer, made.layers, made.window,
        active=np.array([[0, 0, 1, 1]], dtype=np.float32), grown=np.array([[0, 0, 0, 1]], dtype=np.float32),
        explored=one, row_density=one[:, 0], column_density=one[0],
    )  # fmt: skip
    assert states(exact).tolist() == [[NEVER, ONCE, ACTIVE, GROWN]]


def test_shares_of_states_are_the_shares_of_weights_in_any_region() -> None:
    made = states(grid(200, 60))
    for part in (made, made[:20, :20], made[100:130, 30:]):
        shares = [float((part == state).mean()) for state in (NEVER, ONCE, ACTIVE, GROWN)]
        assert shares == pytest.approx([0.5, 0.25, 0.1875, 0.0625], abs=0.03)


async def opened(pilot: Pilot[None], screen: RunScreen, reader: Any, layer: str = "fc1") -> MaskScreen:
    run = screen.current_run
    assert run is not None
    mask = MaskScreen(run, layer, reader)
    pilot.app.push_screen(mask)
    await until(pilot, lambda: mask.is_current and bool(mask.query(MaskMap)), "the mask's screen")
    await until(pilot, lambda: mask.grid is not None or "No mask" in mask.picture.note, "the mask")
    return mask


def window(mask: MaskScreen) -> Window | None:
    """What is looked at now: a call, so that no earlier value is taken for granted."""
    return mask.window


async def quiet(pilot: Pilot[None], mask: MaskScreen) -> None:
    await until(pilot, lambda: not mask._asking, "the last answer")


def listed(pilot: Pilot[None]) -> int:
    """How many items the open list has."""
    found = pilot.app.screen.query(OptionList)
    return found.first().option_count if found else 0


async def test_every_key_of_the_picture(recorded: None) -> None:
    async with run_screen(Database.open, STOPPED, size=(100, 30)) as (pilot, screen):
        reader = FakeReader()
        mask = await opened(pilot, screen, reader)
        await pilot.press("plus")
        await quiet(pilot, mask)
        assert window(mask) == (75, 225, 16, 48)
        await pilot.press("right", "down")
        await quiet(pilot, mask)
        assert window(mask) in {(112, 262, 24, 56), (113, 263, 24, 56)}
        await pilot.press("left", "up", "minus")
        await quiet(pilot, mask)
        assert window(mask) is None
        await pilot.press(*["plus"] * 12)
        await quiet(pilot, mask)
        seen = window(mask)
        assert seen is not None
        assert (seen[1] - seen[0], seen[3] - seen[2]) >= (4, 4)
        await pilot.press("0", "tab")
        await quiet(pilot, mask)
        assert (mask.layer_name, mask.window) == ("conv", None)
        await pilot.press("shift+tab", "left_square_bracket")
        await quiet(pilot, mask)
        assert ("step-000000350-best.pt", "fc1", None) in reader.asked[-1:]
        await pilot.press("right_square_bracket", "v")
        await quiet(pilot, mask)
        assert reader.asked[-1][0] == "step-000000450-last.pt"
        assert mask.picture.glyphs
        shown = "\n".join(strip.text for strip in mask._compositor.render_strips())
        assert all(glyph in shown for glyph in "·░▓█")
        assert "as of step 450" in shown
        await pilot.press("slash")
        await until(pilot, lambda: listed(pilot) == 2, "the list of layers")
        await pilot.press("down", "enter")
        await until(pilot, lambda: mask.is_current and mask.layer_name == "conv", "the other layer")
        await pilot.press("e")
        await until(pilot, lambda: listed(pilot) == 2, "the list of checkpoints")
        await pilot.press("escape")
        await until(pilot, lambda: mask.is_current, "the mask")
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is screen, "the run")


async def test_what_cannot_be_read_is_said_in_the_pictures_place(recorded: None, database: Database) -> None:
    async with run_screen(Database.open, STOPPED) as (pilot, screen):
        mask = await opened(pilot, screen, FakeReader(), "broken")
        assert "SHA-256 differs" in mask.picture.note
        await pilot.press("plus", "left", "tab", "slash", "escape")
        await until(pilot, lambda: pilot.app.screen is screen, "the run")
        for row in checkpoints.for_run(database, STOPPED):
            checkpoints.remove(database, row.id)
        mask = await opened(pilot, screen, FakeReader())
        assert "there is no checkpoint yet" in mask.picture.note


async def test_enter_on_a_layer_shows_the_mask_of_a_real_checkpoint(recorded: None, database: Database) -> None:
    last = checkpoints.pick(database, STOPPED, "last")
    mask = torch.zeros(300, 64, dtype=torch.bool)
    mask[:, 0] = True
    written = checkpoint.write(
        Path(last.path),
        {
            "step": last.step,
            "masking": {
                "updates": 4, "masks": {"fc1": mask}, "explored": {"fc1": mask},
                "fresh": {"fc1": torch.tensor([0], dtype=torch.int64)},
            },
        },
    )  # fmt: skip
    checkpoints.add(
        database, run_id=STOPPED, attempt_id=None, step=last.step, epoch=last.epoch, kind="last",
        path=last.path, bytes=written.bytes, sha256=written.sha256,
    )  # fmt: skip
    async with run_screen(Database.open, STOPPED, size=(100, 30)) as (pilot, screen):
        await pilot.press("2")
        await until(pilot, lambda: screen.query_one(LayersPane).table.row_count == 3, "the layers")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, MaskScreen), "the mask's screen")
        shown = pilot.app.screen
        assert isinstance(shown, MaskScreen)
        await until(pilot, lambda: shown.grid is not None, "the mask")
        assert shown.grid is not None
        assert shown.grid.active[:, 0].tolist() == [1.0] * shown.grid.active.shape[0]
        assert not shown.grid.active[:, 1:].any()
        assert isinstance(screen.mask_reader(), MaskServer)
        assert shown.query_one(MaskMap).grid is shown.grid


class AtOnce(MaskServer):
    """Reads real checkpoints, in this process."""

    def __init__(self) -> None:
        super().__init__()
        self._store, self._replays = MaskStore(), ReplayStore()

    def _exchange(self, question: Mapping[str, Any]) -> dict[str, Any]:
        given: dict[str, Any] = json.loads(json.dumps(answer(self._store, json.dumps(dict(question)), self._replays)))
        return given


ODD = (103, 7, 11)
"""A shape whose rows and columns are divided into cells of unequal size on most screens."""


@pytest.fixture
def odd_mask(recorded: None, database: Database) -> dict[str, torch.Tensor]:
    """A checkpoint of the stopped run with a mask that is denser at its edges."""
    last = checkpoints.pick(database, STOPPED, "last")
    explored = torch.rand(ODD, generator=torch.Generator().manual_seed(5)) < 0.1
    explored[-3:] = True
    active = explored & (torch.rand(ODD, generator=torch.Generator().manual_seed(6)) < 0.5)
    grown = torch.zeros(ODD, dtype=torch.bool)
    grown.view(-1)[active.view(-1).nonzero().view(-1)[::10]] = True
    masking = {"updates": 4, "masks": {"odd": active}, "explored": {"odd": explored},
               "fresh": {"odd": grown.view(-1).nonzero().view(-1)}}  # fmt: skip
    written = checkpoint.write(Path(last.path), {"step": last.step, "masking": masking})
    checkpoints.add(
        database, run_id=STOPPED, attempt_id=None, step=last.step, epoch=last.epoch, kind="last",
        path=last.path, bytes=written.bytes, sha256=written.sha256,
    )  # fmt: skip
    return {"explored": explored.view(ODD[0], -1), "active": active.view(ODD[0], -1), "grown": grown.view(ODD[0], -1)}


def said(masks: dict[str, torch.Tensor], window: Window | None = None) -> list[str]:
    """What is to be said of the states of the weights in a window, worked out from the weights."""
    top, bottom, left, right = window or (0, None, 0, None)
    explored, active, grown = (
        float(masks[name][top:bottom, left:right].double().mean()) for name in ("explored", "active", "grown")
    )
    shares = {"never active": 1 - explored, "once active": explored - active,
              "active": active - grown, "newly grown": grown}  # fmt: skip
    return [f"{name} {share(round(value, 4))}" for name, value in shares.items()]


@pytest.mark.parametrize("size", [(80, 24), (97, 31), (120, 40), (200, 60)])
async def test_percentages_are_those_of_the_weights_at_every_size_and_zoom(
    odd_mask: dict[str, torch.Tensor], size: tuple[int, int]
) -> None:
    async with run_screen(Database.open, STOPPED, size=size) as (pilot, screen):
        mask = await opened(pilot, screen, AtOnce(), "odd")

        def is_whole() -> bool:
            """Whether there is room on the screen for all that was read."""
            shown = mask.grid
            return not mask._asking and shown is not None and shown.active.shape[0] <= mask.picture.room[0]

        for key in ("", "plus", "plus", "right", "down", "minus", "0"):
            await pilot.press(*([key] if key else []))
            await until(pilot, is_whole, f"the picture, after {key!r}")
            text = " ".join(strip.text for strip in mask._compositor.render_strips())
            words = " ".join(text.split())
            for part in (*said(odd_mask), *(said(odd_mask, mask.window) if mask.window else ())):
                assert part in words, (key, mask.window)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_all_rows_are_visible_when_the_mask_is_opened(
    odd_mask: dict[str, torch.Tensor], size: tuple[int, int]
) -> None:
    async with run_screen(Database.open, STOPPED, size=size) as (pilot, screen):
        mask = await opened(pilot, screen, AtOnce(), "odd")
        await until(pilot, lambda: not mask._asking, "the picture")
        await pilot.pause()
        await until(pilot, lambda: not mask._asking, "the picture with the lines above it")
        picture = mask.picture
        assert mask.grid is not None
        last_rows = mask.grid.row_density[-1]
        assert last_rows > 0.3, "the last rows are the dense ones"
        assert mask.grid.active.shape[0] <= picture.room[0]
        lines = [strip.text for strip in mask._compositor.render_strips()]
        assert any(line.split() == ["0", "76"] for line in lines), "the line of column numbers is below the last row"


def moved(*active: int) -> dict[str, np.ndarray]:
    mask = np.zeros((4, 10), dtype=bool)
    mask.reshape(-1)[list(active)] = True
    return {"fc1": mask, "fc2": mask}


async def test_the_masks_are_played_update_by_update(recorded: None, database: Database) -> None:
    folder = run_folder(runs.get(database, STOPPED).uid)
    folder.mkdir(parents=True, exist_ok=True)
    first = moved(0, 1, 2)
    history = MaskHistory(folder / HISTORY_FILE, 2**20)
    history.begin(first, first, update=2, step=200)  # as a fork, or a run that was resumed without its file
    history.add(moved(0, 1, 5), update=3, step=300)
    history.add(moved(1, 2, 5), update=4, step=400)
    history.add(moved(1, 2, 6), update=5, step=500)
    asked = FakeReader()
    asked.after = AtOnce().after  # type: ignore[method-assign]
    async with run_screen(Database.open, STOPPED, size=(100, 30)) as (pilot, screen):
        mask = await opened(pilot, screen, asked)

        async def after(*keys: str) -> tuple[int | None, str]:
            await pilot.press(*keys)
            await quiet(pilot, mask)
            return mask.update_shown, "\n".join(strip.text for strip in mask._compositor.render_strips())

        assert mask.update_shown is None  # the mask of the last checkpoint, after update 4
        update, shown = await after("left_square_bracket")
        assert update == 3
        assert "after update 3 of 2–5, step 300" in shown
        update, shown = await after("v", "right_square_bracket")
        assert update == 4
        assert "◆ came back 2.5%" in shown  # the weight 2, one of 40: it had died at update 3
        assert "x died 2.5%" in shown
        assert "█ newly grown 0%" in shown
        assert [int((mask.picture._states == state).sum()) for state in (ONCE, ACTIVE, GROWN, BACK, DIED)] == [
            0, 2, 0, 1, 1,
        ]  # fmt: skip
        assert (await after("home"))[0] == 2
        assert (await after("left_square_bracket"))[0] == 2
        assert (await after("end"))[0] == 5
        assert (await after("right_square_bracket", "right_square_bracket"))[0] == 5
        assert (await after("left_square_bracket", "left_square_bracket"))[0] == 3
        assert (await after("tab"))[0] == 3
        assert mask.layer_name == "fc2"
        await pilot.press("e")
        await until(pilot, lambda: listed(pilot) == 2, "the list of checkpoints")
        await pilot.press("escape")
        await until(pilot, lambda: mask.is_current, "the mask")
        (folder / HISTORY_FILE).write_bytes(b"damaged")
        await pilot.press("end")
        await until(pilot, lambda: any("cannot be played" in one.text for one in screen.itop.notices), "the reason")
        assert mask.grid is not None  # what was shown stays
