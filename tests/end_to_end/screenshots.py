"""Takes the README's pictures from the running app over real runs: ``python -m tests.end_to_end.screenshots``.

lenet300-100 is trained on Fashion-MNIST (Debian's package ``dataset-fashion-mnist``, or files in ``ITOP_DATA_DIR``):
dense, SET-ITOP and RigL-ITOP, three seeds each. Then a sweep is queued, so that two runs train and others wait while
the pictures are taken. It takes about five minutes on two cores.

    --out FOLDER     where the pictures go (default: docs/)
    --home FOLDER    an ITOP_HOME to use and to keep; runs that it already has are not trained again
    --epochs N       how long the nine runs train (default: 10)
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import html
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from textual.pilot import Pilot

from itop_tui.app import ItopApp
from itop_tui.look import theme

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
SIZE = (104, 32)
"""Columns and rows of a picture: letters can be read at the width of a page."""
SHORT = (112, 18)
"""For the layers of a small network."""
WIDE = (112, 32)
"""For screens whose side pane needs 110 columns."""
PATIENCE = 120.0
"""Seconds that a screen may take to show what is expected; the machine may be busy."""

NETWORK = "--data fashion-mnist --model lenet300-100 --batch-size 100 --lr 0.1 --device cpu"
SPARSE = "--sparse --density 0.05 --update-frequency 200"
TRAINED = {
    "dense": f"{NETWORK} --seed 1,2,3",
    "set": f"{NETWORK} {SPARSE} --growth random --seed 1,2,3",
    "rigl": f"{NETWORK} {SPARSE} --growth gradient --seed 1,2,3",
}
"""Short name of a method → the flags of its three runs, without the epochs."""
GROUP = "methods"
"""The group of the nine runs."""
WAITING = f"{NETWORK} --sparse --update-frequency 200 --growth gradient --density 0.02,0.1,0.2 --seed 1,2 --epochs 200"
"""The sweep whose runs train and wait while the pictures are taken."""
WAITING_GROUP = "densities"
ONLY_IN_THE_TABLE = "300×784"
"""The shape of the first layer, which the table of layers shows and the heat map does not."""
A_WAITING_RUN = "rigl-d0.2-s1"


Save = Callable[[str, str], object]
"""Takes the name of a picture and its SVG."""


def itop(*words: str) -> str:
    """Run an `itop` command as a user would; returns what it printed on stdout."""
    command = [sys.executable, "-m", "itop_tui", *words]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL).stdout


def listed(query: str) -> list[dict[str, object]]:
    """The runs that match a query, the oldest first."""
    rows: list[dict[str, object]] = json.loads(
        itop("runs", query, "--limit", "0", "--sort", "id", "--ascending", "--json")
    )
    return rows


def config(run: dict[str, object]) -> dict[str, object]:
    """A run's settings."""
    settings = run["config"]
    assert isinstance(settings, dict)
    return settings


def _growth(run: dict[str, object]) -> object:
    return config(run)["growth"] if config(run)["sparse"] else None


def rename(query: str, name: Callable[[dict[str, object]], str]) -> None:
    """Give runs short names: a picture has room for few letters."""
    for run in listed(query):
        if run["name"] != name(run):
            itop("rename", str(run["id"]), name(run))


def wait_for(condition: Callable[[], bool], what: str, seconds: float) -> None:
    """Poll twice a second until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {seconds:g} seconds for {what}")
        time.sleep(0.5)


def train(epochs: int) -> None:
    """Train the nine runs that are not there yet, two at a time."""
    itop("devices", "--slots", "cpu=2")
    for flags in TRAINED.values():
        itop("sweep", *flags.split(), "--epochs", str(epochs), "--group", GROUP)
    methods: dict[object, str] = {None: "dense", "random": "set", "gradient": "rigl"}
    rename(f"group:{GROUP}", lambda run: f"{methods[_growth(run)]}-s{config(run)['seed']}")
    wait_for(lambda: not listed(f"group:{GROUP} (is:active or state:queued)"), "the nine runs", 1800)
    bad = listed(f"group:{GROUP} not state:completed")
    if bad:
        raise SystemExit(f"not completed: {[(run['name'], run['reason']) for run in bad]}")


@contextlib.contextmanager
def waiting_sweep() -> Iterator[None]:
    """Six runs of a sweep: two train, three wait, one of them first by its priority, and one is held."""
    itop("sweep", *WAITING.split(), "--group", WAITING_GROUP)
    try:
        rename(f"group:{WAITING_GROUP}", lambda run: f"rigl-d{config(run)['density']}-s{config(run)['seed']}")
        ids = [str(run["id"]) for run in listed(f"group:{WAITING_GROUP}")]
        itop("hold", ids[-1], "--reason", "after the others")
        itop("priority", ids[-2], "5")
        # Long enough for a curve and for a remaining time that is not a first guess.
        wait_for(lambda: _training(2), "two runs of the sweep to train", 300)
        yield
    finally:
        queued = [str(run["id"]) for run in listed(f"group:{WAITING_GROUP} state:queued")]
        if queued:
            itop("stop", *queued)
        active = [str(run["id"]) for run in listed(f"group:{WAITING_GROUP} is:active")]
        if active:
            itop("kill", *active)
        wait_for(lambda: not listed(f"group:{WAITING_GROUP} is:active"), "the sweep to end", 60)
        left = [str(run["id"]) for run in listed(f"group:{WAITING_GROUP}")]
        if left:
            itop("delete", "--yes", *left)


def _training(count: int) -> bool:
    steps = [run["step"] for run in listed(f"group:{WAITING_GROUP} state:running")]
    return len(steps) >= count and all(isinstance(step, int) and step > 600 for step in steps)


class Walk:
    """The app in a terminal of one size, driven by keys, and the pictures taken of it."""

    def __init__(self, pilot: Pilot[None]) -> None:
        self._pilot = pilot

    async def keys(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            await self._pilot.press(key)
            await self._pilot.pause(0.05)

    async def type(self, text: str) -> None:
        """Type text into the input that has the focus."""
        await self._pilot.press(*text)

    async def shows(self, *texts: str, absent: str = "") -> None:
        """Wait until every text is on the screen, and `absent` is not."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            await self._pilot.pause(0.1)
            seen = self.text()
            if all(text in seen for text in texts) and not (absent and absent in seen):
                return
        raise SystemExit(f"the app did not show {texts} (without {absent!r}); it shows:\n{self.text()}")

    def text(self) -> str:
        """What is on the screen, one line for each row."""
        return _text_of(self._pilot.app.export_screenshot())

    async def picture(self) -> str:
        """The screen as SVG, once it no longer changes by itself but for what is live."""
        await self._pilot.pause(0.6)
        return self._pilot.app.export_screenshot(title="itop")

    async def find(self, query: str, *texts: str, absent: str = "") -> None:
        """Filter the list of runs, and wait until it shows the texts, and not `absent`."""
        await self.keys("slash", "ctrl+u")
        await self.type(query)
        await self._pilot.pause(0.5)
        await self.keys("enter")
        await self.shows(*texts, absent=absent)

    async def unfilter(self) -> None:
        """Show every run again."""
        await self.keys("slash", "ctrl+u", "enter")
        await self._pilot.pause(0.5)


def _text_of(svg: str) -> str:
    """The text of a screenshot: its rows, from top to bottom."""
    rows: dict[float, list[tuple[float, str]]] = {}
    for attributes, content in re.findall(r"<text ([^>]*)>([^<]*)</text>", svg):
        x, y = (float(re.search(rf'\b{name}="([\d.]+)"', attributes)[1]) for name in ("x", "y"))  # type: ignore[index]
        rows.setdefault(y, []).append((x, html.unescape(content).replace("\xa0", " ")))
    return "\n".join("".join(part for _, part in sorted(row)) for _, row in sorted(rows.items()))


async def _app(size: tuple[int, int], walk: Callable[[Walk], Awaitable[None]]) -> None:
    app = ItopApp()
    app.animation_level = "none"
    app.theme = theme.DARK.name  # whatever terminal this is typed in
    async with app.run_test(size=size) as pilot:
        await walk(Walk(pilot))


async def list_pictures(walk: Walk, save: Save) -> None:
    """The list, the queue, groups, the comparison and the form."""
    await walk.shows("completed")
    if A_WAITING_RUN not in walk.text():  # a filter of the last time
        await walk.unfilter()
    await walk.shows(A_WAITING_RUN, "running")
    save("runs", await walk.picture())

    await walk.keys("Q")
    await walk.shows("cpu", "held", A_WAITING_RUN)
    save("queue", await walk.picture())
    await walk.keys("escape")
    await walk.shows(A_WAITING_RUN)

    await walk.find(f"group:{GROUP}", "set-s1", "completed", absent=A_WAITING_RUN)
    await walk.keys("g")
    await walk.type("recipe")
    await walk.keys("enter")
    await walk.shows("×3", "±")
    save("groups", await walk.picture())
    await walk.keys("g")
    await walk.type("no groups")
    await walk.keys("enter")
    await walk.shows("set-s1", absent="×3")

    await walk.keys("percent_sign", "c")
    await walk.shows("compare", "loss")
    if "set-s2" in walk.text():  # the seeds are not joined yet
        await walk.keys("g")
    await walk.shows("compare", "loss", absent="set-s2")
    save("compare", await walk.picture())
    await walk.keys("escape")
    await walk.shows("set-s1")

    await walk.keys("n")
    await walk.shows("ready")
    await walk.keys("ctrl+o")
    await walk.type("RigL-ITOP, as published (CIFAR-10)")
    await walk.keys("enter")
    await walk.shows("cifar10", "conv1_1")
    save("new-run", await walk.picture())


async def run_pictures(walk: Walk, save: Save, run_id: int) -> None:
    """The charts of a run."""
    await walk.shows("completed")
    await walk.find(f"id:{run_id}", "RigL", absent="set-s1")
    await walk.keys("home", "enter")
    await walk.shows("step")
    await walk.keys("1")
    await walk.shows("loss", "explored")
    save("charts", await walk.picture())


async def layer_pictures(walk: Walk, save: Save, run_id: int) -> None:
    """The layers of a run, as a table and as a heat map of R_s."""
    await walk.shows("completed")
    await walk.find(f"id:{run_id}", "RigL", absent="set-s1")
    await walk.keys("home", "enter")
    await walk.shows("step")
    await walk.keys("2")
    await walk.shows("hidden1.weight", "classifier.weight")
    save("layers", await walk.picture())
    await walk.keys("v")
    await walk.shows("hidden1", "R_s: share of weights ever active", absent=ONLY_IN_THE_TABLE)
    save("heat-map", await walk.picture())


async def mask_picture(walk: Walk, save: Save, run_id: int) -> None:
    """The mask of a run's first layer."""
    await walk.shows("completed")
    await walk.find(f"id:{run_id}", "RigL", absent="set-s1")
    await walk.keys("home", "enter")
    await walk.shows("step")
    await walk.keys("2")
    await walk.shows("hidden1.weight")
    await walk.keys("enter")
    await walk.shows("active", "never")
    save("mask", await walk.picture())


async def take(run_id: int, save: Save) -> None:
    """Walk through the app and save a picture of each screen.

    Args:
        run_id: The completed run whose charts, layers and mask are shown.
        save: Called with a name and an SVG.
    """
    await _app(WIDE, lambda walk: list_pictures(walk, save))
    await _app(SIZE, lambda walk: run_pictures(walk, save, run_id))
    await _app(SHORT, lambda walk: layer_pictures(walk, save, run_id))
    await _app(SIZE, lambda walk: mask_picture(walk, save, run_id))


def main() -> None:
    """Train, queue, and take the pictures."""
    parser = argparse.ArgumentParser(description="Take the README's pictures.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[2] / "docs")
    parser.add_argument("--home", type=Path, default=None)
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="itop-pictures-") as scratch:
        home = (options.home or Path(scratch)).absolute()
        home.mkdir(parents=True, exist_ok=True)
        os.environ["ITOP_HOME"] = str(home)
        os.environ.pop("ITOP_DATABASE_URL", None)
        os.environ.setdefault("ITOP_THREADS", "1")
        if DEBIAN.is_dir():
            os.environ.setdefault("ITOP_DATA_DIR", str(DEBIAN))
        began = time.monotonic()
        train(options.epochs)
        print(f"trained after {time.monotonic() - began:.0f} s", flush=True)
        rigl = listed(f"group:{GROUP} growth:gradient is:sparse")
        best = max(rigl, key=lambda run: float(str(run["best_val_accuracy"])))
        options.out.mkdir(parents=True, exist_ok=True)

        def save(name: str, picture: str) -> None:
            (options.out / f"{name}.svg").write_text(picture, encoding="utf-8")
            print(f"{name}.svg after {time.monotonic() - began:.0f} s", flush=True)

        with waiting_sweep():
            asyncio.run(take(int(str(best["id"])), save))


if __name__ == "__main__":
    main()
