"""Where and with what an attempt ran: versions, commit, command line."""

from __future__ import annotations

import platform
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy
import torch

__all__ = ["GitState", "command_line", "git_state", "versions"]


@dataclass(frozen=True, slots=True)
class GitState:
    """The commit of a working tree and whether files in it differ from it; None where there is no repository."""

    commit: str | None
    dirty: bool | None


def versions(device: torch.device) -> dict[str, str]:
    """Return the versions that decide what a run computes; ``driver`` and ``gpu`` only on CUDA."""
    found = {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": numpy.__version__,
        "platform": platform.platform(),
    }
    if torch.version.cuda is not None:
        found["cuda"] = torch.version.cuda
    if device.type == "cuda":
        found["gpu"] = torch.cuda.get_device_name(device)
        driver = _driver_version()
        if driver is not None:
            found["driver"] = driver
    return found


def _driver_version() -> str | None:
    import pynvml

    try:
        pynvml.nvmlInit()  # type: ignore[no-untyped-call]
        try:
            return str(pynvml.nvmlSystemGetDriverVersion())
        finally:
            pynvml.nvmlShutdown()  # type: ignore[no-untyped-call]
    except pynvml.NVMLError:
        return None


def git_state(folder: Path | None = None) -> GitState:
    """Return the git state of a folder, by default the one this program stands in."""
    where = folder if folder is not None else Path(__file__).resolve().parent
    commit = _git(where, "rev-parse", "HEAD")
    if commit is None:
        return GitState(None, None)
    changes = _git(where, "status", "--porcelain", "--untracked-files=no")
    return GitState(commit, None if changes is None else bool(changes))


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def command_line() -> str:
    """Return the command line of this process, quoted so that it can be pasted into a shell."""
    return shlex.join([sys.executable, *sys.orig_argv[1:]])
