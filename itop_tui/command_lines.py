"""The command line that trains a run again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from engine.config import RunConfig
from engine.fields import setting_text


def command_line(config: RunConfig, *, name: str = "", tags: Sequence[str] = ()) -> str:
    """The command that launches a run of these settings; what is as it comes is left out."""
    words = ["itop", "train"]
    for field, (value, _) in config.changes(RunConfig.create()).items():
        flag = field.replace("_", "-")
        if value is None:
            continue
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            words += [f"--{flag}", setting_text(field, value)]
    if name:
        words += ["--name", name]
    for tag in tags:
        words += ["--tag", tag]
    return shlex.join(words)
