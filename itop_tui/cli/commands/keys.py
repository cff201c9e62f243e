"""`itop keys`: what can be done in the app, by which keys, and what each key means on which screens."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from itop_tui.cli.errors import Exit


def keys(*, json: Annotated[bool, Parameter(help="Print one JSON document.")] = False) -> int:
    """List the actions of the app with their ids and keys, and each key with its one meaning.

    Other keys are chosen in config.toml in ITOP_HOME, by the ids: a table [keys] with lines such as "runs.stop_run" =
    "S".
    """
    from itop_tui import keys, preferences
    from itop_tui.cli.terminal import Column, console, note, print_table
    from itop_tui.keys import keymap
    from itop_tui.keys.meanings import SCREENS, key_rows, meaning
    from itop_tui.service.json_shape import print_json

    given = preferences.load()
    chosen, problems = keymap.checked(given.keys)
    keymap.install(chosen)
    if json:
        print_json(
            [
                {
                    "id": one.id,
                    "screen": SCREENS[one.scope],
                    "keys": _keys(one.key),
                    "meaning": meaning(one),
                    "help": one.help,
                }
                for one in keys.ACTIONS
            ]
        )
    else:
        print_table(
            [
                Column("ACTION", lambda one: one.id + (" *" if one.id in chosen else "")),
                Column("KEYS", lambda one: "  ".join(map(keys.key_name, _keys(one.key)))),
                Column("WHERE", lambda one: SCREENS[one.scope], rank=2),
                Column("WHAT", lambda one: one.help, shrink=True, rank=1),
            ],
            keys.ACTIONS,
        )
        console().print()
        print_table(
            [
                Column("KEY", lambda row: "  ".join(row.keys)),
                Column("MEANING", lambda row: row.meaning, shrink=True),
                Column("SCREENS", lambda row: ", ".join(row.screens), shrink=True),
            ],
            key_rows(keys.ACTIONS),
        )
        note(f"Your own keys: a table [keys] in {preferences.config_path()}; * marks what it changes.")
    note(*given.problems, *problems)
    return Exit.OK


def _keys(written: str) -> list[str]:
    return [key for key in written.split(",") if key]
