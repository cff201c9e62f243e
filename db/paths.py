"""Where the state lives: `ITOP_HOME`, `ITOP_DATABASE_URL` and the folder of a run."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

__all__ = ["database_url", "home", "run_folder"]


def home() -> Path:
    """The folder of all state: `ITOP_HOME`, or the platform's folder for user data. It need not exist yet."""
    chosen = os.environ.get("ITOP_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    return Path(platformdirs.user_data_dir("itop", appauthor=False))


def database_url() -> str:
    """The SQLAlchemy URL of the database: `ITOP_DATABASE_URL`, or `itop.db` in `home()`."""
    return os.environ.get("ITOP_DATABASE_URL") or f"sqlite:///{home() / 'itop.db'}"


def run_folder(uid: str) -> Path:
    """The folder that holds the checkpoints and the console log of the run with this uid. It need not exist yet."""
    return home() / "runs" / uid
