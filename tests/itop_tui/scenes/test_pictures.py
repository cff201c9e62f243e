"""The pictures of the table in `pictures`: what a scene looks like where its text does not show the point.

After an intended change run with `--snapshot-update` and look at the pictures that changed. A failure names the texts
and grounds that differ and the file with the picture as it is drawn now.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from itop_tui.look import theme
from tests.itop_tui.scenes.pictures import PICTURED, PICTURES, THEMES, pictures_of
from tests.itop_tui.scenes.scene import Scene, Setting
from tests.itop_tui.scenes.snapshot_files import PictureFile, left_over, picture_difference, recorded
from tests.itop_tui.scenes.stage import on_stage


@pytest.mark.parametrize("scene", PICTURED, ids=lambda scene: scene.name)
async def test_picture(
    scene: Scene, setting: Callable[[], Setting], snapshot: SnapshotAssertion, tmp_path: Path
) -> None:
    files = snapshot.use_extension(PictureFile)
    changes = []
    pictures = pictures_of(scene)
    async with on_stage(scene, setting(), pictures[0].size) as stage:
        for picture in pictures:
            await stage.use_theme(THEMES[picture.theme])
            await stage.resize(picture.size)
            drawn = stage.app.export_screenshot()
            if files(name=picture.name) != drawn:
                (tmp_path / f"{picture.name}.svg").write_text(drawn, encoding="utf-8")
                changes.append(
                    f"{picture.name} ({picture.reason}) has changed; as it is now: {tmp_path / picture.name}.svg\n"
                    f"{picture_difference(recorded(files), drawn)}"
                )
    if changes:
        pytest.fail("\n".join(changes), pytrace=False)


def test_no_file_is_left_over(request: pytest.FixtureRequest) -> None:
    for path in left_over("svg", (picture.name for picture in PICTURES)):
        assert request.config.option.update_snapshots, f"{path} belongs to no picture"
        path.unlink()


def test_the_table_is_right() -> None:
    names = [picture.name for picture in PICTURES]
    assert len(set(names)) == len(names)
    assert {picture.scene for picture in PICTURES} == {scene.name for scene in PICTURED}
    assert all(picture.reason for picture in PICTURES)


def test_each_theme_is_pictured_where_colour_carries_most() -> None:
    assert set(THEMES.values()) == {each.name for each in theme.THEMES}
    for scene in ("list", "run-charts", "run-heat-map"):
        assert {picture.theme for picture in PICTURES if picture.scene == scene} == set(THEMES)
