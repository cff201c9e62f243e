"""`itop export`: what runs recorded, as files for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from itop_tui.cli.errors import CommandError
from itop_tui.cli.parameters import Json, RunNames
from itop_tui.cli.store import find_all, opened
from itop_tui.cli.terminal import console, data
from itop_tui.export.run_export import export_runs
from itop_tui.export.written_files import ExportError
from itop_tui.service.json_shape import print_json

Kind = Literal["csv", "json", "parquet", "tensorboard", "safetensors", "html"]


def export(
    *run: RunNames,
    format: Annotated[Kind, Parameter(help="What to write.")] = "csv",  # noqa: A002 - the flag is --format
    out: Annotated[
        Path | None, Parameter(help="A folder to write into, or the file's name; otherwise here.", metavar="PATH")
    ] = None,
    checkpoint: Annotated[
        str, Parameter(help="For safetensors: last, best, or a checkpoint's id.", metavar="WHICH")
    ] = "last",
    force: Annotated[bool, Parameter(negative=(), show_default=False, help="Replace files that are there.")] = False,
    with_diff: Annotated[
        bool,
        Parameter(
            help="For json: also how the code differed from its commit, which may hold secrets.",
            negative=(),
            show_default=False,
        ),
    ] = False,
    json: Json = False,
) -> int:
    """Write runs to files: steps, epochs, mask updates, layers and configuration, or weights and masks.

    csv, parquet and tensorboard make a folder for each run; json and safetensors a file for each; html one page that
    compares them. parquet, tensorboard and safetensors need more packages: pip install 'itop[export]'.
    """
    with opened() as database:
        found = find_all(database, run)
        try:
            paths = export_runs(
                database,
                [one.id for one in found],
                format,
                out,
                force=force,
                checkpoint=checkpoint,
                with_diff=with_diff,
            )
        except ExportError as error:
            raise CommandError(str(error)) from error
    if json:
        print_json([str(path) for path in paths])
        return 0
    out_console = console()
    for path in paths:
        out_console.print(data(path), soft_wrap=True)
    return 0
