"""Weights and masks as safetensors, written by a process that may import torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from db.records import RunRecord
from db.runs import checkpoints
from db.session import Database
from itop_tui.export.written_files import ExportError
from itop_tui.service.json_shape import plain_value

_PATIENCE = 600.0
"""Seconds that writing a file may take: torch's import, and gigabytes on a slow disk."""


def write_tensors(db: Database, run: RunRecord, path: Path, checkpoint: str = "last") -> None:
    """Write the weights and masks of a run's checkpoint; see `engine.training.tensors` for what is in the file.

    Args:
        db: The database.
        run: The run.
        path: The file.
        checkpoint: Which: "last", "best", or an id.

    Raises:
        StoreError: The run has no such checkpoint.
        ExportError: It cannot be read, or safetensors is not installed.
    """
    chosen = checkpoints.pick(db, run.id, checkpoint)
    metadata = {
        "format": "pt",
        "run": str(run.id),
        "uid": run.uid,
        "name": run.name,
        "checkpoint": f"{chosen.id} ({chosen.kind})",
        "config": json.dumps(plain_value(run.config)),
    }
    command = [sys.executable, "-P", "-m", "engine.training.tensors", chosen.path, str(path)]
    command += ["--sha256", chosen.sha256, "--metadata", json.dumps(metadata)]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ExportError(f"run {run.id}: writing its tensors took more than {_PATIENCE:g} seconds") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise ExportError(f"run {run.id}: {lines[-1] if lines else f'exit code {done.returncode}'}")
