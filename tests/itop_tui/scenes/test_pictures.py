"""What each scene looks like, at three sizes in the dark and in the light.

A terminal that is resized and a theme that is changed show the same as ones that were so from the start; so one start
of the app serves for all pictures of a scene. Run with `--snapshot-update` after a change that was meant, and look at
the pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_textual_snapshot import SVGImageExtension
from syrupy.assertion import SnapshotAssertion

from itop_tui.look import theme
from tests.itop_tui.scenes.scene import Scene, Setting
from tests.itop_tui.scenes.stage import SIZES, on_stage
from tests.itop_tui.scenes.table import SCENES

THEMES = {"dark": theme.DARK.name, "light": theme.LIGHT.name}
"""What a scene is shown in, at each size."""


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
async def test_scene(scene: Scene, setting: Callable[[], Setting], snapshot: SnapshotAssertion, tmp_path: Path) -> None:
    pictures = snapshot.use_extension(SVGImageExtension)
    changed = []
    async with on_stage(scene, setting()) as stage:
        for worn, name in THEMES.items():
            await stage.wear(name)
            for size in SIZES:
                await stage.resize(size)
                drawn = stage.app.export_screenshot()
                picture = f"{size[0]}x{size[1]}-{worn}"
                if pictures(name=picture) != drawn:
                    (tmp_path / f"{picture}.svg").write_text(drawn, encoding="utf-8")
                    changed.append(picture)
    assert not changed, f"{scene.name} looks otherwise at {', '.join(changed)}; drawn now: {tmp_path}"
