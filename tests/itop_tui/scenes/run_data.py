"""The data of the scenes of one run and of the comparison: views made by hand in the place of what is read."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from db.paths import run_folder
from db.records import AttemptRecord, CheckpointRecord, LayerMaskStat, RunRecord, RunStatus
from db.session import Database
from engine.helpers.masks_client import MaskError, MaskGrid, MaskLayer, Overlaps
from itop_tui.app import ItopApp
from itop_tui.compare.reading import MasksRead
from itop_tui.figures.curves import Curve
from itop_tui.run.device_strip import Reading
from itop_tui.run.run_reader import LayerHistory, Request, RunReader, RunView
from tests.itop_tui.run import made
from tests.itop_tui.scenes.data import stored
from tests.itop_tui.scenes.scene import KNOT, Data, Setting
from tests.itop_tui.support import NOW, MemoryReader

View = Callable[[Request], RunView]
LOG = "".join(f"epoch {n:3d}  loss \x1b[32m{2.3 / n:.4f}\x1b[0m  [bold]not markup[/]\n" for n in range(1, 60))
DIFFERENCE = """diff --git a/engine/training/trainer.py b/engine/training/trainer.py
index 3f1c2ab..9d0e771 100644
--- a/engine/training/trainer.py
+++ b/engine/training/trainer.py
@@ -41,3 +41,3 @@ class Trainer:
     for inputs, targets in batches:
-        loss = criterion(model(inputs), targets)
+        loss = criterion(model(inputs), targets) / accumulate
         loss.backward()
"""
_GIB = 2**30


def watched(view: View = made.view, log: str = LOG) -> Data:
    """A list of one run, and what its screen reads of it."""

    def make(setting: Setting) -> ItopApp:
        def read(reader: RunReader, *, with_curves: bool = True) -> RunView:
            return _with_texts(setting, view(reader.request))

        def probe(*_: object) -> list[Reading]:
            return [Reading(setting.text("cuda:0"), setting.number(92.0), 96 * _GIB, 140 * _GIB, 88.0, 3 * _GIB,
                            30 * _GIB, 101.0)]  # fmt: skip

        run = view(Request()).run
        patch = setting.patch
        patch.setattr(RunReader, "read", read)
        patch.setattr("itop_tui.run.run_screen.host_name", lambda: "atlas")
        patch.setattr("itop_tui.run.run_screen.MaskServer", _Masks)
        patch.setattr("itop_tui.run.device_strip.Prober", lambda: probe)
        patch.setattr("itop_tui.run.device_strip.EVERY", 3600.0)
        patch.setattr(
            "itop_tui.run.mask_screen.checkpoints.for_run",
            lambda db, run_id: [_checkpoint(setting, one) for one in view(Request()).checkpoints],
        )
        folder = run_folder(run.uid)
        folder.mkdir(parents=True)
        (folder / "console.log").write_text(setting.text(log) * (5 if setting.hostile else 1), encoding="utf-8")
        return setting.app(lambda database: MemoryReader([setting.run(run)]))

    return make


def _attempt(setting: Setting, attempt: AttemptRecord) -> AttemptRecord:
    if not setting.hostile:
        return attempt
    text = setting.text("")
    return replace(
        attempt, reason=text, traceback=text, versions={KNOT: text}, environment={KNOT: text}, commit=text, diff=text,
        command_line=text,
    )  # fmt: skip


def _checkpoint(setting: Setting, checkpoint: CheckpointRecord) -> CheckpointRecord:
    return replace(checkpoint, path=setting.text(checkpoint.path), val_accuracy=setting.number(checkpoint.val_accuracy))


def _layer(setting: Setting, layer: LayerMaskStat) -> LayerMaskStat:
    return replace(layer, layer=f"{layer.layer[-2:]}{KNOT}") if setting.hostile else layer


def _with_texts(setting: Setting, view: RunView) -> RunView:
    """A view with the texts and numbers of a setting."""
    view = replace(view, kept=None)  # how it was left is read from the settings, and once
    if not setting.hostile:
        return view
    curves = view.curves
    if curves is not None:
        spoilt = {
            name: replace(one, values=np.where(np.arange(len(one.values)) % 7 == 3, np.nan, one.values * np.inf))
            for name, one in curves.by_name.items()
        }
        curves = replace(curves, by_name=spoilt)
    history = view.history
    if history is not None:
        rows = tuple((stats[0].layer[-2:] + KNOT, stats) for _, stats in history.layers)
        history = LayerHistory(history.steps, rows)
    return replace(
        view,
        run=setting.run(view.run),
        parent=setting.run(view.parent) if view.parent else None,
        attempts=tuple(_attempt(setting, one) for one in view.attempts),
        checkpoints=tuple(_checkpoint(setting, one) for one in view.checkpoints),
        layers=tuple(_layer(setting, one) for one in view.layers) if view.layers is not None else None,
        files=dict.fromkeys((one.id for one in view.checkpoints), setting.text("")) if view.files is not None else None,
        history=history,
        curves=curves,
    )


class _Masks:
    """Answers as the process that reads checkpoints would."""

    def grid(self, path: str, layer: str | None, *_: object, **__: object) -> MaskGrid:
        if layer is None:
            raise MaskError("no layer")
        rows, columns = np.mgrid[0:60, 0:90]
        active = (np.sin(rows / 9) * np.cos(columns / 13) * 0.5 + 0.5).astype(np.float32) * 0.4
        shown = MaskLayer(layer, (64, 64, 3, 3), 15_483, 22_400)
        others = tuple(MaskLayer(name, shape, 12_000, 22_400) for name, shape, _ in made.LAYERS if name != layer)
        return MaskGrid(
            step=9_000, updates=12, layer=shown, layers=(shown, *others), window=(0, 64, 0, 576), active=active,
            grown=active / 5, explored=np.minimum(1, active * 1.8).astype(np.float32),
            row_density=active.mean(axis=1), column_density=active.mean(axis=0),
        )  # fmt: skip

    def close(self) -> None:
        pass


def forked(request: Request) -> RunView:
    """A fork with its parent's curve before its own, resumed once."""
    parent = made.run(id=11, name="base", config={**made.run().config, "lr": 0.2, "growth": "random"})
    child = made.run(parent_id=11, fork_step=2_000)
    seen = made.view(request, run=child, parent=parent)
    tries = (
        made.attempt(ended_at=NOW - 400, status=RunStatus.PREEMPTED, reason="time limit"),
        made.attempt(id=32, number=2, start_step=5_000, diff=DIFFERENCE, environment={"CUDA_VISIBLE_DEVICES": "0"}),
    )
    if seen.curves is None:
        return replace(seen, attempts=tries)
    whole = seen.curves.by_name
    before = {
        name: Curve(one.steps[one.steps <= 2_000], one.values[one.steps <= 2_000] * 1.2) for name, one in whole.items()
    }
    own = {name: Curve(one.steps[one.steps > 2_000], one.values[one.steps > 2_000]) for name, one in whole.items()}
    return replace(seen, curves=replace(seen.curves, by_name=own, before=before), attempts=tries)


def diverged(request: Request) -> RunView:
    """A run whose loss became NaN."""
    seen = made.view(request, run=made.run(
        status=RunStatus.FAILED, reason="the loss became NaN at step 6,001", ended_at=NOW - 5, loss=math.nan,
    ))  # fmt: skip
    if seen.curves is None:
        return seen
    by_name = dict(seen.curves.by_name)
    if "loss" in by_name:
        loss = by_name["loss"]
        by_name["loss"] = Curve(loss.steps, np.where(loss.steps > 6_000, np.nan, loss.values))
    return replace(seen, curves=replace(seen.curves, by_name=by_name))


def ended(request: Request) -> RunView:
    """A run that was killed."""
    stopped = made.run(status=RunStatus.KILLED, reason="killed by SIGKILL (signal 9)", ended_at=NOW - 30, signal=9)
    return made.view(request, run=stopped)


def elsewhere(request: Request) -> RunView:
    """A run on another host."""
    return made.view(request, run=made.run(host="gpubox"))


def waiting(request: Request) -> RunView:
    """A run that waits, of which nothing is known."""
    unknown: dict[str, Any] = dict.fromkeys((
        "started_at", "loss", "accuracy", "val_accuracy", "best_val_accuracy", "density", "itop_rate", "death_rate",
        "learning_rate", "samples_per_second", "host", "device", "pid", "heartbeat_at",
    ))  # fmt: skip
    run = made.run(status=RunStatus.QUEUED, step=0, epoch=0, **unknown)
    seen = made.view(request, attempts=(), checkpoints=(), run=run)
    if request.layers:
        seen = replace(seen, layers=())
    if seen.curves is None:
        return seen
    by_name = dict.fromkeys(seen.curves.by_name, Curve(np.empty(0), np.empty(0)))
    return replace(seen, curves=replace(seen.curves, by_name=by_name, first=None, last=None))


def compared(setting: Setting) -> ItopApp:
    """The recorded runs of the home's database, and how far their masks agree."""
    names = (setting.text("fc1"), setting.text("fc2"))

    def read(db: Database, server: object, runs: Sequence[RunRecord]) -> MasksRead:
        ids = tuple(run.id for run in runs)
        sparse = tuple(run.id for run in runs if run.method != "dense")
        shared = np.zeros((2, len(sparse), len(sparse)), dtype=np.int64)
        for layer, size in enumerate((19_200, 30_000)):
            for one in range(len(sparse)):
                for other in range(len(sparse)):
                    shared[layer, one, other] = size // 20 if one == other else size // (90 + 7 * abs(one - other))
        overlaps = Overlaps(
            tuple(f"/runs/{one}/step-000000300-last.pt" for one in sparse), (300,) * len(sparse),
            (None,) * len(sparse), names, (), np.array([19_200, 30_000]), shared,
        )  # fmt: skip
        problems = tuple(None if run in sparse else setting.text("a dense run has no masks") for run in ids)
        return MasksRead(ids, sparse, overlaps, problems)

    setting.patch.setattr("itop_tui.compare.comparison_reader.read_masks", read)
    return stored(setting)


def unreadable_masks(setting: Setting) -> ItopApp:
    """The same, but the masks cannot be read."""

    def fail(*_: object) -> MasksRead:
        raise MaskError(setting.text("the process that reads checkpoints ended: out of memory"))

    app = compared(setting)
    setting.patch.setattr("itop_tui.compare.comparison_reader.read_masks", fail)
    return app
