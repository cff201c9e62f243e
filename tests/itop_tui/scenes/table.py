"""All scenes."""

from __future__ import annotations

from tests.itop_tui.scenes.list_scenes import LIST
from tests.itop_tui.scenes.other_scenes import FORM, QUEUE
from tests.itop_tui.scenes.run_scenes import COMPARE, RUN
from tests.itop_tui.scenes.scene import Scene

SCENES: tuple[Scene, ...] = (*LIST, *QUEUE, *FORM, *RUN, *COMPARE)
