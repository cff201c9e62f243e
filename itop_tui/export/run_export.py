"""Exporting runs in any format: what `itop export` and the app's export call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from db.records import RunRecord
from db.runs import runs
from db.session import Database
from itop_tui.export.written_files import (
    ExportError,
    comparison_name,
    refuse_existing,
    run_name,
    written,
    written_folder,
)
from itop_tui.figures.spelling import hint

Writer = Callable[[Database, RunRecord, Path], None]


@dataclass(frozen=True, slots=True)
class Format:
    """A format of an export.

    Attributes:
        name: What it is asked for by.
        label: What it is, in a few words.
        suffix: Of its file; empty where a run becomes a folder.
        whole: Whether all runs go into one file.
    """

    name: str
    label: str
    suffix: str = ""
    whole: bool = False


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
    for known in FORMATS:
        if known.name == name.strip().lower():
            return known
    names = [known.name for known in FORMATS]
    raise ExportError(f"there is no format {name!r}, only {', '.join(names)}{hint(name.lower(), names)}")


def export_runs(
    db: Database,
    ids: Sequence[int],
    format: str,  # noqa: A002 - the word for it, here and on the command line
    out: Path | None = None,
    *,
    force: bool = False,
    checkpoint: str = "last",
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
    write = _writer(chosen.name, checkpoint)
    for run, target in zip(found, targets, strict=True):
        if chosen.suffix:
            with written(target, force=force) as path:
                write(db, run, path)
        else:
            with written_folder(target, force=force) as path:
                write(db, run, path)
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


def _writer(name: str, checkpoint: str) -> Writer:
    if name == "csv":
        from itop_tui.export.csv_json import write_csv

        return write_csv
    if name == "json":
        from itop_tui.export.csv_json import write_json

        return write_json
    if name == "parquet":
        from itop_tui.export.parquet import write_parquet

        return write_parquet
    if name == "tensorboard":
        from itop_tui.export.tensorboard import write_tensorboard

        return write_tensorboard
    from itop_tui.export.safetensors_export import write_tensors

    return lambda db, run, path: write_tensors(db, run, path, checkpoint)
