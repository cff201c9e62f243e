"""Where a run was submitted, and what of that is used: the folder, and the few variables that affect a training.

It decides which code is run, so it counts only for the user who gave it, and whatever is written down, only variables
of the list are read from it.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from db import users

__all__ = ["VARIABLES", "allowed_environment", "here", "own_origin"]

VARIABLES = ("ITOP_DATA_DIR", "ITOP_THREADS", "PYTHONPATH", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""The variables that a run takes along from where it was submitted."""

_LONGEST = 1 << 20  # bytes of a file that can be one of ours


def here() -> dict[str, Any]:
    """Where this process submits a run, for its row: the current folder, the variables of the list, and the user."""
    try:
        folder = str(Path.cwd())
    except FileNotFoundError:  # deleted: then there is nothing to be found in it
        folder = None
    environment = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    return {"folder": folder, "environment": environment, **users.current().as_dict()}


def allowed_environment(submission: Mapping[str, Any]) -> dict[str, str]:
    """The variables of a submission that a worker gets."""
    values = submission.get("environment")
    if not isinstance(values, Mapping):
        return {}
    return {name: values[name] for name in VARIABLES if isinstance(values.get(name), str) and "\0" not in values[name]}


def own_origin(path: Path) -> dict[str, Any] | None:
    """What `origin.json` of an earlier version says; None unless it is a file of this user's that no other can change.

    Anyone who can write into a run's folder could else have the run's user run any code.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
            return None
        try:
            values = json.loads(file.read(_LONGEST))
        except (OSError, ValueError):
            return None
    return values if isinstance(values, dict) else None
