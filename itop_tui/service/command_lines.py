"""The command line that trains a run again, or launches a sweep."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from engine.config.field_info import setting_text
from engine.config.run_config import RunConfig
from itop_tui.service.starting_after import words_of


def command_line(
    config: RunConfig,
    *,
    name: str = "",
    tags: Sequence[str] = (),
    axes: Mapping[str, str] | None = None,
    after: Mapping[str, str] | None = None,
) -> str:
    """The command that launches runs of these settings; settings with their default values are left out."""
    axes = axes or {}
    words = ["itop", "sweep" if axes else "train"]
    changes = {field: value for field, (value, _) in config.changes(RunConfig.create()).items()}
    for field in RunConfig.model_fields:
        flag = field.replace("_", "-")
        if field in axes:
            words += [f"--{flag}", axes[field]]
        elif (value := changes.get(field)) is None:
            continue
        elif isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            words += [f"--{flag}", setting_text(field, value)]
    if name:
        words += ["--group" if axes else "--name", name]
    for tag in tags:
        words += ["--tag", tag]
    for field, runs in (after or {}).items():
        if runs:
            words += [f"--{field.replace('_', '-')}", ",".join(words_of(runs))]
    return shlex.join(words)
