"""`itop delete`: delete runs and give their disk space back."""

from __future__ import annotations

import time
from typing import Annotated

from cyclopts import Parameter
from rich.text import Text

from db.records import RunQuery, RunRecord
from db.runs import runs as store
from db.runs.removal import remove
from db.runs.silence import advice
from itop_tui.cli.errors import CommandError, Exit
from itop_tui.cli.parameters import Json, RunNames
from itop_tui.cli.questions_asked import confirm
from itop_tui.cli.store import find_all, opened
from itop_tui.cli.terminal import console, data, note, state
from itop_tui.figures.format import plural, size
from itop_tui.service.json_shape import print_json
from itop_tui.service.shelving import footprint, give_back_space


def delete(
    *run: RunNames,
    yes: Annotated[bool, Parameter(name=["--yes", "-y"], negative=(), show_default=False, help="Do not ask.")] = False,
    force: Annotated[
        bool, Parameter(negative=(), show_default=False, help="Also runs that others were forked from; those stay.")
    ] = False,
    json: Json = False,
) -> int:
    """Delete runs: their records, checkpoints and logs. Says what that frees, and asks first."""
    with opened() as database:
        found = find_all(database, run)
        active = [str(one.id) for one in found if one.status.is_active]
        if active:
            hint = next((hint for one in found if (hint := advice(one, time.time()))), "")
            first = f"run {active[0]} is going: stop it first, with itop stop {' '.join(active)}"
            raise CommandError(f"{first}.{hint}" if hint else first)
        freed = {one.id: footprint([one.uid]).bytes for one in found}
        if not yes:
            everything = store.list_runs(database, RunQuery(limit=None, archived=None))
            _confirm(found, freed, [one for one in everything if one.parent_id in freed and one.id not in freed])
        left: list[str] = []
        # Younger ones first: a fork that goes too must not keep its parent from going.
        for one in sorted(found, key=lambda one: -one.id):
            left += remove(store.delete(database, one.id, force=force or not yes))
        shrunk = give_back_space(database)
    total = sum(freed.values()) - footprint(one.uid for one in found).bytes
    note(*left)
    if json:
        print_json({"deleted": [one.id for one in found], "bytes": total, "database_bytes": shrunk})
    else:
        records = f", and {size(shrunk)} in the database" if shrunk else ""
        console().print(Text(f"Deleted {plural(len(found), 'run')}; {size(total)} freed{records}."))
    return Exit.FAILED if left else Exit.OK


def _confirm(found: list[RunRecord], freed: dict[int, int], heirs: list[RunRecord]) -> None:
    """Show what would be deleted and ask; ends the command unless the answer is yes."""
    out = console(stderr=True)
    for run in found:
        line = Text.assemble((f"{run.id}  ", "bold"), data(run.name), "  ", state(run.status.value))
        line.append(f"  {size(freed[run.id])}", style="dim")
        out.print(line, soft_wrap=True)
    for heir in heirs:
        note(
            f"Run {heir.id} was forked from run {heir.parent_id}; it stays, and its parent's curve and checkpoints go."
        )
    question = f"Delete {plural(len(found), 'run')} and free {size(sum(freed.values()))}?"
    confirm("", question, refused="nothing was deleted", hint="--yes deletes without asking")
