"""Where the state lives: `ITOP_HOME`, and the folder of a run in it."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

__all__ = ["home", "run_folder"]


def home() -> Path:
    """The folder of all state: `ITOP_HOME`, or the platform's folder for user data. It need not exist yet."""
    chosen = os.environ.get("ITOP_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    return Path(platformdirs.user_data_dir("itop", appauthor=False))


def run_folder(uid: str) -> Path:
    """The folder that holds the checkpoints and the console log of the run with this uid. It need not exist yet."""
    return home() / "runs" / uid
