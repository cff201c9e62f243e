"""What a scene is: data, the keys that lead somewhere, and how one sees that one is there."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from textual.screen import Screen
from textual.widgets import Input, TextArea

from db.records import RunRecord
from db.session import Database
from itop_tui.app import ItopApp
from itop_tui.poller import Reader
from tests.itop_tui.support import NOW, FixedPlanner, table_of

Figure = TypeVar("Figure", float, float | None)

KNOT = (
    "[red]x[/] [@click=app.bell]y[/]\x1b[31m\x1b]0;t\x07\x9b1m\u202eשלום\u2066 e\u0301"
    "👩\u200d👩\u200d👧\u200d👦稀\ta\nb\u2028c\x00\u200b"
)
"""All that may go wrong with a text within a few cells: markup, a link, escapes, directions, joined and wide letters,
controls, lines."""
HOSTILE = KNOT + "稀x" * 5_000
"""The same, and long."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a scene takes place.

    Attributes:
        patch: Puts fixed things in the place of what moves.
        home: `ITOP_HOME`, which holds a database of recorded runs.
        hostile: Whether every text of the data is `HOSTILE` and every figure not finite.
    """

    patch: pytest.MonkeyPatch
    home: Path
    hostile: bool = False

    def text(self, friendly: str) -> str:
        """A text of the data."""
        return HOSTILE if self.hostile else friendly

    def figure(self, finite: Figure, hostile: float = math.nan) -> Figure:
        """A figure of the data."""
        return hostile if self.hostile else finite

    def run(self, run: RunRecord) -> RunRecord:
        """A run of the data."""
        if not self.hostile:
            return run
        return replace(
            run,
            name=HOSTILE, reason=HOSTILE, notes=HOSTILE, tags=(HOSTILE, KNOT), group=HOSTILE, model=HOSTILE,
            data=HOSTILE, host=KNOT, loss=math.nan, val_loss=-math.inf, accuracy=math.inf, best_val_accuracy=math.nan,
            itop_rate=math.inf, density=math.nan, learning_rate=math.inf, samples_per_second=math.nan,
            config={**run.config, "name": HOSTILE, "tags": [HOSTILE]},
        )  # fmt: skip

    def app(self, reader: Callable[[Database], Reader], opener: Callable[[], Database] = Database.open) -> ItopApp:
        """The app, with everything that moves by itself standing still."""
        self.patch.setattr(Input, "_toggle_cursor", lambda _: None)
        self.patch.setattr(TextArea, "_toggle_cursor_blink_visible", lambda _: None)
        made = ItopApp(opener, reader=reader, clock=lambda: NOW, planner=FixedPlanner())
        made.animation_level = "none"
        return made


Data = Callable[[Setting], ItopApp]
"""Makes an app that shows certain data."""
Step = str | Callable[[ItopApp], object]
"""A key to press, or a condition to wait for."""


def listed(app: ItopApp) -> bool:
    """Whether the list shows what was read."""
    return app.snapshot is not None and len(table_of(app).rows) == len(app.snapshot.runs)


def on(shows: type[Screen[Any]]) -> Step:
    """Whether a screen is on top."""
    return lambda app: type(app.screen) is shows


def _always(app: ItopApp) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Scene:
    """Something the app can show.

    Attributes:
        name: Of the scene and of its pictures.
        data: What there is.
        way: The keys that lead there from the start of the app, with the conditions to wait for on the way.
        shows: The screen that is on top then.
        there: Whether all of it is on the screen; asked at each size.
        tab: The open tab of a screen with tabs.
        texts: Whether a name or another text out of the data is in sight.
    """

    name: str
    data: Data
    way: tuple[Step, ...]
    shows: type[Screen[Any]]
    there: Callable[[ItopApp], object] = _always
    tab: str = ""
    texts: bool = True
