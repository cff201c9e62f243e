"""Records made by hand, with every time and identity fixed: for pure functions and for snapshots."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from db.records import AttemptRecord, CheckpointRecord, LayerMaskStat, RunRecord, RunStatus, Series
from itop_tui.figures.chart_metrics import find
from itop_tui.figures.curves import Curve, CurveRequest, RunCurves
from itop_tui.run.run_reader import LayerHistory, Request, RunView
from tests.itop_tui.run.fabricate import layer_stats, settings
from tests.itop_tui.run.hosting import NOW

LAYERS = (
    ("features.0", (64, 3, 3, 3), 1.0),
    ("features.3", (64, 64, 3, 3), 0.42),
    ("features.7", (128, 64, 3, 3), 0.21),
    ("features.14", (512, 512, 3, 3), 0.02),
    ("classifier.0", (512, 2048), 0.03),
    ("classifier.3", (10, 512), 0.61),
)


def run(**changes: Any) -> RunRecord:
    """A run in the middle of its training."""
    fields: dict[str, Any] = {
        "id": 12, "uid": "0123456789ab", "name": "vgg-c rigl 5%", "status": RunStatus.RUNNING, "reason": None,
        "exit_code": None, "signal": None, "tags": ("paper",), "notes": "", "group": None, "parent_id": None,
        "config": settings(model="vgg-c", data="cifar10", batch_size=128, epochs=40, update_frequency=4000),
        "start_checkpoint_id": None, "fork_step": None, "priority": 0, "held": False, "model": "vgg-c",
        "data": "cifar10", "method": "RigL-ITOP", "seed": 17, "target_density": 0.05, "created_at": NOW - 900,
        "queued_at": NOW - 900, "started_at": NOW - 754, "ended_at": None, "heartbeat_at": NOW - 1, "step": 9_000,
        "total_steps": 20_000, "epoch": 18, "total_epochs": 40, "loss": 0.2104, "accuracy": 0.9666,
        "val_loss": 0.305, "val_accuracy": 0.9554, "best_val_accuracy": 0.9671, "test_accuracy": None,
        "test_accuracy_last": None,
        "density": 0.05, "nonzeros": 565_386, "itop_rate": 0.4061, "death_rate": 0.291, "learning_rate": 0.1,
        "samples_per_second": 12_000.0, "training_flops": 1e15, "flops_ratio": 0.12, "attempt_count": 1,
        "host": "atlas", "device": "cuda:0", "pid": 4242,
    }  # fmt: skip
    return RunRecord(**{**fields, **changes})


def attempt(**changes: Any) -> AttemptRecord:
    """The attempt of `run`."""
    fields: dict[str, Any] = {
        "id": 31, "run_id": 12, "number": 1, "host": "atlas", "device": "cuda:0", "pid": 4242, "start_time": 1.0,
        "boot_id": "boot", "warden_pid": 4241, "started_at": NOW - 754, "ended_at": None,
        "status": RunStatus.RUNNING, "reason": None, "exit_code": None, "signal": None, "start_step": 0,
        "traceback": None, "versions": {"python": "3.12.1", "torch": "2.8.0"}, "commit": "0123456789abcdef",
        "dirty": True, "command_line": "itop train --model vgg-c --sparse --density 0.05",
    }  # fmt: skip
    return AttemptRecord(**{**fields, **changes})


def checkpoint(**changes: Any) -> CheckpointRecord:
    """A checkpoint of `run`."""
    fields: dict[str, Any] = {
        "id": 5, "run_id": 12, "attempt_id": 31, "step": 9_000, "epoch": 18, "kind": "last",
        "path": "/data/itop/runs/0123456789ab/checkpoints/step-000009000-last.pt", "bytes": 45_300_000,
        "sha256": "ab" * 32, "val_accuracy": 0.9554, "created_at": NOW - 42,
    }  # fmt: skip
    return CheckpointRecord(**{**fields, **changes})


def curve(name: str, request: CurveRequest, last: int = 9_000) -> Curve:
    """A curve that looks like one of a real run, the same at each call."""
    low, high = request.window or (1.0, float(last))
    x = np.floor(np.linspace(low, high, 2 * request.columns))
    figure = find(name)
    if figure is not None and figure.source != "step":
        x = np.arange(
            500.0 if figure.source == "epoch" else 800.0, last + 1, 500.0 if figure.source == "epoch" else 800.0
        )
    ripple = np.sin(x * 12.9898) * 0.5
    y = {
        "loss": 2.3 * np.exp(-x / 3_000) * (1 + 0.3 * ripple) + 0.05,
        "accuracy": np.minimum(1.0, 1 - 0.9 * np.exp(-x / 2_500) + 0.04 * ripple),
        "itop_rate": 1 - 0.95 * np.exp(-x / 9_000),
        "death_rate": 0.25 * (1 + np.cos(math.pi * x / 20_000)),
        "learning_rate": np.where(x < 6_000, 0.1, 0.01),
        "val_loss": 2.4 * np.exp(-x / 3_200) + 0.1,
        "val_accuracy": 1 - 0.92 * np.exp(-x / 2_600),
        "churn": 0.3 * np.exp(-x / 6_000),
        "survival": 0.5 + 0.1 * ripple,
        "overlap_first": np.exp(-x / 12_000),
        "density": np.full_like(x, 0.05),
        "samples_per_second": 12_000 + 300 * ripple,
    }[name]
    if request.smoothing and name in ("loss", "accuracy", "samples_per_second"):
        return Curve(x, y, x, y - 0.1 * ripple)
    return Curve(x, y)


def curves(request: CurveRequest, last: int = 9_000) -> RunCurves:
    """All curves a request asks for."""
    by_name = {name: curve(name, request, last) for name in request.names}
    return RunCurves(
        request,
        by_name,
        np.array([4_000.0, 8_000.0]),
        1.0,
        float(last),
        drops=np.array([6_000.0]) if request.drops else np.empty(0),
        moments=Series([1, last], [NOW - 754.0, NOW - 4.0]) if request.across == "hour" else None,
    )


def layers(update: int = 2) -> tuple[LayerMaskStat, ...]:
    """The layers at a mask update."""
    return tuple(layer_stats(update, LAYERS))


def history() -> LayerHistory:
    """The layers at all mask updates."""
    updates = range(12)
    rows = tuple((name, tuple(layers(update)[at] for update in updates)) for at, (name, *_) in enumerate(LAYERS))
    return LayerHistory(tuple(update * 800 for update in updates), rows)


def view(request: Request | None = None, **changes: Any) -> RunView:
    """What the reader would post for a request."""
    request = request or Request()
    fields: dict[str, Any] = {
        "run": run(),
        "parent": None,
        "attempts": (attempt(),),
        "checkpoints": (
            checkpoint(),
            checkpoint(id=4, kind="best", step=8_500, epoch=17, val_accuracy=0.9671, created_at=NOW - 80,
                       path="/data/itop/runs/0123456789ab/checkpoints/step-000008500-best.pt"),
        ),
        "curves": curves(request.curves) if request.curves else None,
        "layers": layers() if request.layers else None,
        "history": history() if request.history else None,
        "files": {} if request.files else None,
        "kept": {},
    }  # fmt: skip
    return RunView(**{**fields, **changes})
