"""The text of each scene at three sizes, in one file a scene.

A terminal that is resized shows the same as one that had the size from the start, so one start of the app serves for
all sizes. Of a dialog only the dialog is recorded, in its place: what lies below it is the text of another scene.
A field that has the focus is then typed into, to see that the terminal's cursor stands at its caret.
After an intended change run with `--snapshot-update` and read the difference with `git diff`.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.itop_tui.scenes.carets import check_caret
from tests.itop_tui.scenes.scene import Scene, Setting
from tests.itop_tui.scenes.snapshot_files import TextFile, difference, left_over, page, recorded
from tests.itop_tui.scenes.stage import SIZES, Size, on_stage
from tests.itop_tui.scenes.table import SCENES


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
async def test_text(scene: Scene, setting: Callable[[], Setting], snapshot: SnapshotAssertion) -> None:
    texts: dict[Size, str] = {}
    async with on_stage(scene, setting()) as stage:
        for size in SIZES:
            await stage.resize(size)
            texts[size] = stage.visible_text()
        await check_caret(stage)
    text, now = snapshot.use_extension(TextFile), page(texts)
    if text != now:
        pytest.fail(f"the text of {scene.name} has changed\n{difference(recorded(text), now)}", pytrace=False)


def test_no_file_is_left_over(request: pytest.FixtureRequest) -> None:
    for path in left_over("txt", (scene.name for scene in SCENES)):
        assert request.config.option.update_snapshots, f"{path} belongs to no scene"
        path.unlink()
