"""A monkey at the keyboard while runs start, train, end and are deleted: the app stays up, whatever is pressed.

The presses are seeded, so that what broke it can be pressed again. Nothing that leaves the app is done; all other keys
are pressed, those of every action and those of typing and editing.
"""

from __future__ import annotations

import contextlib
import random
import threading
from pathlib import Path

import pytest

from db.errors import StoreError
from db.history.writer import MetricWriter
from db.records import CheckpointKind, RunStatus
from db.runs import attempts, runs
from db.session import Database
from itop_tui.app import ItopApp
from itop_tui.keys import DEFAULTS
from tests.itop_tui.run.fabricate import record_run, settings, step_metric
from tests.itop_tui.support import wait_for
from tests.patience import PATIENCE

NAMES = ("a run", "[bold]x[/]", "\x1b[2Jcls", "\u202eright to left", "🦖" * 40, "n" * 10_000)
# fmt: off
TYPED = {
    *"abz019,.:<>=-~()[ ]\"'é∞", "enter", "escape", "tab", "shift+tab", "up", "down", "left", "right", "home", "end",
    "pageup", "pagedown", "backspace", "delete", "space", "shift+down", "shift+up",
}
# fmt: on
LEAVING = {"q", "ctrl+q", "ctrl+c"}
KEYS = sorted(({key for action in DEFAULTS for key in action.key.split(",") if key} | TYPED) - LEAVING)
KEYS += ["escape"] * (len(KEYS) // 10)  # or a dialog that takes text would hold it for most of its presses


class Life:
    """Runs that begin, record, end and go, in a thread beside the app, until it is asked to stop.

    Args:
        db: The database; a connection of its own is opened.
        seed: Of what happens.
    """

    def __init__(self, db: Database, seed: int) -> None:
        self._url = db.url
        self._random = random.Random(seed)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="life", daemon=True)
        self.error: Exception | None = None
        self.lived = 0

    def __enter__(self) -> Life:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(PATIENCE)

    def _go_on(self) -> None:
        with contextlib.closing(Database.open(self._url)) as db:
            while not self._over.is_set():
                try:
                    self._one(db)
                except StoreError:  # the monkey has deleted, resumed or archived it under our hands, as a person may
                    continue
                except Exception as error:
                    self.error = error
                    return

    def _one(self, db: Database) -> None:
        steps = self._random.randrange(300)
        kinds: tuple[CheckpointKind, ...] = ("last", "best") if steps > 100 else ()
        config = settings(seed=self._random.randrange(9), density=self._random.choice((0.05, 0.1)))
        run = record_run(
            db, name=self._random.choice(NAMES), config=config, steps=steps, kinds=kinds, log="step 1\n" * 9
        )
        attempt = attempts.latest(db, run.id)
        assert attempt is not None
        with MetricWriter(db, run.id, attempt.id) as writer:
            for step in range(steps + 1, steps + self._random.randrange(2, 60)):
                writer.step(step_metric(step))
                self._over.wait(0.003)
        ending = self._random.choice([RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.STOPPED, RunStatus.LOST])
        attempts.finish(db, attempt.id, status=ending, reason="as it happens")
        self.lived += 1
        others = runs.list_runs(db)
        if len(others) > 20:
            runs.delete(db, self._random.choice(others).id, force=True)


async def let_loose(app: ItopApp, db: Database, *, seed: int, presses: int, size: tuple[int, int]) -> Life:
    """Press random keys; give back the life that went on meanwhile."""
    choose = random.Random(seed)
    pressed: list[str] = []
    seen: set[str] = set()
    with Life(db, seed) as life:
        async with app.run_test(size=size) as pilot:
            await wait_for(pilot, lambda: life.error or (app.snapshot and app.snapshot.total))
            for _ in range(presses):
                key = choose.choice(KEYS)
                pressed.append(key)
                try:
                    await pilot.press(key)
                except Exception as error:
                    raise AssertionError(f"seed {seed}: broken by {' '.join(pressed[-15:])}") from error
                seen.add(type(app.screen).__name__)
                assert app.is_running, f"seed {seed}: the app was left by {' '.join(pressed[-15:])}"
            assert app.screen_stack
            assert app._exception is None
    assert life.error is None
    assert len(seen) >= 5, f"the monkey came to {', '.join(sorted(seen))} only"
    return life


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for what is exported or opened by chance."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(autouse=True)
def staying(monkeypatch: pytest.MonkeyPatch) -> None:
    """The palette can leave the app as the keys do that are not pressed; here it does not."""

    async def stay(_: ItopApp) -> None:
        return

    monkeypatch.setattr(ItopApp, "action_quit", stay)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_a_monkey_does_not_break_the_app(
    app: ItopApp, database: Database, elsewhere: Path, size: tuple[int, int]
) -> None:
    life = await let_loose(app, database, seed=sum(size) + 1, presses=100, size=size)
    assert life.lived > 0


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(1, 6))
async def test_a_monkey_does_not_break_the_app_in_minutes(
    app: ItopApp, database: Database, elsewhere: Path, seed: int
) -> None:
    life = await let_loose(app, database, seed=seed, presses=4_000, size=(120, 40))
    assert life.lived > 0
