"""`itop backup` and `itop restore`: a copy of all runs, made while they train, and putting it back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.text import Text

from db import paths
from itop_tui.cli.errors import CommandError, Exit
from itop_tui.cli.parameters import Json
from itop_tui.cli.store import opened
from itop_tui.cli.terminal import console, data, note
from itop_tui.figures.format import plain, plural, size
from itop_tui.service import backups
from itop_tui.service.json_shape import print_json


def backup(
    file: Annotated[
        Path, Parameter(help="Where: a name that is not taken. Ending in .tar it is a tar file, else a folder.")
    ],
    *,
    json: Json = False,
) -> int:
    """Copy the database and all checkpoints, while runs train.

    The copy is of one moment: every checkpoint that its database names is in it, and whole. Checkpoints are linked
    where the file system can, and else copied. itop restore puts it back.
    """
    with opened(tend=False) as database:
        made = backups.back_up(database, file.expanduser())
    note(*(f"itop: not in the backup: {plain(one)}" for one in made.left_out))
    if json:
        print_json({"backup": made.place, "files": made.files, "bytes": made.bytes, "left_out": made.left_out})
    else:
        what = f"{plural(made.files, 'file')} of {size(made.bytes)}"
        console().print(Text.assemble("Backed up ", what, " to ", data(made.place)), soft_wrap=True)
    return Exit.FAILED if made.left_out else Exit.OK


def restore(
    file: Annotated[Path, Parameter(help="The backup: a folder, or a tar file.")],
    *,
    into: Annotated[
        Path | None,
        Parameter(help="The home to put it into, which has no runs. [default: ITOP_HOME]", metavar="FOLDER"),
    ] = None,
    json: Json = False,
) -> int:
    """Put a backup into a home that has no runs; every file is checked first.

    Runs that were at work when the backup was made are lost there, and can be resumed from their last checkpoint; those
    that waited are held, until itop release lets them start.
    """
    if into is None and os.environ.get("ITOP_DATABASE_URL"):
        raise CommandError(
            "ITOP_DATABASE_URL names another database than the home's: give the home with --into, or unset it"
        )
    restored = backups.restore(file.expanduser(), paths.home() if into is None else into.expanduser())
    if json:
        print_json(restored)
        return Exit.OK
    out = console()
    out.print(Text.assemble("Restored ", plural(restored.files, "file"), " to ", data(restored.home)), soft_wrap=True)
    if restored.at_work:
        note(f"{plural(restored.at_work, 'run')} at work then: lost now; itop resume continues each.")
    if restored.waiting:
        note(f"{plural(restored.waiting, 'run')} waiting then: held now; itop release lets each start.")
    return Exit.OK
