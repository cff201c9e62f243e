"""Every scene with texts and figures of the worst kind: the screen holds together, and nothing in them is obeyed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rich.cells import cell_len

from tests.itop_tui.scenes.scene import Scene, Setting
from tests.itop_tui.scenes.stage import SIZES, on_stage
from tests.itop_tui.scenes.table import SCENES

_DIRECTIONS = set("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _scenes() -> Iterator[Any]:
    """All scenes; of several that show one tab of one screen, the first in every run of the tests."""
    known = set()
    for scene in SCENES:
        shown = (scene.shows, scene.tab)
        yield pytest.param(scene, id=scene.name, marks=[pytest.mark.slow] if shown in known else [])
        known.add(shown)


@pytest.mark.parametrize("scene", _scenes())
async def test_scene(scene: Scene, setting: Callable[[bool], Setting]) -> None:
    width, height = SIZES[0]
    async with on_stage(scene, setting(True), SIZES[0]) as stage:
        frame = stage.frame()
        lines = ["".join(segment.text for segment in line) for line in frame]
        assert len(lines) == height
        for line in lines:
            assert cell_len(line) == width, line
            assert not any(ord(letter) < 0x20 or 0x7F <= ord(letter) < 0xA0 for letter in line), line
            assert not set(line) & _DIRECTIONS, line
        metas = [segment.style.meta for line in frame for segment in line if segment.style is not None]
        assert not any("app.bell" in str(meta) for meta in metas), "a link out of the data can be clicked"
        assert not scene.texts or "[red]x" in "\n".join(lines), "the text is not visible as it is written"
        assert stage.app.is_running
