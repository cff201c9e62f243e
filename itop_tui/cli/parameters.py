"""Parameters that several commands share."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter, validators

MOST = 2**31 - 1
"""The largest number that a column of either database holds; there are never more rows or steps."""

Json = Annotated[
    bool,
    Parameter(
        name="--json",
        negative=(),
        help="Print one JSON document on stdout, and nothing else there.",
        show_default=False,
    ),
]
RunName = Annotated[str, Parameter(name="RUN", help="The run: its id, its uid, or its name where that is unique.")]
RunNames = Annotated[str, Parameter(name="RUN", help="Runs: ids, uids or unique names.")]
CheckpointName = Annotated[
    str | None, Parameter(help="The checkpoint to resume from: last (the default), best, or its id.", metavar="WHICH")
]
Wait = Annotated[
    bool,
    Parameter(
        negative=(),
        show_default=False,
        help=(
            "Follow the run until it ends; exit 0 only if it completed. Ctrl-C detaches. A run that gives no sign of "
            "life is said once and waited for until itop give-up ends it."
        ),
    ),
]
NewName = Annotated[str | None, Parameter(help="A name for the run.", metavar="TEXT")]
Tags = Annotated[
    tuple[str, ...],
    Parameter(
        name=["--tag"], help="A tag; may be given several times.", negative=(), metavar="TEXT", show_default=False
    ),
]
GroupName = Annotated[str | None, Parameter(help="A group the run belongs to.", metavar="TEXT")]
Notes = Annotated[str, Parameter(help="Notes to keep with the run.", metavar="TEXT", show_default=False)]
Priority = Annotated[
    int,
    Parameter(
        help="Runs of higher priority start first.", metavar="N", validator=validators.Number(gte=-MOST, lte=MOST)
    ),
]
After = Annotated[
    tuple[str, ...],
    Parameter(
        name=["--after"],
        help="Start when these runs have ended, in any way: ids or names, 12,14 or 3..7; may be given several times.",
        negative=(),
        metavar="RUN",
        show_default=False,
    ),
]
AfterOk = Annotated[
    tuple[str, ...],
    Parameter(
        name=["--after-ok"],
        help="Start only when these runs have completed; if one ends otherwise, the new run is held.",
        negative=(),
        metavar="RUN",
        show_default=False,
    ),
]
AtLeastZero = Parameter(validator=validators.Number(gte=0, lte=MOST))
"""For a number of rows or steps."""

PresetName = Annotated[str | None, Parameter(help="Start from a preset; flags override it.", metavar="NAME")]
QueryText = Annotated[
    str | None,
    Parameter(
        name="--query",
        help="All runs that match this query, archived ones too; itop runs --help explains it.",
        metavar="QUERY",
    ),
]
