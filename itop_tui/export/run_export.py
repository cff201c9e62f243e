"""Exporting runs in any format: what `itop export` and the app's export call."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from db.records import RunRecord
from db.runs import checkpoints, runs
from db.session import Database
from engine.launch.start_files import absence
from engine.spelling import hint
from itop_tui.export.csv_json import write_csv, write_json, write_parquet
from itop_tui.export.tensorboard import write_tensorboard
from itop_tui.export.written_files import ExportError, comparison_name, refuse_existing, run_name, written
from itop_tui.service.json_shape import plain_value

_WRITERS: dict[str, Callable[[Database, RunRecord, Path], None]] = {
    "csv": write_csv,
    "json": write_json,
    "parquet": write_parquet,
    "tensorboard": write_tensorboard,
}
"""What writes one run; safetensors have a checkpoint to choose too, and a page of HTML has all runs."""
_PATIENCE = 600.0
"""Seconds that writing safetensors may take: torch's import, and gigabytes on a slow disk."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format of an export, with the suffix of its file; empty where a run becomes a folder."""

    name: str
    label: str
    suffix: str = ""
    whole: bool = False
    """Whether all runs go into one file."""


FORMATS = (
    Format("csv", "all that was recorded, as files"),
    Format("json", "all that was recorded, a document a run", ".json"),
    Format("parquet", "as csv (needs pyarrow)"),
    Format("tensorboard", "event files (needs tensorboardX)"),
    Format("safetensors", "weights and masks (needs safetensors)", ".safetensors"),
    Format("html", "one page that compares the runs, with plots", ".html", whole=True),
)
"""The formats, the simplest first."""


def find_format(name: str) -> Format:
    """Return the format of that name.

    Raises:
        ExportError: There is none; the message lists them and names the nearest.
    """
    names = [known.name for known in FORMATS]
    if name.strip().lower() not in names:
        raise ExportError(f"there is no format {name!r}, only {', '.join(names)}{hint(name.lower(), names)}")
    return FORMATS[names.index(name.strip().lower())]


def export_runs(
    db: Database,
    ids: Sequence[int],
    format: str,  # noqa: A002 - the word for it, here and on the command line
    out: Path | None = None,
    *,
    force: bool = False,
    checkpoint: str = "last",
    with_diff: bool = False,
) -> list[Path]:
    """Write runs to files.

    Args:
        db: The database.
        ids: The runs.
        format: A name of `FORMATS`.
        out: The folder to write into, each run under its id and name; or the file itself, where its name ends as the
            format's files do and one is written. None is the present folder.
        force: Whether files that are there may be replaced.
        checkpoint: For safetensors: "last", "best", or an id.
        with_diff: For JSON: whether to write how the code differed from its commit, which may hold secrets.

    Returns:
        The files and folders written.

    Raises:
        AlreadyThereError: Some of it is there, and `force` is not set; nothing was written.
        ExportError: Nothing, or not everything, could be written; what had been written before stays.
        StoreError: There is no such run or checkpoint.
    """
    chosen = find_format(format)
    found = [runs.get(db, run_id) for run_id in dict.fromkeys(ids)]
    if not found:
        raise ExportError("there is no run to export")
    targets = _targets(chosen, found, out)
    # Before anything is written: all of them or none.
    refuse_existing(targets, force=force, folders=not chosen.suffix)
    if chosen.whole:
        from itop_tui.export.report import write_report

        with written(targets[0], force=force) as path:
            write_report(db, found, path)
        return targets
    for run, target in zip(found, targets, strict=True):
        with written(target, force=force, folder=not chosen.suffix) as path:
            if chosen.name == "json":
                write_json(db, run, path, with_diff=with_diff)
            elif chosen.name in _WRITERS:
                _WRITERS[chosen.name](db, run, path)
            else:
                write_tensors(db, run, path, checkpoint)
    return targets


def _targets(chosen: Format, found: Sequence[RunRecord], out: Path | None) -> list[Path]:
    is_file = out is not None and chosen.suffix and out.suffix.lower() == chosen.suffix and not out.is_dir()
    if is_file and out is not None:
        if len(found) > 1 and not chosen.whole:
            raise ExportError(f"{out} is one file, and {len(found)} runs make {len(found)}: name a folder instead")
        return [out]
    folder = Path() if out is None else out
    if folder.exists() and not folder.is_dir():
        raise ExportError(f"{folder} is a file: name a folder to write into")
    if chosen.whole:
        return [folder / f"{comparison_name([run.id for run in found])}{chosen.suffix}"]
    return [folder / f"{run_name(run)}{chosen.suffix or '-' + chosen.name}" for run in found]


def write_tensors(db: Database, run: RunRecord, path: Path, checkpoint: str = "last") -> None:
    """Write the weights and masks of a run's checkpoint, "last", "best" or an id; see `engine.training.tensors`.

    Raises:
        StoreError: The run has no such checkpoint.
        ExportError: It cannot be read, or safetensors is not installed.
    """
    chosen = checkpoints.pick(db, run.id, checkpoint)
    missing = absence(chosen)
    if missing is not None:
        raise ExportError(missing)
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
