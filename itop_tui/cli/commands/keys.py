"""`itop keys`: what can be done in the app, and by which keys."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from itop_tui.cli.errors import Exit

_PLACES = {"app": "everywhere", "runs": "list of runs", "form": "new run", "run": "a run", "queue": "queue and devices"}


def keys(*, json: Annotated[bool, Parameter(help="Print one JSON document.")] = False) -> int:
    """List the actions of the app, their ids and their keys.

    Other keys are chosen in config.toml in ITOP_HOME, by the ids: a table [keys] with lines such as "runs.stop_run" =
    "S".
    """
    from itop_tui import keys, preferences
    from itop_tui.cli.terminal import Column, note, print_table
    from itop_tui.keys import keymap
    from itop_tui.service.json_shape import print_json

    given = preferences.load()
    chosen, problems = keymap.checked(given.keys)
    keymap.install(chosen)
    if json:
        print_json([{"id": one.id, "keys": _keys(one.key), "help": one.help} for one in keys.ACTIONS])
    else:
        print_table(
            [
                Column("ACTION", lambda one: one.id + (" *" if one.id in chosen else "")),
                Column("KEYS", lambda one: "  ".join(map(keys.key_name, _keys(one.key)))),
                Column("WHERE", lambda one: _PLACES.get(one.scope, one.scope), rank=2),
                Column("WHAT", lambda one: one.help, shrink=True, rank=1),
            ],
            keys.ACTIONS,
        )
        note(f"Your own keys: a table [keys] in {preferences.config_path()}; * marks what it changes.")
    note(*given.problems, *problems)
    return Exit.OK


def _keys(written: str) -> list[str]:
    return [key for key in written.split(",") if key]
