"""Makes the README's pictures from the running app over real runs: ``python -m tests.end_to_end.screenshots [FOLDER]``.

Runs are trained first where the state folder (``ITOP_HOME``) has none, by ``itop demo``. The pictures go
to ``docs/`` unless a folder is named.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from textual.pilot import Pilot

from db.records import RunStatus
from db.runs import runs
from db.session import Database
from itop_tui.app import ItopApp
from itop_tui.look import theme
from itop_tui.runs.runs_screen import RunsScreen

SIZE = (132, 36)
PATIENCE = 60.0


async def shows(pilot: Pilot[None], *words: str) -> str:
    """Waits until the picture holds all the words (each without a space), and returns it as SVG."""
    for _ in range(int(PATIENCE / 0.1)):
        await pilot.pause(0.1)
        picture = pilot.app.export_screenshot(title="itop")
        if all(word in picture for word in words):
            return picture
    raise SystemExit(f"the app did not show {words}")


async def take(run_id: int) -> dict[str, str]:
    """Walks through the app; returns name → SVG of each screen."""
    app = ItopApp()
    app.animation_level = "none"
    app.theme = theme.DARK.name  # whatever terminal this is typed in
    async with app.run_test(size=SIZE) as pilot:
        pictures = {"runs": await shows(pilot, "RigL-ITOP", "SET-ITOP", "curve", "▁")}
        await pilot.press("n")
        pictures["new-run"] = await shows(pilot, "ready", "classifier")
        await pilot.press("escape")
        await shows(pilot, "RigL-ITOP", "curve")
        while not (
            isinstance(app.screen, RunsScreen) and app.screen.current_run and app.screen.current_run.id == run_id
        ):
            await pilot.press("down")
        await pilot.press("enter")
        await shows(pilot, "Charts")
        await pilot.press("1")  # the tab that was open last time opens again
        pictures["charts"] = await shows(pilot, "explored", "death")
        await pilot.press("2")
        pictures["layers"] = await shows(pilot, "hidden1.weight")
        await pilot.press("enter")
        pictures["mask"] = await shows(pilot, "active", "never")
        await pilot.press("escape")
        await shows(pilot, "hidden1.weight")
        await pilot.press("escape")
        await shows(pilot, "RigL-ITOP", "SET-ITOP")
        await pilot.press("ctrl+a", "c")
        await shows(pilot, "compare", "demo-dense")
        await pilot.press("g")
        pictures["compare"] = await shows(pilot, "explored", "churn")
    return pictures


def train(*command: str) -> None:
    """Runs an `itop` command as a user would."""
    subprocess.run([sys.executable, "-m", "itop_tui", *command], check=True)


def main() -> None:
    """Trains what is missing, then takes the pictures."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2] / "docs"
    database = Database.open()
    try:
        if not runs.count(database, runs.RunQuery()):
            train("demo")
        done = runs.list_runs(database, runs.RunQuery(text="RigL-ITOP", statuses=(RunStatus.COMPLETED,)))
    finally:
        database.close()
    if not done:
        raise SystemExit("no completed RigL-ITOP run to show: remove ITOP_HOME, or train one")
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in asyncio.run(take(done[0].id)).items():
        (folder / f"{name}.svg").write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
