"""What can be known before a run is queued: whether its data and its weights are there and fit. Torch-free.

The worker checks all of it too; here it is said to the person who submits, instead of to a log. With a database on a
server the run may start on another host, with other files: then only the worker can tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from db.errors import StoreError

if TYPE_CHECKING:
    from db.session import Database
    from engine.config.run_config import RunConfig


class SubmissionError(StoreError):
    """A run would fail at its start; the message says why, and nothing was queued."""


def check(db: Database, configs: Sequence[RunConfig], *, from_checkpoint: bool) -> None:
    """Refuse runs that would fail at their start. Blocks: weights are compared by a process that imports torch.

    Args:
        db: The database they will be queued in.
        configs: Their settings.
        from_checkpoint: Whether they start from a checkpoint, so that `weights` is not read.

    Raises:
        SubmissionError: With each problem once.
    """
    if db.on_server:
        return
    problems = [_data_problem(name, folder) for name, folder in dict.fromkeys((c.data, c.data_dir) for c in configs)]
    if not any(problems) and not from_checkpoint:
        # What decides whether weights fit: the file, the model, and the shape of the data.
        alike = {(config.weights, config.model, config.data, config.data_dir): config for config in configs}
        problems += [_weights_problem(config) for config in alike.values() if config.weights is not None]
    found = [problem for problem in problems if problem is not None]
    if found:
        raise SubmissionError("\n".join(dict.fromkeys(found)))


def check_start(db: Database, run_id: int | None, checkpoint_id: int | None) -> None:
    """Refuse to queue a run whose checkpoint to start from is not in this home, nor in that of another host.

    Args:
        db: The database.
        run_id: The run; None for a new one.
        checkpoint_id: Where it is to start from; None for the beginning.

    Raises:
        SubmissionError: With the path of the missing file.
    """
    from engine.launch.start_files import missing_start

    missing = None if checkpoint_id is None else missing_start(db, run_id, checkpoint_id)
    if missing is not None and not missing.elsewhere:
        raise SubmissionError(f"{missing.reason[0].upper()}{missing.reason[1:]}. Nothing was queued.")


def _data_problem(name: str, folder: str | None) -> str | None:
    """Say why a data set cannot be read: its files are missing and cannot be downloaded, or its classes are wrong."""
    from engine.config.catalogue import DATASETS
    from engine.config.image_folders import problem
    from engine.config.locations import LAYOUTS, data_folder, locate, missing_message

    if name not in LAYOUTS:
        return None
    place = data_folder(folder)
    located = locate(name, place)
    if located is None:
        return None if DATASETS[name].download else missing_message(name, place)
    if LAYOUTS[name].kind != "folders":
        return None
    wrong = problem(located.folder)
    return None if wrong is None else f"data = {name!r}: {wrong}"


def _weights_problem(config: RunConfig) -> str | None:
    from pathlib import Path

    from engine.config.weights_file import WeightsFileError, weights_format
    from engine.helpers.plan_client import PlanError, request_weights_problem

    assert config.weights is not None
    try:
        weights_format(Path(config.weights).expanduser())  # what the first bytes tell needs no torch
    except WeightsFileError as error:
        return f"weights = {config.weights!r}: {error}"
    try:
        return request_weights_problem(config)
    except PlanError:  # no answer: the worker will tell
        return None
